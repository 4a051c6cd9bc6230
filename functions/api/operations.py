"""What the API can do: one table, from which routes, checks and the OpenAPI document are made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from cleanroom.contract import LARGEST as LARGEST_CONTRACT
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.job import LARGEST as LARGEST_JOB
from functions.refusals import Why

PREFIX = "/api"
IDEMPOTENCY = "Idempotency-Key"
_PARAMETER = re.compile(r"\{(\w+)\}")
_OK, _CREATED = HTTPStatus.OK, HTTPStatus.CREATED


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries: JSON of a kind, of bounded size."""

    schema: str
    largest: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be done; its answers are JSON of the kinds that are named."""

    id: str
    method: str
    path: str
    summary: str
    answers: Mapping[HTTPStatus, str]
    body: Body | None = None
    codes: tuple[str, ...] = field(default=())  # of problems that only this operation has
    is_paged: bool = False
    is_open: bool = False  # to everybody
    takes_key: bool = False  # to repeat a request safely
    makes_room: bool = False  # the room need not be there

    @property
    def parameters(self) -> tuple[str, ...]:
        """Name what varies in the path."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def asks(self) -> bool:
        """Tell whether nothing is changed by it."""
        return self.method == "GET"

    @property
    def problems(self) -> frozenset[str]:
        """Name the codes of all problems that it may answer with."""
        codes = set(self.codes)
        if not self.is_open:
            codes |= {"unauthenticated", "unavailable"}
        if self.parameters:
            codes.add("not_found")
        if self.body:
            codes |= {"malformed", "not_json", "policy_refused", "tampered", "too_large"}
        if self.is_paged:
            codes.add("malformed")
        return frozenset(codes)


LIST_ROOMS = Operation(
    "list_rooms", "GET", "rooms", "Name the rooms that you may see", {_OK: "Rooms"}, is_paged=True
)
GET_ROOM = Operation(
    *("get_room", "GET", "rooms/{room}"),
    "Tell of a room: its contracts, who approved, which inputs wait",
    {_OK: "Room"},
)
PROPOSE_CONTRACT = Operation(
    *("propose_contract", "POST", "rooms/{room}/contracts"),
    "Propose a contract; the same one again changes nothing",
    {_CREATED: "Proposed", _OK: "Proposed"},
    Body("Contract", LARGEST_CONTRACT),
    ("forbidden", Why.BROKEN_HISTORY, Why.NO_CONTRACT, Why.OTHER_ROOM),
    makes_room=True,
)
GET_CONTRACT = Operation(
    *("get_contract", "GET", "rooms/{room}/contracts/{contract}"),
    "Return the exact bytes of a contract",
    {_OK: "Contract"},
)
DELIVER_APPROVAL = Operation(
    *("deliver_approval", "PUT", "rooms/{room}/contracts/{contract}/approvals/{party}"),
    "Deliver a party's signed word on a contract: an approval or a revocation",
    {_CREATED: "Word", _OK: "Word"},
    Body("Envelope", LARGEST_ENVELOPE),
    ("forbidden", Why.LATER_WORD, Why.NO_CONTRACT),
)
LIST_JOBS = Operation(
    *("list_jobs", "GET", "rooms/{room}/jobs"),
    "Name a room's jobs, the newest first",
    {_OK: "Jobs"},
    is_paged=True,
)
ASK_FOR_JOB = Operation(
    *("ask_for_job", "POST", "rooms/{room}/jobs"),
    "Ask for a run now; the same request again is the same job",
    {HTTPStatus.ACCEPTED: "Accepted"},
    Body("Asked", LARGEST_JOB),
    (
        *(Why.INPUTS_WAITING, Why.LIMIT_REACHED, Why.NOT_IN_FORCE, Why.NOT_ON_REQUEST),
        Why.REQUEST_DIFFERS,
    ),
    takes_key=True,
)
GET_JOB = Operation(
    *("get_job", "GET", "rooms/{room}/jobs/{job}"),
    "Tell of a job: what was asked, when what happened, how it ended",
    {_OK: "Job"},
)
GET_RECEIPT = Operation(
    *("get_receipt", "GET", "rooms/{room}/jobs/{job}/receipt"),
    "Return the exact bytes of a job's receipt",
    {_OK: "Envelope"},
)
GET_RESULT = Operation(
    *("get_result", "GET", "rooms/{room}/jobs/{job}/results/{output}"),
    "Return a URL that reads a sealed result for some minutes",
    {_OK: "Link"},
)
READY = Operation(
    *("ready", "GET", "health/ready"),
    "Tell whether everything that the API depends on is there",
    {_OK: "Readiness", HTTPStatus.SERVICE_UNAVAILABLE: "Readiness"},
    is_open=True,
)
OPENAPI = Operation(
    *("openapi", "GET", "openapi.json"), "Return this document", {_OK: "Document"}, is_open=True
)
ALL = (
    *(LIST_ROOMS, GET_ROOM, PROPOSE_CONTRACT, GET_CONTRACT, DELIVER_APPROVAL),
    *(LIST_JOBS, ASK_FOR_JOB, GET_JOB, GET_RECEIPT, GET_RESULT, READY, OPENAPI),
)
