"""Sealing files and pipes: what comes out, what is refused, and what is left when it fails."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import Malformed, PolicyRefused, Unavailable
from cleanroom.seal.layout import MOST_REGIONS, Layout
from cleanroom.seal.manifest import InlineKey, Manifest, VaultKey
from party import sealing
from party.errors import Usage
from party.files import Output
from party.opening import SealedFile, opened
from party.sealing import Reader, Sealed, seal, workers
from tests.builders import NOW, Keys
from tests.sealing import (
    REGION,
    STORED,
    Parts,
    data_key,
    ignore,
    label,
    memory_file,
    nameless_files_work,
    open_bytes,
    plaintext,
    python,
    seal_bytes,
    seal_to,
    small_disk,
)

SECRET = "https://north.vault.azure.net/secrets/customers"  # noqa: S105  # an address
PLAIN = plaintext(3 * REGION + 100)
PATIENCE = 10  # seconds until a test that hangs is helped out

patient = settings(deadline=None, max_examples=50)


@pytest.fixture
def one_worker() -> Iterator[None]:
    """Let regions be sealed one after the other: each is reported before the next is read."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of long ago, outside the folder that the tests look into."""
    path = tmp_path / "source"
    path.write_bytes(plaintext(40 * REGION))
    os.utime(path, (0, 0))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@contextmanager
def pipe(data: bytes, *, ends: bool = True) -> Iterator[int]:
    """Write bytes into a pipe from a thread, in uneven portions; perhaps never close it."""
    read, write = os.pipe()
    enough = threading.Event()

    def feed() -> None:
        with suppress(BrokenPipeError):
            for start in range(0, len(data), 10_007):
                os.write(write, data[start : start + 10_007])
        if not ends:
            enough.wait(PATIENCE)
        os.close(write)

    writer = threading.Thread(target=feed)
    writer.start()
    try:
        yield read
    finally:
        os.close(read)
        enough.set()
        writer.join()


def seal_file(source: Path, folder: Path, owner: Keys, progress: Any = ignore) -> Sealed:
    with opened(source) as fd:
        return seal_fd(fd, folder, owner, progress)


def seal_fd(fd: int, folder: Path, owner: Keys, progress: Any = ignore, **changes: Any) -> Sealed:
    with Output(folder / "sealed", force=False) as output:
        return seal(
            fd,
            output,
            label(**changes),
            [Reader(owner.reader, None)],
            owner.signer,
            progress,
        )


# What comes out


