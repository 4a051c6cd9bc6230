"""Every error becomes an exit code, in one place; a bug names its kind and nothing else."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cleanroom import __version__, errors
from cleanroom.errors import CleanroomError
from party.errors import Usage
from party.main import EXIT_CODES, app, main, program, run
from tests.builders import Keys

type Capture = pytest.CaptureFixture[str]


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back the signal handlers that `main` takes over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_went_well_is_zero(capsys: Capture) -> None:
    assert run(["--version"]) == 0

    assert capsys.readouterr() == (f"cleanroom {__version__}\n", "")


def test_main_exits_with_the_code(handlers: None, capsys: Capture) -> None:
    del handlers

    with pytest.raises(SystemExit) as caught:
        main(["inspect", __file__])

    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"cleanroom: {__file__}: expected a sealed file")


def test_what_cannot_be_printed_is_no_reason_to_end_in_another_way(
    handlers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del handlers
    monkeypatch.setattr(sys, "argv", ["cleanroom", "--version"])

    with suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as caught:
            program()

    assert caught.value.code == EXIT_CODES["unavailable"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_main_does_without_a_stream(
    stream: str, handlers: None, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    del handlers, capsys
    monkeypatch.setattr(sys, stream, None)  # as Python has it when it is closed from the start

    with pytest.raises(SystemExit) as caught:
        main(["inspect", __file__])

    getattr(sys, stream).close()
    assert caught.value.code == 2


def test_run_says_nothing_when_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, north: Keys
) -> None:
    north.write(tmp_path, "north")
    read, write = os.pipe()
    os.close(read)
    unread = os.fdopen(write, "w")
    monkeypatch.setattr(sys, "stdout", unread)

    code = run(["keys", "show", str(tmp_path / "north.signing.pub.pem")])

    assert code == 141
    with suppress(BrokenPipeError):
        unread.close()


def test_main_takes_its_arguments_from_the_command_line(
    handlers: None, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    del handlers
    monkeypatch.setattr(sys, "argv", ["cleanroom", "--version"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert (caught.value.code, capsys.readouterr().out) == (0, f"cleanroom {__version__}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_main_hears_signals(number: signal.Signals, handlers: None, capsys: Capture) -> None:
    del handlers, capsys
    with pytest.raises(SystemExit):
        main(["--version"])

    heard = signal.getsignal(number)

    assert callable(heard)
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # its type is nobody's business
        heard(number, None)
    assert not isinstance(caught.value, Exception)  # no handler of ordinary errors can swallow it


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(Usage, 1, id="usage"),
        pytest.param(errors.Malformed, 2, id="malformed"),
        pytest.param(errors.Tampered, 3, id="tampered"),
        pytest.param(errors.PolicyRefused, 3, id="policy refused"),
        pytest.param(errors.Unattested, 4, id="unattested"),
        pytest.param(errors.Unavailable, 5, id="unavailable"),
    ],
)
def test_every_error_of_a_command_has_its_exit_code(kind: type[CleanroomError], code: int) -> None:
    assert EXIT_CODES[kind.code] == code


def test_no_other_error_has_an_exit_code_but_our_own_mistakes() -> None:
    named = {"usage", "malformed", "tampered", "policy_refused", "unattested", "unavailable"}

    assert {code: EXIT_CODES[code] for code in set(EXIT_CODES) - named} == {"internal": 70}


def test_every_command_can_be_run_again_in_one_process(capsys: Capture) -> None:
    codes = [run(["inspect", __file__]), run(["--version"]), run(["inspect", __file__])]

    assert codes == [2, 0, 2]
    assert capsys.readouterr().err.count(f"cleanroom: {__file__}") == 2


def test_no_command_shows_a_trace_or_its_variables() -> None:
    assert app.pretty_exceptions_enable is False
