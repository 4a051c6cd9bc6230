"""What the directory answers."""

from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON of an answer."""

    status: HTTPStatus
    body: dict[str, object] = field(repr=False)
