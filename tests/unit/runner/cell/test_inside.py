"""How a program ends, as its cell says it."""

import os
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from runner.cell import memory
from runner.cell.entry import Entry, Write, load
from runner.cell.inside import ending_of
from runner.cell.memory import Output
from runner.cell.protocol import Ending, Note
from runner.cell.ring import RegionClient

WARMED: list[str] = []


def warm() -> None:
    WARMED.append("once")


def entry(task: bytes, descriptors: Sequence[int], ring: RegionClient | None, write: Write) -> None:
    assert (list(descriptors), ring) == ([7], None)
    write(b"done: " + task)


@pytest.fixture
def output() -> Iterator[Output]:
    held = memory.fixed("test", 4096)
    yield Output(held, 4096)
    os.close(held)


def program(error: BaseException | None = None, size: int = 0) -> Entry:
    """Make a program that writes so much, and then raises or does not."""

    def run(_task: bytes, _given: Sequence[int], _ring: RegionClient | None, write: Write) -> None:
        write(bytes(size))
        if error is not None:
            raise error

    return run


def swallowing(_task: bytes, _given: Sequence[int], _ring: object, write: Write) -> None:
    try:
        write(bytes(5000))
    except OSError:
        write(b"")


def test_a_program_that_returns_is_done(output: Output) -> None:
    assert ending_of(entry, b"task", [7], None, output) == Note(Ending.DONE, 10)


@pytest.mark.parametrize(
    ("run", "ending"),
    [
        pytest.param(program(ValueError("text")), Ending.FAILED, id="error"),
        pytest.param(program(SystemExit(0)), Ending.FAILED, id="exit"),
        pytest.param(program(KeyboardInterrupt()), Ending.FAILED, id="interrupt"),
        pytest.param(program(OSError(27, "File too large")), Ending.FAILED, id="other limit"),
        pytest.param(program(MemoryError()), Ending.OUT_OF_MEMORY, id="memory"),
        pytest.param(program(size=5000), Ending.TOO_LARGE, id="too large"),
        pytest.param(swallowing, Ending.TOO_LARGE, id="too large, swallowed"),
    ],
)
def test_a_program_that_fails_says_no_more_than_how(
    output: Output, run: Entry, ending: Ending
) -> None:
    assert ending_of(run, b"", [], None, output) == Note(ending)


def test_an_entry_is_loaded_and_its_module_warmed() -> None:
    WARMED.clear()

    assert load(f"{__name__}:entry") is entry
    assert WARMED == ["once"]


def test_a_module_need_not_be_warmed() -> None:
    assert load("os:getpid") == cast("Entry", os.getpid)
