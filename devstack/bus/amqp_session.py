"""An AMQP session: its links, what comes on them, and what receivers decide."""

from collections.abc import Iterator

from devstack.bus import frames, outcomes, refusals
from devstack.bus.channel import Channel, Line
from devstack.bus.links import CREDIT, Incoming, Outgoing
from devstack.bus.message_queue import Settlement
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import SessionQueue

MOST_LINKS = 1024
_MOST_NAMED = 1000  # deliveries of one disposition that are all answered, known or not
_NO_STATE = Refusal("amqp:not-implemented", "The outcome is not one that the service knows.")


class AmqpSession:
    """One session of a connection."""

    def __init__(self, line: Line, number: int, begin: frames.Begin) -> None:
        self.line = line
        self.channel = Channel(line, number, begin)
        self.links: dict[int, Incoming | Outgoing] = {}

    # --- links

    def add(self, link: Incoming | Outgoing) -> None:
        """Have one more link."""
        self.links[link.handle] = link

    def drop(self, link: Incoming | Outgoing) -> None:
        """Have a link no more: its queue forgets it, and its session is free; locks stay."""
        self.links.pop(link.handle, None)
        if not isinstance(link, Outgoing):
            return
        link.blocked = True
        if link.queue is not None:
            self.channel.forget(link.handle)
            if link in link.queue.consumers:
                link.queue.consumers.remove(link)
            if isinstance(link.queue, SessionQueue):
                link.queue.leave(link, self.line.now)

    def close(self) -> None:
        """Let go of all links."""
        for link in list(self.links.values()):
            self.drop(link)

    def end(self, link: Incoming | Outgoing, refusal: Refusal) -> None:
        """Detach a link, and say why."""
        if self.links.get(link.handle) is link:
            self.drop(link)
            self.channel.send(frames.detach(link.handle, closed=True, refusal=refusal))

    def on_detach(self, body: bytes) -> None:
        """Detach a link that the peer detached."""
        handle, closed = frames.read_detach(body)
        link = self.links.get(handle)
        if link is not None:
            self.drop(link)
            self.channel.send(frames.detach(handle, closed=closed))

    def receivers(self) -> Iterator[Outgoing]:
        """Go through the links that the peer receives on."""
        return (link for link in list(self.links.values()) if isinstance(link, Outgoing))

    # --- credit

    def grant(self, link: Incoming) -> None:
        """Let the peer send again on a link."""
        link.credit = CREDIT
        self.channel.send_flow(link.handle, link.count, CREDIT)

    def on_flow(self, body: bytes) -> None:
        """Take the peer's window and credit."""
        flow = frames.Flow.read(body)
        was_blocked = self.channel.blocked()
        self.channel.opened(flow)
        if was_blocked:
            self.unblock()
        link = None if flow.handle is None else self.links.get(flow.handle)
        if isinstance(link, Outgoing):
            link.grant(flow, self.line.now)
        if flow.echo and not flow.drain and link is not None:
            self.channel.send_flow(link.handle, link.count, link.credit)

    def unblock(self) -> None:
        """Go on after the window or the socket was closed."""
        for link in self.receivers():
            link.unblock()

    # --- what the peer sends

    def on_transfer(self, body: bytes) -> None:
        """Take a message, and say what became of it."""
        part = frames.Transfer.read(body)
        self.channel.next_incoming = (self.channel.next_incoming + 1) & frames.LARGEST_UINT
        link = self.links.get(part.handle)
        if not isinstance(link, Incoming):
            return
        whole = link.join(part)
        if whole is None:
            return
        link.count = (link.count + 1) & frames.LARGEST_UINT
        link.credit -= 1
        if not whole.aborted:
            self._take(link, whole)
        if link.credit < CREDIT // 2 and self.links.get(link.handle) is link:
            self.grant(link)

    def _take(self, link: Incoming, whole: frames.Transfer) -> None:
        if link.size > link.limit:
            state = frames.rejected(refusals.too_large(link.size, link.limit))
        else:
            state = link.take(whole)
        if not whole.settled and whole.delivery is not None:
            number = whole.delivery
            self.channel.send(frames.disposition(frames.RECEIVER, number, number, state))

    # --- what the peer decides

    def on_disposition(self, body: bytes) -> None:
        """Settle messages as the peer decided, and confirm it if it waits for that."""
        asked = frames.Disposition.read(body)
        if asked.receiver is frames.SENDER:
            return  # the peer acknowledges what we said about its own messages
        settlement = outcomes.settlement(asked.state)
        for number in self._named(asked):
            refusal = self._settle(number, settlement)
            if not asked.settled:
                state = frames.rejected(refusal) if refusal else outcomes.echo(asked.state)
                self.channel.send(frames.disposition(frames.SENDER, number, number, state))

    def _named(self, asked: frames.Disposition) -> list[int]:
        if asked.last - asked.first < _MOST_NAMED:
            return list(range(asked.first, asked.last + 1))
        return [number for number in self.channel.unsettled if asked.first <= number <= asked.last]

    def _settle(self, number: int, settlement: Settlement | None) -> Refusal | None:
        found = self.channel.unsettled.pop(number, None)
        if found is None:
            return refusals.MESSAGE_LOCK_LOST
        if settlement is None:
            return _NO_STATE
        queue, token, _ = found
        return queue.settle(token, settlement, self.line.now)
