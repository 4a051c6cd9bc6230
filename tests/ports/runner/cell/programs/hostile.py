"""Hostile programs for cells: each tries one thing, and writes what the kernel answered.

An answer is the name of an error, or a word about what was found; a program that is killed, or
does not fit, answers nothing.
"""

import ctypes
import errno
import mmap
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pyseccomp  # type: ignore[import-untyped]  # one file, with annotations but no marker

from runner.cell.entry import Write
from runner.cell.ring import RegionClient

LIBC = ctypes.CDLL(None, use_errno=True)
X32 = 0x40000000
PAGE = 4096
GIB = 1 << 30
PROT_NONE, READ, READ_WRITE, READ_WRITE_RUN = 0, 1, 3, 7
SHARED, PRIVATE, ANONYMOUS, GROWS_DOWN = 1, 2, 0x20, 0x100
CODE = Path(__file__)
NUMBERS: dict[str, int] = {}

LIBC.mmap.restype = ctypes.c_void_p
LIBC.mremap.restype = ctypes.c_void_p


def warm() -> None:
    """Look up the numbers of calls, which takes a library; and load what is loaded late."""
    arch = pyseccomp.system_arch()
    NUMBERS.update({name: pyseccomp.resolve_syscall(arch, name) for name in CALLS})
    "name".encode("idna")


def run(task: bytes, descriptors: Sequence[int], _ring: RegionClient | None, write: Write) -> None:
    name = task.decode()
    try:
        said = CALLS[name]() if name in CALLS else PROGRAMS[name](descriptors, write)
    except OSError as error:
        said = errno.errorcode[error.errno or 0]
    if said is not None:
        write(said.encode())


# --- bare system calls


def call(name: str, *arguments: int | bytes | None) -> str:
    return answered(NUMBERS[name], *arguments)


def answered(number: int, *arguments: int | bytes | None) -> str:
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *given)
    return errno.errorcode[ctypes.get_errno()] if result < 0 else "succeeded"


CALLS: dict[str, Callable[[], str]] = {
    name: partial(call, name, *arguments)
    for name, arguments in {
        # processes
        "vfork": (),
        "clone": (17, 0, 0, 0, 0),
        "clone3": (bytes(88), 88),
        "execve": (b"/bin/sh", None, None),
        "execveat": (0, b"/bin/sh", None, None, 0),
        "ptrace": (0, 0, 0, 0),
        "process_vm_readv": (1, None, 0, None, 0, 0),
        "process_vm_writev": (1, None, 0, None, 0, 0),
        "process_madvise": (0, None, 0, 0, 0),
        "pidfd_open": (1, 0),
        "pidfd_getfd": (0, 0, 0),
        "pidfd_send_signal": (0, 9, None, 0),
        "kcmp": (1, 1, 0, 0, 0),
        "tgkill": (1, 1, 9),
        "tkill": (1, 9),
        # the kernel's larger doors
        "io_uring_setup": (8, bytes(120)),
        "userfaultfd": (0,),
        "bpf": (0, bytes(120), 120),
        "perf_event_open": (bytes(128), 0, -1, -1, 0),
        "keyctl": (0, 0, 0, 0, 0),
        "add_key": (b"user", b"name", b"secret", 6, -1),
        "request_key": (b"user", b"name", None, -1),
        "init_module": (None, 0, b""),
        "kexec_load": (0, 0, None, 0),
        "reboot": (0, 0, 0, None),
        "personality": (0x0040000,),
        "syslog": (3, None, 0),
        "landlock_create_ruleset": (None, 0, 1),
        "seccomp": (1, 0, None),
        # namespaces and roots
        "mount": (b"none", b"/", b"tmpfs", 0, None),
        "umount2": (b"/", 2),
        "unshare": (0x10000000,),
        "setns": (0, 0),
        "pivot_root": (b".", b"."),
        "chroot": (b"/",),
        "open_tree": (-100, b"/", 0),
        "fsopen": (b"tmpfs", 0),
        "open_by_handle_at": (0, None, 0),
        # who it is
        "setuid": (0,),
        "setgroups": (0, None),
        "capset": (None, None),
        # memory and queues that no limit counts
        "memfd_create": (b"own", 0),
        "memfd_secret": (0,),
        "shmget": (0, GIB, 0o1600),
        "msgget": (0, 0o1600),
        "semget": (0, 1, 0o1600),
        "pipe2": (bytes(8), 0),
        "eventfd2": (0, 0),
        "inotify_init1": (0,),
        "timerfd_create": (0, 0),
        "timer_create": (0, None, bytes(8)),
        "mq_open": (b"queue", 0o102, 0o600, None),
        "mlock": (0, PAGE),
        "io_setup": (100, bytes(8)),
        # network
        "sendmsg": (3, None, 0),
        "recvmsg": (3, None, 0),
        "recvfrom": (3, bytes(8), 8, 0, None, None),
        "sendto": (3, b"out", 3, 0, None, 0),
        "connect": (3, bytes(16), 16),
        "bind": (3, bytes(16), 16),
        # files
        "openat": (-100, b"/etc/passwd", 0, 0),
        "stat": (b"/etc/passwd", bytes(144)),
        "getdents64": (0, bytes(64), 64),
        "chdir": (b"/",),
        "symlink": (b"/etc/passwd", b"link"),
        "mknod": (b"device", 0o20600, 0x101),
        "rename": (b"a", b"b"),
        "chmod": (b"a", 0o4755),
    }.items()
}


