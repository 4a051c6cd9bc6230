"""Strict JSON in, canonical JSON out (RFC 8785), so that equal values are equal bytes.

- Accepted: UTF-8, unique keys, integers within +-(2**53 - 1), no fractions, bounded size and depth.
- Signed documents must already be canonical: `parse_canonical` refuses any other spelling.
"""

import json
import re
from collections.abc import Sequence

import rfc8785

from cleanroom.errors import Malformed

LARGEST_INTEGER = 2**53 - 1  # what every JSON implementation holds exactly (RFC 8785 §3.2.2.3)
DEEPEST = 32  # nesting; our deepest document has 8 levels
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")


class _NotOurs(ValueError):
    """Carries what was expected out of a json hook."""


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers could each see another value
        raise _NotOurs("each field once")
    return found


def _integer(text: str) -> int:
    if len(text) > len(str(-LARGEST_INTEGER)) or abs(int(text)) > LARGEST_INTEGER:
        raise _NotOurs("integers within +-(2**53 - 1)")
    return int(text)


def _no_fraction(_text: str) -> float:
    raise _NotOurs("integers only (fractions are written as text)")


def parse_json(data: bytes, where: str, limit: int) -> object:
    """Parse JSON of at most `limit` bytes, refusing what two readers could read differently."""
    if len(data) > limit:
        raise Malformed(where, f"at most {limit} bytes", f"{len(data)}")
    if data.count(b"[") + data.count(b"{") > DEEPEST:
        _refuse_deep(data, where)
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
    except _NotOurs as error:
        raise Malformed(where, str(error)) from error
    except ValueError as error:  # not UTF-8 or not JSON; the text of the error quotes the input
        raise Malformed(where, "JSON in UTF-8") from error


def _refuse_deep(data: bytes, where: str) -> None:
    depth = 0
    for found in _TOKEN.finditer(data):  # texts are tokens too: a bracket in one is none
        if found[0] in _OPENING:
            depth += 1
            if depth > DEEPEST:
                raise Malformed(where, f"at most {DEEPEST} levels of nesting")
        elif found[0] in _CLOSING:
            depth -= 1


def canonical(value: object, where: str) -> bytes:
    """Spell a value the one way that RFC 8785 allows."""
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # its own checks refuse other types
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise Malformed(where, "values that canonical JSON can hold") from error


def parse_canonical(data: bytes, where: str, limit: int) -> object:
    """Parse a signed document: the bytes must be the canonical spelling of what they say."""
    value = parse_json(data, where, limit)
    if canonical(value, where) != data:
        raise Malformed(where, "canonical JSON (RFC 8785)")
    return value
