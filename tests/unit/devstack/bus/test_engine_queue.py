"""Queues: what is sent, delivered, settled, and what time does to it."""

import pytest

from devstack.bus import encoding as e
from devstack.bus import refusals
from devstack.bus.decoding import decode
from devstack.bus.entity import BLOCK
from devstack.bus.journal import key
from devstack.bus.message import Message, State
from devstack.bus.message_queue import COMPLETE, Action, MessageQueue, Settlement
from devstack.bus.properties import view
from devstack.bus.refusals import Refusal
from tests.unit.devstack.bus.engine import (
    LOCK,
    NOW,
    QUOTA,
    a_namespace,
    a_queue,
    dead_letters,
    later,
    message,
    receiving,
)

ABANDON = Settlement(Action.ABANDON)
DEFER = Settlement(Action.DEFER)


def reason(one: Message) -> tuple[object, object]:
    user = view(one).user
    return user["DeadLetterReason"], user["DeadLetterErrorDescription"]


def test_messages_come_in_the_order_they_were_sent() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)

    numbers = queue.send([message(b"a"), message(b"b")], NOW)
    receiver = receiving(namespace, queue)

    assert numbers == [1, 2]
    assert receiver.bodies == [b"a", b"b"]


def test_nobody_gets_more_than_there_is_credit_for() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(body) for body in (b"a", b"b", b"c")], NOW)

    first = receiving(namespace, queue, credit=1)
    second = receiving(namespace, queue, credit=1)

    assert (first.bodies, second.bodies) == ([b"a"], [b"b"])


def test_receivers_take_turns() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    first, second = receiving(namespace, queue), receiving(namespace, queue)

    queue.send([message(body) for body in (b"a", b"b", b"c", b"d")], NOW)
    namespace.deliver(NOW)

    assert {len(first.got), len(second.got)} == {2}


def test_a_blocked_receiver_gets_nothing() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    receiver = receiving(namespace, queue)
    receiver.blocked = True

    queue.send([message()], NOW)
    namespace.deliver(NOW)

    assert receiver.got == []


def test_a_completed_message_is_gone() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue)

    refusal = queue.settle(receiver.token, COMPLETE, NOW)

    assert refusal is None
    assert (queue.messages, queue.size, queue.locked) == ({}, 0, {})


def test_what_is_received_to_be_deleted_is_gone_at_once() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)

    receiver = receiving(namespace, queue, deletes=True)

    assert (len(receiver.got), queue.messages) == (1, {})


def test_an_abandoned_message_takes_its_old_place_and_is_counted() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(b"a"), message(b"b")], NOW)
    receiver = receiving(namespace, queue, credit=1)

    queue.settle(receiver.token, ABANDON, NOW)
    again = receiving(namespace, queue)

    assert again.bodies == [b"a", b"b"]
    assert again.got[0].delivery_count == 1


def test_a_released_message_is_not_counted() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue, credit=1)

    queue.settle(receiver.token, Settlement(Action.RELEASE), NOW)

    assert receiving(namespace, queue).got[0].delivery_count == 0


def test_a_message_that_fails_too_often_is_dead_lettered() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, max_delivery_count=2)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue)

    queue.settle(receiver.token, ABANDON, NOW)
    namespace.deliver(NOW)
    queue.settle(receiver.token, ABANDON, NOW)

    (dead,) = dead_letters(queue)
    assert dead.sequence == 1
    assert reason(dead) == (
        "MaxDeliveryCountExceeded",
        "Message could not be consumed after 2 delivery attempts.",
    )


def test_a_lock_that_ran_out_counts_as_a_failure() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue, credit=1)
    token = receiver.token

    later(namespace, NOW + LOCK)

    assert queue.settle(token, COMPLETE, NOW + LOCK) is refusals.MESSAGE_LOCK_LOST
    assert receiving(namespace, queue).got[0].delivery_count == 1


def test_a_lock_ends_on_time_even_before_anybody_looks() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue)

    assert queue.settle(receiver.token, COMPLETE, NOW + LOCK) is refusals.MESSAGE_LOCK_LOST


