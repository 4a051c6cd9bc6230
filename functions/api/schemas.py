"""The JSON of the API as JSON Schema, for the OpenAPI document.

Documents that have a specification of their own are named here, not spelled out again.
"""

from collections.abc import Mapping

from cleanroom.parameters import LONGEST_TEXT, MOST_PARAMETERS
from functions.api.problems import KINDS, PREFIX
from functions.api.views import AWAITING, IN_FORCE, OVER, QUEUED
from functions.arrivals import Wait
from functions.refusals import Reason

type Schema = Mapping[str, object]

NAME: Schema = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    "maxLength": 63,
    "examples": ["north-bank"],
}
HEX: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
REQUEST_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_STATUSES = ("completed", "failed", "refused")
_ALIAS = "^[a-z_][a-z0-9_]{0,62}$"


def _object(**fields: Schema) -> Schema:
    """Describe an object whose fields are all there."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _word(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def _page(name: str, of: Schema) -> Schema:
    after = {"type": ["string", "null"], "description": "what 'after' is for the next page"}
    return _object(**{name: _list(of), "next": after})


_VALUE: Schema = {
    "anyOf": [
        {"type": "string", "maxLength": LONGEST_TEXT},
        {"type": "integer", "minimum": 1 - 2**53, "maximum": 2**53 - 1},
        {"type": "boolean"},
    ]
}
_VALUES: Schema = {
    "type": "object",
    "propertyNames": {"pattern": _ALIAS},
    "additionalProperties": _VALUE,
    "maxProperties": MOST_PARAMETERS,
}
_DECISION = _word("approve", "revoke")
_WORD = _object(party=NAME, decision=_DECISION, issued=TIME, expires=TIME)
_RESULT = _object(name=NAME, manifest=DIGEST)
_TRIGGER = _object(
    kind=_word("approval", "arrival", "request", "schedule"),
    at=_or_null(TIME),
    id=_or_null(REQUEST_ID),
)
_AGREEMENT = _object(
    contract=DIGEST,
    sequence={"type": "integer", "minimum": 1},
    previous=_or_null(DIGEST),
    status=_word(AWAITING, IN_FORCE, OVER),
    expires=TIME,
    parties=_list(NAME),
    words=_list(_WORD),
    missing=_list(NAME),
    waiting=_list(_object(dataset=_TEXT, why=_word(*Wait))),
    runs=_object(period=_word("day", "lifetime", "month", "week"), allowed=_COUNT, made=_COUNT),
)

SCHEMAS: Mapping[str, Schema] = {
    "Accepted": _object(job=DIGEST, id=REQUEST_ID),
    "Asked": {
        "type": "object",
        "properties": {"contract": DIGEST, "parameters": _VALUES, "id": _or_null(REQUEST_ID)},
        "required": ["contract", "parameters"],
        "additionalProperties": False,
    },
    "Contract": {"type": "object", "description": "docs/spec/contract.md, as canonical JSON"},
    "Document": {"type": "object", "description": "OpenAPI 3.1"},
    "Envelope": {
        **_object(
            payload=_TEXT,
            payloadType=_TEXT,
            signatures={**_list(_object(keyid=DIGEST, sig=_TEXT)), "minItems": 1, "maxItems": 1},
        ),
        "description": "a DSSE envelope as canonical JSON, docs/spec/statements.md",
    },
    "Job": _object(
        job=DIGEST,
        room=NAME,
        contract=DIGEST,
        inputs=_list(_object(alias=_TEXT, manifest=DIGEST)),
        parameters=_VALUES,
        trigger=_TRIGGER,
        timeline=_list(_object(what=_word("recorded", "queued", "ended"), at=TIME)),
        outcome=_or_null(
            _object(
                status=_word(*_STATUSES),
                reason=_or_null(_TEXT),
                finished=TIME,
                receipt=_or_null(DIGEST),
                results=_list(_RESULT),
            )
        ),
    ),
    "Jobs": _page(
        "jobs",
        _object(job=DIGEST, due=TIME, status=_word(QUEUED, *_STATUSES), finished=_or_null(TIME)),
    ),
    "Link": _object(url={"type": "string", "format": "uri"}, expires=TIME, manifest=DIGEST),
    "Problem": {
        **_object(
            type=_word(*(f"{PREFIX}{code}" for code in KINDS)),
            title=_TEXT,
            status={"type": "integer"},
            detail=_TEXT,
            code=_word(*KINDS),
        ),
        "description": "RFC 9457 problem details",
    },
    "Proposed": _object(contract=DIGEST, new={"type": "boolean"}),
    "Readiness": _object(
        status=_word("ready", "not_ready"),
        dependencies={"type": "object", "additionalProperties": _word("ready", "missing")},
    ),
    "Room": _object(
        room=NAME,
        contracts=_list(_AGREEMENT),
        refused=_list(_object(document=_TEXT, reason=_word(*Reason))),
    ),
    "Rooms": _page("rooms", NAME),
    "Word": _object(contract=DIGEST, party=NAME, decision=_DECISION, issued=TIME, expires=TIME),
}