# --- network


def reach(family: int, kind: int) -> str:
    socket.socket(family, kind).close()
    return "made a socket"


def metadata_service() -> str:
    socket.create_connection(("169.254.169.254", 80), timeout=1).close()
    return "connected"


def pair() -> str:
    socket.socketpair()
    return "made a pair"


# --- files


def read_file(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return f"read {len(file.read(100))} bytes"


def list_folder(path: str) -> str:
    return ",".join(os.listdir(path))  # noqa: PTH208


def write_file(path: str) -> str:
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"data")
    return "written"


def run_own_file() -> str:
    with open("program", "wb") as file:  # noqa: PTH123
        file.write(b"#!/bin/sh\n")
    return answered(NUMBERS["execve"], b"program", None, None)


def environment() -> str:
    return f"{len(os.environ)} variables"


def descriptors() -> str:
    """Name the kind of each open descriptor."""
    found = []
    for number in range(1024):
        with suppress(OSError):
            found.append(kind(os.fstat(number).st_mode))
    return " ".join(sorted(found))


def kind(mode: int) -> str:
    names = ((stat.S_ISCHR, "device"), (stat.S_ISSOCK, "socket"), (stat.S_ISREG, "memory"))
    return next((name for holds, name in names if holds(mode)), "other")


def write_input(given: Sequence[int], _write: Write) -> str:
    os.pwrite(given[0], b"other", 0)
    return "written"


def map_input(given: Sequence[int], _write: Write) -> str:
    mmap.mmap(given[0], PAGE, mmap.MAP_SHARED, READ_WRITE)
    return "mapped to write"


# --- processes


def subprocess_() -> str:
    subprocess.run(["/bin/true"], check=True)
    return "ran"


def kill_all() -> str:
    os.kill(-1, signal.SIGKILL)
    return "killed"


def of_x32() -> str:
    return answered(X32)


def unknown() -> str:
    return answered(1000)


# --- memory


def mapped(size: int, protection: int, flags: int, descriptor: int = -1) -> int:
    place = LIBC.mmap(
        None,
        ctypes.c_size_t(size),
        protection,
        flags,
        descriptor,
        ctypes.c_long(0),
    )
    if place in {None, ctypes.c_void_p(-1).value}:
        raise OSError(ctypes.get_errno(), "mmap")
    return int(place)


def map_memory(size: int, protection: int, flags: int) -> str:
    mapped(size, protection, flags)
    return "mapped"


def open_up(flags: int, protection: int) -> str:
    """Map what costs nothing, and have it become memory."""
    place = mapped(4 * GIB, PROT_NONE, flags)
    return changed(place, 4 * GIB, protection)


