"""What the bus keeps on disk, and how it comes back."""

from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from devstack.bus import encoding as e
from devstack.bus import recovery
from devstack.bus.entities import Rule
from devstack.bus.entity import BLOCK
from devstack.bus.message import State
from devstack.bus.message_queue import Action, Settlement
from devstack.bus.namespace import Namespace
from devstack.bus.properties import view
from devstack.bus.session_queue import SessionQueue
from devstack.bus.store import Store
from tests.unit.devstack.bus.engine import (
    LOCK,
    NOW,
    QUOTA,
    Receiver,
    a_namespace,
    a_queue,
    a_session_queue,
    a_topic,
    dead_letters,
    later,
    message,
    receiving,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bus.sqlite"


def kept(namespace: Namespace, file: Path) -> Namespace:
    """Write what happened, and read it again as after a kill."""
    store = Store(file)
    store.commit(namespace.shared.journal)
    assert not namespace.shared.journal.has_any()
    store.close()
    return opened(file)


def opened(file: Path) -> Namespace:
    store = Store(file)
    namespace = recovery.recovered(store, QUOTA)
    recovery.resume(namespace, store, NOW)
    store.close()
    return namespace


def test_messages_come_back_in_their_order(file: Path) -> None:
    namespace = a_namespace()
    a_queue(namespace).send([message(b"a", ttl=LOCK), message(b"b")], NOW)

    again = kept(namespace, file)

    receiver = receiving(again, again.queues["queue"])
    assert receiver.bodies == [b"a", b"b"]
    assert [one.enqueued_at for one in receiver.got] == [NOW, NOW]
    assert receiver.got[0].expires_at == NOW + LOCK


def test_what_was_completed_does_not_come_back(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    kept(namespace, file)

    queue.settle(receiving(namespace, queue).token, Settlement(Action.COMPLETE), NOW)
    again = kept(namespace, file)

    assert again.queues["queue"].messages == {}


def test_numbers_go_on_above_all_that_were_given_away(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    receiving(namespace, queue, deletes=True)
    queue.send([message()], NOW)
    namespace.deliver(NOW)

    again = kept(namespace, file)

    assert again.queues["queue"].messages == {}
    assert again.queues["queue"].next_number() == BLOCK + 2


def test_delivery_counts_and_changes_come_back(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message(b"a"), message(b"b")], NOW)
    kept(namespace, file)
    first, second = receiving(namespace, queue).got
    queue.settle(first.token or b"", Settlement(Action.ABANDON), NOW)
    queue.settle(second.token or b"", Settlement(Action.ABANDON, {"x": e.TRUE}), NOW)

    messages = kept(namespace, file).queues["queue"].messages

    assert [one.delivery_count for one in messages.values()] == [1, 1]
    assert view(messages[2]).user == {"x": True}


def test_a_lock_does_not_outlive_the_bus(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    receiving(namespace, queue)

    again = kept(namespace, file)

    assert again.queues["queue"].messages[1].state is State.ACTIVE


def test_deferred_messages_stay_deferred(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace)
    queue.send([message()], NOW)
    queue.settle(receiving(namespace, queue).token, Settlement(Action.DEFER), NOW)

    again = kept(namespace, file).queues["queue"]
    taken = again.take_deferred([1], None, NOW, deletes=False)

    assert isinstance(taken, list)
    assert taken[0].deferred


def test_dead_letters_and_what_was_forwarded_come_back(file: Path) -> None:
    namespace = a_namespace()
    a_queue(namespace, "morgue")
    queue = a_queue(namespace, forward_dead_letters_to="morgue")
    plain = a_queue(namespace, "plain")
    for one in (queue, plain):
        one.send([message()], NOW)
        one.settle(receiving(namespace, one).token, Settlement(Action.DEAD_LETTER), NOW)

    again = kept(namespace, file)

    assert len(dead_letters(again.queues["plain"])) == 1
    assert again.queues["morgue"].messages[1].annotation_count == 1


def test_scheduled_messages_come_when_they_are_due(file: Path) -> None:
    namespace = a_namespace()
    a_queue(namespace).send([message(b"q", due=NOW + 9)], NOW)
    a_topic(namespace, "one").send([message(b"t", due=NOW + 9)], NOW)

    again = kept(namespace, file)
    again.deliver(NOW)
    later(again, NOW + 9)

    assert receiving(again, again.queues["queue"]).bodies == [b"q"]
    assert receiving(again, again.topics["topic"].subscriptions["one"].queue).bodies == [b"t"]


def test_duplicates_are_known_again_until_their_window_is_over(file: Path) -> None:
    namespace = a_namespace()
    a_queue(namespace, duplicate_window_ms=20_000).send([message(number="a")], NOW)

    queue = kept(namespace, file).queues["queue"]

    assert queue.send([message(number="a")], NOW + 19_999) == [0]
    queue.send([message(number="a")], NOW + 20_000)
    assert opened(file).queues["queue"]._seen == {"a": NOW}
    assert kept_again(queue.shared.journal.forgotten) == ["a"]


def kept_again(forgotten: list[tuple[int, str]]) -> list[str]:
    return [name for _, name in forgotten]


def test_the_state_of_sessions_comes_back(file: Path) -> None:
    namespace = a_namespace()
    queue = a_session_queue(namespace)
    queue.send([message(b"m", session="s")], NOW)
    for name in ("s", "gone"):
        queue.accept(Receiver(), name, NOW)
        queue.set_state(queue.session(name), e.binary(b"noted"), NOW)
    queue.set_state(queue.session("gone"), None, NOW)

    again = kept(namespace, file)

    found = again.queues["queue"]
    assert isinstance(found, SessionQueue)
    assert set(found.sessions) == {"s"}
    assert (found.session("s").state, found.session("s").updated_at) == (e.binary(b"noted"), NOW)
    receiver = Receiver(credit=1)
    assert found.accept(receiver, None, NOW) is True


def test_a_state_that_is_taken_away_is_gone(file: Path) -> None:
    namespace = a_namespace()
    queue = a_session_queue(namespace)
    queue.accept(Receiver(), "s", NOW)
    queue.set_state(queue.session("s"), e.TRUE, NOW)
    kept(namespace, file)

    queue.set_state(queue.session("s"), None, NOW)
    again = kept(namespace, file).queues["queue"]

    assert isinstance(again, SessionQueue)
    assert again.sessions == {}


def test_entities_come_back_as_they_were(file: Path) -> None:
    namespace = a_namespace()
    a_queue(namespace, "some/queue", max_delivery_count=3)
    topic = a_topic(namespace, "one")
    rule = Rule.parse("r", {"FilterType": "False"}, "rule")
    topic.subscriptions["one"].rules["r"] = rule
    namespace.define_subscription(topic, topic.subscriptions["one"])

    again = kept(namespace, file)

    assert again.queues["some/queue"].options.max_delivery_count == 3
    assert again.topics["topic"].subscriptions["one"].rules["r"] == rule
    assert set(again.numbered) == set(namespace.numbered)


def test_what_was_removed_is_gone_with_all_it_held(file: Path) -> None:
    namespace = a_namespace()
    queue = a_queue(namespace, duplicate_window_ms=20_000)
    queue.send([message()], NOW)
    kept(namespace, file)

    namespace.delete_queue("queue")
    again = kept(namespace, file)
    a_queue(again)

    assert again.queues["queue"].messages == {}
    assert again.queues["queue"].next_number() == 1


def test_a_file_that_is_no_store_is_refused(file: Path) -> None:
    file.write_bytes(b"not a database" * 100)

    with pytest.raises(Unavailable):
        Store(file)


def test_one_process_has_the_file(file: Path) -> None:
    first = Store(file)

    with pytest.raises(Unavailable):
        Store(file)

    first.close()
