"""Pages of long lists: how many, and after what; the token is the storage's own, wrapped.

A token says nothing that its reader may not see: where to go on within one list. A few digits of
its digest tell a token from a mistake, and no more.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom.errors import Malformed
from cleanroom.fields import matching, shown
from cleanroom.jose import base64url_bytes, base64url_text

USUAL, MOST = 20, 100
LONGEST = 4096  # characters of a token
_CHECK = 6
_number = matching(r"[1-9][0-9]{0,2}", f"a number from 1 to {MOST}")
_bytes = base64url_bytes(LONGEST)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a list."""

    limit: int = USUAL
    after: str | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Wanted":
        """Read `limit` and `after`."""
        limit, after = query.get("limit"), query.get("after")
        number = int(_number(limit, "limit")) if limit is not None else USUAL
        if number > MOST:
            raise Malformed("limit", f"a number from 1 to {MOST}", shown(number))
        return cls(number, _marker(after) if after else None)


def token(marker: str | None) -> str | None:
    """Wrap what the storage says about how to go on."""
    if marker is None:
        return None
    data = marker.encode()
    return base64url_text(_digits(data) + data)


def _marker(token: str) -> str:
    data = _bytes(token, "after")
    if data[:_CHECK] != _digits(data[_CHECK:]):
        raise Malformed("after", "the 'next' of another page")
    try:
        return data[_CHECK:].decode()
    except UnicodeDecodeError as error:
        raise Malformed("after", "the 'next' of another page") from error


def _digits(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECK]
