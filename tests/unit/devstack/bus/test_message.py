import contextlib

import pytest
from azure.servicebus._pyamqp._decode import decode_payload
from azure.servicebus._pyamqp.message import Message as SdkMessage
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus.message import (
    MESSAGE_ID,
    State,
    batch,
    delivered,
    new_id,
    parse,
    request,
    stored,
)
from tests.unit.devstack.bus.engine import NOW, message, raw

TOKEN = bytes(range(16))
BODY = e.described(0x75, e.binary(b"body"))


def read(data: bytes) -> SdkMessage:
    return decode_payload(memoryview(data))


def annotations(**values: bytes) -> bytes:
    pairs = [
        part for name, value in values.items() for part in (e.symbol(name.replace("_", "-")), value)
    ]
    return e.described(0x72, e.map_of(pairs))


def test_a_message_without_an_id_gets_one() -> None:
    for data in (
        raw(number=None),
        BODY,
        e.described(0x73, e.EMPTY_LIST) + BODY,
        e.described(0x73, e.list_of([e.NULL, e.binary(b"x" * 300)])) + BODY,
    ):
        assert parse(data, lambda: "made").property(MESSAGE_ID) == "made"


def test_ids_are_all_different() -> None:
    assert new_id() != new_id()


def test_properties_behind_a_missing_id_stay() -> None:
    data = e.described(0x73, e.list_of([e.NULL, e.binary(b"user"), e.text("to")])) + BODY

    properties = read(delivered(parse(data, lambda: "made"), locked=False)).properties

    assert properties is not None
    assert list(properties[:3]) == [b"made", b"user", b"to"]


def test_an_id_keeps_its_type() -> None:
    number = e.described(0x73, e.list_of([e.ulong(7)]))

    assert parse(number + BODY, new_id).tail == number + BODY


def test_properties_that_are_not_there_are_nothing() -> None:
    assert message().property(40) is None


def test_sections_come_in_any_order_and_leave_in_that_of_the_standard() -> None:
    header = e.described(0x70, e.list_of([e.TRUE, e.ubyte(3), e.uint(9)]))
    mine = e.described(0x71, e.map_of([e.symbol("mine"), e.uint(1)]))
    application = e.described(0x74, e.map_of([e.text("a"), e.int32(1)]))
    properties = e.described(0x73, e.list_of([e.text("id")]))
    footer = e.described(0x78, e.map_of([]))

    found = read(
        delivered(
            parse(BODY + footer + mine + application + header + properties, new_id), locked=False
        )
    )

    assert list(found.header or [])[:3] == [True, 3, 9]
    assert found.delivery_annotations == {b"mine": 1}
    assert (found.properties or [])[0] == b"id"
    assert found.application_properties == {b"a": 1}
    assert found.data == [b"body"]


def test_a_section_may_have_a_long_descriptor() -> None:
    data = b"\x00\x80" + (0x75).to_bytes(8) + e.binary(b"body")

    assert parse(data, new_id).tail.endswith(data)


def test_a_locked_message_names_its_lock_and_until_when() -> None:
    one = message()
    one.sequence = one.enqueued_sequence = 7
    one.enqueued_at, one.locked_until, one.token = NOW, NOW + 5, TOKEN

    found = read(delivered(one, locked=True))

    assert found.message_annotations == {
        b"x-opt-enqueued-time": NOW,
        b"x-opt-sequence-number": 7,
        b"x-opt-locked-until": NOW + 5,
    }
    assert found.delivery_annotations is not None
    assert found.delivery_annotations[b"x-opt-lock-token"].bytes == TOKEN
    assert list(found.header or []) == [None, None, None, None, 0]


def test_a_message_without_a_lock_has_an_empty_map_in_its_place() -> None:
    assert read(delivered(message(), locked=False)).delivery_annotations == {}


def test_delivery_annotations_stay_beside_the_lock() -> None:
    mine = e.described(0x71, e.map_of([e.symbol("mine"), e.uint(1)]))
    one = parse(mine + BODY, new_id)
    one.token = TOKEN

    found = read(delivered(one, locked=True)).delivery_annotations

    assert found is not None
    assert set(found) == {b"mine", b"x-opt-lock-token"}


@pytest.mark.parametrize("count", [0, 1, 255, 256], ids=str)
@pytest.mark.parametrize("ttl", [None, 0, 77], ids=str)
def test_a_header_tells_how_often_and_how_long(count: int, ttl: int | None) -> None:
    one = message()
    one.delivery_count, one.ttl = count, ttl

    header = read(delivered(one, locked=False)).header

    assert header is not None
    assert (header[4], header[2]) == (count, ttl)


