"""What was asked of a stack; kept in its home, so that a plain `up` means the same stack again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from cleanroom import ids
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, boolean, integer, list_of, text
from devstack import files
from devstack.stack import ports

PARTIES = ("north-bank", "south-bank")
OURS = ("operator", "functions", "runner")
"""Identities of every stack, beside its parties."""
_LARGEST = 1 << 16
MOST_PARTIES = 50
LONGEST_NAME = 54
"""Characters of a party's name: with `datasets-` before it, it names a container, which has 63."""
_path = text(4096, shortest=0)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole of what can be chosen; paths are absolute, and empty if there is none."""

    parties: tuple[str, ...] = PARTIES
    ports: Mapping[str, int] = field(default_factory=lambda: ports.chosen(PARTIES))
    functions: str = ""
    watch: bool = False
    runner: bool = False
    bus_config: str = ""
    eventgrid_config: str = ""

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """Read what `to_bytes` wrote."""
        raw = _mapping(parse_json(data, where, _LARGEST), where)
        f = Fields({"runner": False, **raw}, where)  # which stacks of before do not have
        found = cls(
            parties=parties(f.take("parties", list_of(ids.name, 1, MOST_PARTIES))),
            ports=_ports(f.take("ports", _mapping), f"{where}.ports"),
            functions=f.take("functions", _path),
            watch=f.take("watch", boolean),
            runner=f.take("runner", boolean),
            bus_config=f.take("bus_config", _path),
            eventgrid_config=f.take("eventgrid_config", _path),
        )
        f.end()
        if set(found.ports) != set(ports.names(found.parties)):
            raise Malformed(f"{where}.ports", "a port for each server and vault")
        return found

    def to_bytes(self) -> bytes:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=2).encode()

    @property
    def identities(self) -> tuple[str, ...]:
        """Everyone who has an identity in this stack."""
        return (*self.parties, *OURS)


def remembered(path: Path) -> Settings:
    """Return what was asked last, or the defaults."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    return Settings.parse(data, path.name)


def remember(path: Path, settings: Settings) -> None:
    """Keep what was asked."""
    files.replace(path, settings.to_bytes())


def parties(given: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse parties that are named twice, like an identity of the stack, or too many."""
    for name in given:
        ids.name(name, "--party")
        if len(name) > LONGEST_NAME:
            raise Malformed("--party", f"at most {LONGEST_NAME} characters", repr(name))
        if name in OURS:
            raise Malformed("--party", f"another name than {', '.join(OURS)}", repr(name))
        if given.count(name) > 1:
            raise Malformed("--party", "each party once", repr(name))
    if not 1 <= len(given) <= MOST_PARTIES:
        raise Malformed("--party", f"1 to {MOST_PARTIES} parties", str(len(given)))
    return given


def _mapping(raw: object, where: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(where, "an object with named fields")
    return raw


def _ports(raw: Mapping[str, object], where: str) -> dict[str, int]:
    port = integer(1, 65535)
    known = {"runner": ports.DEFAULTS["runner"], **raw}
    return {name: port(number, f"{where}.{name}") for name, number in known.items()}