@pytest.mark.parametrize("size", [0, 1, REGION - 1, REGION, REGION + 1, 3 * REGION, 3 * REGION + 1])
def test_a_sealed_file_is_body_table_envelope_and_footer(size: int, north: Keys) -> None:
    sealed = seal_bytes(plaintext(size), north)

    parts = Parts.of(sealed)
    assert parts.join() == sealed
    assert [len(region) for region in parts.regions] == [
        *[STORED] * (size // REGION),
        *[size % REGION + 16] * (size % REGION > 0),
    ]
    assert parts.manifest["layout"] == {
        "plaintext_size": size,
        "region_size": REGION,
        "region_count": len(parts.regions),
    }


def test_the_manifest_says_what_it_was_told(folder: Path, source: Path, north: Keys) -> None:
    sealed = seal_file(source, folder, north)

    manifest = sealed.manifest
    assert (manifest.origin, manifest.created) == (label().origin, NOW)
    assert (manifest.content, manifest.media_type) == (label().content, label().media_type)
    assert manifest.layout == Layout(40 * REGION, REGION)
    assert Parts.of((folder / "sealed").read_bytes()).payload == manifest.to_bytes()
    assert sealed.kept_apart == {}


def test_larger_regions_are_sealed_as_well(north: Keys) -> None:
    sealed = seal_bytes(PLAIN, north, region_size=2 * REGION)

    assert len(Parts.of(sealed).regions) == 2
    assert open_bytes(sealed, north, north) == PLAIN


def test_progress_counts_every_byte_once(folder: Path, source: Path, north: Keys) -> None:
    counts: list[int] = []

    seal_file(source, folder, north, counts.append)

    assert counts == [REGION] * 40


def test_two_seals_of_one_file_have_nothing_secret_in_common(north: Keys) -> None:
    first, second = (Parts.of(seal_bytes(PLAIN, north)) for _ in range(2))

    blocks = [
        {region[i : i + 16] for region in parts.regions for i in range(0, len(region) - 15, 16)}
        for parts in (first, second)
    ]
    assert blocks[0].isdisjoint(blocks[1])
    assert first.manifest["file_id"] != second.manifest["file_id"]
    assert first.manifest["readers"][0]["wrapped"] != second.manifest["readers"][0]["wrapped"]
    assert first.manifest["regions"] != second.manifest["regions"]


def test_two_seals_of_one_file_have_keys_of_their_own(north: Keys) -> None:
    keys: list[bytes] = []

    for _ in range(2):
        with memory_file(seal_bytes(PLAIN, north)) as fd:
            keys.append(data_key(SealedFile(fd, "file", north.signing), north).expose())

    assert keys[0] != keys[1]


def test_equal_regions_of_one_file_do_not_look_equal(north: Keys) -> None:
    parts = Parts.of(seal_bytes(bytes(3 * REGION), north))

    assert len(set(parts.regions)) == 3


def test_nothing_of_the_plaintext_stands_in_the_sealed_file(north: Keys) -> None:
    sealed = seal_bytes(b"alice@example.com," * 5000, north)

    assert b"alice" not in sealed


def test_wrapped_keys_for_a_vault_are_kept_apart(north: Keys, south: Keys, folder: Path) -> None:
    with memory_file(PLAIN) as fd, Output(folder / "sealed", force=False) as output:
        sealed = seal(
            fd,
            output,
            label(),
            [Reader(north.reader, None), Reader(south.reader, SECRET)],
            north.signer,
            ignore,
        )

    inline, in_vault = sealed.manifest.readers
    assert isinstance(inline, InlineKey)
    assert in_vault == VaultKey(south.reader.id, SECRET)
    assert list(sealed.kept_apart) == [SECRET]
    assert north.unwrap(inline.wrapped) == south.unwrap(sealed.kept_apart[SECRET])


def test_a_wrapped_key_kept_apart_is_not_in_the_file(south: Keys, folder: Path) -> None:
    with memory_file(PLAIN) as fd, Output(folder / "sealed", force=False) as output:
        sealed = seal(fd, output, label(), [Reader(south.reader, SECRET)], south.signer, ignore)

    assert "wrapped" not in Manifest.to_bytes(sealed.manifest).decode()


@pytest.mark.usefixtures("one_worker")
def test_there_are_no_more_workers_than_cores_this_process_may_use() -> None:
    assert workers() == 1


# Where it is read from


@pytest.mark.parametrize("size", [0, 1, REGION - 1, REGION, REGION + 1, 3 * REGION])
def test_a_pipe_is_sealed_as_a_file_is(size: int, folder: Path, north: Keys) -> None:
    with pipe(plaintext(size)) as fd:
        seal_fd(fd, folder, north)

    assert open_bytes((folder / "sealed").read_bytes(), north, north) == plaintext(size)


@patient
@given(size=st.integers(0, 2 * REGION + 1))
def test_a_pipe_of_any_length_is_sealed(size: int, north: Keys, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("pipe")

    with pipe(plaintext(size)) as fd:
        seal_fd(fd, folder, north)

    assert open_bytes((folder / "sealed").read_bytes(), north, north) == plaintext(size)


def test_a_pipe_that_pauses_is_waited_for(folder: Path, north: Keys) -> None:
    read, write = os.pipe()
    os.write(write, b"first, ")

    def finish() -> None:
        os.write(write, b"last")
        os.close(write)

    later = threading.Timer(0.25, finish)
    later.start()
    seal_fd(read, folder, north)
    later.join()
    os.close(read)

    assert open_bytes((folder / "sealed").read_bytes(), north, north) == b"first, last"


@pytest.mark.usefixtures("one_worker")
def test_one_worker_seals_as_many_do(source: Path, folder: Path, north: Keys) -> None:
    seal_file(source, folder, north)

    assert open_bytes((folder / "sealed").read_bytes(), north, north) == source.read_bytes()


def test_a_file_is_sealed_from_its_start_wherever_it_was_read_to(folder: Path, north: Keys) -> None:
    with memory_file(PLAIN) as fd:
        os.lseek(fd, 1000, os.SEEK_SET)
        seal_fd(fd, folder, north)

    assert open_bytes((folder / "sealed").read_bytes(), north, north) == PLAIN


def test_a_folder_is_not_sealed(folder: Path, north: Keys) -> None:
    with pytest.raises(Usage, match=f"^{folder}: expected a file, got a folder$"):
        seal_file(folder, folder, north)

    assert list(folder.iterdir()) == []


def test_a_source_that_is_closed_is_refused(folder: Path, north: Keys) -> None:
    with pytest.raises(Unavailable, match=r"^the source: bad file descriptor$"):
        seal_fd(1 << 20, folder, north)


# A source that changes


CHANGED = r"^the source changed while it was read; nothing was written$"


def once(action: Any) -> Any:
    """Make progress that does something to the source after the first region."""
    left = [action]

    def progress(_count: int) -> None:
        while left:
            left.pop()()

    return progress


@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize("size", [0, REGION, REGION + 1, 40 * REGION - 1])
def test_a_source_that_shrinks_is_refused(
    size: int, source: Path, folder: Path, north: Keys
) -> None:
    with pytest.raises(Unavailable, match=CHANGED) as caught:
        seal_file(source, folder, north, once(lambda: os.truncate(source, size)))

    assert caught.value.hint == "seal it again when nobody writes to it"
    assert list(folder.iterdir()) == []


def test_a_source_that_shrinks_is_refused_by_many_workers(
    source: Path, folder: Path, north: Keys
) -> None:
    with pytest.raises(Unavailable, match=CHANGED):
        seal_file(source, folder, north, once(lambda: os.truncate(source, REGION)))

    assert list(folder.iterdir()) == []


def test_a_source_that_grows_is_refused(source: Path, folder: Path, north: Keys) -> None:
    def grow() -> None:
        with source.open("ab") as file:
            file.write(b"more")

    with pytest.raises(Unavailable, match=CHANGED):
        seal_file(source, folder, north, once(grow))

    assert list(folder.iterdir()) == []


def test_a_source_that_grows_and_keeps_its_time_is_refused(
    source: Path, folder: Path, north: Keys
) -> None:
    def grow() -> None:
        os.truncate(source, 41 * REGION)
        os.utime(source, (0, 0))

    with pytest.raises(Unavailable, match=CHANGED):
        seal_file(source, folder, north, once(grow))

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("offset", [0, 39 * REGION])
def test_a_source_that_changes_in_place_is_refused(
    offset: int, source: Path, folder: Path, north: Keys
) -> None:
    def change() -> None:
        with source.open("r+b") as file:
            file.seek(offset)
            file.write(b"changed")

    with pytest.raises(Unavailable, match=CHANGED):
        seal_file(source, folder, north, once(change))

    assert list(folder.iterdir()) == []


def test_a_source_that_holds_more_than_it_says_is_refused(folder: Path, north: Keys) -> None:
    with pytest.raises(Unavailable, match=CHANGED):
        seal_file(Path("/proc/self/status"), folder, north)  # says it has 0 bytes

    assert list(folder.iterdir()) == []


# What is refused


def test_a_file_of_too_many_regions_is_refused_before_it_is_read(
    tmp_path: Path, folder: Path, north: Keys
) -> None:
    source = tmp_path / "large"
    source.touch()
    os.truncate(source, MOST_REGIONS * REGION + 1)

    with pytest.raises(
        PolicyRefused, match=r"^more than 1048576 regions of 65536 bytes$"
    ) as caught:
        seal_file(source, folder, north)

    assert caught.value.hint == "choose a larger --region-size"
    assert list(folder.iterdir()) == []


def test_a_pipe_of_too_many_regions_is_refused(
    folder: Path, north: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_REGIONS", 2)  # or the pipe would have to bring 64 GiB

    with (
        pipe(plaintext(2 * REGION + 1)) as fd,
        pytest.raises(PolicyRefused, match=r"^more than 2 regions of 65536 bytes$"),
    ):
        seal_fd(fd, folder, north)

    assert list(folder.iterdir()) == []


def test_a_pipe_of_as_many_regions_as_may_be_is_sealed(
    folder: Path, north: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_REGIONS", 2)

    with pipe(plaintext(2 * REGION)) as fd:
        sealed = seal_fd(fd, folder, north)

    assert sealed.manifest.layout.regions == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"media_type": "csv"}, "manifest.media_type: ", id="media type"),
        pytest.param(
            {"region_size": REGION - 1}, "manifest.layout.region_size: ", id="region size"
        ),
        pytest.param({"region_size": REGION + 1}, "manifest.layout.region_size: ", id="odd size"),
    ],
)
def test_what_we_would_refuse_to_read_is_not_written(
    changes: dict[str, Any], message: str, folder: Path, north: Keys
) -> None:
    with memory_file(PLAIN) as fd, pytest.raises(Malformed, match=f"^{message}"):
        seal_fd(fd, folder, north, **changes)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("count", [0, 2])