def changed(place: int, size: int, protection: int) -> str:
    if LIBC.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(size), protection):
        raise OSError(ctypes.get_errno(), "mprotect")
    return "changed"


def copy_input(given: Sequence[int], _write: Write) -> str:
    """Map an input privately so often that its copies would not fit, then make them writable."""
    size = os.fstat(given[0]).st_size
    for _ in range(4 * GIB // size):
        changed(mapped(size, READ, PRIVATE, given[0]), size, READ_WRITE)
    return "copied"


def enlarge() -> str:
    place = mapped(PAGE, READ_WRITE, PRIVATE | ANONYMOUS)
    sizes = (ctypes.c_size_t(PAGE), ctypes.c_size_t(4 * GIB))
    if LIBC.mremap(ctypes.c_void_p(place), *sizes, 1) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mremap")
    return "enlarged"


def page_tables(given: Sequence[int], _write: Write) -> str:
    """Map an input again and again: the mappings are free, their page tables are not."""
    size = os.fstat(given[0]).st_size
    for _ in range(60_000):
        mapped(size, READ, SHARED, given[0])
    return "mapped"


def allocate() -> str:
    return f"allocated {len(bytes(4 * GIB))}"


def grow() -> str:
    held = []
    while True:
        held.append(os.urandom(1 << 16))


def threads_without_end() -> str:
    held = threading.Event()
    try:
        while True:
            threading.Thread(target=held.wait, daemon=True).start()
    except RuntimeError:
        return "refused"


def recurse() -> str:
    sys.setrecursionlimit(1 << 30)

    def deeper(depth: int) -> int:
        return deeper(depth + 1) + 1

    return str(deeper(0))


# --- time


def loop() -> str:
    while True:
        pass


def loop_deaf() -> str:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    return loop()


def loop_in_threads() -> str:
    for _ in range(4):
        threading.Thread(target=loop, daemon=True).start()
    return loop()


def sleep() -> str:
    time.sleep(600)
    return "awake"


def deadlock() -> str:
    held = threading.Lock()
    held.acquire()
    held.acquire()
    return "free"


def regular_expression() -> str:
    return str(re.match(r"(a+)+$", "a" * 60 + "b"))


# --- output


def write_much(_given: Sequence[int], write: Write) -> None:
    for _ in range(100):
        write(bytes(1 << 20))


def lie(_given: Sequence[int], _write: Write) -> None:
    talk(b"\0" + b"\xff" * 8)


def flood(_given: Sequence[int], _write: Write) -> None:
    for _ in range(1000):
        talk(b"\0" * 1000)


def talk(said: bytes) -> None:
    for number in range(3, 64):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, said)


def resize(_given: Sequence[int], _write: Write) -> str:
    for number in range(3, 64):
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(number).st_mode):
                os.ftruncate(number, 1)
                return "resized"
    return "refused"


def print_out(_given: Sequence[int], _write: Write) -> str:
    return f"{os.write(1, b'marker')} bytes to nowhere"


def leave(code: int, _given: Sequence[int], _write: Write) -> None:
    os._exit(code)


def raise_text(_given: Sequence[int], _write: Write) -> None:
    raise ValueError("marker")


def segfault(_given: Sequence[int], _write: Write) -> None:
    ctypes.string_at(1)


def abort(_given: Sequence[int], _write: Write) -> None:
    os.abort()


def cut_off(_given: Sequence[int], _write: Write) -> None:
    os.closerange(0, 1024)


def filter_again(_given: Sequence[int], _write: Write) -> str:
    if LIBC.prctl(22, 2, bytes(16)):
        raise OSError(ctypes.get_errno(), "prctl")
    return "filtered"


