"""Programs for cells, honest and clumsy: the first word of the task says which."""

import ctypes
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NoReturn

import duckdb

from runner.cell.entry import Write
from runner.cell.ring import RegionClient

CONNECTIONS: list[duckdb.DuckDBPyConnection] = []
SORT = """
    select max(i) from (
        select i, row_number() over (order by hash(i)) n, repeat('x', 40) || i s
        from range(2000000) t(i) order by hash(s)
    )
"""


def warm() -> None:
    """Have ready what takes files to make."""
    CONNECTIONS.append(duckdb.connect(config={"threads": 1}))
    CONNECTIONS[0].execute("select 1").fetchall()


def run(task: bytes, descriptors: Sequence[int], ring: RegionClient | None, write: Write) -> None:
    word, _, rest = task.partition(b" ")
    if word in READERS:
        READERS[word](rest, descriptors, write)
    elif ring is not None:
        RINGED[word](rest, ring, write)
    else:
        write(WORKERS[word](rest))


# --- what gives something back


def echo(rest: bytes, _descriptors: Sequence[int], write: Write) -> None:
    write(b"echo")
    if rest:
        write(b" ")
        write(memoryview(rest))


def read(_rest: bytes, descriptors: Sequence[int], write: Write) -> None:
    for descriptor in descriptors:
        write(os.pread(descriptor, os.fstat(descriptor).st_size, 0))


def write_zeros(rest: bytes, _descriptors: Sequence[int], write: Write) -> None:
    write(bytes(int(rest)))


def hide_the_end(_rest: bytes, _descriptors: Sequence[int], write: Write) -> None:
    with suppress(OSError):
        write(bytes(2 << 20))


def nothing(_rest: bytes, _descriptors: Sequence[int], _write: Write) -> None:
    pass


READERS: dict[bytes, Callable[[bytes, Sequence[int], Write], None]] = {
    b"echo": echo,
    b"read": read,
    b"write": write_zeros,
    b"hide": hide_the_end,
    b"nothing": nothing,
}

# --- what ends otherwise


def fail(_rest: bytes) -> NoReturn:
    raise ValueError("what a program says reaches nobody")


def leave(rest: bytes) -> NoReturn:
    os._exit(int(rest))


def segfault(_rest: bytes) -> bytes:
    return ctypes.string_at(1)


def abort(_rest: bytes) -> NoReturn:
    os.abort()


def allocate(_rest: bytes) -> bytes:
    return bytes(512 << 20)[:1]


def grow(_rest: bytes) -> NoReturn:
    held = []
    while True:
        held.append(os.urandom(1 << 16))


def loop(rest: bytes) -> NoReturn:
    if rest == b"deaf":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def sleep(_rest: bytes) -> bytes:
    time.sleep(600)
    return b"awake"


def say(rest: bytes) -> NoReturn:
    """Say something to the runner, and go."""
    for descriptor in sockets():
        os.write(descriptor, rest)
    os._exit(0)


def sockets() -> Iterator[int]:
    for descriptor in range(64):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                yield descriptor


def who(_rest: bytes) -> bytes:
    return f"{os.getpid()} {os.getuid()} {os.getgid()}".encode()


# --- what uses the spill


def fill(rest: bytes) -> bytes:
    """Write so many files of a MiB each, and say how many there were before."""
    there = len(os.listdir("."))  # noqa: PTH208
    for number in range(int(rest)):
        with open(f"file-{number}", "wb") as file:  # noqa: PTH123
            file.write(bytes(1 << 20))
    return str(there).encode()


def fill_and_wait(rest: bytes) -> bytes:
    fill(rest)
    return sleep(b"")


def large_file(rest: bytes) -> bytes:
    with open("file", "wb") as file:  # noqa: PTH123
        file.write(bytes(int(rest)))
    return b"written"


def litter(rest: bytes) -> bytes:
    for number in range(int(rest)):
        os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY))
    return sleep(b"")


def make_others(_rest: bytes) -> bytes:
    """Try to make what is no plain file, and name what was refused."""
    os.close(os.open("plain", os.O_CREAT | os.O_WRONLY))
    tries: dict[str, Callable[[], None]] = {
        "mkdir": partial(os.mkdir, "folder"),
        "symlink": partial(os.symlink, "/etc/passwd", "symlink"),
        "link": partial(os.link, "plain", "link"),
        "mkfifo": partial(os.mkfifo, "pipe"),
        "rename": partial(os.rename, "plain", "other"),
    }
    return " ".join([name for name, make in tries.items() if refused(make)] + ["refused"]).encode()


def refused(make: Callable[[], None]) -> bool:
    try:
        make()
    except PermissionError:
        return True
    return False


def sort(_rest: bytes) -> bytes:
    """Sort more than fits, and say what the largest number was and whether files were seen."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.001):
            seen.update(os.listdir("."))  # noqa: PTH208

    looking = threading.Thread(target=look)
    looking.start()
    with CONNECTIONS.pop() as connection:
        for setting in ("threads=2", "memory_limit='100MB'", "temp_directory='.'"):
            connection.execute(f"set {setting}")
        row = connection.execute(SORT).fetchone()
    over.set()
    looking.join()
    return f"{row and row[0]}, {'spilled' if seen else 'in memory'}".encode()


WORKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"raise": fail,
    b"exit": leave,
    b"segfault": segfault,
    b"abort": abort,
    b"allocate": allocate,
    b"grow": grow,
    b"loop": loop,
    b"sleep": sleep,
    b"say": say,
    b"who": who,
    b"fill": fill,
    b"fill-and-wait": fill_and_wait,
    b"large-file": large_file,
    b"litter": litter,
    b"make-others": make_others,
    b"sort": sort,
}

# --- what uses the ring


def regions(rest: bytes, ring: RegionClient, write: Write) -> None:
    """Read so many regions, one after the other."""
    for number in range(int(rest)):
        with ring.region(number % 2, number) as region:
            write(region)


def at_once(rest: bytes, ring: RegionClient, write: Write) -> None:
    """Read so many regions, each in a thread, and write them in order."""
    found: dict[int, bytes] = {}

    def one(number: int) -> None:
        with ring.region(0, number) as region:
            found[number] = bytes(region)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(int(rest))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in sorted(found):
        write(found[number])


def overwrite(_rest: bytes, ring: RegionClient, write: Write) -> None:
    with ring.region(0, 0) as region:
        try:
            region[0] = 0
        except TypeError:
            write(b"read-only")


def go_on(_rest: bytes, ring: RegionClient, write: Write) -> None:
    """Hide that a region did not come."""
    with suppress(OSError), ring.region(0, 0) as region:
        write(region)


def ask_badly(rest: bytes, ring: RegionClient, write: Write) -> None:
    """Send what no client sends, and see that the runner hangs up."""
    message = {
        b"short": b"x",
        b"long": bytes(17),
        b"slot": b"\xff" * 16,
    }[rest]
    os.write(ring._channel, message)
    try:
        with ring.region(0, 0):
            write(b"served")
    except OSError:
        write(b"hung up")


def ask_twice(_rest: bytes, ring: RegionClient, write: Write) -> None:
    """Want a slot filled that is being filled."""
    for _ in range(1000):
        try:
            os.write(ring._channel, bytes(16))
        except OSError:
            write(b"hung up")
            return
    write(b"served")


RINGED: dict[bytes, Callable[[bytes, RegionClient, Write], None]] = {
    b"regions": regions,
    b"at-once": at_once,
    b"overwrite": overwrite,
    b"go-on": go_on,
    b"ask-badly": ask_badly,
    b"ask-twice": ask_twice,
}
