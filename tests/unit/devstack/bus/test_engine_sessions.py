"""Queues that require sessions: who has which, for how long, and what is in them."""

import pytest

from devstack.bus import encoding as e
from devstack.bus import refusals
from devstack.bus.message_queue import COMPLETE, Action, Settlement
from devstack.bus.namespace import Namespace
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import ANY_TIME, Session, SessionQueue
from tests.unit.devstack.bus.engine import (
    LOCK,
    NOW,
    Receiver,
    a_namespace,
    a_session_queue,
    dead_letters,
    later,
    message,
)

LATE = 1000


@pytest.fixture
def namespace() -> Namespace:
    return a_namespace()


@pytest.fixture
def queue(namespace: Namespace) -> SessionQueue:
    return a_session_queue(namespace)


def accepting(
    namespace: Namespace, queue: SessionQueue, name: str | None, credit: int = 100
) -> Receiver:
    """Accept a session, and receive all that is in it."""
    receiver = Receiver(credit=credit)
    assert queue.accept(receiver, name, NOW) is True
    namespace.deliver(NOW)
    return receiver


def test_a_message_without_a_session_is_refused(queue: SessionQueue) -> None:
    assert queue.send([message(session="s"), message()], NOW) is refusals.SESSION_MISSING
    assert queue.messages == {}


def test_a_receiver_gets_the_messages_of_its_session(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(b"1", session="a"), message(session="b"), message(b"2", session="a")], NOW)

    assert accepting(namespace, queue, "a").bodies == [b"1", b"2"]


def test_what_comes_later_is_delivered_too(namespace: Namespace, queue: SessionQueue) -> None:
    receiver = accepting(namespace, queue, "a")

    queue.send([message(session="a")], NOW)
    namespace.deliver(NOW)

    assert len(receiver.got) == 1


def test_a_session_has_one_receiver(namespace: Namespace, queue: SessionQueue) -> None:
    accepting(namespace, queue, "a")

    refused = queue.accept(Receiver(), "a", NOW)

    assert isinstance(refused, Refusal)
    assert refused.condition == "com.microsoft:session-cannot-be-locked"


