"""What the bus refuses, in the words of the service: a condition, a sentence, a status."""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not done. The SDK chooses its exception by the condition."""

    condition: str
    description: str
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR


def not_found(path: str) -> Refusal:
    """Nothing is at this address."""
    return Refusal(
        "amqp:not-found",
        f"The messaging entity '{path}' could not be found.",
        HTTPStatus.NOT_FOUND,
    )


def taken(name: str) -> Refusal:
    """Something else has this name already."""
    return Refusal(
        "com.microsoft:entity-already-exists",
        f"The messaging entity '{name}' already exists.",
        HTTPStatus.CONFLICT,
    )


def not_allowed(description: str) -> Refusal:
    """The entity is not one that this can be done with."""
    return Refusal("amqp:not-allowed", description, HTTPStatus.BAD_REQUEST)


def unauthorized(claim: str) -> Refusal:
    """The connection has no right to do this."""
    return Refusal(
        "amqp:unauthorized-access",
        f"Unauthorized access. '{claim}' claim(s) are required to perform this operation.",
        HTTPStatus.UNAUTHORIZED,
    )


def bad_argument(description: str) -> Refusal:
    """The request itself makes no sense."""
    return Refusal("com.microsoft:argument-error", description, HTTPStatus.BAD_REQUEST)


def too_large(size: int, limit: int) -> Refusal:
    """The message is larger than the link takes."""
    return Refusal(
        "amqp:link:message-size-exceeded",
        f"The received message (size:{size} bytes) exceeds the limit ({limit} bytes) "
        "currently allowed on the link.",
        HTTPStatus.BAD_REQUEST,
    )


def full(path: str) -> Refusal:
    """The entity holds as much as it may."""
    return Refusal(
        "amqp:resource-limit-exceeded",
        f"The maximum entity size has been reached or exceeded for '{path}'.",
        HTTPStatus.FORBIDDEN,
    )


MESSAGE_LOCK_LOST = Refusal(
    "com.microsoft:message-lock-lost",
    "The lock supplied is invalid. Either the lock expired, or the message has already been "
    "removed from the queue.",
    HTTPStatus.GONE,
)
MESSAGE_NOT_FOUND = Refusal(
    "com.microsoft:message-not-found",
    "Failed to lock one or more specified messages. The message does not exist.",
    HTTPStatus.NOT_FOUND,
)
SESSION_LOCK_LOST = Refusal(
    "com.microsoft:session-lock-lost",
    "The session lock has expired on the MessageSession. Accept a new MessageSession.",
    HTTPStatus.GONE,
)
SESSION_MISSING = not_allowed(
    "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that "
    "have session support enabled can only receive messages that have the SessionId set to a "
    "valid value."
)


def session_taken(session: str) -> Refusal:
    """Another receiver holds the session."""
    return Refusal(
        "com.microsoft:session-cannot-be-locked",
        f"The requested session '{session}' cannot be accepted. It may be locked by another "
        "receiver.",
        HTTPStatus.GONE,
    )
