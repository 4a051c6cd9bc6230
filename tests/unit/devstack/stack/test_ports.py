"""Every port has a name, a default, and can be chosen; what is taken is named."""

import os
import re
import socket
from collections.abc import Iterator

import pytest

from cleanroom.errors import Malformed
from devstack.home import HOST
from devstack.stack import ports

PARTIES = ("north", "south")


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_defaults_are_those_that_azures_tools_use() -> None:
    found = ports.chosen(PARTIES)

    assert (found["bus"], found["bus-tls"], found["bus-control"]) == (5672, 5671, 5300)
    assert (found["storage"], found["functions"]) == (10000, 7071)
    assert (found["vault/north"], found["vault/south"]) == (8451, 8452)


def test_a_base_puts_all_ports_in_a_row() -> None:
    found = ports.chosen(PARTIES, base=20000)

    assert sorted(found.values()) == [*range(20000, 20012)]


def test_one_port_can_be_chosen() -> None:
    found = ports.chosen(PARTIES, single={"bus": 6000, "vault/south": 6001})

    assert (found["bus"], found["vault/south"], found["identity"]) == (6000, 6001, 8440)


def test_a_port_of_its_own_is_stronger_than_the_base() -> None:
    found = ports.chosen(PARTIES, base=20000, single={"bus": 6000})

    assert (found["bus"], found["identity"]) == (6000, 20000)


def test_ports_stay_as_they_were() -> None:
    before = ports.chosen(PARTIES, base=20000)

    assert ports.chosen(PARTIES, kept=before) == before


def test_a_base_moves_ports_that_were_elsewhere() -> None:
    before = ports.chosen(PARTIES, base=20000)

    assert ports.chosen(PARTIES, base=30000, kept=before) == ports.chosen(PARTIES, base=30000)


def test_a_new_party_gets_a_port_that_nobody_has() -> None:
    before = ports.chosen(PARTIES)

    found = ports.chosen(("south", "west"), kept=before)

    assert (found["vault/south"], found["vault/west"]) == (8452, 8451)


@pytest.mark.parametrize(
    ("single", "expected"),
    [
        pytest.param({"bus": 8440}, "8440 for identity and bus", id="two names"),
        pytest.param({"bus": 65536}, "a number from 1 to 65535, got 65536", id="too high"),
        pytest.param({"bus": -1}, "a number from 1 to 65535, got -1", id="negative"),
    ],
)
def test_ports_that_cannot_be_are_refused(single: dict[str, int], expected: str) -> None:
    with pytest.raises(Malformed, match=re.escape(expected)):
        ports.chosen(PARTIES, single=single)


def test_a_base_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(Malformed, match="65536"):
        ports.chosen(PARTIES, base=65535)


@pytest.mark.parametrize("text", ["bus=6000", "bus=06000"])
def test_a_choice_is_read(text: str) -> None:
    assert ports.assignment(text, PARTIES) == ("bus", 6000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bus", "expected NAME=N", id="no number"),
        pytest.param("bus=", "expected NAME=N", id="empty"),
        pytest.param("bus=six", "expected NAME=N", id="word"),
        pytest.param("bus=-1", "expected NAME=N", id="negative"),
        pytest.param("bus=0", "from 1 to 65535", id="zero"),
        pytest.param("buss=1", "one of identity, attestation", id="unknown"),
        pytest.param("vault/west=1", "vault/north, vault/south", id="unknown party"),
    ],
)
def test_a_choice_that_is_none_is_refused(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        ports.assignment(text, PARTIES)


def test_free_ports_are_not_taken() -> None:
    with socket.create_server((HOST, 0)) as server:
        free = server.getsockname()[1]

    assert ports.taken([("bus", free)]) == []


def test_a_taken_port_is_named_with_who_has_it(listening: int) -> None:
    (found,) = ports.taken([("bus", listening)])

    assert str(found).startswith(f"{listening} (bus: in use by ")
    assert str(found).endswith(f", process {os.getpid()})")


def test_a_port_that_is_not_for_this_user_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, "bind", refuse)

    (found,) = ports.taken([("bus", 80)])

    assert str(found) == "80 (bus: permission denied)"


def refuse(*_: object) -> None:
    raise PermissionError(13, "as the kernel says to whoever is not root")
