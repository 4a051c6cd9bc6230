"""The OpenAPI 3.1 document, made of the table that the routes are made of."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from cleanroom import __version__
from functions.api import operations, paging, problems, schemas
from functions.api.operations import IDEMPOTENCY, Operation
from functions.api.schemas import HEX, NAME, REQUEST_ID, SCHEMAS

_DIGESTS = ("contract", "job")
_TOKEN, _KEY = "token", "function_key"  # names of schemes
_SCHEMES = {
    _TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    _KEY: {"type": "apiKey", "in": "header", "name": "x-functions-key"},
}
_PAGING = [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": paging.MOST},
        "description": f"how many; {paging.USUAL} if not said",
    },
    {
        "name": "after",
        "in": "query",
        "schema": {"type": "string", "maxLength": paging.LONGEST},
        "description": "the 'next' of the page before",
    },
]
_REPEATING = {
    "name": IDEMPOTENCY,
    "in": "header",
    "schema": REQUEST_ID,
    "description": "the same key is the same request; or 'id' in the body",
}
_KNOWN = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "the ETag of an answer that you have",
}
_TAG = {"ETag": {"schema": {"type": "string"}}}
_PLACE = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}


def document(*, keyed: bool) -> dict[str, object]:
    """Describe the API, as it is opened by the function's key or by tokens."""
    scheme = _KEY if keyed else _TOKEN
    paths: dict[str, dict[str, object]] = {}
    for each in operations.ALL:
        paths.setdefault(f"/{each.path}", {})[each.method.lower()] = _operation(each, scheme)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cleanroom",
            "version": __version__,
            "description": "Rooms, contracts and jobs of a confidential data clean room.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": operations.PREFIX}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {scheme: _SCHEMES[scheme]},
        },
    }


def _operation(each: Operation, scheme: str) -> dict[str, object]:
    found: dict[str, object] = {
        "operationId": each.id,
        "summary": each.summary,
        "security": [] if each.is_open else [{scheme: []}],
        "parameters": list(_parameters(each)),
        "responses": _answers(each) | _problems(each.problems),
    }
    if each.body:
        content = {"application/json": {"schema": _reference(each.body.schema)}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(each: Operation) -> Iterable[Mapping[str, object]]:
    for name in each.parameters:
        schema = HEX if name in _DIGESTS else NAME
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if each.is_paged:
        yield from _PAGING
    if each.takes_key:
        yield _REPEATING
    if each.asks:
        yield _KNOWN


def _answers(each: Operation) -> dict[str, object]:
    found: dict[str, object] = {}
    for status, name in each.answers.items():
        headers = _TAG if each.asks else _PLACE if each.method == "POST" else {}
        found[str(int(status))] = {
            "description": status.phrase,
            "headers": headers,
            "content": {"application/json": {"schema": _reference(name)}},
        }
    if each.asks:
        found["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    return found


def _problems(codes: Iterable[str]) -> dict[str, object]:
    by_status: dict[HTTPStatus, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(problems.KINDS[code].status, []).append(code)
    return {
        str(int(status)): {
            "description": f"{status.phrase}: {', '.join(found)}",
            "content": {problems.CONTENT: {"schema": _reference("Problem")}},
        }
        for status, found in sorted(by_status.items())
    }


def _reference(name: str) -> schemas.Schema:
    return {"$ref": f"#/components/schemas/{name}"}
