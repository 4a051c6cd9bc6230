"""One connection: bytes in, frames to their sessions, bytes out when what they say is durable.

- The peer must prove a right within `PATIENCE` seconds, with frames of modest size.
- Whatever it sends, and whatever goes wrong with it, ends this connection and no other.
- While the peer does not read, nothing is read from it either.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

from cleanroom.errors import CleanroomError
from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.access import Claim
from devstack.bus.amqp_session import MOST_LINKS, AmqpSession
from devstack.bus.broker import Broker
from devstack.bus.channel import Line
from devstack.bus.refusals import Refusal

PATIENCE = 30.0
LARGEST_FRAME = 1 << 20
LARGEST_STRANGE_FRAME = 1 << 16  # of a peer that proved no right yet
MOST_CHANNELS = 4999
_MOST_LINKS = 5000  # in all sessions together
_MOST_STRANGE_LINKS = 16  # before a right is proved; sessions, too
_MOST_CLAIMS = 1000
_MOST_UNSENT = 4 << 20
_LINGER = 5.0  # seconds that a farewell may take
_SASL_HEADER, _AMQP_HEADER = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
_MECHANISMS = ("MSSBCBS", "ANONYMOUS", "PLAIN", "EXTERNAL")
_NOT_AUTHENTICATED = 1

log = logging.getLogger(__name__)


class _Stage(Enum):
    HEADER = "a header"
    SASL = "a mechanism"
    AMQP_HEADER = "the header after SASL"
    OPEN = "an open"
    RUNNING = "anything"
    CLOSED = "nothing"


_WITH_HEADER = (_Stage.HEADER, _Stage.AMQP_HEADER)  # no sets: members are slow to hash
_WITH_FRAMES = (_Stage.RUNNING, _Stage.OPEN, _Stage.SASL)


class Connection(asyncio.Protocol):
    """A peer."""

    def __init__(
        self, broker: Broker, attach: Callable[["Connection", AmqpSession, bytes], None]
    ) -> None:
        self.broker = broker
        self.line = Line(self._touch)
        self._attach = attach
        self._stage = _Stage.HEADER
        self._claims: dict[str, Claim] = {}
        self._sessions: dict[int, AmqpSession] = {}
        self._buffer = bytearray()
        self._needed = frames.HEADER_SIZE
        self._touched = False
        self._timers: list[asyncio.TimerHandle] = []
        self._transport: asyncio.Transport | None = None

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the peer to say who it is, but not for ever."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # of a socket
        self._transport = transport
        transport.set_write_buffer_limits(high=_MOST_UNSENT)
        if len(self.broker.connections) >= self.broker.most_connections:
            transport.abort()
            return
        self.broker.connections[self] = self.abort
        self._timers = [asyncio.get_running_loop().call_later(PATIENCE, self._expect_claim)]

    def connection_lost(self, _: Exception | None) -> None:
        """Let go of all that the peer had."""
        self._stage = _Stage.CLOSED
        self.line.writable = False
        self.line.now = self.broker.now()
        for timer in self._timers:
            timer.cancel()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self.line.out.clear()
        self.line.touch = _nothing  # else line and connection hold each other
        self._transport = None
        self.broker.connections.pop(self, None)
        self.broker.kick()

    def pause_writing(self) -> None:
        """Send nothing more, and read nothing more, until the peer reads."""
        self.line.writable = False
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.line.writable = True
        if self._transport:
            self._transport.resume_reading()
        for session in self._sessions.values():
            session.unblock()
        self._touch()

    def data_received(self, data: bytes) -> None:
        """Read as many frames as there are."""
        self.line.now = self.broker.now()
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        try:
            at = self._read(data)
        except CleanroomError as error:
            self.fail(Refusal("amqp:connection:framing-error", str(error)))
        except Exception:
            log.exception("bus: a connection failed")
            self.fail(Refusal("amqp:internal-error", "The service had an error of its own."))
        else:
            if at < len(data) and self._stage is not _Stage.CLOSED:
                self._buffer += data[at:]
                if len(self._buffer) >= frames.HEADER_SIZE:
                    self._needed = int.from_bytes(self._buffer[:4])
        self._touch()

    def _read(self, data: bytes) -> int:
        at = 0
        while self._stage in _WITH_HEADER and len(data) - at >= 8:  # noqa: PLR2004
            self._on_header(data[at : at + 8])
            at += 8
            at = self._read_frames(data, at)
        return self._read_frames(data, at)

    def _read_frames(self, data: bytes, at: int) -> int:
        while self._stage in _WITH_FRAMES:
            largest = LARGEST_FRAME if self._claims else LARGEST_STRANGE_FRAME
            frame, at = frames.cut(data, at, largest)
            if frame is None:
                break
            if frame.body:  # else a heartbeat
                self._on_frame(frame)
        return at

    # --- the beginning

    def _on_header(self, header: bytes) -> None:
        if header == _SASL_HEADER and self._stage is _Stage.HEADER:
            self._stage = _Stage.SASL
            mechanisms = frames.performative(frames.SASL_MECHANISMS, 1, e.symbols(_MECHANISMS))
            self.line.send_raw(_SASL_HEADER + frames.frame(0, mechanisms, frames.SASL))
        elif header == _AMQP_HEADER:
            self._stage = _Stage.OPEN
            self.line.send_raw(_AMQP_HEADER)
        else:
            self.line.send_raw(_SASL_HEADER)  # as the standard has it: what we would understand
            self._close()

    def _on_sasl(self, body: bytes) -> None:
        mechanism, response = frames.read_init(body)
        claim = None
        if mechanism == "PLAIN":
            claim = self.broker.access.by_password(response, self.line.now)
        accepted = claim is not None or mechanism in {"MSSBCBS", "ANONYMOUS", "EXTERNAL"}
        code = e.ubyte(0 if accepted else _NOT_AUTHENTICATED)
        outcome = frames.performative(frames.SASL_OUTCOME, 2, code)
        self.line.send_raw(frames.frame(0, outcome, frames.SASL))
        if claim:
            self.claim(claim)
        self._stage = _Stage.AMQP_HEADER
        if not accepted:
            self._close()

    def _on_frame(self, frame: frames.Frame) -> None:
        code = frames.code_of(frame.body)
        if self._stage is _Stage.SASL:
            if frame.kind == frames.SASL and code == frames.SASL_INIT:
                self._on_sasl(frame.body)
            else:
                self.fail(Refusal("amqp:not-allowed", "Expected a SASL mechanism."))
        elif frame.kind != frames.AMQP:
            self.fail(Refusal("amqp:not-allowed", "Expected a frame of AMQP."))
        elif self._stage is _Stage.OPEN:
            self._on_open(code, frame.body)
        else:
            self._on_performative(frame.channel, code, frame.body)

    def _on_open(self, code: int, body: bytes) -> None:
        size = frames.read_open(body) if code == frames.OPEN else 0
        if size < frames.SMALLEST_FRAME:
            self.fail(Refusal("amqp:not-allowed", "Expected an open with a usable frame size."))
            return
        self.line.peer_frame = min(size, LARGEST_FRAME)
        self._stage = _Stage.RUNNING
        self.line.send(0, frames.open_(e.NULL, LARGEST_FRAME, MOST_CHANNELS))

    # --- what follows

    def _on_performative(self, channel: int, code: int, body: bytes) -> None:
        session = self._sessions.get(channel)
        if session is not None and code in _HANDLERS:
            _HANDLERS[code](session, body)
        elif session is not None and code == frames.ATTACH:
            self._attach(self, session, body)
        elif session is not None and code == frames.END:
            del self._sessions[channel]
            session.close()
            self.line.send(channel, frames.ended(frames.END))
        elif code == frames.BEGIN:
            self._on_begin(channel, session, body)
        elif code == frames.CLOSE:
            self.line.send(0, frames.ended(frames.CLOSE))
            self._close()
        elif code not in _LATE:
            self.fail(Refusal("amqp:not-allowed", "The performative is not expected here."))

    def _on_begin(self, channel: int, session: AmqpSession | None, body: bytes) -> None:
        crowded = not self._claims and len(self._sessions) >= _MOST_STRANGE_LINKS
        if session is not None or channel > MOST_CHANNELS or crowded:
            self.fail(Refusal("amqp:not-allowed", "The channel cannot be used."))
            return
        self._sessions[channel] = AmqpSession(self.line, channel, frames.Begin.read(body))
        self.line.send(channel, frames.begin(channel, MOST_LINKS - 1))

    def crowded(self) -> bool:
        """Say whether the peer has as many links as it may."""
        most = _MOST_LINKS if self._claims else _MOST_STRANGE_LINKS
        return sum(len(session.links) for session in self._sessions.values()) >= most

    def fail(self, refusal: Refusal) -> None:
        """End the connection, and say why."""
        if self._stage in (_Stage.OPEN, _Stage.RUNNING):
            if self._stage is _Stage.OPEN:  # a close must follow an open
                self.line.send(0, frames.open_(e.NULL, LARGEST_FRAME, MOST_CHANNELS))
            self.line.send(0, frames.ended(frames.CLOSE, refusal))
        self._close()

    def _close(self) -> None:
        self._stage = _Stage.CLOSED
        self._touch()

    # --- rights

    def claim(self, claim: Claim) -> None:
        """Have a right, until it expires."""
        if claim.path not in self._claims and len(self._claims) >= _MOST_CLAIMS:
            self._claims.clear()
        self._claims[claim.path] = claim
        loop = asyncio.get_running_loop()
        for timer in self._timers:
            timer.cancel()
        self._timers = [loop.call_later(self._claim_seconds(), self._expire_claims)]

    def may(self, path: str, right: str) -> bool:
        """Say whether the peer has a right to an entity."""
        return any(
            right in claim.rights and claim.until > self.line.now and claim.covers(path)
            for claim in self._claims.values()
        )

    def may_anything(self, path: str) -> bool:
        """Say whether the peer has any right to an entity."""
        return any(c.until > self.line.now and c.covers(path) for c in self._claims.values())

    def _claim_seconds(self) -> float:
        first = min(claim.until for claim in self._claims.values())
        return min(max(0.0, (first - self.broker.now()) / 1000), 86_400.0)

    def _expect_claim(self) -> None:
        if not self._claims and self._transport:
            self._transport.abort()

    def _expire_claims(self) -> None:
        self.line.now = self.broker.now()
        self._claims = {path: c for path, c in self._claims.items() if c.until > self.line.now}
        expired = Refusal("amqp:unauthorized-access", "ExpiredToken: The token is expired.", 401)
        for session in self._sessions.values():
            for link in list(session.links.values()):
                if link.path is not None and not self.may_anything(link.path):
                    session.end(link, expired)
        if self._claims:
            seconds = self._claim_seconds()
            loop = asyncio.get_running_loop()
            self._timers = [loop.call_later(seconds, self._expire_claims)]
        self._touch()

    # --- what is sent

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self.broker.touch(self.flush)

    def flush(self) -> None:
        """Write what is to be sent, now that it is durable."""
        self._touched = False
        if self._transport is None:
            return
        if self.line.out:
            data = b"".join(self.line.out)
            self.line.out.clear()
            self._transport.write(data)
        if self._stage is _Stage.CLOSED and not self._transport.is_closing():
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(_LINGER, self._transport.abort))

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport:
            self._transport.abort()


def _nothing() -> None:
    """Have nothing written any more."""


_HANDLERS: dict[int, Callable[[AmqpSession, bytes], None]] = {
    frames.TRANSFER: AmqpSession.on_transfer,
    frames.DISPOSITION: AmqpSession.on_disposition,
    frames.FLOW: AmqpSession.on_flow,
    frames.DETACH: AmqpSession.on_detach,
}
_LATE = {*_HANDLERS, frames.ATTACH, frames.END}
"""What may still come for a session that is ended, and is ignored then."""
