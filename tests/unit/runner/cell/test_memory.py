"""Memory that crosses the wall."""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cell import memory
from runner.cell.memory import Done, Output


@pytest.fixture
def held() -> Iterator[int]:
    descriptor = memory.fixed("test", 8192)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("size", [0, 4096, 16384])
def test_memory_keeps_its_size(held: int, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(held, size)


def test_sealed_memory_keeps_its_content(held: int) -> None:
    os.pwrite(held, b"content", 0)

    assert memory.seal(held)
    with pytest.raises(PermissionError):
        os.pwrite(held, b"other", 0)
    assert os.pread(held, 7, 0) == b"content"


def test_nothing_can_be_sealed_that_somebody_could_write(held: int) -> None:
    with mmap.mmap(held, 8192):
        assert not memory.seal(held)


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 1000])
def test_a_content_is_held_sealed(content: bytes) -> None:
    descriptor = memory.holding(content)

    assert os.pread(descriptor, len(content) + 1, 0) == content
    assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    os.close(descriptor)


def test_a_cell_may_be_given_sealed_memory() -> None:
    descriptor = memory.holding(b"content")

    memory.check_readable_only(descriptor)

    os.close(descriptor)


def test_a_cell_may_be_given_what_is_open_for_reading(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")

    with (tmp_path / "file").open("rb") as file:
        memory.check_readable_only(file.fileno())


@pytest.mark.parametrize("mode", ["wb", "r+b"])
def test_a_cell_may_not_be_given_an_open_file(tmp_path: Path, mode: str) -> None:
    (tmp_path / "file").write_bytes(b"content")

    with (
        (tmp_path / "file").open(mode) as file,
        pytest.raises(ValueError, match="cannot write"),
    ):
        memory.check_readable_only(file.fileno())


def test_a_cell_may_not_be_given_memory_that_is_not_sealed(held: int) -> None:
    with pytest.raises(ValueError, match="cannot write"):
        memory.check_readable_only(held)


# --- output


def test_pieces_are_written_one_after_the_other(held: int) -> None:
    output = Output(held, 8192)

    for piece in (b"one ", bytearray(b"two "), memoryview(b"three")):
        output.write(piece)

    assert Done(held, output.length).read() == b"one two three"


def test_pieces_may_be_of_any_shape(held: int) -> None:
    output = Output(held, 8192)

    output.write(memoryview(bytes(range(8))).cast("B", (2, 4)))

    assert Done(held, output.length).read() == bytes(range(8))


def test_what_does_not_fit_is_not_written(held: int) -> None:
    output = Output(held, 8192)
    output.write(b"x" * 8000)

    with pytest.raises(OSError, match="full") as error:
        output.write(b"y" * 193)

    assert error.value.errno == errno.EFBIG
    assert (output.length, output.full) == (8000, True)


def test_what_was_full_once_stays_full(held: int) -> None:
    output = Output(held, 8192)
    with pytest.raises(OSError, match="full"):
        output.write(bytes(9000))

    with pytest.raises(OSError, match="full"):
        output.write(b"")


@pytest.mark.parametrize("length", [0, 1, 4096, 8192])
def test_an_output_is_copied_in_pieces(held: int, length: int) -> None:
    pieces = list(Done(held, length).pieces(4096))

    assert sum(map(len, pieces)) == length
    assert all(len(piece) <= 4096 for piece in pieces)
