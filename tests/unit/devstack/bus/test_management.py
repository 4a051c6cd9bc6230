"""$management, operation by operation, without a connection."""

from typing import Any
from uuid import UUID

import pytest

from devstack.bus import encoding as e
from devstack.bus.access import EVERYTHING, LISTEN, SEND
from devstack.bus.arguments import Answer, Caller, Result
from devstack.bus.decoding import Described, Timestamp, decode
from devstack.bus.management import manage
from devstack.bus.message import State
from devstack.bus.message_queue import Action, MessageQueue, Settlement
from devstack.bus.namespace import Namespace, Node
from devstack.bus.properties import view
from devstack.bus.refusals import Refusal
from devstack.bus.requests import Request
from tests.unit.devstack.bus.engine import (
    LOCK,
    NOW,
    Receiver,
    a_namespace,
    a_queue,
    a_session_queue,
    a_topic,
    dead_letters,
    message,
    raw,
    receiving,
)


def ask(
    namespace: Namespace,
    path: str,
    operation: object,
    *pairs: bytes,
    rights: frozenset[str] = EVERYTHING,
    body: bytes | None = None,
) -> Result:
    node = namespace.resolve(path)
    assert isinstance(node, Node)
    caller = Caller(namespace, node, NOW, lambda _path, right: right in rights)
    properties = {"operation": f"com.microsoft:{operation}"}
    return manage(caller, Request(e.NULL, e.NULL, properties, body or e.map_of(pairs)))


def told(result: Result) -> Any:
    assert isinstance(result, Answer), result
    assert result.status in {200, 204}
    return decode(result.body)[0]


def refused(result: Result) -> tuple[str, int]:
    assert isinstance(result, Refusal)
    return result.condition, result.status


def pair(name: str, value: bytes) -> bytes:
    return e.text(name) + value


def uuids(*tokens: bytes) -> bytes:
    return e.array_of(e.uuid(token) for token in tokens)


def longs(*numbers: int) -> bytes:
    return e.array_of(e.long(number) for number in numbers)


def arguments(**values: bytes) -> list[bytes]:
    return [part for k, v in values.items() for part in (e.text(k.replace("_", "-")), v)]


@pytest.fixture
def namespace() -> Namespace:
    namespace = a_namespace()
    a_queue(namespace)
    a_topic(namespace, "one")
    return namespace


@pytest.fixture
def queue(namespace: Namespace) -> MessageQueue:
    return namespace.queues["queue"]


def test_messages_are_scheduled_and_cancelled(namespace: Namespace, queue: MessageQueue) -> None:
    one = e.map_of([e.text("message"), e.binary(raw(due=NOW + 5))])

    scheduled = ask(
        namespace, "queue", "schedule-message", *arguments(messages=e.list_of([one, one]))
    )
    cancelled = ask(
        namespace, "queue", "cancel-scheduled-message", *arguments(sequence_numbers=longs(1))
    )

    assert told(scheduled) == {"sequence-numbers": [1, 2]}
    assert told(cancelled) is None
    assert list(queue.messages) == [2]


def test_what_is_not_scheduled_cannot_be_cancelled(namespace: Namespace) -> None:
    result = ask(
        namespace, "queue", "cancel-scheduled-message", *arguments(sequence_numbers=longs(1))
    )

    assert refused(result) == ("com.microsoft:message-not-found", 404)


def test_a_queue_that_refuses_a_schedule_says_why(namespace: Namespace) -> None:
    namespace.delete_queue("queue")
    a_session_queue(namespace)
    one = e.map_of([e.text("message"), e.binary(raw(due=NOW + 5))])

    result = ask(namespace, "queue", "schedule-message", *arguments(messages=e.list_of([one])))

    assert refused(result)[0] == "amqp:not-allowed"


def test_messages_are_looked_at(namespace: Namespace, queue: MessageQueue) -> None:
    queue.send([message(b"a"), message(b"b")], NOW)

    found = ask(
        namespace,
        "queue",
        "peek-message",
        *arguments(from_sequence_number=b"\x55\x02", message_count=e.int32(9)),
    )
    none = ask(namespace, "queue", "peek-message", *arguments(from_sequence_number=e.long(3)))

    assert len(told(found)["messages"]) == 1
    assert isinstance(none, Answer)
    assert (none.status, none.condition) == (204, "com.microsoft:message-not-found")