@pytest.mark.parametrize(
    ("state", "deferred", "number"),
    [
        (State.ACTIVE, False, None),
        (State.LOCKED, False, None),
        (State.DEFERRED, True, 1),
        (State.LOCKED, True, 1),
        (State.SCHEDULED, False, 2),
    ],
    ids=["active", "locked", "deferred", "deferred and locked", "scheduled"],
)
def test_a_state_is_told_if_it_is_not_the_usual_one(
    state: State, deferred: bool, number: int | None
) -> None:
    one = message()
    one.state, one.deferred = state, deferred

    found = read(delivered(one, locked=False)).message_annotations

    assert found is not None
    assert found.get(b"x-opt-message-state") == number


def test_the_first_number_is_told_where_it_is_another() -> None:
    one = message()
    one.sequence, one.enqueued_sequence = 8, 3

    found = read(delivered(one, locked=False)).message_annotations

    assert found is not None
    assert (found[b"x-opt-sequence-number"], found[b"x-opt-enqueue-sequence-number"]) == (8, 3)


def test_annotations_of_the_bus_are_dropped_when_a_client_sends_them() -> None:
    data = annotations(x_opt_sequence_number=e.long(99), x_opt_partition_key=e.text("p")) + BODY

    one = parse(data, new_id)

    assert (one.annotation_count, one.annotations) == (
        1,
        e.symbol("x-opt-partition-key") + e.text("p"),
    )


def test_a_scheduled_time_is_read_and_kept() -> None:
    one = parse(annotations(x_opt_scheduled_enqueue_time=e.timestamp(NOW)) + BODY, new_id)

    assert (one.scheduled_for, one.annotation_count) == (NOW, 1)


def test_what_is_stored_reads_as_it_was() -> None:
    one = parse(raw(ttl=5, due=NOW) + e.described(0x71, e.map_of([e.symbol("m"), e.NULL])), new_id)
    one = one.buried_in("queue")

    again = parse(stored(one), new_id, frozenset())

    for name in ("tail", "ttl", "annotations", "annotation_count", "delivery_annotations"):
        assert getattr(again, name) == getattr(one, name)


MALFORMED = {
    "no section": b"\x40",
    "an unknown section": e.described(0x79, e.NULL),
    "a symbol as descriptor": b"\x00" + e.symbol("amqp:data:binary") + e.binary(b""),
    "a header that is a map": e.described(0x70, e.map_of([])),
    "a priority that is text": e.described(0x70, e.list_of([e.NULL, e.text("x")])),
    "properties that are a map": e.described(0x73, e.map_of([])),
    "application properties that are a list": e.described(0x74, e.list_of([])),
    "data that is text": e.described(0x75, e.text("x")),
    "a sequence that is text": e.described(0x76, e.text("x")),
    "a footer that is a list": e.described(0x78, e.list_of([])),
    "a time to enqueue that is text": annotations(x_opt_scheduled_enqueue_time=e.text("x")),
    "data that is cut short": e.described(0x75, e.binary(b"body"))[:-1],
    "half a descriptor": b"\x00\x53",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data, new_id)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for read_one in (lambda given: delivered(parse(given, new_id), locked=False), batch, request):
        with contextlib.suppress(Malformed):
            read_one(data)


def test_a_batch_holds_messages_as_data() -> None:
    envelope = e.described(0x73, e.list_of([e.text("first")]))
    data = [e.described(0x75, e.binary(raw(body))) for body in (b"1", b"2")]

    assert batch(envelope + b"".join(data)) == [raw(b"1"), raw(b"2")]


def test_a_batch_of_anything_else_is_refused() -> None:
    with pytest.raises(Malformed):
        batch(e.described(0x75, e.text("text")))


def test_a_request_has_properties_and_a_value() -> None:
    data = (
        e.described(0x73, e.list_of([e.ulong(1), e.NULL]))
        + e.described(0x74, e.map_of([e.text("operation"), e.text("o")]))
        + e.described(0x77, e.map_of([]))
    )

    assert request(data) == ([e.ulong(1), e.NULL], {"operation": "o"}, e.map_of([]))


def test_a_request_with_a_list_of_properties_is_refused() -> None:
    with pytest.raises(Malformed):
        request(e.described(0x74, e.list_of([])))
