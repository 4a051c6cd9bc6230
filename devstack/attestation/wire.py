"""What clients send: JSON with base64 of JSON in it, spelled as loosely as Azure allows."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from cleanroom.errors import Malformed
from cleanroom.fields import kind, unique
from cleanroom.jose import json_object

LARGEST_BODY = 1 << 20


def json_body(data: bytes, where: str) -> Mapping[str, object]:
    """Accept a JSON object, no field twice; clients send a nonce of 64 bits as a number."""

    def pairs(found: Sequence[tuple[str, object]]) -> dict[str, object]:
        unique([name for name, _ in found], where)
        return dict(found)

    def refuse(_text: str) -> NoReturn:
        raise Malformed(where, "whole numbers only")

    if len(data) > LARGEST_BODY:
        raise Malformed(where, f"at most {LARGEST_BODY} bytes", f"{len(data)}")
    try:
        value = json.loads(data, object_pairs_hook=pairs, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, "JSON in UTF-8") from error
    return json_object(value, where)


def base64_any(raw: object, where: str) -> bytes:
    """Read base64 of either alphabet, with padding or without."""
    if not isinstance(raw, str):
        raise Malformed(where, "base64", kind(raw))
    plain = raw.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(where, "base64") from error


def json_in_base64(raw: object, where: str) -> Mapping[str, object]:
    """Read an object that is spelled as base64 of its JSON."""
    return json_body(base64_any(raw, where), where)


def nonce(raw: object, where: str) -> str:
    """Accept text, as the service's documentation says, or a number, as a client sends it."""
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise Malformed(where, "text or a whole number", kind(raw))
    return str(raw)