def test_every_reader_is_named_once(count: int, folder: Path, north: Keys) -> None:
    with memory_file(PLAIN) as fd, pytest.raises(Malformed, match=r"^manifest.readers: "):
        seal_to(folder / "sealed", fd, north, (north,) * count)

    assert list(folder.iterdir()) == []


# Nothing is left of what was not finished


NO_SPACE = "no space left, nothing was written"


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(0, id="at the first byte"),
        pytest.param(10 * STORED + 5, id="in the middle of a region"),
        pytest.param(40 * STORED, id="at the trailer"),
        pytest.param(40 * STORED + 1281, id="in the middle of the trailer"),
    ],
)
def test_a_full_disk_leaves_nothing(
    limit: int,
    nameless: bool,  # a case
    source: Path,
    folder: Path,
    north: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")

    with small_disk(limit), pytest.raises(Unavailable) as caught:
        seal_file(source, folder, north)

    assert str(caught.value) == f"{folder / 'sealed'}: {NO_SPACE}"
    assert caught.value.hint == "make room, or name an output on another disk with --output"
    assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_no_plaintext(folder: Path, north: Keys) -> None:
    with memory_file(seal_bytes(PLAIN, north)) as fd:
        file = SealedFile(fd, "file", north.signing)
        with small_disk(REGION), pytest.raises(Unavailable, match=NO_SPACE):
            open_into(file, folder / "opened", north)

    assert list(folder.iterdir()) == []


def open_into(file: SealedFile, path: Path, reader: Keys) -> None:
    with Output(path, force=False) as output:
        file.open_to(data_key(file, reader), output, ignore)


FULL_DISK = """
import os, subprocess, sys
from pathlib import Path
from cleanroom.errors import Unavailable
from tests.builders import Keys
from tests.sealing import memory_file, plaintext, seal_to

north, folder = Keys.make(), Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
with memory_file(plaintext(2 << 20)) as source:
    try:
        seal_to(folder / "sealed", source, north, (north,))
    except Unavailable as error:
        print(error, os.listdir(folder), os.statvfs(folder).f_bavail > 250)
"""


def test_a_disk_that_is_really_full_leaves_nothing(folder: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")

    with python(FULL_DISK, folder, under=("unshare", "-Urm")) as process:
        output, _ = process.communicate()

    if process.returncode:
        pytest.skip("this user may not mount a file system of its own")
    assert output.decode() == f"{folder / 'sealed'}: {NO_SPACE} [] True\n"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError])
