"""Parties in directories of their own: their storage accounts, and who the operator is there."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.home import HOST, Home
from tests.servers import free_ports
from tests.storages import Storage, storage

APPLICATION = "cleanroom"
"""The application that stands for the runner's identity in other directories, by its name there."""
LONELY = "lonely"
"""An application that trusts the same identity, and that no party has let in."""
_KEYS = ("stack.key", "tokens.key", "ca.key")


@dataclass(frozen=True)
class Abroad:
    """A directory for each party, of the party's name, with a storage account."""

    home: Home
    port: int
    accounts: Mapping[str, Storage]
    identity: str = "runner"

    @property
    def options(self) -> Sequence[str]:
        """Have the server of directories know the application, and that each party let it in."""
        options = ["--tls-port", str(self.port)]
        for application in (APPLICATION, LONELY):
            options += ["--application", f"{application}={self.identity}"]
        for name in self.accounts:
            options += ["--directory", f"{name}={name}", "--principal", f"{APPLICATION}={name}"]
        return options

    def settings(self) -> dict[str, str]:
        """Tell whoever asks in which directories, as which application."""
        return {
            "DIRECTORY": self.home.directory(),
            "DIRECTORIES": ",".join(map(self.home.directory, self.accounts)),
            "APPLICATION": self.home.object_id(APPLICATION),
        }

    def outside(self) -> dict[str, str]:
        """Have the SDK ask the stack's directories, and no others."""
        return {"AZURE_AUTHORITY_HOST": f"https://{HOST}:{self.port}"}


@contextmanager
def parties_abroad(
    home: Home, folder: Path, names: Sequence[str], identity: str = "runner"
) -> Iterator[Abroad]:
    """Run a storage account for each of the parties, in which the application may read."""
    with ExitStack() as stack:
        accounts = {
            name: stack.enter_context(_account(home, folder / name, name)) for name in names
        }
        yield Abroad(home, free_ports(1)[0], accounts, identity)


@contextmanager
def _account(home: Home, folder: Path, name: str) -> Iterator[Storage]:
    """Run an account with data of its own, that believes the directory of its name."""
    own = Home.at(folder / "home").path
    for key in _KEYS:
        shutil.copy(home.path / key, own / key)
    container = f"datasets-{name}"
    options = ["--directory", name, "--role", f"{APPLICATION}=reader:{container}"]
    options += ["--authority", f"https://{HOST}/{home.directory(name)}"]
    with storage(folder, options) as made:
        made.container(container)
        yield made
