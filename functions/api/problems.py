"""What went wrong, as RFC 9457 problem details.

The code is wire format, as those of docs/spec/errors.md are: never renamed. The detail names public
values only: what the caller sent itself, names and digests.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unavailable
from functions.refusals import Declined, Why

CONTENT = "application/problem+json"
PREFIX = "urn:cleanroom:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems of one code have in common."""

    status: HTTPStatus
    title: str


_CONFLICT, _WRONG = HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY
KINDS = {
    "malformed": Kind(HTTPStatus.BAD_REQUEST, "Not in the expected format"),
    "unauthenticated": Kind(HTTPStatus.UNAUTHORIZED, "A valid token is needed"),
    "forbidden": Kind(HTTPStatus.FORBIDDEN, "Somebody else may do this"),
    "not_found": Kind(HTTPStatus.NOT_FOUND, "There is no such thing"),
    "too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "not_json": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not said to be JSON"),
    "tampered": Kind(_WRONG, "A signature or digest does not hold"),
    "policy_refused": Kind(_WRONG, "Well-formed, but not allowed"),
    Why.BROKEN_HISTORY: Kind(_CONFLICT, "The contract does not follow the one before"),
    Why.INPUTS_WAITING: Kind(_CONFLICT, "Not all data is there"),
    Why.LATER_WORD: Kind(_CONFLICT, "The party said something later"),
    Why.LIMIT_REACHED: Kind(HTTPStatus.TOO_MANY_REQUESTS, "The contract allows no more runs now"),
    Why.NO_CONTRACT: Kind(_CONFLICT, "The room has no such contract"),
    Why.NOT_IN_FORCE: Kind(_CONFLICT, "The contract is not in force"),
    Why.NOT_ON_REQUEST: Kind(_CONFLICT, "The contract does not run on request"),
    Why.OTHER_ROOM: Kind(_WRONG, "The contract is of another room"),
    Why.REQUEST_DIFFERS: Kind(_WRONG, "The request was made before, with other values"),
    "unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "A service does not answer now"),
    "internal": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Our own mistake"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem."""

    code: str
    detail: str

    @property
    def status(self) -> HTTPStatus:
        """The status to answer with."""
        return KINDS[self.code].status

    def to_bytes(self) -> bytes:
        """Spell it as RFC 9457 does."""
        kind = KINDS[self.code]
        said = {
            "type": f"{PREFIX}{self.code}",
            "title": kind.title,
            "status": int(kind.status),
            "detail": self.detail,
            "code": str(self.code),
        }
        return json.dumps(said).encode()


UNAUTHENTICATED = Problem("unauthenticated", "expected 'Authorization: Bearer' and a valid token")
NOT_FOUND = Problem("not_found", "nothing of this name is here, or none that you may see")
NOT_JSON = Problem("not_json", "expected the content type application/json")
INTERNAL = Problem("internal", "what is stored could not be read")


def too_large(most: int) -> Problem:
    """Refuse a body without looking at it."""
    return Problem("too_large", f"body: expected at most {most} bytes")


def of(error: CleanroomError, *, asks: bool) -> Problem:
    """Say what an error means to the caller; who only asks has sent nothing that could be wrong."""
    match error:
        case Unavailable():  # its text names parts that are no concern of callers
            return Problem("unavailable", "try again in a moment")
        case Declined():
            return Problem(error.why, str(error))
        case Malformed() | Tampered() | PolicyRefused() if not asks:
            return Problem(error.code, str(error))
        case _:
            return INTERNAL