def test_a_renewed_lock_holds_longer() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue)

    assert queue.renew([receiver.token], NOW + 10) == [NOW + 10 + LOCK]
    later(namespace, NOW + LOCK)

    assert queue.settle(receiver.token, COMPLETE, NOW + LOCK) is None


def test_a_lost_lock_cannot_be_renewed() -> None:
    queue = a_queue(a_namespace())

    assert queue.renew([b"x" * 16], NOW) is refusals.MESSAGE_LOCK_LOST


def test_a_shorter_lock_duration_is_for_later_locks() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(b"long"), message(b"short")], NOW)
    receiver = receiving(namespace, queue, credit=1)

    a_queue(namespace, lock_duration_ms=10)
    receiver.credit = 1
    later(namespace, NOW)
    later(namespace, NOW + 10)

    assert [one.delivery_count for one in receiver.got] == [0, 1]


def test_a_deferred_message_comes_to_who_asks_for_it() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue)

    queue.settle(receiver.token, DEFER, NOW)
    namespace.deliver(NOW)
    taken = queue.take_deferred([1], None, NOW, deletes=False)

    assert len(receiver.got) == 1
    assert isinstance(taken, list)
    assert (taken[0].state, taken[0].delivery_count) == (State.LOCKED, 0)


def test_a_deferred_message_can_be_taken_for_good() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    queue.settle(receiving(namespace, queue).token, DEFER, NOW)

    queue.take_deferred([1], None, NOW, deletes=True)

    assert queue.messages == {}


def test_an_abandoned_deferred_message_stays_deferred() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    queue.settle(receiving(namespace, queue).token, DEFER, NOW)
    taken = queue.take_deferred([1], None, NOW, deletes=False)
    assert isinstance(taken, list)

    queue.settle(taken[0].token or b"", ABANDON, NOW)

    assert queue.messages[1].state is State.DEFERRED
    assert queue.deferred_count == 1
    assert queue.active_count == 0


@pytest.mark.parametrize("numbers", [[2], [1, 2], [1, 1]], ids=["another", "one more", "twice"])
def test_deferred_messages_are_taken_all_or_none(numbers: list[int]) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    queue.settle(receiving(namespace, queue).token, DEFER, NOW)

    assert queue.take_deferred(numbers, None, NOW, deletes=True) is refusals.MESSAGE_NOT_FOUND
    assert list(queue.messages) == [1]


def test_a_dead_lettered_message_has_the_reasons_given() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    token = receiving(namespace, queue).token
    changes = {"DeadLetterReason": e.text("why"), "DeadLetterErrorDescription": e.text("so")}

    queue.settle(token, Settlement(Action.DEAD_LETTER, changes), NOW)

    assert reason(dead_letters(queue)[0]) == ("why", "so")


def test_a_dead_letter_stays_dead_letter() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, max_delivery_count=1)
    queue.send([message()], NOW)
    queue.settle(receiving(namespace, queue).token, ABANDON, NOW)
    dead = queue.dead_letters
    assert dead is not None
    receiver = receiving(namespace, dead, credit=1)

    dead.settle(receiver.token, Settlement(Action.DEAD_LETTER), NOW)
    receiver.credit = 1
    namespace.deliver(NOW)
    dead.settle(receiver.token, ABANDON, NOW)

    assert list(dead.messages) == [1]


def test_a_settlement_can_change_properties() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue, credit=1)

    queue.settle(receiver.token, Settlement(Action.ABANDON, {"tries": e.int32(1)}), NOW)

    assert view(queue.messages[1]).user == {"tries": 1}
    assert queue.size == queue.messages[1].size


# --- time to live


def test_a_message_that_expired_is_dropped() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(ttl=10)], NOW)
    namespace.deliver(NOW)

    later(namespace, NOW + 10)

    assert (queue.messages, dead_letters(queue)) == ({}, [])


def test_a_message_that_expired_is_not_delivered_even_before_anybody_looks() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(ttl=10)], NOW - 10)

    assert receiving(namespace, queue).got == []


