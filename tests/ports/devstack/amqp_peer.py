"""A peer that speaks AMQP byte by byte, for what no SDK would say."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.decoding import composite, decode
from devstack.home import HOST
from tests.buses import ROOT, Bus

SASL_HEADER, AMQP_HEADER = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
LARGEST = 1 << 24
CHANNEL = 1
MINE = 1 << 16


def performative(code: int, *fields: bytes, payload: bytes = b"", channel: int = CHANNEL) -> bytes:
    """Write a frame of AMQP."""
    return frames.frame(channel, e.described(code, e.list_of(fields)) + payload)


def terminus(address: str, filters: Mapping[str, bytes] | None = None) -> bytes:
    """Write a source or a target."""
    pairs = [part for name, value in (filters or {}).items() for part in (e.symbol(name), value)]
    rest = [e.NULL] * 6 + [e.map_of(pairs)] if pairs else []
    return e.described(0x28, e.list_of([e.text(address), *rest]))


class Peer:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=10)
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(b"".join(data))

    def header(self) -> bytes:
        """Read a protocol header."""
        while len(self._data) < 8:
            self._more()
        header, self._data = self._data[:8], self._data[8:]
        return header

    def frame(self) -> tuple[int, list[Any]]:
        """Read the next frame: its performative and fields."""
        while True:
            found, at = frames.cut(self._data, 0, LARGEST)
            if found:
                self._data = self._data[at:]
                code, fields, end = composite(found.body)
                self.payload = found.body[end:]
                return code, fields
            self._more()

    def until(self, code: int) -> list[Any]:
        """Read frames up to one with a performative."""
        while True:
            found, fields = self.frame()
            if found == code:
                return fields

    def ended(self) -> bool:
        """Say whether the bus closed the connection; what it said before is dropped."""
        try:
            while self._socket.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        return True

    def _more(self) -> None:
        more = self._socket.recv(1 << 16)
        if not more:
            raise EOFError
        self._data += more

    # --- a conversation

    def login(self, mechanism: str = "ANONYMOUS", response: bytes = b"") -> int:
        """Say who it is; return the outcome."""
        fields = e.list_of([e.symbol(mechanism), e.binary(response)])
        init = e.described(frames.SASL_INIT, fields)
        self.send(SASL_HEADER, frames.frame(0, init, frames.SASL))
        assert self.header() == SASL_HEADER
        assert self.frame()[0] == frames.SASL_MECHANISMS
        code, outcome = self.frame()
        assert code == frames.SASL_OUTCOME
        return int(outcome[0])

    def open(self, largest: int = MINE) -> None:
        """Open the connection, and begin a session."""
        self.send(AMQP_HEADER, open_frame(largest), begin_frame())
        assert self.header() == AMQP_HEADER
        self.until(frames.BEGIN)

    def attach(
        self,
        handle: int,
        address: str,
        *,
        receives: bool = False,
        deletes: bool = False,
        filters: Mapping[str, bytes] | None = None,
        properties: Mapping[str, bytes] | None = None,
    ) -> list[Any]:
        """Attach a link; return the answer's fields."""
        self.send(
            attach_frame(
                handle,
                terminus(address, filters) if receives else terminus("mine"),
                terminus("mine") if receives else terminus(address),
                receives=receives,
                deletes=deletes,
                properties=properties,
            )
        )
        return self.until(frames.ATTACH)

    def credit(self, handle: int, credit: int, *, drain: bool = False, window: int = 1000) -> None:
        """Give credit to a link."""
        numbers = [e.uint(n) for n in (0, window, 0, 1000, handle, 0, credit)]
        self.send(performative(frames.FLOW, *numbers, e.NULL, e.boolean(drain)))

    def transfer(
        self, handle: int, payload: bytes, *, number: int = 0, more: bool = False, format_: int = 0
    ) -> None:
        """Send a message, or a part of one."""
        head = [e.uint(handle), e.uint(number), e.binary(b"tag"), e.uint(format_), e.FALSE]
        self.send(performative(frames.TRANSFER, *head, e.boolean(more), payload=payload))

    def outcome(self) -> Any:
        """Read what became of a message that was sent."""
        return self.until(frames.DISPOSITION)[4]

    def request(
        self, requests: int, answers: int, properties: Mapping[str, bytes], body: bytes
    ) -> dict[str, Any]:
        """Ask on one link, and read the properties of the answer on another."""
        pairs = [part for name, value in properties.items() for part in (e.text(name), value)]
        self.transfer(
            requests,
            e.described(0x73, e.list_of([e.ulong(77), e.NULL, e.NULL, e.NULL, e.text("mine")]))
            + e.described(0x74, e.map_of(pairs))
            + e.described(0x77, body),
        )
        self.credit(answers, 100)
        self.until(frames.TRANSFER)
        number, at = decode(self.payload)
        assert number.value[5] == 77
        found: dict[str, Any] = decode(self.payload, at)[0].value
        return found

    def put_token(self, audience: bytes, token: bytes) -> dict[str, Any]:
        """Claim a right, with links of its own."""
        self.attach(100, "$cbs")
        self.attach(101, "$cbs", receives=True)
        properties = {"operation": e.text("put-token"), "type": e.text("jwt"), "name": audience}
        return self.request(100, 101, properties, token)


def open_frame(largest: int) -> bytes:
    """Write an open."""
    return performative(frames.OPEN, e.text("peer"), e.NULL, e.uint(largest), channel=0)


def begin_frame(channel: int = CHANNEL) -> bytes:
    """Write a begin."""
    window = [e.uint(0), e.uint(1000), e.uint(1000)]
    return performative(frames.BEGIN, e.NULL, *window, channel=channel)


def attach_frame(
    handle: int,
    source: bytes,
    target: bytes,
    *,
    receives: bool = False,
    deletes: bool = False,
    properties: Mapping[str, bytes] | None = None,
) -> bytes:
    """Write an attach."""
    pairs = [part for name, value in (properties or {}).items() for part in (e.symbol(name), value)]
    settles = e.ubyte(1 if deletes else 0)
    head = [e.text(f"link-{handle}"), e.uint(handle), e.boolean(receives), settles, e.NULL]
    rest = [e.NULL] * 6 + [e.map_of(pairs)] if pairs else []
    return performative(frames.ATTACH, *head, source, target, *rest)


@contextmanager
def welcome(bus: Bus, rule: str = ROOT) -> Iterator[Peer]:
    """Connect with a key as password, which is a right to everything."""
    with Peer(bus.port) as peer:
        secret = bus.home.secret(f"bus/{rule}")
        assert peer.login("PLAIN", f"\0{rule}\0{secret}".encode()) == 0
        peer.open()
        yield peer
