"""A queue that requires sessions: one receiver at a time gets the messages of one session.

- A session's lock belongs to the receiver's link: it ends with the link, or with time.
- Locks of messages end when the session's lock does.
- A session is there as long as it has messages, state or a receiver.
"""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappush

from devstack.bus import refusals
from devstack.bus.entity import Shared
from devstack.bus.message import GROUP_ID, Message, State
from devstack.bus.message_queue import Consumer, MessageQueue, Options
from devstack.bus.refusals import Refusal

ANY_TIME = 253402300800000
"""What a client asks for who wants all sessions that have messages or state."""
_LATE_MS = 1000
"""How long after a session's lock its link ends. The service is as slow: a receiver that waits for
messages exactly as long as its lock lasts ends its wait, and sees no error."""


@dataclass(slots=True, eq=False)
class Session:
    """The messages with one session id, who has them, and what receivers noted down."""

    name: str
    ready: list[int] = field(default_factory=list)
    locked: dict[bytes, Message] = field(default_factory=dict)
    held: int = 0
    """How many messages it has."""
    owner: "SessionConsumer | None" = None
    locked_until: int = 0
    state: bytes | None = None
    """As an encoded value."""
    updated_at: int = 0

    def idle(self) -> bool:
        """Say whether nothing would be lost without it."""
        return not self.held and self.owner is None and self.state is None


@dataclass(slots=True, eq=False)
class SessionConsumer(Consumer):
    """A receiver of one session, or one who waits for any."""

    session: Session | None = None

    def accepted(self) -> None:
        """Learn that the session which it waited for is there."""


