"""Addresses that documents may name: one spelling, https only, never an address inside a network.

A manifest or contract comes from a party, and the runner or a party's machine will call what it
names. So no IP literal but loopback (169.254.169.254 is the cloud's identity endpoint), no
credentials, no query, no fragment, nothing that two URL parsers could read differently.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from cleanroom.errors import Malformed
from cleanroom.fields import Parser, shown

_LONGEST = 512
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DEFAULT = "443"  # said by leaving it out
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def https_url(path: str, expected: str) -> Parser[str]:
    """An https URL whose path has this shape."""
    shape = re.compile(path, re.ASCII)

    def parse(raw: object, where: str) -> str:
        if not isinstance(raw, str) or len(raw) > _LONGEST or not _is_plain_https(raw):
            raise Malformed(where, expected, shown(raw))
        if not shape.fullmatch(urlsplit(raw).path):
            raise Malformed(where, expected, shown(raw))
        return raw

    return parse


def _is_plain_https(raw: str) -> bool:
    try:
        url = urlsplit(raw)
        host = url.hostname or ""
    except ValueError:
        return False
    port = url.netloc.removeprefix(host).removeprefix(":") if ":" in url.netloc else None
    whole = f"https://{host}" + (f":{port}" if port is not None else "") + url.path
    return (
        raw == whole  # so: no credentials, query, fragment, other scheme or upper-case host
        and bool(_HOST.fullmatch(host))
        and bool(_PATH.fullmatch(url.path))
        and (
            port is None or bool(_PORT.fullmatch(port) and int(port) < 1 << 16 and port != _DEFAULT)
        )
        and _is_name_or_loopback(host)
    )


def _is_name_or_loopback(host: str) -> bool:
    if not re.fullmatch(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", host):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:  # an odd spelling of an address that some resolver would still accept
        return False


_SEGMENT = r"[A-Za-z0-9-]{1,127}"

authority_url = https_url(
    r"", "an https URL without path, such as https://name.weu.attest.azure.net"
)
vault_key_url = https_url(
    rf"/keys/{_SEGMENT}", "a Key Vault key, such as https://name.vault.azure.net/keys/room-key"
)
vault_secret_url = https_url(
    rf"/secrets/{_SEGMENT}", "a Key Vault secret, such as https://name.vault.azure.net/secrets/name"
)
storage_url = https_url(
    r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+",
    "a storage location, such as https://account.blob.core.windows.net/datasets/room/name",
)
