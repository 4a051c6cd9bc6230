"""Typed values out of JSON, strictly: unknown, missing or ill-typed means refuse.

A parser takes the raw value and where it stands (`contract.datasets[2].owner`), and returns the
typed value or raises `Malformed` naming that place.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from cleanroom.canonical import LARGEST_INTEGER
from cleanroom.errors import Malformed

type Parser[T] = Callable[[object, str], T]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_SHOWN = 40  # characters of a public value that an error message quotes
_MOST_SHOWN = 6  # words of a closed set that an error message lists
_UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")  # Unicode categories without a picture
_BLANK = re.compile(  # letters and marks without one: Default_Ignorable_Code_Point, empty Braille
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


class Fields:
    """Takes typed values out of one JSON object and refuses what is left over."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, Mapping):
            raise Malformed(where, "an object with named fields", kind(raw))
        self._left = dict(raw)  # a copy: the caller's object stays whole
        self._where = where

    def take[T](self, name: str, parse: Parser[T]) -> T:
        """Take a field that must be there."""
        if name not in self._left:
            raise Malformed(self._where, f"a field {name!r}")
        return parse(self._left.pop(name), f"{self._where}.{name}")

    def end(self) -> None:
        """Refuse fields that nobody took."""
        if self._left:
            name = min(map(str, self._left))
            raise Malformed(self._where, "no other field", repr(name[:_SHOWN]))


def kind(raw: object) -> str:
    """Name a JSON value's kind, for an error message."""
    names = {dict: "an object", list: "a list", str: "text", int: "a number", bool: "true or false"}
    return names.get(type(raw), "nothing" if raw is None else type(raw).__name__)


def shown(raw: object) -> str:
    """Quote a public value in an error message, cut to a line."""
    if isinstance(raw, str) or (isinstance(raw, int) and abs(raw) <= LARGEST_INTEGER):
        text = repr(raw)
        return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return kind(raw)


def text(longest: int, *, shortest: int = 1) -> Parser[str]:
    """Text of bounded length, without control characters but tab and line feed."""

    def parse(raw: object, where: str) -> str:
        if not isinstance(raw, str):
            raise Malformed(where, "text", kind(raw))
        if not shortest <= len(raw) <= longest:
            raise Malformed(where, f"{shortest} to {longest} characters", f"{len(raw)}")
        if _CONTROL.search(raw):
            raise Malformed(where, "no control characters")
        return raw

    return parse


def visible(longest: int) -> Parser[str]:
    """Text that people read before they sign: nothing invisible, nothing that turns direction."""

    def parse(raw: object, where: str) -> str:
        if not isinstance(raw, str):
            raise Malformed(where, "text", kind(raw))
        if not 1 <= len(raw) <= longest:
            raise Malformed(where, f"1 to {longest} characters", f"{len(raw)}")
        lines = raw.split("\n")
        for number, line in enumerate(lines, 1):
            for character in () if line.isascii() and line.isprintable() else line:
                if character != "\t" and is_unseen(character):
                    place = f"{where}, line {number}" if len(lines) > 1 else where
                    got = f"U+{ord(character):04X}"
                    raise Malformed(place, "only characters that can be seen", got)
        return raw

    return parse


def is_unseen(character: str) -> bool:
    """Tell a character that a reader cannot see, or that changes how others are shown."""
    return unicodedata.category(character) in _UNSEEN or bool(_BLANK.match(character))


def matching(pattern: str, expected: str) -> Parser[str]:
    """Text that is, whole, of this ASCII shape."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(raw: object, where: str) -> str:
        if not isinstance(raw, str) or not compiled.fullmatch(raw):
            raise Malformed(where, expected, shown(raw))
        return raw

    return parse


def integer(lowest: int, highest: int = LARGEST_INTEGER) -> Parser[int]:
    """A whole number in a range; true and false are not numbers."""

    def parse(raw: object, where: str) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not lowest <= raw <= highest:
            above = isinstance(raw, int) and raw > highest
            bounded = above or highest < LARGEST_INTEGER
            limits = f"{lowest} to {highest}" if bounded else f"of at least {lowest}"
            raise Malformed(where, f"a whole number {limits}", shown(raw))
        return raw

    return parse


def boolean(raw: object, where: str) -> bool:
    """Either true or false."""
    if not isinstance(raw, bool):
        raise Malformed(where, "true or false", shown(raw))
    return raw


def one_of(*allowed: str) -> Parser[str]:
    """One of a closed set of words."""

    def parse(raw: object, where: str) -> str:
        if not isinstance(raw, str) or raw not in allowed:
            raise Malformed(where, any_of(allowed), shown(raw))
        return raw

    return parse


def any_of(allowed: Sequence[str]) -> str:
    """List a closed set for an error message, or say how many there are."""
    if len(allowed) > _MOST_SHOWN:
        return f"one of {len(allowed)} values such as {shown(allowed[0])}"
    return " or ".join(shown(word) for word in allowed)


def exactly[T: (str, bool)](value: T) -> Parser[T]:
    """Accept this one value only, such as a format's name."""

    def parse(raw: object, where: str) -> T:
        if type(raw) is not type(value) or raw != value:
            raise Malformed(where, repr(value), shown(raw))
        return value

    return parse


def optional[T](parse_value: Parser[T]) -> Parser[T | None]:
    """Accept null for "none"; the field itself must still be there."""

    def parse(raw: object, where: str) -> T | None:
        return None if raw is None else parse_value(raw, where)

    return parse


def list_of[T](parse_item: Parser[T], fewest: int, most: int) -> Parser[tuple[T, ...]]:
    """A list of bounded length."""

    def parse(raw: object, where: str) -> tuple[T, ...]:
        if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
            raise Malformed(where, "a list", kind(raw))
        if not fewest <= len(raw) <= most:
            raise Malformed(where, f"{fewest} to {most} entries", f"{len(raw)}")
        return tuple(parse_item(item, f"{where}[{i}]") for i, item in enumerate(raw))

    return parse


def base64_bytes(most: int) -> Parser[bytes]:
    """Standard base64 with padding, one spelling only."""

    def parse(raw: object, where: str) -> bytes:
        if not isinstance(raw, str) or len(raw) > 4 * ((most + 2) // 3):
            raise Malformed(where, f"base64 of at most {most} bytes")
        try:
            data = base64.b64decode(raw, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Malformed(where, "standard base64") from error
        if len(data) > most:
            raise Malformed(where, f"base64 of at most {most} bytes", f"{len(data)}")
        if base64_text(data) != raw:  # stray bits under the padding
            raise Malformed(where, "canonical base64")
        return data

    return parse


def base64_text(data: bytes) -> str:
    """Spell bytes as `base64_bytes` reads them."""
    return base64.b64encode(data).decode("ascii")


def instant(raw: object, where: str) -> datetime:
    """A time in UTC to the second, `2026-11-21T09:30:00Z`, one spelling only."""
    if not isinstance(raw, str) or not _INSTANT.fullmatch(raw):
        raise Malformed(where, "a UTC time such as 2026-11-21T09:30:00Z", shown(raw))
    try:
        return datetime.fromisoformat(raw)
    except ValueError as error:
        raise Malformed(where, "a date and time that exist", shown(raw)) from error


def instant_text(moment: datetime) -> str:
    """Spell a time as `instant` reads it; fractions of a second are dropped."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def unique(names: Sequence[str], where: str) -> None:
    """Refuse a name that stands twice."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise Malformed(where, "each name once", repr(name))
