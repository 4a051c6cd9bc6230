"""A contract as people write it (YAML, the program and keys in files of their own) and as it is.

The YAML has the fields of the canonical document (docs/spec/contract.md §5), with these comforts:
keys and programs may be named by file, parties and readers by their cards, columns written
`name: type` (`type?` may be empty), sizes and durations with units, and what is absent by nature (a
first contract's predecessor) left out. What a rule allows is never assumed.

Who wrote the YAML need not be who reads it: nothing in it is invisible, and it names only files
that lie beside it, for what becomes of them goes to every party.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeIs

import yaml

from cleanroom.contract import FORMAT, LARGEST, Contract
from cleanroom.errors import Malformed, PolicyRefused
from cleanroom.fields import instant_text, is_unseen, list_of, shown
from cleanroom.requirements import RunnerRequirement
from cleanroom.rules import Rule, rule
from party import cards, quantities
from party.files import read_document, translated
from party.keyfiles import reader_key, signing_key

_Step = Callable[[object, str], object]
_MARK = "\ufeff"  # of UTF-8, which some editors write at the start
_ALIKE = 0.75  # `romm` for `room`, but not `maximum` for `minimum`
_LACKING = re.compile(r": expected a field '(\w+)'")


@dataclass(frozen=True, slots=True)
class Written:
    """A contract, and the files beside it that it was made of."""

    contract: Contract
    files: tuple[Path, ...]

    def inputs(self, path: Path) -> dict[str, Path]:
        """Name all that was read, the contract itself too, for `party.files.keep_apart`."""
        named = {f"{file.name}, which the contract names": file for file in self.files}
        return {"the contract": path, **named}


class _Loader(yaml.SafeLoader):
    """YAML without its surprises: no aliases or tags, no doubled keys, four plain types.

    Only true, false, null and integers are other than text, so `no`, `1:30`, `0.5` and dates stay
    as they were written.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012  # as the base class declares it

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # stubs
        for refused, what in (
            (isinstance(event, yaml.AliasEvent), "aliases (*name)"),
            (getattr(event, "tag", None) is not None, "tags (!name)"),
        ):
            if refused:
                raise yaml.MarkedYAMLError(
                    problem=f"{what} are not allowed", problem_mark=event.start_mark
                )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem="a field stands twice or has no plain name", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(?:0|-?[1-9][0-9]{0,17})$"), list("-0123456789")
)


def is_file(named: str) -> bool:
    """Tell the name of a contract's file from that of a room."""
    return named.endswith((".yaml", ".yml", ".json")) or Path(named).is_file()


def load(path: Path) -> Contract:
    """Read a contract: canonical JSON if it ends in .json, YAML otherwise."""
    return read(path).contract


def read(path: Path) -> Written:
    """Read a contract, and say which other files were read for it."""
    data = read_document(path, LARGEST)
    if path.suffix == ".json":
        return Written(Contract.parse(data, str(path)), ())
    raw, files = _yaml(data, str(path)), _Files(path.parent)
    room = raw.get("room") if isinstance(raw, Mapping) else None
    for place, step in _steps(files, room).items():
        raw = _apply(raw, place, step, str(path))
    try:
        return Written(Contract.from_value(raw, str(path)), tuple(files.found))
    except Malformed as error:
        raise _misspelled(error, raw, str(path)) from error.__cause__


def check_expiry(contract: Contract, now: datetime) -> None:
    """Refuse a contract that is over, before anything is done for it."""
    if contract.limits.expires <= now:
        expired = instant_text(contract.limits.expires)
        raise PolicyRefused(f"the contract expired at {expired}").with_hint(
            "propose one that follows it, with a later limits.expires"
        )


def load_rule(path: Path) -> Rule:
    """Read an owner's rule from YAML."""
    raw = _yaml(read_document(path, LARGEST), str(path))
    try:
        return rule(raw, str(path))
    except Malformed as error:
        raise _misspelled(error, raw, str(path)) from error.__cause__


def load_runners(path: Path) -> tuple[RunnerRequirement, ...]:
    """Read runners to accept from YAML: a list, as it stands in a contract."""
    raw = _yaml(read_document(path, LARGEST), str(path))
    place = ("runners", "*")
    filled = _apply({"runners": raw}, place, _steps(_Files(path.parent), None)[place], str(path))
    given = filled["runners"] if isinstance(filled, Mapping) else None
    return list_of(RunnerRequirement.parse, 1, 8)(given, str(path))


def _yaml(data: bytes, where: str) -> object:
    try:
        text = data.decode("utf-8").removeprefix(_MARK)
    except UnicodeDecodeError as error:
        raise Malformed(where, "YAML in UTF-8") from error
    _check_seen(text, where)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Malformed(f"{where}, line {line}", "YAML", error.problem or "") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(where, "YAML in UTF-8") from error


def _check_seen(text: str, where: str) -> None:
    """Refuse what a reader of the YAML cannot see, or takes for another line than YAML does."""
    for number, line in enumerate(text.split("\n"), 1):
        for character in line.removesuffix("\r").replace("\t", ""):
            if is_unseen(character):
                got = f"U+{ord(character):04X}"
                raise Malformed(f"{where}, line {number}", "only characters that can be seen", got)


