"""Results for people on a terminal, plain text in a pipe, JSON for programs; errors in one line."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from io import StringIO
from typing import TextIO

import pytest

from cleanroom.errors import Unavailable
from party import console
from tests.builders import NOW

ROWS = [("name", "north"), ("long name", 7), ("lines", "one\ntwo")]
LARGE = 64 << 20
_MARK = "\0end\0"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

type Capture = pytest.CaptureFixture[str]


class Terminal:
    """A terminal of 80 columns in the place of a stream, and what is shown on it."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.stream: TextIO = os.fdopen(slave, "w")

    def shown(self) -> str:
        """Read up to a mark, because a terminal may be slower than whoever writes to it."""
        print(_MARK, end="", file=self.stream, flush=True)
        data = b""
        while not data.endswith(_MARK.encode()):
            data += os.read(self._master, 1 << 16)
        return data.decode().removesuffix(_MARK).replace("\r\n", "\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Terminal]]:
    """Put a terminal in the place of stdout or stderr."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    opened: list[Terminal] = []

    def place(stream: str) -> Terminal:
        opened.append(Terminal())
        monkeypatch.setattr(sys, stream, opened[-1].stream)
        return opened[-1]

    yield place
    for one in opened:
        one.close()


# --- results


def test_values_stand_under_each_other(capsys: Capture) -> None:
    console.result("found", ROWS, None)

    assert capsys.readouterr() == (
        "found\n  name       north\n  long name  7\n  lines      one\n             two\n",
        "",
    )


def test_a_result_may_have_no_headline(capsys: Capture) -> None:
    console.result("", [("name", "north")], None)

    assert capsys.readouterr().out == "  name  north\n"


def test_a_result_may_have_no_values(capsys: Capture) -> None:
    console.result("done", [], None)

    assert capsys.readouterr().out == "done\n"


def test_a_result_in_a_pipe_is_plain_however_wide(capsys: Capture) -> None:
    console.result("[bold]found[/]", [("name", "x" * 300)], None)

    assert capsys.readouterr().out == f"[bold]found[/]\n  name  {'x' * 300}\n"


def test_a_result_as_json_is_one_object_and_nothing_else(capsys: Capture) -> None:
    console.result("found", ROWS, {"name": "nörd", "count": 7})

    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "nörd", "count": 7}
    assert (out.isascii(), out.endswith("}\n"), err) == (True, True, "")


def test_a_result_as_json_cannot_command_a_terminal(capsys: Capture) -> None:
    name = "a\x9b31m\u202eb"

    console.result("", [], {"name": name})

    out = capsys.readouterr().out
    assert (out.isascii(), json.loads(out)["name"]) == (True, name)


def test_an_empty_object_is_a_result_too(capsys: Capture) -> None:
    console.result("found", ROWS, {})

    assert capsys.readouterr().out == "{}\n"


def test_a_terminal_shows_the_same_words_in_colour(
    terminal: Callable[[str], Terminal], capsys: Capture
) -> None:
    console.result("found", ROWS, None)
    plain = capsys.readouterr().out
    screen = terminal("stdout")

    console.result("found", ROWS, None)

    shown = screen.shown()
    assert "\x1b[1mfound" in shown
    assert _ESCAPE.sub("", shown) == plain


def test_a_terminal_shows_a_result_without_headline(
    terminal: Callable[[str], Terminal],
) -> None:
    screen = terminal("stdout")

    console.result("", [("name", "north")], None)

    assert _ESCAPE.sub("", screen.shown()) == "  name  north\n"


def test_a_terminal_takes_markup_for_text(terminal: Callable[[str], Terminal]) -> None:
    screen = terminal("stdout")

    console.result("[red]a[/red]", [("[b]", "[link=x]y[/link]")], None)

    assert _ESCAPE.sub("", screen.shown()) == "[red]a[/red]\n  [b]  [link=x]y[/link]\n"


NASTY = [
    pytest.param("a\rb", r"a\rb", id="carriage return"),
    pytest.param("\x1b[31m", r"\x1b[31m", id="colour"),
    pytest.param("\x07", r"\x07", id="bell"),
    pytest.param("a\u202eb", r"a\u202eb", id="direction"),
    pytest.param("a\u200bb", r"a\u200bb", id="no width"),
    pytest.param("a\udcff", r"a\udcff", id="no UTF-8"),
    pytest.param("a\u2028b", r"a\u2028b", id="line separator"),
    pytest.param("größe 数", "größe 数", id="any script"),
    pytest.param("a 'b' \\n", "a 'b' \\n", id="quotes and backslashes"),
]


@pytest.mark.parametrize(("text", "printed"), NASTY)
def test_a_result_cannot_command_a_terminal(text: str, printed: str, capsys: Capture) -> None:
    console.result(text, [("name", text)], None)

    assert capsys.readouterr().out == f"{printed}\n  name  {printed}\n"


@pytest.mark.parametrize(("text", "printed"), NASTY)
def test_a_result_on_a_terminal_cannot_command_it(
    text: str, printed: str, terminal: Callable[[str], Terminal]
) -> None:
    screen = terminal("stdout")

    console.result(text, [("name", text)], None)

    assert _ESCAPE.sub("", screen.shown()) == f"{printed}\n  name  {printed}\n"


def test_a_headline_is_one_line(capsys: Capture) -> None:
    console.result("a\nb", [], None)

    assert capsys.readouterr().out == "a\\nb\n"


@contextmanager
def stdout_to(path: str | int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have stdout be a file or a descriptor; what is left in its buffer is dropped."""
    stream = open(path, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # maybe a descriptor
    monkeypatch.setattr(sys, "stdout", stream)
    try:
        yield
    finally:
        with suppress(OSError):
            stream.close()


def test_a_result_that_nobody_reads_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)

    with stdout_to(write, monkeypatch), pytest.raises(console.ReaderGone):
        console.result("found", ROWS, None)


def test_a_result_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        stdout_to("/dev/full", monkeypatch),
        pytest.raises(Unavailable, match=r"^stdout: not written, no space left on device$"),
    ):
        console.result("found", ROWS, {"name": "north"})


