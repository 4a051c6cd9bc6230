"""Frames between host and worker: four bytes of length, then CBOR.

Both ends are ours, but functions of the app run in the worker; so each frame that comes from there
is read as any other input: bounded, and into types.
"""

import struct
from collections.abc import Callable, Mapping
from io import BytesIO

import cbor2

from cleanroom.errors import Malformed
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

LENGTH = struct.Struct(">I")
LARGEST = 1 << 29
"""Bytes of one frame: a request body of 100 MiB and what goes with it fits well."""


def frame(message: object) -> bytes:
    """Encode one message with its length."""
    body = cbor2.dumps(message)
    return LENGTH.pack(len(body)) + body


def length(head: bytes) -> int:
    """Read the length of the frame that follows."""
    (size,) = LENGTH.unpack(head)
    if size > LARGEST:
        raise Malformed("frame", f"at most {LARGEST} bytes", str(size))
    return int(size)


def message(body: bytes) -> list[object]:
    """Decode a frame's body: each message is a list."""
    stream = BytesIO(body)
    try:
        found = cbor2.load(stream)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise Malformed("frame", "CBOR") from error
    if not isinstance(found, list):
        raise Malformed("frame", "a list")
    return found


# --- values to lists, and back; every type has one letter


def datum_out(datum: Datum | None) -> list[object] | None:  # noqa: PLR0911  # one a type
    """Spell a datum."""
    match datum:
        case None:
            return None
        case Text(value):
            return ["t", value]
        case Binary(value):
            return ["b", value]
        case Document(value):
            return ["j", value]
        case Batch(items):
            return ["m", list(items)]
        case Call():
            call = datum
            maps = [dict(call.headers), dict(call.query), dict(call.params)]
            return ["c", call.method, call.url, *maps, call.body]
        case Answer():
            return ["a", datum.status, [list(pair) for pair in datum.headers], datum.body]


def datum_in(raw: object) -> Datum | None:  # noqa: PLR0911  # one a type
    """Read a datum."""
    if raw is None:
        return None
    match raw:
        case ["t", str(text)]:
            return Text(text)
        case ["b", bytes(data)]:
            return Binary(data)
        case ["j", str(text)]:
            return Document(text)
        case ["m", list(items)]:
            return Batch(tuple(_bytes(item) for item in items))
        case ["c", str(method), str(url), headers, query, params, bytes(body)]:
            return Call(method, url, _texts(headers), _texts(query), _texts(params), body)
        case ["a", int(status), list(pairs), bytes(body)]:
            return Answer(status, tuple(_pair(pair) for pair in pairs), body)
        case _:
            raise Malformed("frame", "a datum")


def invocation_out(one: Invocation) -> list[object]:
    """Spell an invocation."""
    return [
        one.id,
        one.function_id,
        {name: datum_out(value) for name, value in one.inputs.items()},
        {name: datum_out(value) for name, value in one.metadata.items()},
        one.traceparent,
        one.attempt,
        one.attempts,
    ]


def invocation_in(raw: list[object]) -> Invocation:
    """Read an invocation."""
    match raw:
        case [str(id_), str(function), dict(inputs), dict(metadata), str(trace), int(n), int(of)]:
            given = _mapping(inputs, datum_in)
            return Invocation(id_, function, given, _mapping(metadata, _datum), trace, n, of)
        case _:
            raise Malformed("frame", "an invocation")


def outcome_out(id_: str, outcome: Outcome) -> list[object]:
    """Spell how the invocation of this id ended."""
    match outcome:
        case Returned(value, outputs):
            written = {name: datum_out(each) for name, each in outputs.items()}
            return ["returned", id_, datum_out(value), written]
        case Failed(text, trace):
            return ["failed", id_, text, trace]


def outcome_in(raw: list[object]) -> tuple[str, Outcome]:
    """Read which invocation ended, and how."""
    match raw:
        case ["returned", str(id_), value, dict(outputs)]:
            return id_, Returned(datum_in(value), _mapping(outputs, _datum))
        case ["failed", str(id_), str(text), str(trace)]:
            return id_, Failed(text, trace)
        case _:
            raise Malformed("frame", "an outcome")


def found_out(found: Found) -> list[object]:
    """Spell what the worker found."""
    match found:
        case Failed(text, trace):
            return ["refused", text, trace]
        case Index(functions, files, streaming):
            rows = [[one.name, one.id, list(one.bindings), _rule_out(one)] for one in functions]
            return ["index", rows, list(files), streaming]


def found_in(raw: list[object]) -> Found:
    """Read what the worker found."""
    match raw:
        case ["refused", str(text), str(trace)]:
            return Failed(text, trace)
        case ["index", list(rows), list(files), bool(streaming)]:
            functions = tuple(_indexed(row) for row in rows)
            return Index(functions, tuple(_text(file) for file in files), streaming)
        case _:
            raise Malformed("frame", "an index")


def _indexed(raw: object) -> Indexed:
    match raw:
        case [str(name), str(id_), list(bindings), rule]:
            return Indexed(name, id_, tuple(_text(each) for each in bindings), _rule_in(rule))
        case _:
            raise Malformed("frame", "a function")


def _rule_out(one: Indexed) -> list[object] | None:
    return [one.retry.most, one.retry.shortest, one.retry.longest] if one.retry else None


def _rule_in(raw: object) -> RetryRule | None:
    match raw:
        case None:
            return None
        case [int(most), float(shortest), float(longest)]:
            return RetryRule(most, shortest, longest)
        case _:
            raise Malformed("frame", "a rule of retries")


def _mapping[T](raw: Mapping[object, object], parse: Callable[[object], T]) -> dict[str, T]:
    return {_text(name): parse(value) for name, value in raw.items()}


def _texts(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise Malformed("frame", "names and texts")
    return _mapping(raw, _text)


def _datum(raw: object) -> Datum:
    found = datum_in(raw)
    if found is None:
        raise Malformed("frame", "a datum")
    return found


def _pair(raw: object) -> tuple[str, str]:
    match raw:
        case [str(name), str(value)]:
            return name, value
        case _:
            raise Malformed("frame", "a name and a text")


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise Malformed("frame", "text")
    return raw


def _bytes(raw: object) -> bytes:
    if not isinstance(raw, bytes):
        raise Malformed("frame", "bytes")
    return raw
