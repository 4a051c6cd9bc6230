"""What becomes of an attach: a link, a wait for a session, or a refusal in words.

A refusal is an attach without source and target and a detach after it, in this order: otherwise
the peer would take the link for good.

1. The address leads somewhere, and the peer has the right that its direction needs.
2. The entity can be sent to, or received from, in the way that is asked for.
3. A session is free, if one is needed; for the next free one the answer is withheld.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from devstack.bus import encoding as e
from devstack.bus import frames, refusals
from devstack.bus.access import LISTEN, SEND
from devstack.bus.amqp_session import MOST_LINKS, AmqpSession
from devstack.bus.answering import put_token, serve_management
from devstack.bus.connection import Connection
from devstack.bus.decoding import Described
from devstack.bus.frames import Attach
from devstack.bus.ingest import take_messages
from devstack.bus.links import Incoming, Outgoing
from devstack.bus.message_queue import DEAD_LETTERS, MessageQueue
from devstack.bus.namespace import Node, bare
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import SessionQueue
from devstack.bus.topic import Topic

_CBS = "$cbs"
_FILTER = "com.microsoft:session-filter"
_TIMEOUT = "com.microsoft:timeout"
_PATIENCE_MS = 60_000
_LONGEST_PATIENCE_MS = 3_600_000
_PRESETTLED = 1
_MILLISECOND = 10_000  # ticks of .NET
_EPOCH = 621_355_968_000_000_000  # 1970, in ticks
_LONGEST_SESSION = 128


@dataclass(slots=True)
class _Asked:
    """An attach, and where it leads."""

    connection: Connection
    session: AmqpSession
    attach: Attach
    address: str
    filters: dict[str, Any]
    source: list[bytes]
    target: str
    node: Node | None = None

    def reply(self, properties: bytes = e.NULL, source: bytes | None = None) -> None:
        """Say that the link is there."""
        attach, limit = self.attach, self.connection.broker.largest_message
        self.session.channel.send(
            frames.attach(attach, source or attach.source, attach.target, limit, properties)
        )

    def refuse(self, refusal: Refusal) -> None:
        """Say that it is not, and why."""
        send = self.session.channel.send
        send(frames.attach(self.attach, e.NULL, e.NULL, self.connection.broker.largest_message))
        send(frames.detach(self.attach.handle, closed=True, refusal=refusal))


def attach(connection: Connection, session: AmqpSession, body: bytes) -> None:
    """Answer an attach."""
    asked = _read(connection, session, Attach.read(body))
    handle = asked.attach.handle
    if handle >= MOST_LINKS or handle in session.links or connection.crowded():
        connection.fail(Refusal("amqp:session:handle-in-use", "The handle cannot be used."))
        return
    refusal = _find(asked) or _check(asked)
    if refusal:
        asked.refuse(refusal)
    elif not asked.attach.receiver:
        _attach_incoming(asked)
    elif asked.node is None or asked.node.management:
        session.add(_outgoing(asked, None))
        asked.reply()
    else:
        _attach_receiver(asked)


def _read(connection: Connection, session: AmqpSession, attach: Attach) -> _Asked:
    source, filters, fields = frames.read_terminus(attach.source)
    target = frames.read_terminus(attach.target)[0]
    address = source if attach.receiver else target
    return _Asked(connection, session, attach, address, filters, fields, target)


# --- 1. where it leads, and who may go there


def _find(asked: _Asked) -> Refusal | None:
    if frames.is_coordinator(asked.attach.target):
        return Refusal("amqp:not-implemented", "There are no transactions here.", 501)
    if bare(asked.address).lower() == _CBS:
        return None
    found = asked.connection.broker.namespace.resolve(asked.address)
    if isinstance(found, Refusal):
        return found
    asked.node = found
    if found.management:
        any_right = asked.connection.may_anything(found.path)
        return None if any_right else refusals.unauthorized(f"{SEND}, {LISTEN}")
    right = LISTEN if asked.attach.receiver else SEND
    return None if asked.connection.may(found.path, right) else refusals.unauthorized(right)


# --- 2. what can be done there


def _check(asked: _Asked) -> Refusal | None:
    if asked.node is None or asked.node.management:
        return None
    entity = asked.node.entity
    if not asked.attach.receiver:
        inner = isinstance(entity, MessageQueue) and (
            "/Subscriptions/" in entity.path or entity.path.endswith(DEAD_LETTERS)
        )
        return refusals.not_allowed("Messages cannot be sent to this entity.") if inner else None
    if isinstance(entity, Topic):
        return refusals.not_allowed("Messages cannot be received from a topic.")
    if isinstance(entity, MessageQueue) and entity.options.forward_to:
        return refusals.not_allowed("Messages cannot be received where they are forwarded.")
    return _check_session(asked, needed=isinstance(entity, SessionQueue))


def _check_session(asked: _Asked, *, needed: bool) -> Refusal | None:
    if needed and _FILTER not in asked.filters:
        return refusals.not_allowed(
            "It is not possible for an entity that requires sessions to create a non-sessionful "
            "message receiver."
        )
    if not needed and _FILTER in asked.filters:
        return refusals.not_allowed(
            "A sessionful message receiver cannot be created on an entity that does not require "
            "sessions."
        )
    name = _session_name(asked)
    if not isinstance(name, str | None) or len(name or "") > _LONGEST_SESSION:
        return Refusal("amqp:invalid-field", "The session filter must be a string or null.", 400)
    return None


def _session_name(asked: _Asked) -> Any:  # noqa: ANN401  # checked by the caller
    value = asked.filters.get(_FILTER)
    return value.value if isinstance(value, Described) else value


# --- 3. the links


def _attach_incoming(asked: _Asked) -> None:
    connection, session, node = asked.connection, asked.session, asked.node
    limit = connection.broker.largest_message
    if node is None:
        take = put_token(connection, session, asked.address)
    elif node.management:
        take = serve_management(connection, session, node, asked.address)
    else:
        take = take_messages(connection, node)
    path = node.path if node else None
    link = Incoming(asked.attach.handle, asked.address, path, take, limit)
    session.add(link)
    asked.reply()
    session.grant(link)


def _outgoing(asked: _Asked, queue: MessageQueue | None) -> Outgoing:
    return Outgoing(
        handle=asked.attach.handle,
        address=asked.address,
        path=asked.node.path if asked.node else None,
        target=asked.target,
        channel=asked.session.channel,
        end=asked.session.end,
        queue=queue,
        deletes=asked.attach.sender_settles == _PRESETTLED,
    )


def _attach_receiver(asked: _Asked) -> None:
    queue = asked.node.entity if asked.node else None
    if not isinstance(queue, MessageQueue):
        return
    link = _outgoing(asked, queue)
    if isinstance(queue, SessionQueue):
        _attach_to_session(asked, link, queue)
        return
    asked.session.add(link)
    queue.consumers.append(link)
    asked.reply()


def _attach_to_session(asked: _Asked, link: Outgoing, queue: SessionQueue) -> None:
    bound = queue.accept(link, _session_name(asked), asked.session.line.now)
    if isinstance(bound, Refusal):
        asked.refuse(bound)
        return
    asked.session.add(link)
    if bound:
        _answer_with_session(asked, link)
        return
    timer = asyncio.get_running_loop().call_later(_patience(asked), _give_up, asked, link, queue)

    def answer() -> None:
        timer.cancel()
        _answer_with_session(asked, link)

    link.answer = answer


def _answer_with_session(asked: _Asked, link: Outgoing) -> None:
    session = link.session
    if session is None:
        return
    name = e.text(session.name)
    ticks = e.long(session.locked_until * _MILLISECOND + _EPOCH)
    fields = list(asked.source)
    fields[7] = e.map_of([e.symbol(_FILTER), name])
    properties = e.map_of([e.symbol("com.microsoft:locked-until-utc"), ticks])
    asked.reply(properties, e.described(0x28, e.list_of(fields)))


def _patience(asked: _Asked) -> float:
    wanted = asked.attach.properties.get(_TIMEOUT)
    milliseconds = wanted if type(wanted) is int else _PATIENCE_MS
    return max(0, min(milliseconds, _LONGEST_PATIENCE_MS)) / 1000


def _give_up(asked: _Asked, link: Outgoing, queue: SessionQueue) -> None:
    session = asked.session
    if session.links.get(link.handle) is not link or link.session is not None:
        return
    session.drop(link)
    queue.leave(link, asked.connection.broker.now())
    asked.refuse(
        Refusal(
            "com.microsoft:timeout",
            "The operation did not complete within the allotted timeout.",
            408,
        )
    )