class SessionQueue(MessageQueue):
    """A queue whose messages go to who has their session."""

    def __init__(self, number: int, path: str, options: Options, shared: Shared) -> None:
        super().__init__(number, path, options, shared)
        self.sessions: dict[str, Session] = {}
        self._waiting: deque[SessionConsumer] = deque()
        self._free: dict[str, None] = {}  # sessions that may have messages and have no owner
        self._owned: dict[str, Session] = {}
        self._ending: deque[tuple[int, SessionConsumer]] = deque()

    def session(self, name: str) -> Session:
        """Return a session; there is one of every name."""
        if name not in self.sessions:
            self.sessions[name] = Session(name)
        return self.sessions[name]

    # --- messages, in their sessions

    def check(self, message: Message) -> Refusal | None:
        """Take messages that have a session only, and note which."""
        name = message.property(GROUP_ID)
        if not isinstance(name, str):
            return refusals.SESSION_MISSING
        message.session = name
        return None

    def resume(self, message: Message, now: int) -> None:
        """Count a message in its session."""
        if not message.session:
            self.check(message)
        self.session(message.session).held += 1
        super().resume(message, now)

    def drop(self, message: Message) -> None:
        """Count a message no more."""
        super().drop(message)
        if message.state is not State.SCHEDULED and (s := self.sessions.get(message.session)):
            s.held -= 1
            self._tidy(s)

    def offer(self, message: Message) -> None:
        """Put a message among those of its session."""
        message.state, message.token = State.ACTIVE, None
        session = self.session(message.session)
        heappush(session.ready, message.sequence)
        if session.owner is None:
            self._free[session.name] = None
        self.shared.ready[self] = None

    def deliver(self, now: int) -> None:
        """Give free sessions to those who wait, and messages to the owners of their sessions."""
        self._serve_waiting(now)
        for session in list(self._owned.values()):
            owner = session.owner
            while owner and owner.ready() and (message := self.take(session.ready, now)):
                self.hand_out(owner, message, session.locked_until)

    def lock(self, message: Message, _until: int) -> None:
        """Lock a message for as long as its session is."""
        session = self.session(message.session)
        super().lock(message, session.locked_until)
        if message.token:
            session.locked[message.token] = message

    def watch(self, _until: int, _token: bytes) -> None:
        """Do nothing: the session's lock is the one that ends."""

    def unlock(self, token: bytes, message: Message) -> None:
        """Forget a lock."""
        super().unlock(token, message)
        self.session(message.session).locked.pop(token, None)

    # --- who has which session

    def accept(self, consumer: SessionConsumer, name: str | None, now: int) -> Refusal | bool:
        """Give a session to a receiver, the next free one if it names none; or let it wait."""
        if name is not None:
            if self.session(name).owner is not None:
                return refusals.session_taken(name)
            self._bind(consumer, self.session(name), now)
            return True
        session = self._next_free(now)
        if session is None:
            self._waiting.append(consumer)
            return False
        self._bind(consumer, session, now)
        return True

    def leave(self, consumer: SessionConsumer, now: int) -> None:
        """Take the receiver's session back; its messages are free at once."""
        if consumer in self._waiting:
            self._waiting.remove(consumer)
        session, consumer.session = consumer.session, None
        if session is not None and session.owner is consumer:
            self._release(session)
            for token, message in list(session.locked.items()):
                self.unlock(token, message)
                self.give_back(message, now)
            self._tidy(session)

    def _bind(self, consumer: SessionConsumer, session: Session, now: int) -> None:
        session.owner, consumer.session = consumer, session
        session.locked_until = now + self.options.lock_duration_ms
        self._free.pop(session.name, None)
        self._owned[session.name] = session
        self.shared.ready[self] = None

    def _release(self, session: Session) -> None:
        session.owner = None
        self._owned.pop(session.name, None)
        if session.ready:
            self._free[session.name] = None
        self.shared.ready[self] = None

    def _next_free(self, now: int) -> Session | None:
        for name in list(self._free):
            session = self.sessions.get(name)
            if session and session.owner is None:
                message = self.take(session.ready, now)
                if message is not None:
                    heappush(session.ready, message.sequence)
                    return session
            self._free.pop(name, None)
        return None

    def _serve_waiting(self, now: int) -> None:
        while self._waiting and (session := self._next_free(now)):
            consumer = self._waiting.popleft()
            self._bind(consumer, session, now)
            self.consumers.append(consumer)
            consumer.accepted()

    def _tidy(self, session: Session) -> None:
        if session.idle():
            self.sessions.pop(session.name, None)
            self._free.pop(session.name, None)

    # --- what the holder of a session may ask

    def owned(self, name: str, now: int) -> Session | Refusal:
        """Find a session whose lock holds."""
        session = self._owned.get(name)
        if session is None or session.locked_until <= now:
            return refusals.SESSION_LOCK_LOST
        return session

    def renew_session(self, name: str, now: int) -> int | Refusal:
        """Prolong a session's lock, and those of its messages."""
        session = self.owned(name, now)
        if isinstance(session, Refusal):
            return session
        session.locked_until = now + self.options.lock_duration_ms
        for message in session.locked.values():
            message.locked_until = session.locked_until
        return session.locked_until

    def renew(self, tokens: Sequence[bytes], now: int) -> list[int] | Refusal:
        """Refuse: in a session, it is the session's lock that is renewed."""
        if any(self.held(token, now) is None for token in tokens):
            return refusals.MESSAGE_LOCK_LOST
        return refusals.not_allowed("Locks of messages in a session are renewed by the session.")

    def set_state(self, session: Session, state: bytes | None, now: int) -> None:
        """Note something down for the next receiver of a session."""
        session.state, session.updated_at = state, now
        name = (self.number, session.name)
        self.shared.journal.sessions[name] = None if state is None else (state, now)

    def listed(self, since: int) -> list[str]:
        """Name the sessions that are active, or those whose state was set after a time."""
        if since >= ANY_TIME:
            return [s.name for s in self.sessions.values() if s.held or s.state is not None]
        return [
            s.name for s in self.sessions.values() if s.state is not None and s.updated_at > since
        ]

    # --- what time does

    def advance(self, now: int) -> None:
        """Do what is due: also sessions whose locks ran out."""
        super().advance(now)
        for session in [s for s in self._owned.values() if s.locked_until <= now]:
            owner = session.owner
            self._release(session)
            for token, message in list(session.locked.items()):
                self.unlock(token, message)
                self.fail(message, now)
            if owner is not None:
                owner.session = None
                self._ending.append((now + _LATE_MS, owner))
            self._tidy(session)
        while self._ending and self._ending[0][0] <= now:
            self._ending.popleft()[1].detach(refusals.SESSION_LOCK_LOST)

    def due(self) -> int | None:
        """Say when something will be due."""
        heads = [super().due(), *(s.locked_until for s in self._owned.values())]
        heads += [at for at, _ in itertools.islice(self._ending, 1)]
        return min((head for head in heads if head is not None), default=None)
