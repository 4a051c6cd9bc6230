"""Mutations of what a client says: HTTP requests, AMQP frames, and bytes of any kind."""

import contextlib
import random
import ssl
from collections.abc import Callable, Sequence

from tests.fuzz.mutation import mutated

type Mutate = Callable[[bytes, random.Random], bytes]

LARGEST = 1 << 20  # bytes of an input
_END = b"\r\n\r\n"
_PIECES = (
    *(
        b"\r\n",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b"%",
        b"%00",
        b"../",
        b"\xff\xfe",
        b"\xc3\x28",
        b"{" * 50,
    ),
    *(b"9" * 20, b"-1", b"0x10", b"a" * 300, b"A" * 40_000, b"chunked", b"Transfer-Encoding: "),
    *(b"\x00\x00\x00\x08\x02\x00\x00\x00", b"AMQP\x00\x01\x00\x00", b"\xff\xff\xff\xff", b"\xf0"),
)
_FRAME_HEAD = 8  # bytes of an AMQP frame before its body; a protocol header is as long


def bytewise(data: bytes, chance: random.Random) -> bytes:
    """Change a few bytes, cut, repeat, or put in what parsers trip over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        until = min(len(changed), at + chance.choice((1, 1, 2, 4, 8, 64, 512)))
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at:until]
            case 2:
                changed[at:at] = changed[at:until] * chance.choice((1, 2, 50))
            case 3:
                changed[at:at] = chance.choice(_PIECES)
            case 4:
                changed[at:until] = chance.randbytes(until - at)
            case _:
                changed[at:until] = chance.choice(_PIECES)
    if chance.random() < 1 / 10:
        del changed[chance.randrange(len(changed) + 1) :]
    return bytes(changed[:LARGEST])


def http(seed: bytes, chance: random.Random) -> bytes:
    """Change a request: its body under the right length, a line of its head, or any bytes."""
    head, _, body = seed.partition(_END)
    match chance.randrange(4):
        case 0:
            return bytewise(seed, chance)
        case 1 if body:
            return request(head, _mutated_body(body, chance))
        case 2:
            return b"".join(request(_mutated_head(head, chance), body) for _ in range(3))
        case _:
            return request(_mutated_head(head, chance), body)


def request(head: bytes, body: bytes) -> bytes:
    """Put a request together; a head that speaks of a length speaks of the right one."""
    lines = head.split(b"\r\n")
    if body:
        lines = [line for line in lines if not line.lower().startswith(b"content-length:")]
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + _END + body


def _mutated_body(body: bytes, chance: random.Random) -> bytes:
    return mutated(body, LARGEST, chance.randrange(1 << 30), lambda data, _: bytewise(data, chance))


def _mutated_head(head: bytes, chance: random.Random) -> bytes:
    """Change one line; the rest stays what the server understands."""
    lines = head.split(b"\r\n")
    at = chance.randrange(len(lines))
    match chance.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case _:
            lines[at] = bytewise(lines[at], chance)
    return b"\r\n".join(lines)


def amqp(seed: bytes, chance: random.Random) -> bytes:
    """Change one frame of a conversation, mostly under its right size; or any bytes."""
    frames = amqp_frames(seed)
    if not frames or chance.random() < 1 / 5:
        return bytewise(seed, chance)
    at = chance.randrange(len(frames))
    match chance.randrange(5):
        case 0:
            del frames[at]
        case 1:
            frames.insert(at, chance.choice(frames))
        case _:
            frame = frames[at]
            body = bytewise(frame[_FRAME_HEAD:], chance)
            size = len(body) + _FRAME_HEAD
            head = frame[:_FRAME_HEAD]
            frames[at] = (head if _is_header(frame) else size.to_bytes(4, "big") + head[4:]) + body
    return b"".join(frames)[:LARGEST]


def amqp_frames(conversation: bytes) -> list[bytes]:
    """Take what a client said apart: protocol headers and frames."""
    frames, at = [], 0
    while at + _FRAME_HEAD <= len(conversation):
        size = int.from_bytes(conversation[at : at + 4], "big")
        if _is_header(conversation[at:]) or size < _FRAME_HEAD:
            size = _FRAME_HEAD
        frames.append(conversation[at : at + size])
        at += size
    return frames


def _is_header(frame: bytes) -> bool:
    return frame.startswith(b"AMQP")


def client_hello() -> bytes:
    """Give what a client of TLS says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def pieces(data: bytes, chance: random.Random) -> Sequence[bytes]:
    """Send mostly at once, sometimes in parts, as slow networks do."""
    if len(data) < 2 or chance.random() < 3 / 4:
        return (data,)
    cut = chance.randrange(1, len(data))
    return data[:cut], data[cut:]
