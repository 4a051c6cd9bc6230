"""Links as the bus sees them: one that a client sends on, one that it receives on.

A link that brings answers to requests ($cbs, $management) is one that the client receives on, too,
with a backlog instead of a queue.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.bus import frames
from devstack.bus.channel import Channel
from devstack.bus.message import Message, delivered
from devstack.bus.message_queue import MessageQueue
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import SessionConsumer

CREDIT = 1000
_MOST_ANSWERS = 100  # that wait for credit; more are dropped, as their requests time out
_HALF = 0x80000000


@dataclass(slots=True, eq=False)
class Incoming:
    """A link that a client sends on; `path` is where it needs a right, if it needs one."""

    handle: int
    address: str
    path: str | None
    take: Callable[[frames.Transfer], bytes]
    """Does something with a message, and returns the state of its delivery."""
    limit: int
    count: int = 0
    credit: int = 0
    size: int = 0
    """Of the last message."""
    _first: frames.Transfer | None = None
    _parts: list[bytes] = field(default_factory=list)

    def join(self, part: frames.Transfer) -> frames.Transfer | None:
        """Put the parts of a message together; nothing while it is not whole.

        What is larger than the limit is counted on, but not kept.
        """
        if self._first is None and not part.more:
            self.size = len(part.payload)
            return part
        if self._first is None:
            self._first, self.size, self._parts = part, 0, []
        self.size += len(part.payload)
        self._parts.append(part.payload)
        if self.size > self.limit:
            self._parts.clear()
        if part.more and not part.aborted:
            return None
        whole, self._first = self._first, None
        whole.payload, whole.aborted = b"".join(self._parts), part.aborted
        whole.settled = whole.settled or part.settled
        self._parts = []
        return whole


@dataclass(slots=True, eq=False, kw_only=True)
class Outgoing(SessionConsumer):
    """A link that a client receives on."""

    handle: int
    address: str
    path: str | None
    target: str
    channel: Channel
    end: Callable[["Outgoing", Refusal], None]
    """Detaches the link."""
    queue: MessageQueue | None = None
    count: int = 0
    answer: Callable[[], None] | None = None
    """Sends the attach that was withheld until there was a session."""
    _head: bytes = b""
    _backlog: deque[bytes] = field(default_factory=deque)

    def transfer(self, message: Message) -> None:
        """Send a message."""
        token = None if self.deletes else message.token
        payload = delivered(message, locked=token is not None)
        if token is None or self.queue is None:
            self._send(b"", payload)
        else:
            number = self._send(_little_endian(token), payload)
            self.channel.remember(number, (self.queue, token, self.handle))
        self.blocked = self.channel.blocked()

    def _send(self, tag: bytes, payload: bytes) -> int:
        if not self._head:  # all tags of a link are of one size
            self._head = frames.transfer_head(self.handle, len(tag))
        self.count = (self.count + 1) & frames.LARGEST_UINT
        return self.channel.deliver(self._head, tag, payload)

    def respond(self, payload: bytes) -> None:
        """Send the answer to a request, when there is credit for it."""
        if len(self._backlog) < _MOST_ANSWERS:
            self._backlog.append(payload)
        self.send_answers()

    def send_answers(self) -> None:
        """Send answers as long as there is credit."""
        while self._backlog and self.credit and not self.channel.blocked():
            self.credit -= 1
            self._send(self.count.to_bytes(4), self._backlog.popleft())

    def unblock(self) -> None:
        """Go on after the window or the socket was closed."""
        self.blocked = self.channel.blocked()
        if self.blocked:
            return
        if self.queue is None:
            self.send_answers()
        elif self.credit:
            self.queue.shared.ready[self.queue] = None

    def grant(self, flow: frames.Flow, now: int) -> None:
        """Take the credit that the peer gives, and use it up if it wants it back."""
        credit = (flow.delivery_count + flow.credit - self.count) & frames.LARGEST_UINT
        self.credit = credit if credit < _HALF else 0
        self.unblock()
        if flow.drain and self.queue is not None:
            self.queue.deliver(now)
            self.count = (self.count + self.credit) & frames.LARGEST_UINT
            self.credit = 0
            self.channel.send_flow(self.handle, self.count, 0, drain=True)

    def accepted(self) -> None:
        """Answer the attach that waited for a session."""
        if self.answer:
            self.answer()

    def detach(self, refusal: Refusal) -> None:
        """End the link."""
        self.end(self, refusal)


def _little_endian(token: bytes) -> bytes:
    """Write a lock token in the order that .NET has for the fields of a Guid."""
    return token[3::-1] + token[5:3:-1] + token[7:5:-1] + token[8:]
