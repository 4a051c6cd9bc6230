"""What the store keeps, and when it forgets."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.eventgrid.events import Event, Schema
from devstack.eventgrid.store import SEEN_FOR, Record, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eventgrid.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as made:
        made.put_topic("outcomes", Schema.CLOUD_EVENTS)
        yield made


def event(name: str = "e1") -> Event:
    return Event(Schema.CLOUD_EVENTS, {"id": name, "subject": "\ud800"})


def subscribed(store: Store, name: str = "mine") -> int:
    record = Record(0, "outcomes", name, {"a": 1}, "Succeeded", "code", 1.0)
    return store.put_subscription(record).id


def accept(store: Store, *numbers: int, name: str = "e1", once: bool = False) -> list[int]:
    wanted = [(event(name), "uid", numbers)]
    return [seq for seq, _ in store.accept(wanted, 10.0, once=once)]


def test_what_is_kept_outlives_the_process(store: Store, path: Path) -> None:
    number = subscribed(store)
    (seq,) = accept(store, number)

    with Store(path) as again:
        pending = again.pending(number, seq)

        assert again.topics() == {"outcomes": Schema.CLOUD_EVENTS}
        assert [one.properties for one in again.subscriptions()] == [{"a": 1}]
        assert again.waiting() == [(number, seq, 10.0)]
        assert pending is not None
        assert (pending.event, pending.uid, pending.published) == (event(), "uid", 10.0)


def test_a_subscription_put_again_keeps_its_number_and_what_it_waits_for(store: Store) -> None:
    number = subscribed(store)
    (seq,) = accept(store, number)

    again = store.put_subscription(Record(0, "outcomes", "mine", {"b": 2}, "Failed", "", 2.0))

    assert again.id == number
    assert [(one.properties, one.state) for one in store.subscriptions()] == [({"b": 2}, "Failed")]
    assert store.pending(number, seq) is not None


def test_an_event_goes_with_its_last_delivery(store: Store) -> None:
    first, second = subscribed(store, "first"), subscribed(store, "second")
    (seq,) = accept(store, first, second)

    store.settle(first, [seq])

    assert store.pending(first, seq) is None
    assert store.pending(second, seq) is not None
    store.settle(second, [seq])
    assert store._db.execute("SELECT COUNT(*) FROM event").fetchone() == (0,)


def test_what_a_subscription_waits_for_goes_with_it(store: Store) -> None:
    first, second = subscribed(store, "first"), subscribed(store, "second")
    accept(store, first)
    accept(store, second)

    store.delete_subscription(first)
    store.delete_topic("outcomes")

    assert (store.waiting(), store.subscriptions(), store.topics()) == ([], [], {})
    assert store._db.execute("SELECT COUNT(*) FROM event").fetchone() == (0,)


def test_a_failed_try_is_written_down(store: Store) -> None:
    number = subscribed(store)
    (seq,) = accept(store, number)
    pending = store.pending(number, seq)
    assert pending is not None

    tried = replace(pending, attempts=1, outcome="Busy", status=503, attempted=11.0)
    store.postpone(number, replace(tried, reason="why", given_up=12.0), 20.0)

    assert store.pending(number, seq) == replace(tried, reason="why", given_up=12.0)
    assert store.waiting() == [(number, seq, 20.0)]


def test_an_event_that_nobody_wants_is_not_kept(store: Store) -> None:
    assert accept(store) == []
    assert store._db.execute("SELECT COUNT(*) FROM event").fetchone() == (0,)


def test_an_id_is_taken_once_for_a_week(store: Store) -> None:
    number = subscribed(store)
    wanted = [(event(), "uid", (number,))]

    first = [store.accept(wanted, 0.0, once=True) for _ in range(2)]
    late = store.accept(wanted, SEEN_FOR + 1, once=True)

    assert [len(found) for found in first] == [1, 0]
    assert len(late) == 1


def test_all_of_a_batch_is_kept_or_none(store: Store) -> None:
    number = subscribed(store)
    unknown = number + 1

    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.accept([(event(), "a", (number,)), (event(), "b", (unknown,))], 1.0, once=False)

    assert store.waiting() == []
