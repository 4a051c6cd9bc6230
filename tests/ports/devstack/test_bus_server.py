"""The bus's protocol, said by a peer of our own: what the SDK never says, or hides."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from hmac import digest
from typing import Any
from urllib.parse import quote_plus

import pytest

from devstack import clock, tokens
from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.decoding import Described, decode
from tests.buses import LISTENER, ROOT, SENDER, Bus, running_bus, token
from tests.ports.devstack.amqp_peer import (
    AMQP_HEADER,
    SASL_HEADER,
    Peer,
    attach_frame,
    begin_frame,
    open_frame,
    performative,
    terminus,
    welcome,
)
from tests.unit.devstack.bus.engine import raw


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with running_bus(tmp_path_factory.mktemp("bus"), more=["--largest-message", "100000"]) as bus:
        yield bus


@pytest.fixture
def queue(bus: Bus) -> str:
    return bus.control.queue()


@pytest.fixture
def peer(bus: Bus) -> Iterator[Peer]:
    with welcome(bus) as peer:
        yield peer


def condition(error: Any) -> str:
    assert isinstance(error, Described)
    assert len(error.value) == 3
    return str(error.value[0])


def refusal(peer: Peer, fields: list[Any]) -> str:
    """Read why an attach was refused: it has no ends, and a detach follows at once."""
    assert fields[5:7] == [None, None]
    code, detach = peer.frame()
    assert (code, detach[1]) == (frames.DETACH, True)
    return condition(detach[2])


def signature(bus: Bus, resource: str, seconds: int, rule: str = ROOT) -> bytes:
    until = int(clock.now().timestamp()) + seconds
    spelled = quote_plus(resource)
    signed = digest(bus.home.secret(f"bus/{rule}").encode(), f"{spelled}\n{until}".encode(), sha256)
    value = quote_plus(b64encode(signed))
    return e.text(f"SharedAccessSignature sr={spelled}&sig={value}&se={until}&skn={rule}")


# --- who it is


def test_a_stranger_may_connect_but_attach_to_nothing(bus: Bus, queue: str) -> None:
    with Peer(bus.port) as peer:
        assert peer.login() == 0
        peer.open()

        found = [
            refusal(peer, peer.attach(1, queue)),
            refusal(peer, peer.attach(2, queue, receives=True)),
            refusal(peer, peer.attach(3, f"{queue}/$management")),
        ]

    assert found == ["amqp:unauthorized-access"] * 3


def test_a_peer_may_do_without_sasl(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        peer.open()

        assert (
            peer.put_token(e.text("sb://h/"), signature(bus, "sb://h/", 60))["status-code"] == 202
        )


def test_a_wrong_password_ends_the_connection(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        assert peer.login("PLAIN", b"\0RootManageSharedAccessKey\0wrong") == 1
        assert peer.ended()


def test_an_unknown_mechanism_ends_the_connection(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        assert peer.login("CRAM-MD5") == 1
        assert peer.ended()


def test_another_protocol_is_told_which_one_it_is(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\n\r\n")

        assert peer.header() == SASL_HEADER
        assert peer.ended()


def test_a_key_has_its_rights_and_no_more(bus: Bus, queue: str) -> None:
    with welcome(bus, SENDER) as peer:
        sends = peer.attach(1, queue)
        refused = refusal(peer, peer.attach(2, queue, receives=True))
        both = [
            peer.attach(number, f"{queue}/$management", receives=number == 4) for number in (3, 4)
        ]
        looked = peer.request(3, 4, {"operation": e.text("com.microsoft:peek-message")}, e.NULL)

    assert sends[5] is not None
    assert refused == "amqp:unauthorized-access"
    assert all(one[5] for one in both)
    assert looked["statusCode"] == 401


# --- tokens


@pytest.fixture
def stranger(bus: Bus) -> Iterator[Peer]:
    with Peer(bus.port) as peer:
        peer.login()
        peer.open()
        yield peer


def test_a_signature_is_a_right(bus: Bus, queue: str, stranger: Peer) -> None:
    resource = f"sb://127.0.0.1:{bus.port}/{queue}"

    answer = stranger.put_token(e.text(resource), signature(bus, resource, 60, LISTENER))

    assert answer == {"status-code": 202, "status-description": "Accepted"}
    assert stranger.attach(1, queue, receives=True)[5] is not None
    assert refusal(stranger, stranger.attach(2, queue)) == "amqp:unauthorized-access"


def test_an_identity_is_a_right(bus: Bus, queue: str, stranger: Peer) -> None:
    answer = stranger.put_token(e.text(queue), e.binary(token(bus.home).encode()))

    assert answer["status-code"] == 202
    assert stranger.attach(1, queue)[5] is not None


def test_a_token_for_another_service_is_none(bus: Bus, queue: str, stranger: Peer) -> None:
    answer = stranger.put_token(e.text(queue), e.text(token(bus.home, tokens.STORAGE)))

    assert answer["status-code"] == 401
    assert answer["error-condition"] == "amqp:unauthorized-access"


def test_a_token_for_what_is_not_there_says_so(bus: Bus, stranger: Peer) -> None:
    answer = stranger.put_token(e.text("sb://h/missing"), signature(bus, "sb://h/missing", 60))

    assert (answer["status-code"], answer["error-condition"]) == (404, "amqp:not-found")


@pytest.mark.parametrize(
    ("audience", "value"),
    [(e.NULL, e.text("t")), (e.text("a"), e.NULL)],
    ids=["no name", "no token"],
)
def test_half_a_request_for_a_right_is_refused(
    stranger: Peer, audience: bytes, value: bytes
) -> None:
    assert stranger.put_token(audience, value)["status-code"] == 400


def test_a_right_ends_with_its_token(bus: Bus, queue: str, stranger: Peer) -> None:
    stranger.put_token(e.text(queue), signature(bus, queue, 2))
    stranger.attach(1, queue, receives=True)

    code, fields = frames.DETACH, stranger.until(frames.DETACH)

    assert (code, fields[0]) == (frames.DETACH, 1)
    assert condition(fields[2]) == "amqp:unauthorized-access"
    assert refusal(stranger, stranger.attach(2, queue)) == "amqp:unauthorized-access"


# --- links


def test_an_answer_has_all_fields_that_old_clients_look_for(peer: Peer, queue: str) -> None:
    sender = peer.attach(1, queue)
    grant = peer.until(frames.FLOW)
    receiver = peer.attach(2, queue, receives=True)

    assert (len(sender), len(receiver), len(grant)) == (14, 14, 11)
    assert (sender[2], receiver[2], receiver[9], sender[10]) == (True, False, 0, 100_000)
    assert grant[4:7] == [1, 0, 1000]


NOT_ALLOWED = {
    "to receive from a topic": ("topic", True, "amqp:not-allowed"),
    "to send to a subscription": ("topic/Subscriptions/one", False, "amqp:not-allowed"),
    "to send to dead letters": ("plain/$DeadLetterQueue", False, "amqp:not-allowed"),
    "to receive where messages are forwarded": ("forwards", True, "amqp:not-allowed"),
    "to receive without a session": ("sessions", True, "amqp:not-allowed"),
    "to receive from nowhere": ("missing", True, "amqp:not-found"),
    "to send to nowhere": ("missing", False, "amqp:not-found"),
}


@pytest.fixture(scope="module")
def entities(bus: Bus) -> None:
    bus.control.put("queues/plain", {})
    bus.control.put("queues/forwards", {"ForwardTo": "plain"})
    bus.control.put("queues/sessions", {"RequiresSession": True})
    bus.control.put("topics/topic", {})
    bus.control.put("topics/topic/subscriptions/one", {})


@pytest.mark.usefixtures("entities")
@pytest.mark.parametrize(("address", "receives", "expected"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_it_is_not_allowed(peer: Peer, address: str, receives: bool, expected: str) -> None:
    assert refusal(peer, peer.attach(1, address, receives=receives)) == expected


SESSION = "com.microsoft:session-filter"
BAD_SESSIONS = {
    "where there are none": ("plain", e.text("s"), "amqp:not-allowed"),
    "that is a number": ("sessions", e.uint(1), "amqp:invalid-field"),
    "with a long name": ("sessions", e.text("x" * 129), "amqp:invalid-field"),
}


@pytest.mark.usefixtures("entities")
@pytest.mark.parametrize(("address", "name", "expected"), BAD_SESSIONS.values(), ids=BAD_SESSIONS)
def test_a_session_is_refused(peer: Peer, address: str, name: bytes, expected: str) -> None:
    fields = peer.attach(1, address, receives=True, filters={SESSION: name})

    assert refusal(peer, fields) == expected


@pytest.mark.usefixtures("entities")
def test_a_session_may_be_named_as_a_described_value(peer: Peer) -> None:
    name = b"\x00" + e.symbol(SESSION) + e.text("described")

    fields = peer.attach(1, "sessions", receives=True, filters={SESSION: name})

    assert fields[5].value[7] == {SESSION: "described"}
    assert fields[13]["com.microsoft:locked-until-utc"] > 638_000_000_000_000_000


@pytest.mark.usefixtures("entities")
def test_who_waits_for_a_session_too_long_is_told(peer: Peer) -> None:
    fields = peer.attach(
        1,
        "sessions",
        receives=True,
        filters={SESSION: e.NULL},
        properties={"com.microsoft:timeout": e.uint(20)},
    )

    assert refusal(peer, fields) == "com.microsoft:timeout"


def test_there_are_no_transactions(peer: Peer) -> None:
    coordinator = e.described(frames.COORDINATOR, e.list_of([]))

    peer.send(attach_frame(1, terminus("mine"), coordinator))

    assert refusal(peer, peer.until(frames.ATTACH)) == "amqp:not-implemented"


def test_a_link_is_detached_when_its_queue_goes(bus: Bus, peer: Peer) -> None:
    queue = bus.control.queue()
    peer.attach(1, queue)
    peer.attach(2, queue, receives=True)

    bus.control.delete(f"queues/{queue}")
    fields = peer.until(frames.DETACH)
    peer.transfer(1, raw())

    assert (fields[0], condition(fields[2])) == (2, "amqp:not-found")
    assert condition(peer.outcome().value[0]) == "amqp:not-found"


# --- messages


def test_what_is_sent_is_accepted_and_comes(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)
    peer.transfer(1, raw(b"hello"), number=7)
    settled = peer.until(frames.DISPOSITION)
    peer.attach(2, queue, receives=True, deletes=True)
    peer.credit(2, 1)
    fields = peer.until(frames.TRANSFER)

    assert settled == [True, 7, 7, True, Described(frames.ACCEPTED, []), False]
    assert (fields[2], fields[4], len(fields)) == (None, True, 11)
    assert b"hello" in peer.payload


def test_a_message_may_come_in_parts_and_go_in_parts(bus: Bus, queue: str) -> None:
    message = raw(b"x" * 90_000)
    with Peer(bus.port) as peer:
        secret = bus.home.secret(f"bus/{ROOT}")
        peer.login("PLAIN", f"\0{ROOT}\0{secret}".encode())
        peer.open(largest=512)
        peer.attach(1, queue)
        peer.transfer(1, message[:40_000], more=True)
        peer.transfer(1, message[40_000:])
        peer.outcome()
        peer.attach(2, queue, receives=True, deletes=True)
        peer.credit(2, 1)
        got = []
        fields = [None] * 5 + [True]
        while fields[5]:
            fields = peer.until(frames.TRANSFER)
            got.append(peer.payload)

    assert b"".join(got).count(b"x") == 90_000 + b"".join(got).replace(b"x" * 90_000, b"").count(
        b"x"
    )
    assert len(got) > 100


BAD_MESSAGES = {
    "what is none": (b"\x00\x53\x99\x40", 0, "amqp:decode-error"),
    "a batch of what is none": (e.described(0x75, e.binary(b"x")), 0x80013700, "amqp:decode-error"),
    "what is too large": (raw(b"x" * 100_001), 0, "amqp:link:message-size-exceeded"),
}


@pytest.mark.parametrize(("payload", "kind", "expected"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_it_is_rejected(peer: Peer, queue: str, payload: bytes, kind: int, expected: str) -> None:
    peer.attach(1, queue)

    peer.transfer(1, payload, format_=kind)

    outcome = peer.outcome()
    assert outcome.descriptor == frames.REJECTED
    assert condition(outcome.value[0]) == expected


def test_a_request_that_is_none_is_rejected(peer: Peer, queue: str) -> None:
    peer.attach(1, f"{queue}/$management")
    peer.attach(2, "$cbs")

    peer.transfer(1, b"x")
    first = peer.outcome()
    peer.transfer(2, b"x")

    conditions = [condition(one.value[0]) for one in (first, peer.outcome())]
    assert conditions == ["amqp:decode-error"] * 2


def test_credit_is_given_again_before_it_is_used_up(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)
    peer.until(frames.FLOW)

    for number in range(501):
        peer.transfer(1, raw(), number=number)
    fields = peer.until(frames.FLOW)

    assert fields[4:7] == [1, 501, 1000]


def test_credit_that_is_taken_back_is_used_up(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)
    peer.until(frames.FLOW)
    peer.attach(2, queue, receives=True)

    peer.credit(2, 10, drain=True)
    fields = peer.until(frames.FLOW)

    assert (fields[4:7], fields[8]) == ([2, 10, 0], True)


def test_an_echo_is_answered(peer: Peer, queue: str) -> None:
    peer.attach(2, queue, receives=True)

    peer.send(flow(0, 1000, 2, 0, 5, echo=True))

    assert peer.until(frames.FLOW)[4:7] == [2, 0, 5]


def test_nothing_is_sent_beyond_the_window(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)
    for number in range(3):
        peer.transfer(1, raw(), number=number)
        peer.outcome()
    peer.attach(2, queue, receives=True)

    peer.credit(2, 10, window=1)
    first = peer.until(frames.TRANSFER)
    peer.send(flow(1, 0, 2, 1, 9, echo=True))
    closed, _ = peer.frame()
    peer.send(flow(1, 10, 2, 1, 9))
    second = peer.until(frames.TRANSFER)

    assert (first[1], closed, second[1]) == (0, frames.FLOW, 1)


def flow(*numbers: int, echo: bool = False) -> bytes:
    """Write a flow: next incoming id, window, handle, delivery count, credit."""
    incoming, window, *link = (e.uint(number) for number in numbers)
    outgoing = [e.uint(0), e.uint(1000)]
    flags = [e.NULL, e.FALSE, e.boolean(echo)]
    return performative(frames.FLOW, incoming, window, *outgoing, *link, *flags)


def received(peer: Peer, queue: str) -> list[Any]:
    """Send a message and receive it under a lock."""
    peer.attach(1, queue)
    peer.transfer(1, raw())
    peer.outcome()
    peer.attach(2, queue, receives=True)
    peer.credit(2, 1)
    return peer.until(frames.TRANSFER)


def settle(first: int, last: int, state: bytes) -> bytes:
    return performative(frames.DISPOSITION, e.TRUE, e.uint(first), e.uint(last), e.FALSE, state)


def test_a_lock_is_told_in_two_orders(peer: Peer, queue: str) -> None:
    tag = received(peer, queue)[2]
    header_end = decode(peer.payload)[1]
    annotations = decode(peer.payload, header_end)[0]

    assert annotations.value["x-opt-lock-token"].bytes_le == tag


def test_a_settlement_is_confirmed_by_its_own_state(peer: Peer, queue: str) -> None:
    number = received(peer, queue)[1]
    modified = e.described(frames.MODIFIED, e.list_of([e.TRUE, e.FALSE]))

    peer.send(settle(number, number, modified))

    fields = peer.until(frames.DISPOSITION)
    assert fields == [False, 0, 0, True, Described(frames.MODIFIED, [True, False]), False]


def test_a_settlement_of_what_was_never_sent_is_rejected(peer: Peer, queue: str) -> None:
    received(peer, queue)

    peer.send(settle(0, 1, frames.ACCEPTED_STATE))
    first, second = peer.outcome(), peer.outcome()

    assert first.descriptor == frames.ACCEPTED
    assert condition(second.value[0]) == "com.microsoft:message-lock-lost"


def test_a_settlement_of_everything_is_of_what_there_is(peer: Peer, queue: str) -> None:
    received(peer, queue)

    peer.send(settle(0, frames.LARGEST_UINT, frames.ACCEPTED_STATE))

    assert peer.outcome().descriptor == frames.ACCEPTED


def test_an_outcome_that_is_none_is_rejected(peer: Peer, queue: str) -> None:
    received(peer, queue)

    peer.send(settle(0, 0, e.described(frames.RECEIVED, e.list_of([]))))

    assert condition(peer.outcome().value[0]) == "amqp:not-implemented"


def test_acknowledgements_of_a_sender_are_nothing_to_us(peer: Peer, queue: str) -> None:
    peer.send(performative(frames.DISPOSITION, e.FALSE, e.uint(0)))

    assert peer.attach(1, queue)[5] is not None


# --- sessions, connections, order


def test_frames_may_come_byte_by_byte(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        for byte in AMQP_HEADER + open_frame(512) + begin_frame():
            peer.send(bytes((byte,)))

        assert peer.header() == AMQP_HEADER
        assert peer.until(frames.BEGIN)[0] == 1


def test_empty_frames_are_signs_of_life(peer: Peer, queue: str) -> None:
    peer.send(frames.frame(0, b"") * 3)

    assert peer.attach(1, queue)[5] is not None


def test_a_session_ends_alone_and_what_is_late_is_ignored(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)
    peer.send(begin_frame(2), performative(frames.END))
    peer.send(performative(frames.DETACH, e.uint(1)), attach_frame(2, terminus("a"), terminus("b")))

    peer.until(frames.END)
    peer.send(begin_frame())

    assert peer.until(frames.BEGIN)[0] == 1


def test_a_detach_is_answered_as_it_is_meant(peer: Peer, queue: str) -> None:
    peer.attach(1, queue)

    peer.send(
        performative(frames.DETACH, e.uint(9)), performative(frames.DETACH, e.uint(1), e.TRUE)
    )

    assert peer.until(frames.DETACH) == [1, True, None]


def test_what_comes_on_no_link_is_ignored(peer: Peer, queue: str) -> None:
    peer.transfer(9, raw())
    peer.credit(9, 1)

    assert peer.attach(1, queue)[5] is not None


def test_a_close_is_answered(peer: Peer) -> None:
    peer.send(performative(frames.CLOSE, channel=0))

    assert peer.until(frames.CLOSE) == [None]
    assert peer.ended()


ENDS = {
    "a handle in use": [attach_frame(1, terminus("a"), terminus("$cbs"))] * 2,
    "a handle beyond all": [attach_frame(5000, terminus("a"), terminus("$cbs"))],
    "a channel in use": [begin_frame()],
    "a channel beyond all": [begin_frame(5000)],
    "an open once more": [open_frame(512)],
    "a frame of SASL": [frames.frame(0, e.described(frames.SASL_INIT, e.list_of([])), frames.SASL)],
    "an unknown performative": [performative(0x77)],
    "a performative that is none": [frames.frame(1, b"\x40")],
    "an attach without a name": [performative(frames.ATTACH)],
    "a frame of 16 MiB": [(1 << 24).to_bytes(4) + b"\x02\x00\x00\x01"],
}


@pytest.mark.parametrize("said", ENDS.values(), ids=ENDS)
def test_it_ends_the_connection(peer: Peer, said: list[bytes]) -> None:
    peer.send(*said)

    assert condition(peer.until(frames.CLOSE)[0]).startswith("amqp:")
    assert peer.ended()


CROWDS = {
    "links": [attach_frame(number, terminus("a"), terminus("$cbs")) for number in range(17)],
    "sessions": [begin_frame(number) for number in range(2, 18)],
}


@pytest.mark.parametrize("said", CROWDS.values(), ids=CROWDS)
def test_a_stranger_may_have_few(stranger: Peer, said: list[bytes]) -> None:
    stranger.send(*said)

    assert condition(stranger.until(frames.CLOSE)[0]).startswith("amqp:")


def test_an_open_with_an_unusable_frame_size_is_answered_and_closed(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        peer.send(AMQP_HEADER, open_frame(100))

        assert peer.header() == AMQP_HEADER
        assert peer.frame()[0] == frames.OPEN
        assert condition(peer.until(frames.CLOSE)[0]) == "amqp:not-allowed"


def test_a_stranger_may_send_small_frames_only(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        peer.send(AMQP_HEADER, (1 << 17).to_bytes(4) + b"\x02\x00\x00\x00")

        assert peer.header() == AMQP_HEADER
        assert peer.until(frames.CLOSE)
        assert peer.ended()


def test_nothing_but_a_mechanism_is_a_mechanism(bus: Bus) -> None:
    with Peer(bus.port) as peer:
        peer.send(SASL_HEADER, performative(frames.OPEN, channel=0))

        assert peer.header() == SASL_HEADER
        assert peer.ended()


def test_answers_wait_for_credit(peer: Peer, queue: str) -> None:
    peer.attach(1, f"{queue}/$management")
    peer.attach(2, f"{queue}/$management", receives=True)

    answers = [
        peer.request(1, 2, {"operation": e.text("com.microsoft:peek-message")}, e.NULL)
        for _ in range(2)
    ]

    assert [one["statusCode"] for one in answers] == [204, 204]


def test_an_answer_that_nobody_waits_for_is_dropped(peer: Peer, queue: str) -> None:
    peer.attach(1, f"{queue}/$management")

    peer.transfer(1, e.described(0x77, e.NULL))

    assert peer.outcome().descriptor == frames.ACCEPTED


def test_nothing_of_all_this_is_an_error_of_the_bus(bus: Bus) -> None:
    assert "Traceback" not in bus.server.log.read_text()
