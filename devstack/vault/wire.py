"""What goes in and out of a vault, apart from any socket; errors spelled as Azure's service does.

- A refusal is an answer like any other, so nothing here raises to refuse but `Malformed`, which
  becomes the service's `BadParameter`.
- Bodies are of a foreign format: fields that we do not know are no concern of ours.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import kind
from cleanroom.jose import json_object

LARGEST_BODY = 1 << 18  # an attestation token has at most half of that

type Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; `target` is its path and query, nothing decoded."""

    id: str
    method: str
    target: str
    authorization: str | None = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON and what stands in the header besides."""

    status: HTTPStatus
    body: Json | None = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def good(body: Json) -> Answer:
    """Answer with a value."""
    return Answer(HTTPStatus.OK, body)


def refusal(status: HTTPStatus, code: str, message: str, inner: str | None = None) -> Answer:
    """Spell an error: `inner` is the code that tells refusals of one kind apart."""
    error: dict[str, object] = {"code": code, "message": message}
    if inner is not None:
        error["innererror"] = {"code": inner}
    return Answer(status, {"error": error})


def bad_parameter(message: str) -> Answer:
    """Refuse what cannot be carried out as it was asked."""
    return refusal(HTTPStatus.BAD_REQUEST, "BadParameter", message)


def forbidden(message: str, inner: str | None = None) -> Answer:
    """Refuse what this key, or this caller, may not do."""
    return refusal(HTTPStatus.FORBIDDEN, "Forbidden", message, inner)


def broken() -> Answer:
    """Say that it is not the client's fault, and nothing else."""
    message = "The server encountered an internal error."
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message)


def body_of(data: bytes) -> Json:
    """Accept a JSON object, or nothing, which says as much as an empty one."""
    return json_object(parse_json(data or b"{}", "body", LARGEST_BODY), "body")


def part(body: Json, name: str) -> Json:
    """Give an object in the body; one that is not there is empty."""
    found = body.get(name)
    return {} if found is None else json_object(found, name)


def base64url(raw: object, where: str) -> bytes:
    """Read base64url; clients differ in padding, and some send the other alphabet."""
    if not isinstance(raw, str):
        raise Malformed(where, "base64url", kind(raw))
    plain = raw.translate({ord("+"): "-", ord("/"): "_"}).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(where, "base64url") from error
