"""Frames cut out of a stream, performatives read and written, outcomes of receivers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus import frames, outcomes
from devstack.bus.channel import Channel, Line
from devstack.bus.decoding import composite, decode
from devstack.bus.links import Incoming
from devstack.bus.message_queue import Action, Settlement
from devstack.bus.refusals import MESSAGE_LOCK_LOST

LARGEST = 1000


def test_a_stream_is_cut_into_frames() -> None:
    stream = (
        frames.frame(1, b"one") + frames.frame(2, b"", frames.SASL) + frames.frame(3, b"x")[:-1]
    )

    first, at = frames.cut(stream, 0, LARGEST)
    second, at = frames.cut(stream, at, LARGEST)
    third, end = frames.cut(stream, at, LARGEST)

    assert first == frames.Frame(frames.AMQP, 1, b"one")
    assert second == frames.Frame(frames.SASL, 2, b"")
    assert (third, end) == (None, at)
    assert frames.cut(b"\x00\x00", 0, LARGEST) == (None, 0)


def test_an_extended_header_is_skipped() -> None:
    data = (13).to_bytes(4) + bytes((3, 0, 0, 7)) + b"moreX"

    assert frames.cut(data, 0, LARGEST) == (frames.Frame(0, 7, b"X"), 13)


@pytest.mark.parametrize(
    "header",
    [
        (7).to_bytes(4) + b"\x02\x00\x00\x00",
        (LARGEST + 1).to_bytes(4) + b"\x02\x00\x00\x00",
        (8).to_bytes(4) + b"\x01\x00\x00\x00",
        (8).to_bytes(4) + b"\x03\x00\x00\x00",
    ],
    ids=["too small", "too large", "a header too small", "a header larger than the frame"],
)
def test_absurd_sizes_are_refused_before_anything_is_kept(header: bytes) -> None:
    with pytest.raises(Malformed):
        frames.cut(header, 0, LARGEST)


def written(code: int, *fields: bytes) -> bytes:
    return e.described(code, e.list_of(fields))


def test_fields_that_are_not_there_have_their_defaults() -> None:
    assert frames.Begin.read(written(frames.BEGIN)) == frames.Begin(0, 0)
    assert frames.Flow.read(written(frames.FLOW)) == frames.Flow(0, 0, None, 0, 0, False, False)
    assert frames.Transfer.read(written(frames.TRANSFER, e.uint(1))) == frames.Transfer(
        1, None, 0, False, False, False, b""
    )
    assert frames.Disposition.read(
        written(frames.DISPOSITION, e.TRUE, e.uint(4))
    ) == frames.Disposition(True, 4, 4, False, e.NULL)
    assert frames.read_detach(written(frames.DETACH, e.uint(4))) == (4, False)
    assert frames.read_open(written(frames.OPEN, e.text("c"))) == frames.LARGEST_UINT
    assert frames.read_init(written(frames.SASL_INIT)) == ("None", b"")


def test_an_attach_keeps_the_bytes_of_what_it_is_answered_with() -> None:
    source = written(0x28, b"\xb1\x00\x00\x00\x01q")
    body = written(frames.ATTACH, e.text("n"), e.uint(1), e.TRUE, e.NULL, e.ubyte(1), source)

    asked = frames.Attach.read(body)
    answer, fields, _ = composite(frames.attach(asked, asked.source, asked.target, 99))

    assert (asked.source, asked.target, asked.receiver) == (source, e.NULL, True)
    assert (answer, len(fields), fields[2], fields[9], fields[10]) == (
        frames.ATTACH,
        14,
        False,
        0,
        99,
    )


def test_a_terminus_has_an_address_and_filters() -> None:
    filters = e.map_of([e.symbol("f"), e.text("x")])
    raw = written(0x28, e.text("queue"), *[e.NULL] * 6, filters)

    address, found, fields = frames.read_terminus(raw)

    assert (address, found, len(fields)) == ("queue", {"f": "x"}, 11)
    assert frames.read_terminus(e.NULL)[:2] == ("", {})
    assert frames.read_terminus(written(0x28, e.uint(1)))[:2] == ("", {})


def test_a_coordinator_is_told_from_a_target() -> None:
    assert frames.is_coordinator(written(frames.COORDINATOR))
    assert not frames.is_coordinator(written(0x29))
    assert not frames.is_coordinator(e.NULL)
    assert frames.is_coordinator(b"\x00\x80" + (frames.COORDINATOR).to_bytes(8) + e.EMPTY_LIST)


READERS = {
    "begin": frames.Begin.read,
    "attach": frames.Attach.read,
    "flow": frames.Flow.read,
    "transfer": frames.Transfer.read,
    "disposition": frames.Disposition.read,
    "detach": frames.read_detach,
    "open": frames.read_open,
}
BAD_FIELDS = {
    "begin": written(0, e.NULL, e.text("x")),
    "attach": written(0, e.NULL, e.uint(1)),
    "flow": written(0, e.TRUE),
    "transfer": written(0, e.NULL),
    "disposition": written(0, e.TRUE, e.NULL),
    "detach": written(0, e.ulong(1 << 40)),
    "open": written(0, e.NULL, e.NULL, b"\x54\xff"),
}


@pytest.mark.parametrize("name", READERS)
def test_fields_of_a_wrong_type_are_refused(name: str) -> None:
    for body in (BAD_FIELDS[name], b"\x40", b""):
        with pytest.raises(Malformed):
            READERS[name](body)


# --- what receivers decide

STATES = {
    "accepted": (frames.ACCEPTED_STATE, Settlement(Action.COMPLETE)),
    "accepted otherwise": (written(frames.ACCEPTED), Settlement(Action.COMPLETE)),
    "accepted, a long list": (
        b"\x00\x53\x24\xd0\x00\x00\x00\x04\x00\x00\x00\x00",
        Settlement(Action.COMPLETE),
    ),
    "released": (written(frames.RELEASED), Settlement(Action.RELEASE)),
    "nothing": (e.NULL, Settlement(Action.RELEASE)),
    "modified": (written(frames.MODIFIED), Settlement(Action.ABANDON)),
    "failed": (written(frames.MODIFIED, e.TRUE, e.FALSE), Settlement(Action.ABANDON)),
    "not here": (written(frames.MODIFIED, e.TRUE, e.TRUE), Settlement(Action.DEFER)),
    "changed": (
        written(
            frames.MODIFIED,
            e.TRUE,
            e.TRUE,
            e.map_of([e.symbol("a"), e.ubyte(1), e.text("b"), e.NULL, e.uint(1), e.TRUE]),
        ),
        Settlement(Action.DEFER, {"a": e.ubyte(1)}),
    ),
    "rejected": (written(frames.REJECTED), Settlement(Action.DEAD_LETTER)),
    "rejected for nothing": (written(frames.REJECTED, e.NULL), Settlement(Action.DEAD_LETTER)),
    "rejected without info": (
        written(frames.REJECTED, written(frames.ERROR, e.symbol("c"))),
        Settlement(Action.DEAD_LETTER),
    ),
    "rejected with reasons": (
        written(
            frames.REJECTED,
            written(frames.ERROR, e.symbol("c"), e.NULL, e.map_of([e.symbol("r"), e.text("x")])),
        ),
        Settlement(Action.DEAD_LETTER, {"r": e.text("x")}),
    ),
    "received": (written(frames.RECEIVED, e.uint(0), e.ulong(0)), None),
    "no state": (e.TRUE, None),
}


@pytest.mark.parametrize(("state", "settlement"), STATES.values(), ids=STATES)
def test_a_state_is_a_decision(state: bytes, settlement: Settlement | None) -> None:
    assert outcomes.settlement(state) == settlement


def test_a_decision_is_confirmed_by_its_own_state() -> None:
    modified = written(frames.MODIFIED, e.TRUE)

    assert outcomes.echo(modified) == modified
    assert outcomes.echo(e.NULL) == frames.ACCEPTED_STATE
    assert decode(outcomes.echo(written(frames.REJECTED, e.TRUE)))[0].value == [None]


@given(st.binary(max_size=60))
def test_any_state_is_a_decision_or_refused(state: bytes) -> None:
    try:
        found = outcomes.settlement(state)
    except Malformed:
        found = None

    assert found is None or isinstance(found, Settlement)


# --- parts of messages


def part(payload: bytes, *, more: bool, settled: bool = False, aborted: bool = False) -> bytes:
    flags = [e.boolean(flag) for flag in (settled, more)]
    rest = [e.NULL, e.NULL, e.NULL, e.boolean(aborted)]
    return (
        written(frames.TRANSFER, e.uint(0), e.uint(5), e.NULL, e.uint(9), *flags, *rest) + payload
    )


def joined(*parts: bytes, limit: int = 10) -> tuple[Incoming, list[frames.Transfer | None]]:
    link = Incoming(0, "", None, lambda _: b"", limit)
    return link, [link.join(frames.Transfer.read(one)) for one in parts]


def test_parts_make_a_message() -> None:
    _, found = joined(part(b"ab", more=True), part(b"c", more=True), part(b"d", more=False))

    whole = found[-1]
    assert found[:2] == [None, None]
    assert whole is not None
    assert (whole.payload, whole.delivery, whole.format) == (b"abcd", 5, 9)


def test_what_is_too_large_is_counted_but_not_kept() -> None:
    link, found = joined(*[part(b"x" * 6, more=True)] * 5, part(b"x", more=False))

    assert link.size == 31
    assert found[-1] is not None
    assert found[-1].payload == b""


def test_a_message_may_be_given_up() -> None:
    _, found = joined(part(b"ab", more=True), part(b"", more=True, aborted=True))

    assert found[-1] is not None
    assert found[-1].aborted


def test_a_message_is_settled_if_one_part_says_so() -> None:
    _, found = joined(part(b"ab", more=True), part(b"c", more=False, settled=True))

    assert found[-1] is not None
    assert found[-1].settled


# --- what is sent, within windows


def sending(window: int, frame: int = frames.SMALLEST_FRAME) -> tuple[Channel, list[bytes]]:
    line = Line(lambda: None, peer_frame=frame)
    return Channel(line, 1, frames.Begin(0, window)), line.out


def payloads(sent: list[bytes]) -> list[bytes]:
    return [frames.Transfer.read(frame[8:]).payload for frame in sent]


HEAD = frames.transfer_head(3, 4)


def test_a_large_message_goes_in_parts() -> None:
    channel, sent = sending(100)

    channel.deliver(HEAD, b"tagg", b"x" * 1000)

    parts = [frames.Transfer.read(frame[8:]) for frame in sent]
    assert b"".join(one.payload for one in parts) == b"x" * 1000
    assert [one.more for one in parts] == [True, True, False]
    assert {(one.handle, one.delivery, one.settled) for one in parts} == {(3, 0, True)}
    assert max(len(frame) for frame in sent) <= frames.SMALLEST_FRAME


def test_a_closed_window_holds_frames_back() -> None:
    channel, sent = sending(1)

    for body in (b"a", b"b", b"c"):
        channel.deliver(HEAD, b"tagg", body)
    before = (payloads(sent), channel.blocked())
    channel.opened(frames.Flow(1, 2, None, 0, 0, False, False))

    assert before == ([b"a"], True)
    assert payloads(sent) == [b"a", b"b", b"c"]
    assert channel.blocked()


def test_a_window_that_is_behind_is_closed() -> None:
    channel, _ = sending(5)
    channel.deliver(HEAD, b"tagg", b"a")

    channel.opened(frames.Flow(0, 0, None, 0, 0, False, False))

    assert channel.blocked()


def test_an_empty_answer_is_sent_too() -> None:
    channel, sent = sending(5)

    channel.deliver(HEAD, b"tagg", b"")

    assert payloads(sent) == [b""]


def test_an_error_has_all_its_fields() -> None:
    state = decode(frames.rejected(MESSAGE_LOCK_LOST))[0]

    assert len(state.value[0].value) == 3