@pytest.mark.parametrize("nameless", [True, False])
def test_an_interrupted_seal_leaves_nothing(
    kind: type[BaseException],
    nameless: bool,  # a case
    source: Path,
    folder: Path,
    north: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")

    def interrupt(_count: int) -> NoReturn:
        raise kind

    with pytest.raises(kind):
        seal_file(source, folder, north, interrupt)

    assert list(folder.iterdir()) == []


def press(number: int) -> None:
    """Send a signal to the main thread, as a terminal does."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.fixture
def terminal() -> Iterator[None]:
    """Ctrl-C interrupts, though whoever started the tests may have asked to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_stops_sealing_and_leaves_nothing(tmp_path: Path, folder: Path, north: Keys) -> None:
    source = tmp_path / "zeros"
    source.touch()
    os.truncate(source, 400 * REGION)
    done: list[int] = []

    def progress(count: int) -> None:
        done.append(count)
        if len(done) == 1:
            press(signal.SIGINT)
        time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt):
        seal_file(source, folder, north, progress)

    assert list(folder.iterdir()) == []
    assert len(done) < 400


@pytest.fixture
def ends_on_sigterm() -> Iterator[None]:
    def end(_number: int, _frame: object) -> NoReturn:
        raise SystemExit

    before = signal.signal(signal.SIGTERM, end)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("ends_on_sigterm")
