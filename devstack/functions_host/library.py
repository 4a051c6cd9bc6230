"""Microsoft's worker library, driven: index an app, invoke its functions.

The five functions used here are what the platform's own proxy worker calls, so each version that a
customer may pin has them (docs/adr/0019). The library keeps its registry in a module: one app for
each process, loaded once.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # it ships no types

from devstack.functions_host.data import (
    Answer,
    Batch,
    Binary,
    Call,
    Datum,
    Document,
    Failed,
    Found,
    Index,
    Indexed,
    Invocation,
    Outcome,
    RetryRule,
    Returned,
    Text,
)
from devstack.functions_host.protos import Message, Protos, seconds

_protos: Any = Protos()
_STREAMING = "HttpUri"  # the capability of an app that uses the worker's own HTTP server
_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}


async def index(app: Path) -> Found:
    """Load the app and say what is in it."""
    sys.path.insert(0, str(app))
    os.chdir(app)
    runtime.start_threadpool_executor()
    start = Message(capabilities={}, function_app_directory=str(app))
    reply = await runtime.worker_init_request(_request(worker_init_request=start))
    if reply.result.status != _protos.StatusResult.Success:
        return _failed(reply.result)
    listing = await runtime.functions_metadata_request(None)
    found = tuple(_indexed(one) for one in listing.function_metadata_results or ())
    return Index(found, tuple(_loaded_from(app)), _STREAMING in reply.capabilities)


async def invoke(invocation: Invocation) -> Outcome:
    """Run one function."""
    retry = Message(
        retry_count=invocation.attempt,
        max_retry_count=invocation.attempts,
        exception=Message(source="", stack_trace="", message=""),
    )
    wanted = Message(
        invocation_id=invocation.id,
        function_id=invocation.function_id,
        input_data=[
            _protos.ParameterBinding(name=name, data=typed(datum))
            for name, datum in invocation.inputs.items()
        ],
        trigger_metadata={name: typed(datum) for name, datum in invocation.metadata.items()},
        trace_context=Message(trace_parent=invocation.traceparent, trace_state="", attributes={}),
        retry_context=retry,
    )
    reply = await runtime.invocation_request(_request(invocation_request=wanted))
    if reply.result.status != _protos.StatusResult.Success:
        return _failed(reply.result)
    outputs = {one.name: datum(one.data) for one in reply.output_data}
    set_ = {name: value for name, value in outputs.items() if value is not None}
    return Returned(datum(reply.return_value), set_)


def typed(value: Datum | None) -> Any:  # noqa: ANN401  # a message of Microsoft's protocol
    """Turn a value into the protocol's typed data."""
    match value:
        case None:
            return _protos.TypedData()
        case Text(text):
            return _protos.TypedData(string=text)
        case Binary(data):
            return _protos.TypedData(bytes=data)
        case Document(text):
            return _protos.TypedData(json=text)
        case Batch(items):
            return _protos.TypedData(collection_bytes=Message(bytes=list(items)))
        case Call():
            return _protos.TypedData(http=_http(value))
        case Answer():
            raise AssertionError("an answer goes the other way")


def datum(raw: Any) -> Datum | None:  # noqa: ANN401, PLR0911  # Microsoft's; one a type
    """Turn the protocol's typed data into a value."""
    if raw is None:
        return None
    match next(iter(vars(raw).items()), None):
        case None:
            return None
        case ("string", str(text)):
            return Text(text)
        case ("bytes", data):
            return Binary(bytes(data))
        case ("json", str(text)):
            return Document(text)
        case ("http", answer):
            return _answer(answer)
        case (_, number):
            return Document(json.dumps(number))
        case _:
            raise AssertionError("a message is a name and a value")


def _request(**fields: Message) -> Message:
    return Message(request=Message(**fields), properties={"protos": _protos, "host": "127.0.0.1"})


def _failed(result: Any) -> Failed:  # noqa: ANN401  # a message of Microsoft's protocol
    raised = getattr(result, "exception", None)
    return Failed(getattr(raised, "message", ""), getattr(raised, "stack_trace", ""))


def _indexed(one: Any) -> Indexed:  # noqa: ANN401  # a message of Microsoft's protocol
    return Indexed(one.name, one.function_id, tuple(one.raw_bindings), _rule(one.retry_options))


def _rule(options: Any) -> RetryRule | None:  # noqa: ANN401  # a message of Microsoft's protocol
    if options is None:
        return None
    shortest = seconds(getattr(options, "delay_interval", None))
    longest = shortest
    if hasattr(options, "minimum_interval"):
        shortest, longest = seconds(options.minimum_interval), seconds(options.maximum_interval)
    return RetryRule(int(options.max_retry_count), shortest, longest)


def _http(call: Call) -> Any:  # noqa: ANN401  # a message of Microsoft's protocol
    return _protos.RpcHttp(
        method=call.method,
        url=call.url,
        headers=call.headers,
        query=call.query,
        params=call.params,
        body=_protos.TypedData(bytes=call.body),
    )


def _answer(raw: Any) -> Answer:  # noqa: ANN401  # a message of Microsoft's protocol
    headers: Mapping[str, str] = raw.headers
    cookies = [("Set-Cookie", _cookie(one)) for one in raw.cookies or ()]
    match datum(raw.body):
        case Binary(body):
            pass
        case Text(text) | Document(text):
            body = text.encode()
        case _:
            body = b""
    return Answer(int(raw.status_code), (*headers.items(), *cookies), body)


def _cookie(raw: Any) -> str:  # noqa: ANN401  # a message of Microsoft's protocol
    return "; ".join((f"{raw.name}={raw.value}", *_attributes(raw)))


def _attributes(raw: Any) -> Iterator[str]:  # noqa: ANN401  # a message of Microsoft's protocol
    if raw.expires is not None:
        at = datetime.fromtimestamp(raw.expires.value.seconds, UTC)
        yield f"expires={format_datetime(at, usegmt=True)}"
    if raw.max_age is not None:
        yield f"max-age={int(raw.max_age.value)}"
    if raw.domain is not None and raw.domain.value:
        yield f"domain={raw.domain.value}"
    yield f"path={raw.path.value if raw.path is not None and raw.path.value else '/'}"
    if raw.secure is not None and raw.secure.value:
        yield "secure"
    if raw.same_site in _SAME_SITE:
        yield f"samesite={_SAME_SITE[raw.same_site].lower()}"
    if raw.http_only is not None and raw.http_only.value:
        yield "httponly"


def _loaded_from(app: Path) -> Iterator[str]:
    """List the files of the app that are loaded, for whoever watches them."""
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(app) and "site-packages" not in file:
            yield file
