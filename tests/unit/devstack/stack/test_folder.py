"""Plan, state, bell and locks of one stack."""

import os
import threading

import pytest

from devstack.home import Home
from devstack.stack.folder import Folder
from devstack.stack.records import NO_PLAN, NO_STATE, Plan, State


@pytest.fixture
def folder(home: Home) -> Folder:
    return Folder(home.path)


def test_a_new_home_has_no_plan_and_no_state(folder: Folder) -> None:
    assert (folder.plan(), folder.state()) == (NO_PLAN, NO_STATE)


def test_plan_and_state_are_kept(folder: Folder) -> None:
    folder.write_plan(Plan(1, "ca", ()))
    folder.write_state(State(1, 2, ()))

    assert (folder.plan(), folder.state()) == (Plan(1, "ca", ()), State(1, 2, ()))


def test_a_new_plan_rings_the_bell(folder: Folder) -> None:
    bell = folder.bell()

    folder.write_plan(Plan(1, "ca", ()))

    assert os.read(bell, 10) == b"!"
    os.close(bell)


def test_a_bell_that_rings_already_may_be_rung(folder: Folder) -> None:
    bell = folder.bell()
    while not full(bell):
        pass

    folder.write_plan(Plan(1, "ca", ()))

    assert folder.plan().number == 1
    os.close(bell)


def full(pipe: int) -> bool:
    try:
        os.write(pipe, bytes(1 << 12))
    except BlockingIOError:
        return True
    return False


def test_a_lock_is_held_by_one(folder: Folder) -> None:
    with folder.locked("supervisor", wait=False) as first:
        with folder.locked("supervisor", wait=False) as second:
            assert (first, second) == (True, False)
        assert folder.supervised
    assert not folder.supervised


def test_a_lock_on_a_file_that_is_gone_is_taken_again(folder: Folder) -> None:
    entered = threading.Event()

    def wait() -> None:
        with folder.locked("command", wait=True):
            entered.set()
            with folder.locked("command", wait=False) as second:
                found.append(second)

    found: list[bool] = []
    with folder.locked("command", wait=True):
        waiting = threading.Thread(target=wait)
        waiting.start()
        (folder.path / "command.lock").unlink()
        assert not entered.is_set()
    waiting.join()

    assert found == [False]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"more": 1}'])
def test_what_cannot_be_read_is_no_plan_and_no_state(folder: Folder, content: bytes) -> None:
    (folder.path / "plan.json").write_bytes(content)
    (folder.path / "state.json").write_bytes(content)

    assert (folder.plan(), folder.state()) == (NO_PLAN, NO_STATE)