def test_a_message_that_expired_is_dead_lettered_where_that_is_wanted() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, dead_letter_on_expiration=True, default_ttl_ms=10)
    queue.send([message(), message(ttl=99)], NOW)
    namespace.deliver(NOW)

    later(namespace, NOW + 10)

    assert [reason(one)[0] for one in dead_letters(queue)] == ["TTLExpiredException"] * 2


def test_a_locked_message_expires_when_it_is_given_back() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(ttl=10)], NOW)
    receiver = receiving(namespace, queue)

    later(namespace, NOW + 10)
    held = dict(queue.messages)
    queue.settle(receiver.token, ABANDON, NOW + 11)

    assert (len(held), queue.messages) == (1, {})


def test_nothing_expires_among_dead_letters() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(ttl=10)], NOW)
    queue.settle(receiving(namespace, queue).token, Settlement(Action.DEAD_LETTER), NOW)

    later(namespace, NOW + 1000)

    assert len(dead_letters(queue)) == 1


# --- schedules


def test_a_scheduled_message_comes_when_it_is_due() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    receiver = receiving(namespace, queue)

    assert queue.send([message(due=NOW + 10)], NOW) == [1]
    namespace.deliver(NOW)
    before = (list(receiver.got), queue.scheduled_count, namespace.due())
    later(namespace, NOW + 10)

    assert before == ([], 1, NOW + 10)
    assert receiver.got[0].enqueued_at == NOW + 10
    assert queue.scheduled_count == 0


def test_a_schedule_that_is_over_is_none() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)

    queue.send([message(due=NOW)], NOW)

    assert len(receiving(namespace, queue).got) == 1


def test_a_scheduled_message_can_be_cancelled() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(due=NOW + 10)], NOW)

    assert queue.cancel([1]) is None
    namespace.deliver(NOW)
    later(namespace, NOW + 10)

    assert queue.messages == {}


@pytest.mark.parametrize("numbers", [[3], [1, 2], [1, 1]], ids=["none", "not scheduled", "twice"])
def test_schedules_are_cancelled_all_or_none(numbers: list[int]) -> None:
    queue = a_queue(a_namespace())
    queue.send([message(due=NOW + 10), message()], NOW)

    assert queue.cancel(numbers) is refusals.MESSAGE_NOT_FOUND
    assert list(queue.messages) == [1, 2]


# --- duplicates, numbers, looking


def test_a_message_that_comes_again_is_dropped() -> None:
    queue = a_queue(a_namespace(), duplicate_window_ms=100)

    numbers = queue.send([message(number="a"), message(number="a"), message(number="b")], NOW)

    assert numbers == [1, 0, 2]


def test_a_message_that_comes_again_after_the_window_is_taken() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, duplicate_window_ms=100)
    queue.send([message()], NOW)

    assert queue.send([message()], NOW + 100) == [2]
    assert namespace.shared.journal.forgotten == [(queue.number, "id")]


def test_numbers_are_taken_in_blocks() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)

    for _ in range(BLOCK):
        queue.next_number()

    assert namespace.shared.journal.sequences == {queue.number: 1 + BLOCK}
    assert queue.next_number() == 1 + BLOCK
    assert queue.next_number() == 2 + BLOCK
    assert namespace.shared.journal.sequences == {queue.number: 2 + 2 * BLOCK}


def test_looking_shows_what_is_there_whatever_its_state() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(), message(), message(due=NOW + 1), message()], NOW)
    queue.settle(receiving(namespace, queue, credit=1).token, DEFER, NOW)
    receiving(namespace, queue, credit=1)

    page = queue.peek(1, 10, None)

    assert [one.state for one in page] == [
        State.DEFERRED,
        State.LOCKED,
        State.SCHEDULED,
        State.ACTIVE,
    ]
    assert [one.sequence for one in queue.peek(2, 2, None)] == [2, 3]
    assert queue.peek(9, 1, None) == []
    assert queue.peek(1, -1, None) == []