def test_deferred_messages_are_received(namespace: Namespace, queue: MessageQueue) -> None:
    queue.send([message(), message()], NOW)
    for one in receiving(namespace, queue).got:
        queue.settle(one.token or b"", Settlement(Action.DEFER), NOW)

    locked = ask(
        namespace,
        "queue",
        "receive-by-sequence-number",
        *arguments(sequence_numbers=longs(1), receiver_settle_mode=e.uint(1)),
    )
    deleted = ask(
        namespace,
        "queue",
        "receive-by-sequence-number",
        *arguments(sequence_numbers=longs(2), receiver_settle_mode=e.uint(0)),
    )
    missing = ask(
        namespace, "queue", "receive-by-sequence-number", *arguments(sequence_numbers=longs(2))
    )

    assert isinstance(told(locked)["messages"][0]["lock-token"], UUID)
    assert list(told(deleted)["messages"][0]) == ["message"]
    assert refused(missing) == ("com.microsoft:message-not-found", 404)


def test_locks_are_renewed(namespace: Namespace, queue: MessageQueue) -> None:
    queue.send([message()], NOW - 5)
    token = receiving(namespace, queue).token

    renewed = ask(namespace, "queue", "renew-lock", *arguments(lock_tokens=uuids(token)))
    lost = ask(namespace, "queue", "renew-lock", *arguments(lock_tokens=uuids(token, bytes(16))))

    assert told(renewed) == {"expirations": [Timestamp(NOW + LOCK)]}
    assert refused(lost) == ("com.microsoft:message-lock-lost", 410)


def settled(namespace: Namespace, queue: MessageQueue, status: str, **more: bytes) -> Result:
    queue.send([message()], NOW)
    token = receiving(namespace, queue, credit=1).token
    values = arguments(lock_tokens=uuids(token), disposition_status=e.text(status), **more)
    return ask(namespace, "queue", "update-disposition", *values)


def test_a_message_is_completed(namespace: Namespace, queue: MessageQueue) -> None:
    assert told(settled(namespace, queue, "completed")) is None
    assert queue.messages == {}


def test_a_message_is_abandoned_with_changes(namespace: Namespace, queue: MessageQueue) -> None:
    changes = e.map_of([e.text("a"), e.ubyte(1)])

    settled(namespace, queue, "abandoned", properties_to_modify=changes)

    assert view(queue.messages[1]).user == {"a": 1}
    assert queue.messages[1].delivery_count == 1


def test_a_message_is_deferred(namespace: Namespace, queue: MessageQueue) -> None:
    settled(namespace, queue, "defered")

    assert queue.messages[1].state is State.DEFERRED


def test_a_message_is_dead_lettered(namespace: Namespace, queue: MessageQueue) -> None:
    reasons = {"deadletter_reason": e.text("r"), "deadletter_description": e.text("d")}

    settled(namespace, queue, "suspended", **reasons)

    user = view(dead_letters(queue)[0]).user
    assert user == {"DeadLetterReason": "r", "DeadLetterErrorDescription": "d"}


def test_messages_are_settled_all_or_none(namespace: Namespace, queue: MessageQueue) -> None:
    queue.send([message()], NOW)
    token = receiving(namespace, queue).token

    result = ask(
        namespace,
        "queue",
        "update-disposition",
        *arguments(lock_tokens=uuids(token, bytes(16)), disposition_status=e.text("completed")),
    )

    assert refused(result) == ("com.microsoft:message-lock-lost", 410)
    assert list(queue.messages) == [1]


# --- sessions


@pytest.fixture
def session(namespace: Namespace) -> bytes:
    """A session that a receiver has."""
    namespace.delete_queue("queue")
    queue = a_session_queue(namespace)
    queue.send([message(session="s")], NOW)
    queue.accept(Receiver(), "s", NOW)
    return pair("session-id", e.text("s"))


def test_a_session_has_state(namespace: Namespace, session: bytes) -> None:
    noted = pair("session-state", e.binary(b"noted"))

    before = ask(namespace, "queue", "get-session-state", body=e.map_body(session, 2))
    ask(namespace, "queue", "set-session-state", body=e.map_body(session + noted, 4))
    after = ask(namespace, "queue", "get-session-state", body=e.map_body(session, 2))
    ask(namespace, "queue", "set-session-state", body=e.map_body(session, 2))
    end = ask(namespace, "queue", "get-session-state", body=e.map_body(session, 2))

    states = [told(one)["session-state"] for one in (before, after, end)]
    assert states == [None, b"noted", None]