def test_a_request_to_end_stops_sealing_and_leaves_nothing(
    source: Path, folder: Path, north: Keys
) -> None:
    with pytest.raises(SystemExit):
        seal_file(source, folder, north, once(lambda: press(signal.SIGTERM)))

    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_stops_waiting_for_a_pipe_that_nobody_closes(folder: Path, north: Keys) -> None:
    started = time.monotonic()

    with (
        pipe(PLAIN, ends=False) as fd,
        pytest.raises(KeyboardInterrupt),
    ):
        seal_fd(fd, folder, north, once(lambda: press(signal.SIGINT)))

    assert time.monotonic() - started < PATIENCE
    assert list(folder.iterdir()) == []


def test_an_error_stops_waiting_for_a_pipe_that_nobody_closes(folder: Path, north: Keys) -> None:
    started = time.monotonic()

    def fail(_count: int) -> NoReturn:
        raise RuntimeError

    with pipe(PLAIN, ends=False) as fd, pytest.raises(RuntimeError):
        seal_fd(fd, folder, north, fail)

    assert time.monotonic() - started < PATIENCE
    assert list(folder.iterdir()) == []


STUCK = """
import os, sys
from pathlib import Path
from party.files import Output
from party.sealing import Reader, seal
from tests.builders import Keys
from tests.sealing import label

north = Keys.make()
with Output(Path(sys.argv[1]) / "sealed", force=False) as output:
    readers = [Reader(north.reader, None)]
    seal(0, output, label(), readers, north.signer, lambda count: os.write(1, b"%d\\n" % count))
"""


def test_kill_9_leaves_nothing(folder: Path) -> None:
    if not nameless_files_work(folder):
        pytest.skip("this file system has no nameless files")

    with python(STUCK, folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bytes(REGION))
        process.stdin.flush()
        line = process.stdout.readline()
        seen = list(folder.iterdir())
        process.kill()

    assert line == b"65536\n"
    assert seen == []
    assert list(folder.iterdir()) == []


MEMORY = """
import contextlib, os, resource, sys
from pathlib import Path
from party.files import Output
from party.opening import SealedFile
from party.sealing import Reader, seal
from tests.builders import Keys
from tests.sealing import data_key, ignore, label

class Enough(Exception):
    pass

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

north, folder = Keys.make(), Path(sys.argv[1])
readers = [Reader(north.reader, None)]
with contextlib.suppress(Enough), Output(folder / "sealed", force=False) as output:
    before = used()
    source = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    os.truncate(source, 128 << 20)
    seal(source, output, label(region_size=1 << 20), readers, north.signer, ignore)
    with Output(folder / "opened", force=False) as opened:
        file = SealedFile(output.fd, "file", north.signing)
        file.open_to(data_key(file, north), opened, ignore)
        print(file.layout.plaintext_size >> 20, (used() - before) >> 10)
        raise Enough  # so that nothing has to reach the disk
"""


def test_a_large_file_is_sealed_and_opened_in_little_memory(folder: Path) -> None:
    if not nameless_files_work(folder):
        pytest.skip("this file system has no nameless files")

    with python(MEMORY, folder) as process:
        output, _ = process.communicate()

    size, grown = map(int, output.split())
    assert size == 128
    assert grown < 64