def test_looking_shows_as_much_as_an_answer_holds() -> None:
    queue = a_queue(a_namespace())
    queue.send([message(b"x" * 250_000) for _ in range(5)], NOW)

    assert len(queue.peek(1, 5, None)) == 4


def test_looking_is_in_order_also_where_messages_came_in_another() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(), message()], NOW)
    receiver = receiving(namespace, queue)
    dead = queue.dead_letters
    assert dead is not None

    for one in reversed(receiver.got):
        queue.settle(one.token or b"", Settlement(Action.DEAD_LETTER), NOW)

    assert [one.sequence for one in dead.peek(1, 10, None)] == [1, 2]


def test_what_is_gone_does_not_slow_down_looking() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    receiving(namespace, queue, credit=1000, deletes=True)

    for _ in range(500):
        queue.send([message()], NOW)
        namespace.deliver(NOW)

    assert len(queue._order) < 100


def test_a_full_queue_takes_nothing() -> None:
    queue = a_queue(a_namespace())
    queue.send([message(b"x" * QUOTA)], NOW)

    refused = queue.send([message()], NOW)

    assert isinstance(refused, Refusal)
    assert refused.condition == "amqp:resource-limit-exceeded"


# --- forwarding


def test_messages_are_forwarded_with_a_number_of_their_own() -> None:
    namespace = a_namespace()
    target = a_queue(namespace, "target")
    target.send([message()], NOW)
    source = a_queue(namespace, "source", forward_to="target")

    source.send([message(b"on")], NOW)

    assert source.messages == {}
    assert (target.messages[2].sequence, target.messages[2].enqueued_sequence) == (2, 1)


def bottom(queue: MessageQueue) -> list[Message]:
    assert queue.undeliverable is not None
    return list(queue.undeliverable.messages.values())


def test_what_cannot_be_forwarded_is_kept() -> None:
    namespace = a_namespace()
    source = a_queue(namespace, "source", forward_to="nowhere")

    source.send([message()], NOW)

    assert "nowhere" in str(reason(bottom(source)[0])[1])


def test_what_goes_round_in_circles_ends() -> None:
    namespace = a_namespace()
    a_queue(namespace, "a", forward_to="b")
    a_queue(namespace, "b", forward_to="a")

    namespace.queues["a"].send([message()], NOW)

    held = bottom(namespace.queues["a"]) + bottom(namespace.queues["b"])
    assert [one.hops for one in held] == [4]


def test_dead_letters_are_forwarded_with_their_source() -> None:
    namespace = a_namespace()
    morgue = a_queue(namespace, "morgue")
    queue = a_queue(namespace, forward_dead_letters_to="morgue")
    queue.send([message()], NOW)

    queue.settle(receiving(namespace, queue).token, Settlement(Action.DEAD_LETTER), NOW)

    assert dead_letters(queue) == []
    assert morgue.messages[1].annotations.endswith(e.text("queue"))


def test_dead_letters_that_cannot_be_forwarded_stay() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, forward_dead_letters_to="nowhere")
    queue.send([message()], NOW)

    queue.settle(receiving(namespace, queue).token, Settlement(Action.DEAD_LETTER), NOW)

    assert len(dead_letters(queue)) == 1


# --- the journal


def test_what_comes_and_goes_in_one_tick_is_not_written() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    receiving(namespace, queue, deletes=True)

    queue.send([message()], NOW)
    namespace.deliver(NOW)

    journal = namespace.shared.journal
    assert (journal.written, journal.removed) == ({}, [key(queue.number, 1)])


def test_a_property_is_set_whatever_was_there() -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiver = receiving(namespace, queue, credit=1)
    queue.settle(receiver.token, Settlement(Action.ABANDON, {"a": e.TRUE, "b": e.TRUE}), NOW)
    receiver.credit = 1
    queue.shared.ready[queue] = None
    namespace.deliver(NOW)

    queue.settle(receiver.token, Settlement(Action.ABANDON, {"a": e.ubyte(2)}), NOW)

    assert view(queue.messages[1]).user == {"a": 2, "b": True}
    assert decode(queue.messages[1].tail, 3)[0][0] == "id"
