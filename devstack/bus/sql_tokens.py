"""Tokens of the filter language.

- Text is in single quotes, doubled inside; `[name]` and `"name"` are names, whatever they hold.
- Keywords are recognized in any case, and only where they stand bare.
- A text is bounded (the service's limit), so everything made of it is bounded too.
"""

import re
from dataclasses import dataclass

from cleanroom.errors import Malformed
from cleanroom.fields import kind
from devstack.bus.sql_values import LARGEST, Value

LONGEST = 1024  # characters, of a condition and of an action
KEYWORDS = frozenset(
    [
        "AND",
        "OR",
        "NOT",
        "IS",
        "NULL",
        "EXISTS",
        "IN",
        "LIKE",
        "ESCAPE",
        "TRUE",
        "FALSE",
        "SET",
        "REMOVE",
        "SYS",
        "USER",
    ]
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<bracketed>\[(?:[^\]]|\]\])+\])
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<real>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
      | (?P<whole>\d+)
      | (?P<word>[^\W\d_]\w*)
      | (?P<sign><>|!=|<=|>=|[=<>+\-*/%().,;])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text: `sign` is a sign or a keyword in upper case, else nothing."""

    sign: str
    value: Value = None
    is_name: bool = False
    at: int = 0


END = Token("end of the text")


def tokens(raw: object, where: str) -> tuple[str, list[Token]]:
    """Cut a text into tokens, and return both."""
    if not isinstance(raw, str):
        raise Malformed(where, "text", kind(raw))
    if not raw.strip() or len(raw) > LONGEST:
        raise Malformed(where, f"1 to {LONGEST} characters", f"{len(raw)}")
    found: list[Token] = []
    at, end = 0, len(raw.rstrip())
    while at < end:
        match = _TOKEN.match(raw, at)
        if match is None:
            rest = raw[at:].lstrip()
            place = len(raw) - len(rest) + 1
            raise Malformed(where, "SQL", f"{rest[:20]!r} at character {place}")
        found.append(_token(match, where))
        at = match.end()
    return raw, [*found, END]


def _token(match: re.Match[str], where: str) -> Token:
    which = match.lastgroup or ""
    piece, at = match[which], match.start(which)
    value: Value = piece
    match which:
        case "text":
            value = piece[1:-1].replace("''", "'")
        case "bracketed":
            value = piece[1:-1].replace("]]", "]")
        case "quoted":
            value = piece[1:-1].replace('""', '"')
        case "real":
            value = float(piece)
        case "whole":
            value = _whole(piece, where)
        case _:
            pass
    bare = which == "sign" or (which == "word" and piece.upper() in KEYWORDS)
    is_name = not bare and which in {"bracketed", "quoted", "word"}
    return Token(piece.upper() if bare else "", value, is_name, at)


def _whole(piece: str, where: str) -> int:
    value = int(piece)
    if value > LARGEST:
        raise Malformed(where, f"whole numbers up to {LARGEST}", piece[:40])
    return value
