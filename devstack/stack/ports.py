"""Where each server listens: every port has a name, a default, and can be chosen.

A server may have several ports. A vault is a port named after its party: `vault/north-bank`.
"""

import errno
import itertools
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cleanroom.errors import Malformed
from devstack.home import HOST
from devstack.stack import holders

DEFAULTS = {
    "identity": 8440,
    "attestation": 8441,
    "eventgrid": 8442,
    "storage": 10000,
    "azurite": 10010,
    "bus": 5672,
    "bus-tls": 5671,
    "bus-control": 5300,
    "functions": 7071,
    "runner": 8443,
}
VAULTS_FROM = 8451
_VAULT = "vault/"
_VAULTS_AFTER = 10  # the place of the first vault's port, counted from the base
_HIGHEST = 65535
_LOWEST = 1


def vault(party: str) -> str:
    """Name the port of a party's vault."""
    return f"{_VAULT}{party}"


def names(parties: Sequence[str]) -> list[str]:
    """Name every port of a stack with these parties."""
    return [*DEFAULTS, *map(vault, parties)]


def chosen(
    parties: Sequence[str],
    *,
    base: int | None = None,
    kept: Mapping[str, int] | None = None,
    single: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give every port its number.

    1. What was chosen for this port alone.
    2. Its place in the row from the base, if one is given.
    3. What it was before.
    4. The default; for a vault the first number that no other port has.
    """
    row = DEFAULTS if base is None else {name: base + i for i, name in enumerate(DEFAULTS)}
    wanted = {**row, **(kept or {} if base is None else {}), **(single or {})}
    found = {name: wanted[name] for name in names(parties) if name in wanted}
    for name in map(vault, parties):
        used = {*found.values()}
        first = VAULTS_FROM if base is None else base + _VAULTS_AFTER
        found.setdefault(name, next(one for one in itertools.count(first) if one not in used))
    _no_clash(found)
    return {name: number(port, f"--port {name}") for name, port in found.items()}


def _no_clash(ports: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, port in ports.items():
        first = seen.setdefault(port, name)
        if first != name:
            raise Malformed("--port", "a port for each", f"{port} for {first} and {name}")


def assignment(text: str, parties: Sequence[str]) -> tuple[str, int]:
    """Read NAME=N."""
    name, equals, digits = text.partition("=")
    known = names(parties)
    if name not in known:
        raise Malformed("--port", f"NAME=N, with one of {', '.join(known)}", repr(text))
    if not equals or not (digits.isascii() and digits.isdigit()):
        raise Malformed("--port", "NAME=N", repr(text))
    return name, number(int(digits), f"--port {name}")


def number(port: int, where: str) -> int:
    """Refuse what is no port."""
    if not _LOWEST <= port <= _HIGHEST:
        raise Malformed(where, f"a number from {_LOWEST} to {_HIGHEST}", str(port))
    return port


@dataclass(frozen=True, slots=True)
class Taken:
    """A port that cannot be used, and why."""

    name: str
    port: int
    reason: str

    def __str__(self) -> str:
        return f"{self.port} ({self.name}: {self.reason})"


def taken(ports: Iterable[tuple[str, int]]) -> list[Taken]:
    """Find all ports that cannot be used."""
    found = ((name, port, _trouble(port)) for name, port in ports)
    return [Taken(name, port, trouble) for name, port, trouble in found if trouble]


def _trouble(port: int) -> str:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            tried.bind((HOST, port))
            tried.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return holders.describe(port)
            return os.strerror(error.errno or 0).lower()
    return ""