def set_dumpable(_given: Sequence[int], _write: Write) -> str:
    if LIBC.prctl(4, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    return "dumpable"


def raise_limit(_given: Sequence[int], _write: Write) -> str:
    if LIBC.setrlimit(9, (ctypes.c_ulong * 2)(1 << 50, 1 << 50)):
        raise OSError(ctypes.get_errno(), "setrlimit")
    return "raised"


def alone[T: (str, str | None)](program: Callable[[], T]) -> Callable[[Sequence[int], Write], T]:
    """Make a program of one that needs nothing."""
    return lambda _given, _write: program()


PROGRAMS: dict[str, Callable[[Sequence[int], Write], str | None]] = {
    "metadata service": alone(metadata_service),
    "tcp": alone(partial(reach, socket.AF_INET, socket.SOCK_STREAM)),
    "tcp over ipv6": alone(partial(reach, socket.AF_INET6, socket.SOCK_STREAM)),
    "udp": alone(partial(reach, socket.AF_INET, socket.SOCK_DGRAM)),
    "raw": alone(partial(reach, socket.AF_INET, socket.SOCK_RAW)),
    "unix": alone(partial(reach, socket.AF_UNIX, socket.SOCK_STREAM)),
    "netlink": alone(partial(reach, socket.AF_NETLINK, socket.SOCK_RAW)),
    "vsock": alone(partial(reach, socket.AF_VSOCK, socket.SOCK_STREAM)),
    "socketpair": alone(pair),
    "read passwd": alone(partial(read_file, "/etc/passwd")),
    "read our code": alone(partial(read_file, str(CODE))),
    "read environment of 1": alone(partial(read_file, "/proc/1/environ")),
    "read own memory": alone(partial(read_file, "/proc/self/mem")),
    "read above": alone(partial(read_file, "../../../../../../../etc/passwd")),
    "read a device": alone(partial(read_file, "/dev/mem")),
    "list root": alone(partial(list_folder, "/")),
    "list above": alone(partial(list_folder, "..")),
    "list own folder": alone(partial(list_folder, ".")),
    "write to tmp": alone(partial(write_file, "/tmp/left-by-a-cell")),  # noqa: S108
    "write above": alone(partial(write_file, "../left-by-a-cell")),
    "run own file": alone(run_own_file),
    "environment": alone(environment),
    "descriptors": alone(descriptors),
    "write input": write_input,
    "map input": map_input,
    "subprocess": alone(subprocess_),
    "fork": alone(lambda: str(os.fork())),
    "kill all": alone(kill_all),
    "x32": alone(of_x32),
    "unknown call": alone(unknown),
    "filter again": filter_again,
    "become dumpable": set_dumpable,
    "raise a limit": raise_limit,
    "shared memory": alone(partial(map_memory, 4 * GIB, READ_WRITE, SHARED | ANONYMOUS)),
    "private memory": alone(partial(map_memory, 4 * GIB, READ_WRITE, PRIVATE | ANONYMOUS)),
    "memory that grows down": alone(
        partial(map_memory, 4 * GIB, READ_WRITE, PRIVATE | ANONYMOUS | GROWS_DOWN)
    ),
    "memory with code": alone(partial(map_memory, PAGE, READ_WRITE_RUN, PRIVATE | ANONYMOUS)),
    "reserved memory": alone(partial(open_up, PRIVATE | ANONYMOUS, READ_WRITE)),
    "memory made code": alone(partial(open_up, PRIVATE | ANONYMOUS, READ_WRITE_RUN)),
    "copies of an input": copy_input,
    "enlarged memory": alone(enlarge),
    "page tables": page_tables,
    "allocate": alone(allocate),
    "grow": alone(grow),
    "threads": alone(threads_without_end),
    "recurse": alone(recurse),
    "loop": alone(loop),
    "loop deaf": alone(loop_deaf),
    "loop in threads": alone(loop_in_threads),
    "sleep": alone(sleep),
    "deadlock": alone(deadlock),
    "regular expression": alone(regular_expression),
    "write much": write_much,
    "lie": lie,
    "flood": flood,
    "resize the output": resize,
    "print": print_out,
    "exit 0": partial(leave, 0),
    "exit 77": partial(leave, 77),
    "raise": raise_text,
    "segfault": segfault,
    "abort": abort,
    "cut off": cut_off,
}
