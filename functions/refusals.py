"""Why a document or a wish was refused: one of closed sets of words (docs/spec/events.md).

An event goes to every party of a room, and a document may come from anybody: so a refusal names
the document and says one of these words, and never anything that stands in it.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cleanroom.errors import PolicyRefused


class Reason(StrEnum):
    """What was wrong with a document."""

    NAME = "unknown_name"  # a blob where only contracts or approvals belong
    SIZE = "too_large"
    MALFORMED = "malformed"
    DIGEST = "digest_differs"  # not the contract that its name says
    ROOM = "other_room"
    LOCATION = "foreign_location"  # a contract with files where this room may not have them
    HISTORY = "broken_history"  # its predecessor is another contract
    SIGNATURE = "wrong_signature"  # not signed by who should have signed
    PARTY = "other_party"
    NOT_SEALED = "not_sealed"  # perhaps dropped in the clear: its owner should delete it
    DATASET = "other_dataset"
    COLUMNS = "other_columns"
    READER = "not_for_room_key"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that is not taken: where it lies, exactly which bytes, and why."""

    document: str
    etag: str
    reason: Reason

    @property
    def id(self) -> str:
        """Name the refusal: the same bytes in the same place are refused once."""
        said = f"{self.document}\n{self.etag}\n{self.reason}"
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Why(StrEnum):
    """Which rule of a room stands against a wish (docs/spec/http-api.md)."""

    BROKEN_HISTORY = "broken_history"
    INPUTS_WAITING = "inputs_waiting"
    LATER_WORD = "later_word"
    LIMIT_REACHED = "limit_reached"
    NO_CONTRACT = "no_contract"
    NOT_IN_FORCE = "not_in_force"
    NOT_ON_REQUEST = "not_on_request"
    OTHER_ROOM = "other_room"
    REQUEST_DIFFERS = "request_differs"


class Declined(PolicyRefused):
    """What a room as it is now does not allow, and why not."""

    code = "declined"

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
