"""Tables for people, plain in a pipe; a terminal is never commanded by what is shown."""

import io
import sys

import pytest

from devstack import console

HEAD = ("server", "address")
ROWS = [("bus", "sb://a\nsb://b (TLS)"), ("identity", "http://c")]
TABLE = "server    address\nbus       sb://a\n          sb://b (TLS)\nidentity  http://c\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError


def test_a_table_has_columns(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(HEAD, ROWS)

    assert capsys.readouterr().out == TABLE


def test_a_terminal_shows_the_head_in_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    console.table(HEAD, ROWS)

    first, _, rest = terminal.getvalue().partition("\n")
    assert first == "\x1b[1mserver    address\x1b[0m"
    assert rest == TABLE.partition("\n")[2]


def test_what_could_command_a_terminal_is_spelled_out() -> None:
    assert console.printable("a\x1b[2J\r\nb ü") == "a\\x1b[2J\\r\\nb ü"


def test_errors_that_cannot_be_written_are_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())

    console.complain("usage", "message", "hint", as_json=False)

    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == "hint: hint\n"  # where nobody reads it
