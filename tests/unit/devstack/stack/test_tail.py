"""The ends of logs, and what comes after."""

from pathlib import Path

import pytest

from devstack.stack.tail import Tails


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "bus.log"
    file.write_text("one\ntwo\nthree\n")
    return file


def test_the_last_lines_are_shown(log: Path) -> None:
    assert Tails({"bus": log}, named=False).last(2) == ["two", "three"]


def test_lines_of_several_say_whose_they_are(log: Path) -> None:
    tails = Tails({"bus": log, "vault": log}, named=True)

    assert tails.last(1) == ["bus   | three", "vault | three"]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Tails({"bus": tmp_path / "bus.log"}, named=False).last(9) == []


def test_what_comes_is_shown_once_and_in_whole_lines(log: Path) -> None:
    tails = Tails({"bus": log}, named=False)
    tails.last(0)
    with log.open("a") as file:
        file.write("four\nfi")

    first = tails.more()
    with log.open("a") as file:
        file.write("ve\n")

    assert (first, tails.more(), tails.more()) == (["four"], ["five"], [])


def test_a_log_that_was_turned_is_read_from_its_beginning(log: Path) -> None:
    tails = Tails({"bus": log}, named=False)
    tails.last(0)
    log.rename(log.with_suffix(".old"))
    log.write_text("new\n")

    assert tails.more() == ["new"]


def test_a_line_without_end_is_shown_in_pieces(log: Path) -> None:
    tails = Tails({"bus": log}, named=False)
    tails.last(0)
    with log.open("a") as file:
        file.write("x" * 20_000)

    assert tails.more() == ["x" * 20_000]
