"""Blob Batch: several deletions in one request, taken apart so that each is as one of its own.

Specification: "Blob Batch" of Azure Storage. A part holds the head of a request with its own
authorization; the answer has a part for each, under the same Content-ID.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multidict import CIMultiDict

LARGEST = 4 << 20
MOST = 256
BOUNDARY = "batchresponse_e3b24b3e-0d5c-4c3e-9b3f-0c8d5c8f5a5b"
CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY}"

_PLAIN = re.compile(r"[\x20-\x7e]*")
_METHODS = ("DELETE", "PUT")


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch."""

    content_id: str
    method: str
    raw: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request of a batch."""

    content_id: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def parts(content_type: str, body: bytes) -> Sequence[Part] | None:
    """Take a batch apart; nothing, if it is none.

    1. The type names the boundary between parts, and the body ends with the last of them.
    2. There are 1 to 256 parts.
    3. Each holds the head of a request that deletes a blob, or moves it to another tier.
    """
    found = re.fullmatch(r'multipart/mixed;\s*boundary="?([^";\s]{1,200})"?', content_type)
    if found is None or not body.isascii():
        return None  # 1
    delimiter = f"--{found[1]}"
    first, *pieces = body.decode("ascii").replace("\r\n", "\n").split(delimiter)
    if first.strip() or not pieces or not pieces.pop().startswith("--"):
        return None  # 1
    if not 1 <= len(pieces) <= MOST:
        return None  # 2
    read = [_part(piece.strip("\n")) for piece in pieces]
    whole = [part for part in read if part is not None]
    return whole if len(whole) == len(read) else None  # 3


def joined(answers: Sequence[Answer]) -> bytes:
    """Write the body of the answer to a batch."""
    return b"".join(map(_written, answers)) + f"--{BOUNDARY}--\r\n".encode()


def _part(piece: str) -> Part | None:
    outer, _, inner = piece.partition("\n\n")
    line, _, head = inner.partition("\n\n")[0].partition("\n")
    method, _, rest = line.partition(" ")
    raw, _, version = rest.rpartition(" ")
    about, headers = _headers(outer), _headers(head)
    if about is None or headers is None or method not in _METHODS or version != "HTTP/1.1":
        return None
    return Part(about.get("Content-ID", ""), method, raw, headers)


def _headers(text: str) -> CIMultiDict[str] | None:
    headers = CIMultiDict[str]()
    for line in filter(None, text.split("\n")):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9-_]+", name) or not _PLAIN.fullmatch(value):
            return None
        headers.add(name, value.strip())
    return headers


def _written(answer: Answer) -> bytes:
    about = f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: {answer.content_id}\r\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n{headers}\r\n"
    return f"{about}\r\n{head}".encode() + answer.body + b"\r\n"
