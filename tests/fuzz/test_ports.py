"""The attack finds each kind of fault, and none where there is none; mutations reach far enough."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fuzz import wire
from tests.fuzz.conftest import Here
from tests.fuzz.port_targets import PORTS
from tests.fuzz.ports import again, attack
from tests.fuzz.subjects import Client, seed
from tests.fuzz.watching import Port, Subject
from tests.servers import free_ports, running

SEED = seed("POST", "/", {"Accept": "*/*"}, b"genuine")


@contextmanager
def fragile(fault: str, folder: Path) -> Iterator[Subject]:
    (port,) = free_ports(1)
    log = folder / "fragile.log"

    def genuine() -> None:
        Client(port, None).ask("POST", "/", {}, b"genuine")

    with running("tests.fuzz.fragile", [str(port), fault], (port, None), log) as server:
        yield Subject(server, [Port(port, None, [SEED])], genuine, patience=0.5)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param("ending", r"the server ended", id="ends"),
        pytest.param("raising", r"RuntimeError: a client's mistake", id="logs a traceback"),
        pytest.param("forgetting", r"a genuine request fails: .* 503", id="works no more"),
        pytest.param("hoarding", r"\d+ MiB more memory than before", id="grows"),
        pytest.param("holding", r"\d+ more open files than before", id="opens files"),
    ],
)
def test_a_fault_is_found(fault: str, message: str, tmp_path: Path) -> None:
    with fragile(fault, tmp_path) as subject:
        outcome = attack(subject, 1.0, seed=1)

    assert outcome.inputs == 0 or outcome.last
    assert re.search(message, str(outcome.finding))


def test_where_there_is_no_fault_none_is_found(tmp_path: Path) -> None:
    with fragile("faultless", tmp_path) as subject:
        outcome = attack(subject, 0.5, seed=1)
        found = again(subject, SEED)

    assert outcome.inputs > 0
    assert (outcome.finding, found) == (None, None)


def test_an_input_that_ends_a_server_is_seen_again(tmp_path: Path) -> None:
    with fragile("ending", tmp_path) as subject:
        found = again(subject, SEED.replace(b"genuine", b"hostile"))

    assert "the server ended" in str(found)


@pytest.mark.parametrize("name", PORTS)
def test_hostile_clients_leave_every_server_of_the_stack_as_it_was(
    name: str, tmp_path: Path
) -> None:
    with PORTS[name](tmp_path) as subject:
        outcome = attack(subject, 0.5, seed=1)

    assert outcome.inputs > 0
    assert outcome.finding is None


def test_a_server_of_the_stack_is_fuzzed_by_its_name(here: Here) -> None:
    code, out = here("identity")

    assert re.fullmatch(r"identity +1 s +[1-9][\d,]* inputs, [+-][\d.]+ MiB, no finding\n", out)
    assert code == 0


def test_an_input_is_sent_to_a_server_again(tmp_path: Path, here: Here) -> None:
    (tmp_path / "input").write_bytes(SEED)

    assert here("identity", str(tmp_path / "input")) == (0, "no finding\n")
    assert here("identity", "gone") == (1, "gone: there is no such file\n")


# --- mutations


def test_a_body_stays_under_its_right_length() -> None:
    made = wire.request(b"POST / HTTP/1.1\r\ncontent-length: 1", b"body")

    assert made == b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"


def test_a_conversation_is_taken_apart_into_frames() -> None:
    frames = [b"AMQP\3\1\0\0", b"\0\0\0\x0a\2\1\0\0ab", b"AMQP\0\1\0\0", b"\0\0\0\x08\2\0\0\0"]

    assert wire.amqp_frames(b"".join(frames)) == frames


@pytest.mark.parametrize(
    ("mutate", "data"),
    [
        pytest.param(wire.http, SEED, id="HTTP"),
        pytest.param(wire.http, b"", id="no request"),
        pytest.param(wire.amqp, b"AMQP\3\1\0\0\0\0\0\x0a\2\1\0\0ab", id="AMQP"),
        pytest.param(wire.amqp, b"", id="no frames"),
        pytest.param(wire.bytewise, wire.client_hello(), id="TLS"),
    ],
)
def test_mutations_are_many_and_bounded(mutate: wire.Mutate, data: bytes) -> None:
    chance = random.Random(1)  # noqa: S311  # has to be the same again

    made = {mutate(data, chance) for _ in range(300)}

    assert len(made) > 50
    assert max(len(one) for one in made) <= 3 * wire.LARGEST
