"""JSON as it comes from anybody: any value that others can read too, within bounds.

Unlike the product's own documents, events may hold fractions, and a repeated field is its last.
"""

import json
import math

from cleanroom.errors import Malformed

DEEPEST = 64  # levels of nesting, as the service's own reader has it


def parse(data: bytes, where: str) -> object:
    """Read any JSON in UTF-8 that every other reader can read."""
    try:
        value: object = json.loads(
            data.decode("utf-8"), parse_float=_finite, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:  # its text would quote the input
        raise Malformed(where, "JSON in UTF-8") from error
    if _too_deep(value):
        raise Malformed(where, f"at most {DEEPEST} levels of nesting")
    return value


def dump(value: object) -> str:
    """Spell a value in ASCII, so that half a surrogate pair survives the store."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def encode(value: object) -> bytes:
    """Spell a value for readers, in no more bytes than it takes."""
    spelled = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    try:
        return spelled.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        return dump(value).encode("ascii")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _no_constant(_: str) -> float:
    raise ValueError


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True
