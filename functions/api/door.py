"""The one way in: who calls, what may be seen, what was sent; and the one way out.

1. Whoever calls is known.
2. Names in the path are names; other paths are not there.
3. The room is one that the caller may see.
4. The body is JSON by its label, and not too large.
5. What was asked for is done; errors become problem details.
6. An answer that the caller has already is not sent again.
"""

import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import azure.functions as func

from cleanroom.errors import CleanroomError, Malformed
from cleanroom.ids import Digest, name
from functions import settings
from functions.api import auth, means, problems
from functions.api.auth import Caller
from functions.api.means import Means
from functions.api.operations import IDEMPOTENCY, Operation
from functions.api.paging import Wanted
from functions.api.problems import Problem

JSON = "application/json"
KEYED = not settings.has_directory()
"""Without a directory the host lets in who has the function's key, and that is the operator."""
_DIGESTS = ("contract", "job")
_TAG = re.compile(r'(?:W/)?("[^"]*")|(\*)')
_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_LATER = {"Retry-After": "5"}

blueprint = func.Blueprint()
_log = logging.getLogger("cleanroom.functions")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read."""

    caller: Caller
    means: Means
    names: Mapping[str, str]
    digests: Mapping[str, Digest]
    page: Wanted
    key: str | None
    body: bytes
    trace: str | None

    @property
    def room(self) -> str:
        """The room that the path names."""
        return self.names["room"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say."""

    body: bytes = field(repr=False)
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


type Handler = Callable[[Asked], Awaitable[Answer | Problem]]


def saying(
    value: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with JSON."""
    return Answer(json.dumps(value).encode(), status, headers or {})


def serves(operation: Operation) -> Callable[[Handler], Handler]:
    """Have a handler do an operation."""

    def register(handler: Handler) -> Handler:
        async def function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
            return await _answer(operation, handler, req, context)

        function.__name__ = operation.id
        is_keyed = KEYED and not operation.is_open
        level = func.AuthLevel.FUNCTION if is_keyed else func.AuthLevel.ANONYMOUS
        route = blueprint.route(operation.path, methods=(operation.method,), auth_level=level)
        route(function)
        return handler

    return register


async def _answer(
    operation: Operation, handler: Handler, req: func.HttpRequest, context: func.Context
) -> func.HttpResponse:
    try:
        asked = await _asked(operation, req, context)
        found = asked if isinstance(asked, Problem) else await handler(asked)  # 5
    except CleanroomError as error:
        found = problems.of(error, asks=operation.asks)
        if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request.failed %s %s", operation.id, error.code)  # no text leaves
    return _refusal(found) if isinstance(found, Problem) else _reply(operation, req, found)


async def _asked(
    operation: Operation, req: func.HttpRequest, context: func.Context
) -> Asked | Problem:
    """Read a request (1 to 4)."""
    made = means.get()
    caller = auth.OPERATOR if operation.is_open else await _caller(req, made)  # 1
    if caller is None:
        return problems.UNAUTHENTICATED
    try:
        given = [(key, req.route_params.get(key)) for key in operation.parameters]
        texts = {key: name(value, key) for key, value in given if key not in _DIGESTS}
        digests = {key: Digest.from_hex(value, key) for key, value in given if key in _DIGESTS}
    except Malformed:  # 2
        return problems.NOT_FOUND
    hidden = "room" in texts and not operation.makes_room
    if hidden and not await made.members.sees(caller, texts["room"]):  # 3
        return problems.NOT_FOUND
    try:
        page = Wanted.parse(req.params) if operation.is_paged else Wanted()
    except Malformed as error:
        return Problem(error.code, str(error))
    body = req.get_body()
    refused = _unfit(operation, req.headers.get("content-type"), body)  # 4
    key = req.headers.get(IDEMPOTENCY)
    trace = context.trace_context.trace_parent or None
    return refused or Asked(caller, made, texts, digests, page, key, body, trace)


async def _caller(req: func.HttpRequest, made: Means) -> Caller | None:
    if made.issuer is None:
        return auth.OPERATOR if KEYED else None
    token = auth.bearer(req.headers.get("authorization"))
    key_id = auth.key_id(token) if token else None
    key = await made.issuer.key(key_id) if key_id else None
    return auth.verified(token, key, made.issuer.directory) if token and key else None


def _unfit(operation: Operation, content: str | None, body: bytes) -> Problem | None:
    if operation.body is None:
        return None
    if len(body) > operation.body.largest:
        return problems.too_large(operation.body.largest)
    kind = (content or JSON).partition(";")[0].strip().lower()
    return None if kind == JSON or kind.endswith("+json") else problems.NOT_JSON


def _refusal(problem: Problem) -> func.HttpResponse:
    headers = dict(_HEADERS)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers |= _CHALLENGE
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers |= _LATER
    return func.HttpResponse(
        problem.to_bytes(),
        status_code=int(problem.status),
        headers=headers,
        mimetype=problems.CONTENT,
    )


def _reply(operation: Operation, req: func.HttpRequest, answer: Answer) -> func.HttpResponse:
    headers = _HEADERS | dict(answer.headers)
    status = answer.status
    if operation.asks and status == HTTPStatus.OK and headers["Cache-Control"] != "no-store":
        headers["ETag"] = f'"{hashlib.sha256(answer.body).hexdigest()}"'
        if is_known(headers["ETag"], req.headers.get("if-none-match")):  # 6
            return func.HttpResponse(status_code=int(HTTPStatus.NOT_MODIFIED), headers=headers)
    return func.HttpResponse(answer.body, status_code=int(status), headers=headers, mimetype=JSON)


def is_known(tag: str, header: str | None) -> bool:
    """Tell whether a caller says that it has a body of this tag."""
    return any(found[1] == tag or found[2] for found in _TAG.finditer(header or ""))
