"""Route templates as ASP.NET has them: which function answers a path, and with which parameters.

- `{name}` one segment or a part of it, `{name?}` optional at the end, `{name=value}` with a
  default, `{*rest}` all that follows, `{name:int}` with a constraint.
- Of the templates that match, the more precise goes first: literal, constrained, free, catch-all.
- Literals match in any case; an escaped slash stays escaped, so that it never parts segments.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from cleanroom.errors import Malformed

_PARAMETER = re.compile(
    r"\{(?P<all>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<constraints>(?::\w+(?:\([^()]*\))?)*)"
    r"(?:=(?P<default>[^{}?]*))?(?P<optional>\??)\}",
    re.ASCII,
)
_CONSTRAINT = re.compile(r":(\w+)(?:\(([^()]*)\))?", re.ASCII)
_SHAPES = {
    "int": r"[+-]?[0-9]{1,10}",
    "long": r"[+-]?[0-9]{1,19}",
    "bool": r"(?i:true|false)",
    "guid": r"\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?",
    "alpha": r"[A-Za-z]*",
    "decimal": r"[+-]?[0-9]*\.?[0-9]+",
    "double": r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?",
    "required": r".+",
}
_NUMBERS = {"length": (1, 2), "minlength": (1, 1), "maxlength": (1, 1)} | {
    "min": (1, 1),
    "max": (1, 1),
    "range": (2, 2),
}
_RESERVED = ("admin", "runtime", "devstack")
LITERAL, CONSTRAINED, FREE, REST = 1, 2, 3, 5


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a parameter must be."""

    kind: str
    numbers: tuple[int, ...]

    def allows(self, value: str) -> bool:
        """Tell whether a value is so."""
        match self.kind, self.numbers:
            case "length", (exactly,):
                return len(value) == exactly
            case "length", (low, high):
                return low <= len(value) <= high
            case "minlength", (low,):
                return len(value) >= low
            case "maxlength", (high,):
                return len(value) <= high
            case (("min" | "max" | "range"), numbers):
                return bool(re.fullmatch(_SHAPES["long"], value)) and self._within(
                    int(value), numbers
                )
            case _:
                return bool(re.fullmatch(_SHAPES[self.kind], value))

    def _within(self, value: int, numbers: tuple[int, ...]) -> bool:
        low = None if self.kind == "max" else numbers[0]
        high = None if self.kind == "min" else numbers[-1]
        return (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, slots=True)
class Route:
    """A compiled template."""

    template: str
    pattern: re.Pattern[str]
    precedence: tuple[int, ...]
    constraints: Mapping[str, tuple[Constraint, ...]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> str:
        """The template without its parameters' names: what two routes must not share."""
        return re.sub(r"\{(\*{0,2})[A-Za-z_]\w*", r"{\1", self.template).lower()

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of a path without its first slash, unless it is another route's."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        params = dict(self.defaults) | {k: v for k, v in found.groupdict().items() if v}
        for name, constraints in self.constraints.items():
            if name in params and not all(one.allows(params[name]) for one in constraints):
                return None
        return params


def readable(raw_path: str) -> str:
    """Decode a path as it came, but for escaped slashes."""
    return re.sub(r"(?i)%2f", "%2F", "%2F".join(map(unquote, re.split(r"(?i)%2f", raw_path))))[1:]


def compiled(prefix: str, template: str, where: str) -> Route:
    """Compile the template of a function, below the prefix of all."""
    whole = "/".join(part for part in (prefix, template.strip("/")) if part)
    segments = whole.split("/") if whole else []
    if segments and segments[0].lower() in _RESERVED:
        raise Malformed(where, "a route that is not the host's own", repr(whole))
    parts = [_segment(segment, last=segment is segments[-1], where=where) for segment in segments]
    names = [name for part in parts for name in part.constraints]
    if len(set(names)) != len(names):
        raise Malformed(where, "a route that names each parameter once", repr(whole))
    pattern = ""
    for i, part in enumerate(parts):
        slash = "/" if i else ""
        pattern += f"(?:{slash}{part.pattern})?" if part.optional else slash + part.pattern
    constraints = {n: c for part in parts for n, c in part.constraints.items() if c}
    defaults = {n: v for part in parts for n, v in part.defaults.items()}
    precedence = tuple(part.precedence for part in parts)
    return Route(whole, re.compile(pattern, re.IGNORECASE), precedence, constraints, defaults)


@dataclass(frozen=True, slots=True)
class _Segment:
    pattern: str
    precedence: int
    optional: bool
    constraints: Mapping[str, tuple[Constraint, ...]]
    defaults: Mapping[str, str]


def _segment(text: str, *, last: bool, where: str) -> _Segment:
    found = list(_PARAMETER.finditer(text))
    if re.search(r"[{}?*]", _PARAMETER.sub("", text)):
        raise Malformed(where, "a route template", repr(text))
    whole = len(found) == 1 and found[0].group() == text
    if not whole and any(one["all"] or one["optional"] for one in found):
        raise Malformed(where, "'*' and '?' on parameters that fill a segment", repr(text))
    if not last and any(one["all"] or one["optional"] or one["default"] for one in found):
        raise Malformed(where, "'*', '?' and '=' in the last segment only", repr(text))
    constraints = {one["name"]: _constraints(one["constraints"], where) for one in found}
    defaults = {one["name"]: one["default"] for one in found if one["default"]}
    optional = bool(found) and bool(found[0]["optional"] or found[0]["all"] or defaults)
    return _Segment(
        _pattern(text), _precedence(found, constraints), optional, constraints, defaults
    )


def _pattern(text: str) -> str:
    pattern, end = "", 0
    for one in _PARAMETER.finditer(text):
        pattern += re.escape(text[end : one.start()])
        pattern += f"(?P<{one['name']}>{'.*' if one['all'] else '[^/]+'})"
        end = one.end()
    return pattern + re.escape(text[end:])


def _precedence(
    found: list[re.Match[str]], constraints: Mapping[str, tuple[Constraint, ...]]
) -> int:
    if not found:
        return LITERAL
    constrained = any(constraints.values())
    if found[0]["all"]:
        return REST - constrained
    return CONSTRAINED if constrained or found[0].group() != found[0].string else FREE


def _constraints(text: str, where: str) -> tuple[Constraint, ...]:
    return tuple(_constraint(one[1], one[2], where) for one in _CONSTRAINT.finditer(text))


def _constraint(name: str, arguments: str | None, where: str) -> Constraint:
    numbers = tuple(
        int(each) if re.fullmatch(r"\s*-?\d{1,18}\s*", each) else None
        for each in (arguments or "").split(",")
        if arguments is not None
    )
    given = tuple(each for each in numbers if each is not None)
    fewest, most = _NUMBERS.get(name, (0, 0))
    known = name in _SHAPES or name in _NUMBERS
    if not known or len(given) != len(numbers) or not fewest <= len(given) <= most:
        raise Malformed(where, "a constraint that this host knows", repr(name))
    return Constraint(name, given)