def test_a_session_is_renewed(namespace: Namespace, session: bytes) -> None:
    renewed = ask(namespace, "queue", "renew-session-lock", body=e.map_body(session, 2))

    assert told(renewed) == {"expiration": Timestamp(NOW + LOCK)}


SESSION_OPERATIONS = (
    "renew-session-lock",
    "get-session-state",
    "set-session-state",
    "receive-by-sequence-number",
)


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("operation", SESSION_OPERATIONS)
def test_a_session_that_nobody_has_is_lost(namespace: Namespace, operation: str) -> None:
    result = ask(
        namespace, "queue", operation, *arguments(session_id=e.text("x"), sequence_numbers=longs(1))
    )

    assert refused(result) == ("com.microsoft:session-lock-lost", 410)


def test_state_has_a_limit(namespace: Namespace, session: bytes) -> None:
    large = pair("session-state", e.binary(b"x" * 300_000))

    result = ask(namespace, "queue", "set-session-state", body=e.map_body(session + large, 4))

    assert refused(result)[0] == "amqp:link:message-size-exceeded"


@pytest.mark.usefixtures("session")
def test_sessions_are_listed_in_pages(namespace: Namespace) -> None:
    first = ask(namespace, "queue", "get-message-sessions", *arguments(top=e.int32(5)))
    second = ask(namespace, "queue", "get-message-sessions", *arguments(skip=e.int32(1)))
    changed = ask(
        namespace, "queue", "get-message-sessions", *arguments(last_updated_time=e.timestamp(0))
    )

    assert told(first) == {"skip": 1, "sessions-ids": ["s"]}
    assert [one.status for one in (second, changed)] == [204, 204]


# --- rules

ONE = "topic/Subscriptions/one"


def add(namespace: Namespace, name: str, *description: bytes) -> Result:
    rule = arguments(rule_name=e.text(name), rule_description=e.map_of(description))
    return ask(namespace, ONE, "add-rule", *rule)


def listed(namespace: Namespace) -> dict[str, tuple[int, list[Any], int]]:
    result = told(ask(namespace, ONE, "enumerate-rules"))
    found = {}
    for one in result["rules"]:
        description = one["rule-description"]
        assert description.descriptor == 0x13700000004
        chosen, action, name, _ = description.value
        found[name] = (chosen.descriptor, chosen.value, action.descriptor)
    return found


def expression(text: str) -> bytes:
    return e.map_of([e.text("expression"), e.text(text)])


def test_there_is_a_rule_from_the_beginning(namespace: Namespace) -> None:
    assert listed(namespace) == {"$Default": (0x1370000007, ["1=1", 20], 0x13700000005)}


def test_rules_are_added_and_listed(namespace: Namespace) -> None:
    asked = [
        e.text("label"),
        e.text("l"),
        e.text("properties"),
        e.map_of([e.text("a"), e.int32(5)]),
    ]
    add(
        namespace,
        "sql",
        *arguments(sql_filter=expression("a = 1"), sql_rule_action=expression("SET a = 2")),
    )
    add(namespace, "correlation", *arguments(correlation_filter=e.map_of(asked)))
    add(namespace, "all", *arguments(true_filter=e.map_of([])))
    add(namespace, "none", *arguments(false_filter=e.map_of([])))

    found = listed(namespace)

    assert found["sql"] == (0x1370000006, ["a = 1", 20], 0x13700000006)
    assert found["correlation"] == (
        0x1370000009,
        [None, None, None, None, "l", None, None, None, {"a": 5}],
        0x13700000005,
    )
    assert (found["all"][0], found["none"][0]) == (0x1370000007, 0x1370000008)


def test_a_rule_is_removed(namespace: Namespace) -> None:
    told(ask(namespace, ONE, "remove-rule", *arguments(rule_name=e.text("$default"))))
    again = ask(namespace, ONE, "remove-rule", *arguments(rule_name=e.text("$Default")))
    none = ask(namespace, ONE, "enumerate-rules")

    assert refused(again) == ("amqp:not-found", 404)
    assert isinstance(none, Answer)
    assert none.status == 204


def test_a_rule_is_added_once(namespace: Namespace) -> None:
    result = add(namespace, "$default", *arguments(true_filter=e.map_of([])))

    assert refused(result) == ("com.microsoft:entity-already-exists", 409)


