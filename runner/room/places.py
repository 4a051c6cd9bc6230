"""Which hosts the runner calls: addresses come from contracts, and these bounds from its settings.

Whoever writes a contract chooses its addresses, and the runner brings its identity along. So each
kind of service has its own hosts, and anything else is refused before it is called.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from cleanroom.errors import PolicyRefused


@dataclass(frozen=True, slots=True)
class Hosts:
    """Host names; one that begins with a dot stands for all names that end in it."""

    allowed: tuple[str, ...]

    def check(self, url: str) -> None:
        """Refuse an address whose host is none of these."""
        host = urlsplit(url).hostname or ""
        if not any(
            host == name or (name[:1] == "." and host.endswith(name)) for name in self.allowed
        ):
            raise PolicyRefused(f"{host}: not among the hosts that this runner calls")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in a container of a storage account."""

    account: str
    container: str
    folder: str

    @classmethod
    def parse(cls, location: str) -> "Place":
        """Take a storage address apart; for an address instead of a name, the account is a path."""
        url = urlsplit(location)
        parts = url.path.strip("/").split("/")
        account = f"{url.scheme}://{url.netloc}"
        if _is_address(url.hostname or ""):
            account = f"{account}/{parts.pop(0)}"
        if not parts:
            raise PolicyRefused(f"{location}: names no container")
        return cls(account, parts[0], "".join(f"{part}/" for part in parts[1:]))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