def _misspelled(error: Malformed, document: object, where: str) -> Malformed:
    """Say what came instead of a field that is not there, if something like it came."""
    place, *lacking = _LACKING.split(str(error).removeprefix(where))
    if not lacking:
        return error
    found: Any = document
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", place):
        found = found[name or int(index)]  # whoever missed the field was there
    near = difflib.get_close_matches(lacking[0], list(found), 1, _ALIKE)
    return Malformed(where + place, f"a field {lacking[0]!r}", repr(near[0])) if near else error


class _Files:
    """The files beside a contract; no others can be named in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: list[Path] = []

    def beside(self, name: object, where: str) -> Path:
        """Find a plain file by its bare name.

        A contract comes from somebody else: a path, or a link that leads away, could show every
        party any file of whoever checks it; a pipe would never end.
        """
        if not isinstance(name, str):
            raise Malformed(where, "the name of a file")
        if name.startswith(".") or any(c in "/\\" or is_unseen(c) for c in name) or not name:
            expected = "the bare name of a file beside the contract"
            raise Malformed(where, expected, shown(name))
        path = self._folder / name
        with translated(path):
            inside = path.resolve().is_relative_to(self._folder.resolve())
            if not inside or (path.exists() and not (path.is_file() or path.is_dir())):
                got = "a device or a pipe" if inside else "a link that leads away"
                raise Malformed(where, "a plain file beside the contract", got)
        self.found.append(path)
        return path


def _steps(files: _Files, room: object) -> dict[tuple[str, ...], _Step]:
    """Say where each comfort may stand; `*` means every entry of a list."""

    def card(raw: object, where: str) -> cards.Card | None:
        if not (isinstance(raw, str) and raw.endswith(cards.SUFFIX)):
            return None
        path = files.beside(raw, where)
        return cards.Card.parse(read_document(path, LARGEST), str(path)).of_room(room, where)

    without_room_key = _defaults({"room_key": None})

    def member(raw: object, where: str) -> object:
        found = card(raw, where)
        return found.as_party() if found else without_room_key(raw, where)

    def receiver(raw: object, where: str) -> object:
        found = card(raw, where)
        return found.as_reader() if found else raw

    def signing(raw: object, where: str) -> object:
        return signing_key(files.beside(raw, where)).to_json() if _is_pem(raw) else raw

    def reading(raw: object, where: str) -> object:
        return reader_key(files.beside(raw, where)).to_json() if _is_pem(raw) else raw

    def source(raw: object, where: str) -> object:
        if not isinstance(raw, Mapping) or set(raw) != {"file"}:
            return raw
        return {"kind": "inline", "text": _program(files.beside(raw["file"], f"{where}.file"))}

    return {
        (): _defaults({"format": FORMAT, "sequence": 1, "previous": None}),
        ("parties", "*"): member,
        ("parties", "*", "signing_key"): signing,
        ("parties", "*", "room_key", "public"): reading,
        ("runners", "*"): _defaults({"walls": [], "debug": False}),
        ("datasets", "*", "columns"): _columns,
        ("datasets", "*", "versions"): _defaults({"only": None, "maximum_age": None}),
        ("datasets", "*", "versions", "maximum_age"): _quantity(quantities.seconds),
        ("program",): _defaults({"parameters": []}),
        ("program", "source"): source,
        ("program", "parameters", "*"): _defaults(
            {"minimum": None, "maximum": None, "choices": None}
        ),
        ("result", "columns"): _columns,
        ("result", "readers", "*"): receiver,
        ("result", "readers", "*", "key"): reading,
        ("triggers",): _defaults(
            {"on_arrival": False, "on_approval": False, "on_request": False, "schedule": None}
        ),
        ("limits", "seconds"): _quantity(quantities.seconds),
        ("limits", "memory"): _quantity(quantities.size),
    }


def _apply(raw: object, path: tuple[str, ...], step: _Step, where: str) -> object:
    """Apply a step at a place, if that place is there."""
    if not path:
        return step(raw, where)
    head, rest = path[0], path[1:]
    if head == "*" and isinstance(raw, list):
        return [_apply(item, rest, step, f"{where}[{i}]") for i, item in enumerate(raw)]
    if isinstance(raw, Mapping) and head in raw:
        return {**raw, head: _apply(raw[head], rest, step, f"{where}.{head}")}
    return raw


def _defaults(values: Mapping[str, object]) -> _Step:
    def fill(raw: object, _where: str) -> object:
        return {**values, **raw} if isinstance(raw, Mapping) else raw

    return fill


def _quantity(read: Callable[[str, str], int]) -> _Step:
    def convert(raw: object, where: str) -> object:
        return read(raw, where) if isinstance(raw, str) else raw

    return convert


def _columns(raw: object, where: str) -> object:
    if not isinstance(raw, Mapping):
        return raw
    for name, kind in raw.items():
        if not isinstance(kind, str):
            raise Malformed(f"{where}.{name}", "a type such as text, or text? if it may be empty")
    return [
        {"name": name, "type": kind.removesuffix("?"), "nullable": kind.endswith("?")}
        for name, kind in raw.items()
    ]


def _program(path: Path) -> str:
    try:
        text = read_document(path, LARGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(str(path), "a program in UTF-8") from error
    if "PRIVATE KEY--" in text:  # it would be shown to every party
        raise Malformed(str(path), "a program", "a private key")
    return text.replace("\r\n", "\n")  # an editor's line ends are no part of the program


def _is_pem(raw: object) -> TypeIs[str]:
    return isinstance(raw, str) and raw.endswith(".pem")