def test_who_names_no_session_gets_the_next_that_is_free(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a"), message(session="b")], NOW)

    first, second = accepting(namespace, queue, None), accepting(namespace, queue, None)

    assert [one.session.name for one in (first, second) if one.session] == ["a", "b"]


def test_who_waits_for_any_session_gets_one_when_there_is_one(
    namespace: Namespace, queue: SessionQueue
) -> None:
    receiver = Receiver(credit=1)

    assert queue.accept(receiver, None, NOW) is False
    queue.send([message(session="a")], NOW)
    namespace.deliver(NOW)

    assert (receiver.told, len(receiver.got)) == (["accepted"], 1)


def test_who_waits_no_more_gets_nothing(namespace: Namespace, queue: SessionQueue) -> None:
    receiver = Receiver(credit=1)
    queue.accept(receiver, None, NOW)

    queue.leave(receiver, NOW)
    queue.send([message(session="a")], NOW)
    namespace.deliver(NOW)

    assert (receiver.told, receiver.got) == ([], [])


def test_a_session_is_free_as_soon_as_its_receiver_leaves(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a")

    queue.leave(receiver, NOW)
    again = accepting(namespace, queue, None)

    assert again.got[0].delivery_count == 0
    assert queue.settle(receiver.token, COMPLETE, NOW) is None  # the token of the second delivery


def test_the_locks_of_a_session_end_with_it(namespace: Namespace, queue: SessionQueue) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a")
    token = receiver.token

    queue.leave(receiver, NOW)

    assert queue.settle(token, COMPLETE, NOW) is refusals.MESSAGE_LOCK_LOST


def test_a_session_ends_with_time_and_its_messages_are_counted(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a", credit=1)

    later(namespace, NOW + LOCK)
    told_at_once = list(receiver.told)
    later(namespace, NOW + LOCK + LATE)

    assert told_at_once == []
    assert receiver.told == ["com.microsoft:session-lock-lost"]
    assert receiver.session is None
    assert accepting(namespace, queue, "a").got[0].delivery_count == 1


def test_messages_that_failed_too_often_are_dead_lettered(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a")

    queue.settle(receiver.token, Settlement(Action.ABANDON), NOW)
    namespace.deliver(NOW)
    queue.settle(receiver.token, Settlement(Action.ABANDON), NOW)

    assert len(dead_letters(queue)) == 1


def test_a_renewed_session_holds_longer_and_its_messages_too(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a")

    assert queue.renew_session("a", NOW + 10) == NOW + 10 + LOCK
    later(namespace, NOW + LOCK)

    assert queue.settle(receiver.token, COMPLETE, NOW + LOCK) is None


def test_a_session_that_nobody_has_cannot_be_renewed(queue: SessionQueue) -> None:
    assert queue.renew_session("a", NOW) is refusals.SESSION_LOCK_LOST


def test_a_message_lock_is_renewed_by_its_session_only(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    token = accepting(namespace, queue, "a").token

    refused = queue.renew([token], NOW)

    assert isinstance(refused, Refusal)
    assert refused.condition == "amqp:not-allowed"
    assert queue.renew([b"x" * 16], NOW) is refusals.MESSAGE_LOCK_LOST


def test_a_deferred_message_is_taken_in_its_session(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    queue.settle(accepting(namespace, queue, "a").token, Settlement(Action.DEFER), NOW)

    other = queue.take_deferred([1], "b", NOW, deletes=False)
    taken = queue.take_deferred([1], "a", NOW, deletes=False)

    assert other is refusals.MESSAGE_NOT_FOUND
    assert isinstance(taken, list)
    assert taken[0].locked_until == NOW + LOCK


def test_a_scheduled_message_joins_its_session_when_it_is_due(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a", due=NOW + 5), message(session="a", due=NOW + 50)], NOW)
    receiver = accepting(namespace, queue, "a")
    queue.cancel([2])

    later(namespace, NOW + 5)

    assert len(receiver.got) == 1


def state(queue: SessionQueue, name: str) -> Session:
    session = queue.owned(name, NOW)
    assert isinstance(session, Session)
    return session


def test_state_outlives_the_receiver(namespace: Namespace, queue: SessionQueue) -> None:
    receiver = accepting(namespace, queue, "a")

    queue.set_state(state(queue, "a"), e.binary(b"noted"), NOW)
    queue.leave(receiver, NOW)
    accepting(namespace, queue, "a")

    assert state(queue, "a").state == e.binary(b"noted")
    assert namespace.shared.journal.sessions == {(queue.number, "a"): (e.binary(b"noted"), NOW)}


def test_state_can_be_taken_away(namespace: Namespace, queue: SessionQueue) -> None:
    accepting(namespace, queue, "a")

    queue.set_state(state(queue, "a"), None, NOW)

    assert namespace.shared.journal.sessions == {(queue.number, "a"): None}


def test_sessions_are_forgotten_when_there_is_nothing_to_them(
    namespace: Namespace, queue: SessionQueue
) -> None:
    queue.send([message(session="a")], NOW)
    receiver = accepting(namespace, queue, "a")
    empty = accepting(namespace, queue, "empty")

    queue.settle(receiver.token, COMPLETE, NOW)
    queue.leave(receiver, NOW)
    queue.leave(empty, NOW)

    assert queue.sessions == {}


def test_sessions_are_listed(namespace: Namespace, queue: SessionQueue) -> None:
    queue.send([message(session="full")], NOW)
    accepting(namespace, queue, "empty")
    accepting(namespace, queue, "noted")
    queue.set_state(state(queue, "noted"), e.NULL, NOW)

    assert queue.listed(ANY_TIME) == ["full", "noted"]
    assert queue.listed(NOW - 1) == ["noted"]
    assert queue.listed(NOW) == []


def test_looking_can_be_limited_to_a_session(queue: SessionQueue) -> None:
    queue.send([message(session="a"), message(session="b")], NOW)

    assert [one.sequence for one in queue.peek(1, 10, "b")] == [2]


def test_a_free_session_whose_messages_expired_is_none(queue: SessionQueue) -> None:
    queue.send([message(session="a", ttl=5), message(session="b")], NOW)

    receiver = Receiver()
    queue.accept(receiver, None, NOW + 5)

    assert receiver.session is not None
    assert receiver.session.name == "b"
