"""The sending half of an AMQP session: the peer's window, deliveries, what is not settled yet.

- Nothing is sent beyond the peer's window; whole frames wait in the outbox when it is used up.
- A delivery that the peer has not settled is remembered by its number, with the lock it is under.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.message_queue import MessageQueue

_OVERHEAD = 64  # bytes of a transfer besides its payload, at most
_TIDY = 4096
_WINDOW = e.uint(frames.LARGEST_UINT >> 1)


type Held = tuple[MessageQueue, bytes, int]
"""A delivery's queue, the token of its lock, and the handle of its link."""


@dataclass(slots=True, eq=False)
class Line:
    """What the sessions of a connection need of it."""

    touch: Callable[[], None]
    """Has `out` written when all that happened before is durable."""
    out: list[bytes] = field(default_factory=list)
    now: int = 0
    peer_frame: int = frames.SMALLEST_FRAME
    writable: bool = True

    def send(self, channel: int, body: bytes) -> None:
        """Send a frame."""
        self.out.append(frames.frame(channel, body))
        self.touch()

    def send_raw(self, data: bytes) -> None:
        """Send bytes that are written already."""
        self.out.append(data)
        self.touch()


class Channel:
    """What a session sends."""

    def __init__(self, line: Line, number: int, begin: frames.Begin) -> None:
        self.line, self.number = line, number
        self.next_incoming = begin.next_outgoing
        self.unsettled: dict[int, Held] = {}
        self._window = begin.incoming_window
        self._next_outgoing = self._next_delivery = 0
        self._outbox: deque[bytes] = deque()
        self._tidy_at = _TIDY

    def send(self, body: bytes) -> None:
        """Send a performative that no window counts."""
        self.line.send(self.number, body)

    def blocked(self) -> bool:
        """Say whether nothing can be sent now."""
        return self._window <= 0 or bool(self._outbox) or not self.line.writable

    def opened(self, flow: frames.Flow) -> None:
        """Take the peer's window, and send what waited for it."""
        window = (flow.next_incoming + flow.incoming_window - self._next_outgoing) & 0xFFFFFFFF
        self._window = window if window < 1 << 31 else 0
        while self._outbox and self._window > 0:
            self._put(self._outbox.popleft())

    def deliver(self, head: bytes, tag: bytes, payload: bytes) -> int:
        """Send a message in as many frames as it takes; without a tag it is settled."""
        number = self._next_delivery
        self._next_delivery = (number + 1) & frames.LARGEST_UINT
        tagged = bytes((0xA0, len(tag))) + tag if tag else e.NULL
        head = head + number.to_bytes(4) + tagged
        most = self.line.peer_frame - _OVERHEAD
        tail = frames.transfer_tail(settled=len(tag) < 16, more=False)  # noqa: PLR2004  # no lock
        if len(payload) <= most and not self._outbox and self._window > 0:
            self._put(frames.frame(self.number, head + tail + payload))
            return number
        self._deliver_parts(head, payload, most, settled=len(tag) < 16)  # noqa: PLR2004
        return number

    def _deliver_parts(self, head: bytes, payload: bytes, most: int, *, settled: bool) -> None:
        for at in range(0, len(payload), most):
            tail = frames.transfer_tail(settled=settled, more=len(payload) - at > most)
            part = frames.frame(self.number, head + tail + payload[at : at + most])
            if self._window > 0 and not self._outbox:
                self._put(part)
            else:
                self._outbox.append(part)

    def _put(self, part: bytes) -> None:
        self._window -= 1
        self._next_outgoing = (self._next_outgoing + 1) & frames.LARGEST_UINT
        self.line.send_raw(part)

    def remember(self, number: int, held: Held) -> None:
        """Know which lock a delivery is under, until it is settled or the lock ran out."""
        self.unsettled[number] = held
        if len(self.unsettled) > self._tidy_at:
            self.unsettled = {
                n: held for n, held in self.unsettled.items() if held[1] in held[0].locked
            }
            self._tidy_at = max(_TIDY, 2 * len(self.unsettled))

    def forget(self, handle: int) -> None:
        """Know nothing more of a link: what it left unsettled is settled by its locks' tokens."""
        self.unsettled = {n: held for n, held in self.unsettled.items() if held[2] != handle}

    def send_flow(self, handle: int, count: int, credit: int, *, drain: bool = False) -> None:
        """Tell the peer of windows and credit."""
        windows = (e.uint(self.next_incoming), _WINDOW, e.uint(self._next_outgoing), _WINDOW)
        link = (e.uint(handle), e.uint(count), e.uint(credit), e.uint(0))
        flags = (e.boolean(drain), e.FALSE)
        self.send(frames.performative(frames.FLOW, 11, *windows, *link, *flags))
