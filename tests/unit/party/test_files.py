"""Files on a party's machine: whole or not at all, and nobody else's business."""

import errno
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from cleanroom.errors import CleanroomError, Malformed, Unavailable
from party import files
from party.errors import Usage
from party.files import (
    Output,
    keep_apart,
    private,
    read_document,
    translated,
    unchanged,
    write_document,
)
from tests.sealing import nameless_files_work, small_disk

EXISTS = "name another output with --output, or replace it with --force"


@pytest.fixture(
    params=[
        pytest.param(None, id="nameless"),
        pytest.param(os.O_DIRECTORY, id="older Linux"),  # it ignores what it does not know
        pytest.param("gone", id="no O_TMPFILE"),
    ]
)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, on each kind of system."""
    if request.param == "gone":
        monkeypatch.delattr(os, "O_TMPFILE")
    elif request.param is not None:
        monkeypatch.setattr(os, "O_TMPFILE", request.param)
    return tmp_path


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o022)
    yield 0o022
    os.umask(before)


def write(path: Path, data: bytes, *, force: bool = False, mode: int = 0o666) -> None:
    with Output(path, force=force, mode=mode) as output:
        output.write_at(data, 0)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Output: appears whole


def test_an_output_has_its_bytes_and_nothing_stands_beside_it(folder: Path) -> None:
    write(folder / "out", b"whole")

    assert (folder / "out").read_bytes() == b"whole"
    assert list(folder.iterdir()) == [folder / "out"]


def test_an_output_may_stay_empty(folder: Path) -> None:
    with Output(folder / "out", force=False):
        pass

    assert (folder / "out").read_bytes() == b""


def test_an_output_is_not_there_before_it_is_complete(folder: Path) -> None:
    with Output(folder / "out", force=False) as output:
        output.write_at(b"half", 0)

        assert not (folder / "out").exists()


def test_a_nameless_output_is_nowhere_before_it_is_complete(tmp_path: Path) -> None:
    if not nameless_files_work(tmp_path):
        pytest.skip("this file system has no nameless files")

    with Output(tmp_path / "out", force=False) as output:
        output.write_at(b"half", 0)

        assert list(tmp_path.iterdir()) == []


def test_an_output_that_needs_a_name_meanwhile_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")

    with Output(tmp_path / "out", force=False):
        (aside,) = tmp_path.iterdir()

    assert aside.name.startswith(".")
    assert aside.suffix == ".part"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_parts_are_written_in_any_order_from_any_thread(folder: Path) -> None:
    with Output(folder / "out", force=False) as output:
        threads = [
            threading.Thread(target=output.write_at, args=(bytes([i]) * 1000, i * 1000))
            for i in reversed(range(16))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert (folder / "out").read_bytes() == b"".join(bytes([i]) * 1000 for i in range(16))


def test_an_output_can_be_read_back_by_its_descriptor(folder: Path) -> None:
    with Output(folder / "out", force=False) as output:
        output.write_at(memoryview(b"written"), 0)

        assert os.pread(output.fd, 10, 0) == b"written"


def test_a_relative_path_is_written_where_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    write(Path("out"), b"here")

    assert (folder / "out").read_bytes() == b"here"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "鍵" * 85, ".hidden", "a b\nc", "-"])
def test_any_name_that_the_file_system_takes_will_do(
    name: str,
    force: bool,
    folder: Path,
) -> None:
    write(folder / name, b"named", force=force)

    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("mode", "found"), [(0o666, 0o644), (0o600, 0o600)])
def test_an_output_is_readable_by_whom_it_should_be(
    mode: int,
    found: int,
    force: bool,
    folder: Path,
) -> None:
    write(folder / "out", b"", mode=mode, force=force)

    assert mode_of(folder / "out") == found


@pytest.mark.usefixtures("umask")
def test_a_private_output_stays_private_though_it_replaces_a_public_file(folder: Path) -> None:
    (folder / "out").touch(mode=0o644)

    write(folder / "out", b"secret", force=True, mode=0o600)

    assert mode_of(folder / "out") == 0o600


# Output: what is there already


def test_what_exists_is_not_replaced(folder: Path) -> None:
    (folder / "out").write_bytes(b"theirs")

    with pytest.raises(Usage, match=f"^{folder / 'out'}: it exists already$") as caught:
        write(folder / "out", b"mine")

    assert caught.value.hint == EXISTS
    assert (folder / "out").read_bytes() == b"theirs"
    assert list(folder.iterdir()) == [folder / "out"]


def test_what_exists_is_replaced_if_told_to(folder: Path) -> None:
    (folder / "out").write_bytes(b"theirs, and longer")

    write(folder / "out", b"mine", force=True)

    assert (folder / "out").read_bytes() == b"mine"
    assert list(folder.iterdir()) == [folder / "out"]


def test_being_told_to_replace_does_not_need_something_to_replace(folder: Path) -> None:
    write(folder / "out", b"mine", force=True)

    assert (folder / "out").read_bytes() == b"mine"
    assert list(folder.iterdir()) == [folder / "out"]


def test_what_came_to_exist_meanwhile_is_left_alone(folder: Path) -> None:
    def race() -> None:
        with Output(folder / "out", force=False) as output:
            output.write_at(b"mine", 0)
            (folder / "out").write_bytes(b"theirs")

    with pytest.raises(Usage, match=f"^{folder / 'out'}: it exists already$") as caught:
        race()

    assert caught.value.hint == EXISTS
    assert (folder / "out").read_bytes() == b"theirs"
    assert list(folder.iterdir()) == [folder / "out"]


def test_of_two_outputs_of_one_name_the_first_to_end_is_kept(folder: Path) -> None:
    def race() -> None:
        with Output(folder / "out", force=False) as slow:
            slow.write_at(b"slow", 0)
            write(folder / "out", b"quick")

    with pytest.raises(Usage, match=r"it exists already"):
        race()

    assert (folder / "out").read_bytes() == b"quick"
    assert list(folder.iterdir()) == [folder / "out"]


def test_what_came_to_exist_meanwhile_is_replaced_if_told_to(folder: Path) -> None:
    with Output(folder / "out", force=True) as output:
        output.write_at(b"mine", 0)
        (folder / "out").write_bytes(b"theirs")

    assert (folder / "out").read_bytes() == b"mine"
    assert list(folder.iterdir()) == [folder / "out"]


def test_whoever_reads_the_replaced_file_reads_it_to_its_end(folder: Path) -> None:
    (folder / "out").write_bytes(b"theirs")

    with (folder / "out").open("rb") as reader:
        with Output(folder / "out", force=True) as output:
            output.write_at(b"mine", 0)
            before = (folder / "out").read_bytes()

        assert (before, reader.read()) == (b"theirs", b"theirs")


def test_the_file_exists_at_every_moment_while_it_is_replaced(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())  # fails if there is none

    looker = threading.Thread(target=look)
    looker.start()
    for _ in range(50):
        write(path, b"new", force=True)
    done.set()
    looker.join()

    assert seen <= {b"old", b"new"}


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(folder: Path) -> None:
    (folder / "target").write_bytes(b"theirs")
    (folder / "out").symlink_to("target")

    write(folder / "out", b"mine", force=True)

    assert (folder / "target").read_bytes() == b"theirs"
    assert not (folder / "out").is_symlink()
    assert (folder / "out").read_bytes() == b"mine"


def test_a_link_to_nowhere_exists_too(folder: Path) -> None:
    (folder / "out").symlink_to("nowhere")

    with pytest.raises(Usage, match=r"it exists already"):
        write(folder / "out", b"mine")

    assert [path.name for path in folder.iterdir()] == ["out"]


def test_a_link_to_nowhere_is_replaced_if_told_to(folder: Path) -> None:
    (folder / "out").symlink_to("nowhere")

    write(folder / "out", b"mine", force=True)

    assert [path.name for path in folder.iterdir()] == ["out"]


# Output: where none can be


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_is_no_output(force: bool, folder: Path) -> None:
    with pytest.raises(Usage, match=f"^{folder}: expected a file, got a folder$"):
        write(folder, b"", force=force)


def test_a_link_to_a_folder_is_no_output(folder: Path) -> None:
    (folder / "out").symlink_to(folder)

    with pytest.raises(Usage, match=r"expected a file, got a folder"):
        write(folder / "out", b"", force=True)

    assert (folder / "out").is_symlink()


def test_an_empty_path_is_no_output(folder: Path) -> None:
    del folder

    with pytest.raises(Usage, match=r"^\.: expected a file, got a folder$"):
        write(Path(), b"")


def test_a_pipe_is_not_replaced(folder: Path) -> None:
    os.mkfifo(folder / "out")

    with pytest.raises(Usage, match=f"^{folder / 'out'}: expected a file, got a device or a pipe$"):
        write(folder / "out", b"", force=True)

    assert (folder / "out").is_fifo()


def test_a_socket_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # because a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("out")

        with pytest.raises(Usage, match=r"^out: expected a file, got a device or a pipe$"):
            write(Path("out"), b"", force=True)

    assert Path("out").is_socket()


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_came_to_exist_meanwhile_is_left_alone(force: bool, folder: Path) -> None:
    def race() -> None:
        with Output(folder / "out", force=force):
            (folder / "out").mkdir()

    with pytest.raises(Usage, match=r"expected a file, got a folder|it exists already"):
        race()

    assert (folder / "out").is_dir()
    assert list(folder.iterdir()) == [folder / "out"]


@pytest.mark.parametrize("force", [False, True])
def test_an_output_needs_its_folder(force: bool, folder: Path) -> None:
    path = folder / "missing" / "out"

    with pytest.raises(Usage, match=f"^{path}: there is no such file or folder$"):
        write(path, b"", force=force)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder_for_an_output(force: bool, folder: Path) -> None:
    (folder / "file").touch()
    path = folder / "file" / "out"

    with pytest.raises(Usage, match=f"^{path}: a part of the path is not a folder$"):
        write(path, b"", force=force)


def test_a_folder_that_went_away_meanwhile_leaves_nothing(folder: Path) -> None:
    (folder / "inner").mkdir()

    def race() -> None:
        with Output(folder / "inner" / "out", force=False):
            (folder / "inner").rename(folder / "moved")

    with pytest.raises(Usage, match=r"there is no such file or folder"):
        race()

    assert not (folder / "moved" / "out").exists()


def test_a_file_system_without_files_takes_no_output() -> None:
    with pytest.raises(CleanroomError, match=r"^/proc/out: "):
        write(Path("/proc/out"), b"")


def test_a_name_that_no_system_takes_is_refused(folder: Path) -> None:
    with pytest.raises(Usage, match=r"^'.*a\\x00b': expected a path, which holds no NUL$"):
        write(folder / "a\0b", b"")


def test_a_value_that_is_wrong_elsewhere_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="elsewhere"), translated("file"):
        raise ValueError("elsewhere")


def test_links_that_lead_round_in_a_circle_are_refused(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")

    with pytest.raises(Usage, match=r"loop/out: the links in it lead round in a circle$"):
        write(folder / "loop" / "out", b"")


def test_a_name_that_is_too_long_is_refused(folder: Path) -> None:
    with pytest.raises(Usage, match=r"x: the name is too long for the file system$"):
        write(folder / ("x" * 256), b"")

    assert list(folder.iterdir()) == []


# Output: what was not finished


@pytest.mark.parametrize("kind", [RuntimeError, Usage, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_of_an_output_that_was_not_finished(
    kind: type[BaseException],
    force: bool,
    folder: Path,
) -> None:
    def fail() -> None:
        with Output(folder / "out", force=force) as output:
            output.write_at(b"half", 0)
            raise kind

    with pytest.raises(kind):
        fail()

    assert list(folder.iterdir()) == []


def test_the_file_to_be_replaced_stays_if_the_output_was_not_finished(folder: Path) -> None:
    (folder / "out").write_bytes(b"theirs")

    def fail() -> None:
        with Output(folder / "out", force=True) as output:
            output.write_at(b"half", 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert (folder / "out").read_bytes() == b"theirs"
    assert list(folder.iterdir()) == [folder / "out"]


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_leaves_what_was_there(force: bool, folder: Path) -> None:
    (folder / "out").write_bytes(b"theirs")
    path = folder / ("out" if force else "new")

    with small_disk(1000), pytest.raises(Unavailable) as caught:
        write(path, bytes(1001), force=force)

    assert str(caught.value) == f"{path}: no space left, nothing was written"
    assert caught.value.hint == "make room, or name an output on another disk with --output"
    assert (folder / "out").read_bytes() == b"theirs"
    assert list(folder.iterdir()) == [folder / "out"]


def test_a_disk_that_is_just_large_enough_will_do(folder: Path) -> None:
    with small_disk(1000):
        write(folder / "out", bytes(1000))

    assert (folder / "out").stat().st_size == 1000


def test_no_descriptor_stays_open(folder: Path) -> None:
    before = descriptors()

    write(folder / "out", b"")
    write(folder / "out", b"", force=True)
    with pytest.raises(Usage):
        write(folder / "out", b"")

    assert descriptors() == before


# Outputs and inputs


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param("in", "in is the input", id="itself"),
        pytest.param("sub/../in", "sub/../in is the input", id="in other words"),
        pytest.param("symbolic", "symbolic is the input", id="symbolic link"),
        pytest.param("hard", "hard is the input", id="hard link"),
        pytest.param("missing", "missing is the other", id="not there yet"),
        pytest.param("sub/../missing", "sub/../missing is the other", id="not there, other words"),
        pytest.param("dangling", "dangling is the other", id="link to what is not there yet"),
    ],
)
def test_an_output_is_no_input(
    output: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "in").write_bytes(b"")
    (tmp_path / "symbolic").symlink_to("in")
    (tmp_path / "hard").hardlink_to("in")
    (tmp_path / "dangling").symlink_to("missing")

    with pytest.raises(Usage, match=f"^--output: {message}$"):
        keep_apart(
            {"--output": Path(output)},
            {"the input": Path("in"), "the other": Path("missing").absolute()},
        )


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_two_outputs_are_two_files(there: bool, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    if there:
        (tmp_path / "out").write_bytes(b"")

    with pytest.raises(Usage, match=r"^--second: .*out is --first$"):
        keep_apart({"--first": tmp_path / "out", "--second": tmp_path / "sub/../out"}, {})


@pytest.mark.parametrize("output", ["in", "hard"])
def test_an_output_is_no_open_input(output: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")
    (tmp_path / "hard").hardlink_to(tmp_path / "in")

    with (tmp_path / "in").open() as file, pytest.raises(Usage, match=r"is stdin$"):
        keep_apart({"--output": tmp_path / output}, {"stdin": file.fileno()})


def test_a_new_output_is_apart_from_an_open_input(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")

    with (tmp_path / "in").open() as file:
        keep_apart({"--output": tmp_path / "new"}, {"stdin": file.fileno()})


def test_an_output_is_a_file_and_not_stdout() -> None:
    with pytest.raises(Usage, match=r"^--output: expected a file's name, got '-'$"):
        keep_apart({"--output": Path("-")}, {})


def test_an_output_that_is_taken_back_is_gone(folder: Path) -> None:
    with Output(folder / "out", force=False) as output:
        output.withdraw()
    assert (folder / "out").exists()

    output.withdraw()

    assert list(folder.iterdir()) == []
    assert folder / "out" not in files.published


def test_files_that_only_hold_the_same_are_apart(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).write_bytes(b"same")

    keep_apart(
        {"--output": tmp_path / "out", "--more": tmp_path / "new"}, {"the input": tmp_path / "in"}
    )


# Documents


def test_a_document_is_read_as_it_was_written(folder: Path) -> None:
    write_document(folder / "document", b"text", force=False)

    assert read_document(folder / "document") == b"text"


def test_a_document_is_not_replaced_unless_told_to(folder: Path) -> None:
    write_document(folder / "document", b"first", force=False)

    with pytest.raises(Usage, match=r"it exists already"):
        write_document(folder / "document", b"second", force=False)
    write_document(folder / "document", b"third", force=True)

    assert read_document(folder / "document") == b"third"


def test_a_document_is_as_private_as_was_asked(folder: Path) -> None:
    write_document(folder / "document", b"", force=False, mode=0o600)

    assert mode_of(folder / "document") == 0o600


def test_a_document_at_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "document").write_bytes(bytes(10))

    assert read_document(tmp_path / "document", 10) == bytes(10)


def test_a_document_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(bytes(11))

    with pytest.raises(
        Malformed, match=f"^{path}: expected a document of at most 10 bytes, got more$"
    ):
        read_document(path, 10)


def test_a_document_without_end_is_refused() -> None:
    with pytest.raises(
        Malformed, match=r"^/dev/zero: expected a document of at most 4194304 bytes"
    ):
        read_document(Path("/dev/zero"))


def test_a_document_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"there is no such file or folder$"):
        read_document(tmp_path / "missing")


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"expected a file, got a folder$"):
        read_document(tmp_path)


# Private files


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_for_its_owner_only_is_private(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)

    assert private(path) == b"secret"


@pytest.mark.parametrize(
    "mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o660, 0o606, 0o444, 0o777]
)
def test_a_file_that_others_may_use_is_not_private(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)

    with pytest.raises(
        Usage, match=rf"^{path}: a private key that others may read \(mode {mode:04o}\)$"
    ) as caught:
        private(path)

    assert caught.value.hint == f"chmod 600 {path}"


def test_a_link_is_as_private_as_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "link").symlink_to("key")

    with pytest.raises(Usage, match=r"others may read \(mode 0644\)$"):
        private(tmp_path / "link")


def test_a_private_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"there is no such file or folder$"):
        private(tmp_path / "missing")


# What the operating system says


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        pytest.param(errno.ENOENT, Usage, "there is no such file or folder", id="ENOENT"),
        pytest.param(errno.EEXIST, Usage, "it exists already", id="EEXIST"),
        pytest.param(errno.EISDIR, Usage, "expected a file, got a folder", id="EISDIR"),
        pytest.param(errno.ENOTDIR, Usage, "a part of the path is not a folder", id="ENOTDIR"),
        pytest.param(errno.EACCES, Usage, "this user may not open it", id="EACCES"),
        pytest.param(errno.EPERM, Usage, "this user may not open it", id="EPERM"),
        pytest.param(errno.ENOSPC, Unavailable, "no space left, nothing was written", id="ENOSPC"),
        pytest.param(errno.EDQUOT, Unavailable, "no space left, nothing was written", id="EDQUOT"),
        pytest.param(errno.EFBIG, Unavailable, "no space left, nothing was written", id="EFBIG"),
        pytest.param(errno.EIO, Unavailable, "input/output error", id="EIO"),
        pytest.param(errno.EROFS, Unavailable, "read-only file system", id="EROFS"),
        pytest.param(errno.ESTALE, Unavailable, "stale file handle", id="ESTALE"),
    ],
)
def test_the_systems_refusals_become_ours(number: int, kind: type, message: str) -> None:
    with pytest.raises(CleanroomError) as caught, translated("name"):
        raise OSError(number, "theirs")

    assert (type(caught.value), str(caught.value)) == (kind, f"name: {message}")
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_without_a_number_becomes_ours_too() -> None:
    with pytest.raises(Unavailable, match=r"^name: success$"), translated("name"):
        raise OSError


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(ValueError, match=r"^ours$"), translated("name"):
        raise ValueError("ours")


# A file that should not change while it is read


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of long ago."""
    path = tmp_path / "source"
    path.write_bytes(b"before")
    os.utime(path, (0, 0))
    return path


