"""What an entity's $management node can do, operation by operation.

- Numbers come in any width, lock tokens as UUIDs; what is not well-formed is an argument error.
- Each operation needs a right: to listen, to send, to manage.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus import outcomes, refusals
from devstack.bus.access import LISTEN, SEND
from devstack.bus.arguments import Answer, Arguments, Caller, Result, expect
from devstack.bus.decoding import Timestamp
from devstack.bus.message import Message, delivered, new_id, parse
from devstack.bus.message_queue import Action, MessageQueue, Settlement
from devstack.bus.refusals import Refusal
from devstack.bus.requests import Request
from devstack.bus.rule_requests import add_rule, list_rules, remove_rule
from devstack.bus.session_queue import ANY_TIME, Session, SessionQueue

_LARGEST_STATE = 1 << 18  # bytes of a session's state, as the service has it
_LOCKS = 1  # the receiver's settle mode of who wants locks


_NOTHING = Answer(HTTPStatus.NO_CONTENT, "No content", e.NULL, "com.microsoft:message-not-found")
_NO_SESSION = Answer(HTTPStatus.NO_CONTENT, "No content", e.NULL, "com.microsoft:session-not-found")


def manage(caller: Caller, request: Request) -> Result:
    """Do what a request asks for."""
    operation = request.properties.get("operation")
    found = _OPERATIONS.get(operation) if isinstance(operation, str) else None
    if found is None:
        return Refusal("amqp:not-implemented", f"There is no operation {operation!r:.80}.", 501)
    right, act = found
    if not caller.may(caller.node.path, right):
        return refusals.unauthorized(right)
    try:
        return act(caller, Arguments.parse(request.body))
    except Malformed as error:
        return refusals.bad_argument(str(error))


def _queue(caller: Caller) -> MessageQueue:
    entity = caller.node.entity
    if not isinstance(entity, MessageQueue):
        raise Malformed("request", "an entity that messages are received from")
    return entity


def _session_queue(caller: Caller) -> SessionQueue:
    entity = caller.node.entity
    if not isinstance(entity, SessionQueue):
        raise Malformed("request", "an entity that requires sessions")
    return entity


# --- sending


def _schedule(caller: Caller, arguments: Arguments) -> Result:
    messages: list[Message] = []
    for item in arguments.items("messages"):
        raw = expect(dict, item).get("message")
        messages.append(parse(expect(bytes, raw), new_id))
    sent = caller.node.entity.send(messages, caller.now)
    if isinstance(sent, Refusal):
        return sent
    numbers = e.array_of(e.long(number) for number in sent)
    return Answer(body=e.map_of([e.text("sequence-numbers"), numbers]))


def _cancel(caller: Caller, arguments: Arguments) -> Result:
    return caller.node.entity.cancel(arguments.numbers("sequence-numbers")) or Answer()


# --- looking


def _peek(caller: Caller, arguments: Arguments) -> Result:
    page = caller.node.entity.peek(
        arguments.number("from-sequence-number", 0),
        arguments.number("message-count", 1),
        arguments.optional_text("session-id"),
    )
    return _messages(page, locked=False) if page else _NOTHING


def _messages(page: list[Message], *, locked: bool) -> Answer:
    items = []
    for message in page:
        pairs = [e.text("message"), e.binary(delivered(message, locked=locked))]
        if locked and message.token is not None:
            pairs += [e.text("lock-token"), e.uuid(message.token)]
        items.append(e.map_of(pairs))
    return Answer(body=e.map_of([e.text("messages"), e.list_of(items)]))


def _receive(caller: Caller, arguments: Arguments) -> Result:
    locks = arguments.number("receiver-settle-mode", _LOCKS) == _LOCKS
    session = arguments.optional_text("session-id")
    queue = _queue(caller)
    if session is not None:
        owned = _session_queue(caller).owned(session, caller.now)
        if isinstance(owned, Refusal):
            return owned
    numbers = arguments.numbers("sequence-numbers")
    taken = queue.take_deferred(numbers, session, caller.now, deletes=not locks)
    return taken if isinstance(taken, Refusal) else _messages(taken, locked=locks)


# --- locks and settlement


def _renew(caller: Caller, arguments: Arguments) -> Result:
    renewed = _queue(caller).renew(arguments.tokens("lock-tokens"), caller.now)
    if isinstance(renewed, Refusal):
        return renewed
    times = e.array_of(e.timestamp(until) for until in renewed)
    return Answer(body=e.map_of([e.text("expirations"), times]))


_STATUSES = {
    "completed": Action.COMPLETE,
    "abandoned": Action.ABANDON,
    "defered": Action.DEFER,  # as the service spells it
    "suspended": Action.DEAD_LETTER,
}
_REASONS = {
    "deadletter-reason": "DeadLetterReason",
    "deadletter-description": "DeadLetterErrorDescription",
}


def _settle(caller: Caller, arguments: Arguments) -> Result:
    status = arguments.text("disposition-status")
    if status not in _STATUSES:
        raise Malformed("request", "a disposition status", repr(status[:40]))
    changes = outcomes.changes(arguments.encoded("properties-to-modify"))
    for name, key in _REASONS.items():
        if arguments.optional_text(name) is not None:
            changes[key] = arguments.encoded(name)
    queue, tokens = _queue(caller), arguments.tokens("lock-tokens")
    if any(queue.held(token, caller.now) is None for token in tokens):
        return refusals.MESSAGE_LOCK_LOST
    settlement = Settlement(_STATUSES[status], changes)
    for token in tokens:
        queue.settle(token, settlement, caller.now)
    return Answer()


# --- sessions


def _owned(caller: Caller, arguments: Arguments) -> Session | Refusal:
    return _session_queue(caller).owned(arguments.text("session-id"), caller.now)


def _renew_session(caller: Caller, arguments: Arguments) -> Result:
    until = _session_queue(caller).renew_session(arguments.text("session-id"), caller.now)
    if isinstance(until, Refusal):
        return until
    return Answer(body=e.map_of([e.text("expiration"), e.timestamp(until)]))


def _get_state(caller: Caller, arguments: Arguments) -> Result:
    session = _owned(caller, arguments)
    if isinstance(session, Refusal):
        return session
    state = e.NULL if session.state is None else session.state
    return Answer(body=e.map_of([e.text("session-state"), state]))


def _set_state(caller: Caller, arguments: Arguments) -> Result:
    session = _owned(caller, arguments)
    if isinstance(session, Refusal):
        return session
    state = arguments.encoded("session-state")
    if len(state) > _LARGEST_STATE:
        return refusals.too_large(len(state), _LARGEST_STATE)
    _session_queue(caller).set_state(session, None if state == e.NULL else state, caller.now)
    return Answer()


def _list_sessions(caller: Caller, arguments: Arguments) -> Result:
    since = arguments.values.get("last-updated-time")
    names = _session_queue(caller).listed(since if isinstance(since, Timestamp) else ANY_TIME)
    skip, top = max(0, arguments.number("skip", 0)), max(0, arguments.number("top", 100))
    page = names[skip : skip + top]
    if not page:
        return _NO_SESSION
    listed = e.list_of([e.text(name) for name in page])
    pairs = [e.text("skip"), e.int32(skip + len(page)), e.text("sessions-ids"), listed]
    return Answer(body=e.map_of(pairs))


type _Operation = Callable[[Caller, Arguments], Result]

_OPERATIONS: Mapping[str, tuple[str, _Operation]] = {
    f"com.microsoft:{name}": (right, act)
    for name, right, act in (
        ("schedule-message", SEND, _schedule),
        ("cancel-scheduled-message", SEND, _cancel),
        ("peek-message", LISTEN, _peek),
        ("receive-by-sequence-number", LISTEN, _receive),
        ("renew-lock", LISTEN, _renew),
        ("update-disposition", LISTEN, _settle),
        ("renew-session-lock", LISTEN, _renew_session),
        ("get-session-state", LISTEN, _get_state),
        ("set-session-state", LISTEN, _set_state),
        ("get-message-sessions", LISTEN, _list_sessions),
        ("add-rule", LISTEN, add_rule),  # as the service has it: only its ARM API asks for Manage
        ("remove-rule", LISTEN, remove_rule),
        ("enumerate-rules", LISTEN, list_rules),
    )
}
