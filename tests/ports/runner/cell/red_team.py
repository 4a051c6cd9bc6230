"""Run hostile programs in cells under worse conditions than this machine's, and print the ends.

A process of its own, because what it gives up it cannot have back: being root, or that the kernel
lets it make namespaces or use Landlock.
"""

import argparse
import errno
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyseccomp  # type: ignore[import-untyped]  # one file, with annotations but no marker

from cleanroom.errors import Unavailable
from runner.cell import kernel, memory
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.namespaces import NOBODY
from runner.cell.zygote import Zygote
from tests.ports.runner.cell.cases import Case, cases

ENTRY = "tests.ports.runner.cell.programs.hostile:run"
CANNOT = 77  # exit code: this Python is for root only, and cannot be uncovered here
INPUT_BYTES = 16 << 20
SPILL = 4 << 20
MEMORY = 128 << 20
NAMESPACES = ("unshare", "setns", "mount", "pivot_root")
LANDLOCK = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nobody", action="store_true")
    parser.add_argument("--refuse", action="append", default=[])
    given = parser.parse_args(arguments)
    if given.nobody:
        try:
            become_nobody()
        except PermissionError:
            sys.exit(CANNOT)
    refuse(given.refuse)
    sys.stdout.write(json.dumps(played()))


def become_nobody() -> None:  # pragma: no cover  # who may write no figures
    """Stop being root; this Python must stay readable even if it is installed for root only."""
    folders = {Path(one).resolve() for one in (sys.base_prefix, sysconfig.get_path("purelib"))}
    for folder in folders:
        closed = [one for one in folder.parents if not one.stat().st_mode & 0o001]
        if closed:
            uncover(closed[-1], folder)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # as a process has it that was never root


def uncover(closed: Path, folder: Path) -> None:  # pragma: no cover  # as above
    """Put an open folder in the place of a closed one, for this process, with one thing in it."""
    os.unshare(os.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    held = os.open(folder, os.O_PATH)
    kernel.mount("none", str(closed), "tmpfs", 0, "mode=755")
    folder.mkdir(parents=True)
    kernel.mount(f"/proc/self/fd/{held}", str(folder), None, kernel.MS_BIND)
    os.close(held)


def refuse(what: Sequence[str]) -> None:
    """Have the kernel refuse namespaces, all or those of users, or know no Landlock."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in NAMESPACES if "namespaces" in what else ():
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    if "user" in what:
        new_user = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, os.CLONE_NEWUSER, os.CLONE_NEWUSER)
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "unshare", new_user)
    for name in LANDLOCK if "landlock" in what else ():
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)
    if what:
        rules.load()


def played() -> dict[str, object]:
    """Let each program have its cell; then see that an honest one still has its."""
    with tempfile.TemporaryDirectory(prefix="red-team-") as folder, started(Path(folder)) as zygote:
        held = memory.holding(bytes(INPUT_BYTES))
        ends = {case.name: end_of(zygote, case, held) for case in cases(zygote.walls)}
        honest = end_of(zygote, Case("environment", "", frozenset()), held)
        left = [path.name for path in Path(folder).rglob("*") if path.is_file()]
        return {"walls": sorted(zygote.walls), "ends": ends, "honest": honest, "left": left}


def started(folder: Path) -> Zygote:
    """Start a zygote, with a spill if anything can confine it."""
    try:
        return Zygote.start(ENTRY, spill=folder)
    except Unavailable:
        return Zygote.start(ENTRY)


def end_of(zygote: Zygote, case: Case, held: int) -> str:
    """Run one program; say what it answered, or how its cell ended."""
    limits = Limits(MEMORY, case.seconds, 1 << 20, SPILL if case.spill else 0)
    with zygote.cell(limits) as cell:
        answer = cell.run(case.program.encode(), [held])
        return answer.read().decode() if isinstance(answer, Done) else answer.value


if __name__ == "__main__":
    main(sys.argv[1:])