def swap(path: Path) -> None:
    """Put another file in its place that is the same to the eye."""
    other = path.with_name("other")
    other.write_bytes(b"behind")
    os.utime(other, (0, 0))
    other.replace(path)


def shorten(path: Path) -> None:
    os.truncate(path, 3)
    os.utime(path, (0, 0))


CHANGES = [
    pytest.param(swap, id="another file"),
    pytest.param(lambda path: path.write_bytes(b"behind"), id="other bytes"),
    pytest.param(Path.touch, id="another time"),
    pytest.param(shorten, id="another size"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_refused(
    source: Path, change: Callable[[Path], object]
) -> None:
    with pytest.raises(Unavailable) as caught, unchanged(source):
        change(source)

    assert str(caught.value) == (
        f"{source}: the source changed while it was read; nothing was written"
    )
    assert caught.value.hint == "seal it again when nobody writes to it"


@pytest.mark.parametrize("change", CHANGES)
def test_what_seems_wrong_with_a_file_that_changes_is_that_it_changes(
    source: Path, change: Callable[[Path], object]
) -> None:
    def read() -> NoReturn:
        with unchanged(source):
            change(source)
            raise Malformed("source", "something else")

    with pytest.raises(Unavailable, match="changed while it was read"):
        read()


def test_what_is_wrong_with_a_file_that_does_not_change_is_told(source: Path) -> None:
    with pytest.raises(Malformed, match="something else"), unchanged(source):
        raise Malformed("source", "something else")


def test_a_file_that_does_not_change_has_the_same_identity_again(source: Path) -> None:
    with unchanged(source) as first:
        source.read_bytes()
    with unchanged(source) as second:
        pass

    assert first == second