BAD_RULES = {
    "no filter": [],
    "SQL that is none": arguments(sql_filter=expression("a =")),
    "an action that is none": arguments(
        true_filter=e.map_of([]), sql_rule_action=expression("SET")
    ),
    "a filter that is text": arguments(sql_filter=e.text("a = 1")),
    "a filter that asks nothing": arguments(correlation_filter=e.map_of([])),
    "a property that cannot be kept": arguments(
        correlation_filter=e.map_of([e.text("properties"), e.map_of([e.text("a"), e.timestamp(1)])])
    ),
}


@pytest.mark.parametrize("description", BAD_RULES.values(), ids=BAD_RULES)
def test_a_rule_that_makes_no_sense_is_refused(
    namespace: Namespace, description: list[bytes]
) -> None:
    assert refused(add(namespace, "bad", *description)) == ("com.microsoft:argument-error", 400)


# --- what is refused


@pytest.mark.parametrize("path", ["queue", "topic", ONE + "/$DeadLetterQueue"])
def test_only_subscriptions_have_rules(namespace: Namespace, path: str) -> None:
    assert refused(ask(namespace, path, "enumerate-rules"))[0] == "com.microsoft:argument-error"


def test_only_what_has_messages_has_locks(namespace: Namespace) -> None:
    result = ask(namespace, "topic", "renew-lock", *arguments(lock_tokens=uuids(bytes(16))))

    assert refused(result)[0] == "com.microsoft:argument-error"


def test_only_what_has_sessions_has_state(namespace: Namespace) -> None:
    result = ask(namespace, "queue", "get-session-state", *arguments(session_id=e.text("s")))

    assert refused(result)[0] == "com.microsoft:argument-error"


def test_there_is_no_other_operation(namespace: Namespace) -> None:
    assert refused(ask(namespace, "queue", "fly")) == ("amqp:not-implemented", 501)


@pytest.mark.parametrize(
    ("operation", "right"), [("schedule-message", SEND), ("peek-message", LISTEN)]
)
def test_every_operation_needs_its_right(namespace: Namespace, operation: str, right: str) -> None:
    result = ask(namespace, "queue", operation, rights=EVERYTHING - {right})

    assert refused(result) == ("amqp:unauthorized-access", 401)


BAD_ARGUMENTS = {
    "a list instead of a map": ("peek-message", e.list_of([])),
    "a number that is text": (
        "peek-message",
        e.map_of(arguments(from_sequence_number=e.text("1"))),
    ),
    "a number that is a truth": (
        "peek-message",
        e.map_of(arguments(from_sequence_number=e.TRUE)),
    ),
    "a session that is a number": ("peek-message", e.map_of(arguments(session_id=e.uint(1)))),
    "no messages": ("schedule-message", e.map_of([])),
    "messages that are none": (
        "schedule-message",
        e.map_of(arguments(messages=e.list_of([e.TRUE]))),
    ),
    "a message that is malformed": (
        "schedule-message",
        e.map_of(arguments(messages=e.list_of([e.map_of([e.text("message"), e.binary(b"x")])]))),
    ),
    "tokens that are text": (
        "renew-lock",
        e.map_of(arguments(lock_tokens=e.list_of([e.text("x")]))),
    ),
    "too many numbers": (
        "cancel-scheduled-message",
        e.map_of(arguments(sequence_numbers=longs(*range(5000)))),
    ),
    "a status that is none": (
        "update-disposition",
        e.map_of(arguments(lock_tokens=uuids(bytes(16)), disposition_status=e.text("eaten"))),
    ),
}


@pytest.mark.parametrize(("operation", "body"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_arguments_that_make_no_sense_are_refused(
    namespace: Namespace, operation: str, body: bytes
) -> None:
    result = ask(namespace, "queue", operation, body=body)

    assert refused(result) == ("com.microsoft:argument-error", 400)


def test_an_answer_has_the_number_of_its_request() -> None:
    number = e.ulong(9)
    request = Request.parse(e.described(0x73, e.list_of([number])) + e.described(0x77, e.NULL))

    answer = request.answer({"statusCode": e.int32(200)})

    properties, end = decode(answer)
    assert properties == Described(0x73, [None] * 5 + [9])
    assert decode(answer, end)[0].value == {"statusCode": 200}