# --- errors


def test_an_error_is_one_line_on_stderr(capsys: Capture) -> None:
    console.complain("usage", "something is wrong", "", as_json=False)

    assert capsys.readouterr() == ("", "cleanroom: something is wrong\n")


def test_a_hint_is_one_line_more(capsys: Capture) -> None:
    console.complain("usage", "something is wrong", "mend it", as_json=False)

    assert capsys.readouterr().err == "cleanroom: something is wrong\nhint: mend it\n"


def test_an_error_as_json_has_a_code(capsys: Capture) -> None:
    console.complain("usage", "something is wrong", "mend it", as_json=True)

    out, err = capsys.readouterr()
    assert (out, json.loads(err)) == (
        "",
        {"error": {"code": "usage", "message": "something is wrong", "hint": "mend it"}},
    )


@pytest.mark.parametrize(
    ("text", "printed"), [pytest.param("a\nb", r"a\nb", id="line feed"), *NASTY]
)
def test_an_error_cannot_command_a_terminal(text: str, printed: str, capsys: Capture) -> None:
    console.complain("usage", text, text, as_json=False)

    assert capsys.readouterr().err == f"cleanroom: {printed}\nhint: {printed}\n"


def test_a_note_is_no_result(capsys: Capture) -> None:
    console.note("by the way")

    assert capsys.readouterr() == ("", "cleanroom: by the way\n")


# --- progress


@pytest.mark.parametrize("total", [None, LARGE], ids=["pipe", "large file"])
def test_progress_is_quiet_in_a_pipe(total: int | None, capsys: Capture) -> None:
    with console.progress("sealing", total) as done:
        done(10)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("total", [None, LARGE], ids=["pipe", "large file"])
def test_progress_shows_on_a_terminal_for_what_takes_a_while(
    total: int | None, terminal: Callable[[str], Terminal], capsys: Capture
) -> None:
    screen = terminal("stderr")

    with console.progress("sealing", total) as done:
        done(32 << 20)

    shown = _ESCAPE.sub("", screen.shown())
    assert "sealing" in shown
    assert "32.0" in shown
    assert capsys.readouterr().out == ""


def test_progress_leaves_the_terminal_as_it_was(terminal: Callable[[str], Terminal]) -> None:
    screen = terminal("stderr")

    with console.progress("sealing", None):
        pass

    shown = screen.shown()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
    assert shown.endswith("\x1b[2K")  # on an empty line


def test_quick_work_shows_no_progress_on_a_terminal(
    terminal: Callable[[str], Terminal],
) -> None:
    screen = terminal("stderr")

    with console.progress("sealing", LARGE - 1) as done:
        done(LARGE - 1)

    assert screen.shown() == ""


def test_progress_ends_with_an_error(terminal: Callable[[str], Terminal]) -> None:
    screen = terminal("stderr")

    def fail() -> None:
        with console.progress("sealing", None):
            raise ValueError("ours")

    with pytest.raises(ValueError, match=r"^ours$"):
        fail()

    assert "ours" not in screen.shown()


# --- a timeline


def test_a_happening_is_a_line_with_its_time(capsys: Capture) -> None:
    console.happening(NOW, "job \x1b[31m1 completed", "completed")
    console.happening(None, "contract 1 is proposed", "proposed")

    assert capsys.readouterr().out == (
        f"{NOW.astimezone():%H:%M:%S}  job \\x1b[31m1 completed\n          contract 1 is proposed\n"
    )


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_day_that_is_none_here_has_no_time(
    at: str, zone: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.setenv("TZ", zone)
        time.tzset()
        console.happening(datetime.fromisoformat(at), "it is due", "due")
    time.tzset()

    assert capsys.readouterr().out.endswith("  it is due\n")


def test_on_a_terminal_a_timeline_is_in_colour(terminal: Callable[[str], Terminal]) -> None:
    out = terminal("stdout")

    console.happening(NOW, "job 1 completed", "completed")

    shown = out.shown()
    assert _ESCAPE.sub("", shown).strip() == f"{NOW.astimezone():%H:%M:%S}  job 1 completed"
    assert shown != _ESCAPE.sub("", shown)


def test_a_question_and_what_it_is_about_go_aside(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(" YES \n"))

    console.aside("room", [("computes", "one\ntwo"), ("to", "you")])
    answer = console.answer("approve? ")

    said = capsys.readouterr()
    assert (answer, said.out) == ("yes", "")
    assert said.err == "room\n  computes  one\n            two\n  to        you\napprove? "


def test_the_end_of_the_input_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(""))

    assert console.answer("approve? ") == ""
