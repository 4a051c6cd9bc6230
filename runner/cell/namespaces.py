"""Namespaces of the zygote and of each cell, and the user that a cell is.

1. The zygote leaves for a user namespace while it is single-threaded: the kernel demands that, and
   several libraries start a thread when they are imported. The runner maps the users, from outside.
2. It takes the other namespaces one by one, so that what a machine refuses is known by name.
3. For a PID namespace it forks: `setns` goes back only to one that its own user namespace owns.
4. Each cell gets a PID namespace of its own, in which it is process 1, and a root of its own.

A runner that is root keeps being it (in a namespace without rights outside) until a cell exists,
so that it can read an installation that is only for root; the cell is nobody before it is given
anything. Any other runner's cells are the runner's user, and the walls alone hold them.
"""

import os
from collections.abc import Callable
from pathlib import Path

from cleanroom.walls import Wall
from runner.cell import kernel

NOBODY = 65534
SPILL = "spill"  # the folder's name in a cell's own root; it is also the current folder
_ROOT_MAP = f"0 0 1\n{NOBODY} {NOBODY} 1\n"
_ROOT = "/tmp"  # noqa: S108  # hidden below a new root, in a namespace of its own
_ROOT_OPTIONS = "size=64k,nr_inodes=16,mode=755"
_IN_ORDER = (
    (Wall.USER, os.CLONE_NEWUSER),  # first: in it, the others need no privilege
    (Wall.NET, os.CLONE_NEWNET),
    (Wall.IPC, os.CLONE_NEWIPC),
    (Wall.UTS, os.CLONE_NEWUTS),
    (Wall.CGROUP, os.CLONE_NEWCGROUP),
    (Wall.PID, os.CLONE_NEWPID),
)


def map_users(process: int, uid: int, gid: int, proc: Path = Path("/proc")) -> None:
    """Map the users of a process that has just left for its own namespace; from outside of it.

    Root maps itself and nobody; anybody else may map no more than itself, and must give up
    changing its groups for that.
    """
    folder = proc / str(process)
    if uid != 0:
        (folder / "setgroups").write_text("deny", "ascii")
    (folder / "uid_map").write_text(_ROOT_MAP if uid == 0 else f"{uid} {uid} 1\n", "ascii")
    (folder / "gid_map").write_text(_ROOT_MAP if uid == 0 else f"{gid} {gid} 1\n", "ascii")


def enter(mapped: Callable[[], None]) -> set[Wall]:  # pragma: no cover  # runs in the zygote
    """Leave for namespaces of the zygote's own; `mapped` returns when its users are."""
    stand = set()
    for wall, flag in _IN_ORDER:
        try:
            os.unshare(flag)
        except OSError:
            continue
        if wall == Wall.USER:
            mapped()
        stand.add(wall)
    return stand


class Births:  # pragma: no cover  # runs in the zygote
    """Gives each child that is forked next a PID namespace, where the machine lets it."""

    def __init__(self, *, namespaced: bool) -> None:
        self._own = os.pidfd_open(os.getpid()) if namespaced else None

    def prepare(self) -> bool:
        """Return whether the next child has a namespace of its own."""
        if self._own is None:
            return False
        try:
            os.setns(self._own, os.CLONE_NEWPID)  # the last child's namespace ended with it
            os.unshare(os.CLONE_NEWPID)
        except OSError:
            return False
        return True


def own_root(spill: int | None) -> bool:  # pragma: no cover  # runs in a cell
    """Take a root that holds nothing but the spill, and go there; return whether it stands."""
    if spill is not None:
        os.fchdir(spill)  # a new mount namespace keeps the current folder, and no descriptor
    try:
        _take_root(spill)
    except OSError:
        if spill is not None:
            os.fchdir(spill)
        return False
    return True


def _take_root(spill: int | None) -> None:  # pragma: no cover  # runs in a cell
    os.unshare(os.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    bare = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("cell", _ROOT, "tmpfs", bare, _ROOT_OPTIONS)
    if spill is not None:
        place = f"{_ROOT}/{SPILL}"
        os.mkdir(place)  # noqa: PTH102  # plain calls: nothing may be imported here
        kernel.mount(".", place, None, kernel.MS_BIND)
        kernel.mount("none", place, None, kernel.MS_BIND | kernel.MS_REMOUNT | bare)
    os.chdir(_ROOT)
    kernel.pivot_root_here()
    kernel.detach(".")
    os.chdir("/" if spill is None else f"/{SPILL}")
    read_only = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
    kernel.mount("none", "/", None, read_only | bare)


def become_nobody() -> None:  # pragma: no cover  # runs in a cell
    """Be nobody, if this is root; whoever else it is stays that."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
