"""A cell from birth to death: what it gives back, how it can end, what is left of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import psutil
import pytest

from cleanroom.errors import Unavailable
from cleanroom.walls import Wall
from runner.cell import memory
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.namespaces import NOBODY
from runner.cell.protocol import Failure
from runner.cell.walls import ALWAYS
from runner.cell.zygote import Zygote
from tests.ports.runner.cell.conftest import ENTRY, LIMITS, Run, ran


@pytest.fixture
def held() -> Iterator[int]:
    """Memory with a content, as a cell is given it."""
    descriptor = memory.holding(b"from the runner")
    yield descriptor
    os.close(descriptor)


# --- what comes back


def test_a_program_gives_bytes_back(run: Run) -> None:
    assert run(b"echo hello") == b"echo hello"


def test_a_program_may_give_nothing_back(run: Run) -> None:
    assert run(b"nothing") == b""


def test_a_task_may_be_larger_than_any_buffer(run: Run) -> None:
    task = b"echo " + os.urandom(900_000)

    assert run(task) == task


def test_a_program_reads_what_it_is_given(run: Run, held: int) -> None:
    assert run(b"read", (held,)) == b"from the runner"


def test_an_output_may_be_as_large_as_its_limit(run: Run) -> None:
    assert run(b"write %d" % LIMITS.output) == bytes(LIMITS.output)


def test_an_output_is_sealed_when_it_can_be_read(zygote: Zygote) -> None:
    with zygote.cell(LIMITS) as cell:
        answer = cell.run(b"echo")

        assert isinstance(answer, Done)
        with pytest.raises(PermissionError):
            os.pwrite(answer.descriptor, b"other", 0)


def test_an_output_can_be_the_input_of_the_next_cell(zygote: Zygote) -> None:
    with zygote.cell(LIMITS) as first, zygote.cell(LIMITS) as second:
        between = first.run(b"echo hello")
        assert isinstance(between, Done)

        answer = second.run(b"read", [between.descriptor])

        assert isinstance(answer, Done)
        assert answer.read()[: between.length] == b"echo hello"


def test_a_cell_is_given_nothing_that_it_could_write(zygote: Zygote, tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("w+b") as file,
        zygote.cell(LIMITS) as cell,
        pytest.raises(ValueError, match="only what it cannot write"),
    ):
        cell.run(b"read", [file.fileno()])


def test_a_cell_is_given_no_more_than_it_can_take(zygote: Zygote, held: int) -> None:
    with zygote.cell(LIMITS) as cell, pytest.raises(ValueError, match="at most 128 descriptors"):
        cell.run(b"read", [held] * 129)


def test_a_cell_can_be_given_much(run: Run, held: int) -> None:
    assert run(b"read", (held,) * 128) == b"from the runner" * 128


# --- how it can end


@pytest.mark.parametrize(
    ("task", "failure"),
    [
        pytest.param(b"raise", Failure.PROGRAM_FAILED, id="raises"),
        pytest.param(b"exit 0", Failure.KILLED, id="exits as if all were well"),
        pytest.param(b"exit 77", Failure.KILLED, id="exits with a code"),
        pytest.param(b"segfault", Failure.KILLED, id="breaks its memory"),
        pytest.param(b"abort", Failure.KILLED, id="aborts"),
        pytest.param(b"allocate", Failure.OUT_OF_MEMORY, id="wants memory at once"),
        pytest.param(b"grow", Failure.OUT_OF_MEMORY, id="wants memory bit by bit"),
        pytest.param(b"write 1048577", Failure.TOO_LARGE, id="writes a byte too many"),
        pytest.param(b"hide the end", Failure.TOO_LARGE, id="writes too much and goes on"),
    ],
)
def test_a_program_that_fails_says_one_word(run: Run, task: bytes, failure: Failure) -> None:
    assert run(task) == failure


@pytest.mark.parametrize("task", [b"loop", b"sleep", b"loop deaf"])
def test_a_program_that_takes_too_long_is_killed(run: Run, task: bytes) -> None:
    limits = Limits(memory=64 << 20, seconds=0.3, output=4096)

    assert run(task, limits=limits) == Failure.TIMED_OUT


@pytest.mark.parametrize("said", [b"", b"x", b"\x00" * 8, b"\x00" + b"\xff" * 8, b"\x09" * 9])
def test_a_lying_cell_counts_as_killed(run: Run, said: bytes) -> None:
    assert run(b"say " + said) == Failure.KILLED


def test_a_cell_that_floods_its_socket_is_not_read(run: Run) -> None:
    assert run(b"say " + bytes(100_000)) == Failure.KILLED


# --- the walls


def test_the_walls_that_always_stand_do(zygote: Zygote) -> None:
    assert zygote.walls >= ALWAYS


def start_where(refused: list[str], options: str) -> str:
    """Start a zygote where the kernel refuses more than here, and return why that failed."""
    program = (
        "from cleanroom.errors import Unavailable\n"
        "from pathlib import Path\n"
        "from cleanroom.walls import Wall\n"
        "from runner.cell.zygote import Zygote\n"
        "from tests.ports.runner.cell.red_team import refuse\n"
        f"refuse({refused})\n"
        f"try: Zygote.start('{ENTRY}', {options})\n"
        "except Unavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_a_wall_that_is_required_and_missing_stops_the_start() -> None:
    said = start_where(["landlock"], "required=frozenset({Wall.LANDLOCK})")

    assert said == "cell: no such wall on this machine: landlock"


def test_nothing_spills_where_nothing_keeps_a_cell_to_a_folder(tmp_path: Path) -> None:
    said = start_where(["namespaces", "landlock"], f"spill=Path('{tmp_path}')")

    assert said == "cell: expected mount or landlock, without which there is no spill"
    assert list(tmp_path.glob("cells-*")) == []


def test_walls_that_are_required_and_stand_let_it_start(zygote: Zygote) -> None:
    with Zygote.start(ENTRY, required=zygote.walls) as other:
        assert other.walls == zygote.walls


def test_a_cell_without_a_wall_that_stood_at_the_start_is_given_nothing() -> None:
    with Zygote.start(ENTRY) as zygote:
        ran(zygote, b"echo")
        zygote.walls |= {cast("Wall", "moat")}  # as if the first cell had found one more

        with pytest.raises(Unavailable, match=r"on this machine: moat$"):
            ran(zygote, b"echo")


def test_a_cell_is_alone_in_its_namespace(zygote: Zygote, run: Run) -> None:
    if Wall.PID not in zygote.walls:
        pytest.skip("there are no PID namespaces here")

    assert run(b"who").split()[0] == b"1"


def test_a_cell_is_not_root(run: Run) -> None:
    uid = os.getuid() or NOBODY
    gid = os.getgid() if os.getuid() else NOBODY

    assert run(b"who").split()[1:] == [b"%d" % uid, b"%d" % gid]


# --- what stays


def test_many_cells_leave_nothing() -> None:
    with Zygote.start(ENTRY) as zygote:
        ran(zygote, b"echo")
        before = descriptors()

        answers = {ran(zygote, b"echo %d" % number) for number in range(60)}

        assert len(answers) == 60
        assert descriptors() == before
        assert len(family(zygote)) <= 4  # who waits, who bears, a spare, and the last that died


def test_cells_of_many_threads_do_not_meet(zygote: Zygote) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: ran(zygote, b"echo %d" % n), range(48)))

    assert answers == [b"echo %d" % number for number in range(48)]


def test_a_zygote_ends_with_its_runner() -> None:
    program = (
        "import os; from runner.cell.zygote import Zygote\n"
        f"zygote = Zygote.start('{ENTRY}')\n"
        "print(zygote._current._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert gone(int(found.stdout))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def family(zygote: Zygote) -> list[psutil.Process]:
    """Name the processes of a zygote and its cells."""
    parent = psutil.Process(zygote._current._process.pid)
    return [parent, *parent.children(recursive=True)]


def test_nothing_of_a_zygote_outlives_it() -> None:
    with Zygote.start(ENTRY) as zygote:
        ran(zygote, b"echo")
        there = family(zygote)

    assert [one.pid for one in there if not gone(one.pid)] == []


def gone(process: int) -> bool:
    """Wait until a process that is not ours has ended, or for a while."""
    for _ in range(200):
        if not psutil.pid_exists(process) or psutil.Process(process).status() == "zombie":
            return True
        time.sleep(0.05)
    return False


# --- what can go wrong with the zygote


def await_turn(zygote: Zygote) -> None:
    """Wait until a fresh process has taken the place of the old one."""
    assert zygote._turning is not None
    zygote._turning.join(60)


def test_an_entry_that_cannot_be_imported_stops_the_start(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Unavailable, match="ended before it was warm"):
        Zygote.start("tests.ports.runner.cell.programs.entries:absent")

    assert "absent" in capfd.readouterr().err


def test_a_start_that_fails_leaves_no_spill(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unavailable, match="ended before it was warm"):
        Zygote.start("absent:absent", spill=tmp_path)

    assert list(tmp_path.glob("cells-*")) == []
    assert "absent" in capfd.readouterr().err


def test_a_spare_that_was_killed_is_replaced() -> None:
    with Zygote.start(ENTRY) as zygote:
        family(zygote)[-1].kill()

        assert ran(zygote, b"echo") == b"echo"


def test_a_cell_that_is_killed_before_its_task_counts_as_killed() -> None:
    with Zygote.start(ENTRY, spares=0) as zygote, zygote.cell(LIMITS) as cell:
        dead = family(zygote)[-1]
        dead.kill()
        assert gone(dead.pid)

        assert cell.run(b"echo " + bytes(1 << 20)) == Failure.KILLED


def test_a_spill_needs_a_folder() -> None:
    with Zygote.start(ENTRY) as zygote, pytest.raises(ValueError, match="needs a folder"):
        zygote.cell(Limits(1 << 26, 1, 4096, spill=1 << 20))


def test_a_zygote_that_was_killed_is_replaced() -> None:
    with Zygote.start(ENTRY) as zygote:
        first = zygote._current
        first._process.kill()
        first._process.wait()

        answers = [ran(zygote, b"echo") for _ in range(3)]  # the first may die with its zygote

        assert answers[-1] == b"echo"
        assert zygote._current != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_for_the_runner_leaves_its_zygote(number: signal.Signals) -> None:
    with Zygote.start(ENTRY) as zygote:
        first = zygote._current
        for process in family(zygote):
            process.send_signal(number)

        assert ran(zygote, b"echo") == b"echo"
        assert zygote._current is first


def test_a_zygote_is_replaced_after_so_many_cells() -> None:
    with Zygote.start(ENTRY, cells=3) as zygote:
        first = zygote._current

        for _ in range(3):
            with zygote.cell(LIMITS) as cell:
                assert isinstance(cell.run(b"echo"), Done)
        await_turn(zygote)

        assert zygote._current != first
        with zygote.cell(LIMITS) as cell:
            assert isinstance(cell.run(b"echo"), Done)


def test_cells_of_a_zygote_that_is_replaced_live_on() -> None:
    with Zygote.start(ENTRY, cells=2) as zygote, zygote.cell(LIMITS) as cell:
        zygote.cell(LIMITS).close()
        await_turn(zygote)

        assert isinstance(cell.run(b"echo"), Done)


def test_a_cell_runs_one_task(zygote: Zygote) -> None:
    with zygote.cell(LIMITS) as cell:
        cell.run(b"echo")

        with pytest.raises(ValueError, match="one task"):
            cell.run(b"echo")


def test_a_cell_need_not_be_used(zygote: Zygote) -> None:
    with zygote.cell(LIMITS) as cell:
        assert Wall.SECCOMP in cell.walls
