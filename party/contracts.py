"""A contract as people write it (YAML, the program and keys in files of their own) and as it is.

The YAML has the fields of the canonical document (docs/spec/contract.md §5), with these comforts:
keys and programs may be named by file, columns written `name: type` (`type?` may be empty), sizes
and durations with units, and what is absent by nature (a first contract's predecessor) left out.
What a rule allows is never assumed.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeIs

import yaml

from cleanroom.contract import FORMAT, LARGEST, Contract
from cleanroom.errors import Malformed
from cleanroom.rules import Rule, rule
from party import quantities
from party.files import read_document
from party.keyfiles import reader_key, signing_key

_Step = Callable[[object, str], object]


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


def load(path: Path) -> Contract:
    """Read a contract: canonical JSON if it ends in .json, YAML otherwise."""
    data = read_document(path, LARGEST)
    if path.suffix == ".json":
        return Contract.parse(data, str(path))
    return Contract.from_value(_filled(_yaml(data, str(path)), path), str(path))


def load_rule(path: Path) -> Rule:
    """Read an owner's rule from YAML."""
    return rule(_yaml(read_document(path, LARGEST), str(path)), str(path))


def _yaml(data: bytes, where: str) -> object:
    try:
        return yaml.load(data.decode("utf-8"), Loader=_Loader)  # noqa: S506  # derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Malformed(f"{where}, line {line}", "YAML", error.problem or "") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(where, "YAML in UTF-8") from error


def _filled(raw: object, path: Path) -> object:
    """Replace the comforts of the YAML by what they stand for."""
    folder = path.parent
    for step_path, step in _steps(folder).items():
        raw = _apply(raw, step_path, step, str(path))
    return raw


def _steps(folder: Path) -> dict[tuple[str, ...], _Step]:
    """Say where each comfort may stand; `*` means every entry of a list."""

    def signing(raw: object, _where: str) -> object:
        return signing_key(folder / raw).to_json() if _is_pem(raw) else raw

    def reading(raw: object, _where: str) -> object:
        return reader_key(folder / raw).to_json() if _is_pem(raw) else raw

    def source(raw: object, where: str) -> object:
        if not isinstance(raw, Mapping) or set(raw) != {"file"}:
            return raw
        return {"kind": "inline", "text": _program(folder, raw["file"], f"{where}.file")}

    return {
        (): _defaults({"format": FORMAT, "sequence": 1, "previous": None}),
        ("parties", "*"): _defaults({"room_key": None}),
        ("parties", "*", "signing_key"): signing,
        ("parties", "*", "room_key", "public"): reading,
        ("runners", "*"): _defaults({"debug": False}),
        ("datasets", "*", "columns"): _columns,
        ("datasets", "*", "versions"): _defaults({"only": None, "maximum_age": None}),
        ("datasets", "*", "versions", "maximum_age"): _quantity(quantities.seconds),
        ("program",): _defaults({"parameters": []}),
        ("program", "source"): source,
        ("program", "parameters", "*"): _defaults(
            {"minimum": None, "maximum": None, "choices": None}
        ),
        ("result", "columns"): _columns,
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


def _program(folder: Path, name: object, where: str) -> str:
    if not isinstance(name, str):
        raise Malformed(where, "the name of a file")
    try:
        text = read_document(folder / name, LARGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(str(folder / name), "a program in UTF-8") from error
    return text.replace("\r\n", "\n")  # an editor's line ends are no part of the program


def _is_pem(raw: object) -> TypeIs[str]:
    return isinstance(raw, str) and raw.endswith(".pem")
