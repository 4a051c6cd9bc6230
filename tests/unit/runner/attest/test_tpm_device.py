"""The kernel's TPM device, played by a terminal: one write is a command, one read its answer."""

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from cleanroom.tpm import Tpm
from runner.attest.tpm_device import TpmDevice

NO_SUCH_INDEX = bytes.fromhex("8001 0000000a 0000018b")


@contextmanager
def device(answer: bytes) -> Iterator[tuple[Path, list[bytes]]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    asked: list[bytes] = []

    def serve() -> None:
        asked.append(os.read(ours, 4096))
        os.write(ours, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Path(os.ttyname(theirs)), asked
    finally:
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_a_command_is_written_and_its_answer_read() -> None:
    with device(NO_SUCH_INDEX) as (path, asked), TpmDevice(path) as found:
        assert Tpm(found).nv_size(0x01400001) is None

    assert asked == [bytes.fromhex("8001 0000000e 00000169 01400001")]


def test_a_machine_without_the_device_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tpmrm0"

    with pytest.raises(Unavailable, match=f"^{path}: the TPM does not answer, no such file or"):
        TpmDevice(path)


def test_a_device_that_fails_says_why(tmp_path: Path) -> None:
    path = tmp_path / "tpmrm0"
    path.touch()
    with TpmDevice(path) as found:
        os.close(found._fd)
        found._fd = os.open(path, os.O_RDONLY)

        with pytest.raises(Unavailable, match=f"^{path}: the TPM does not answer, bad file desc"):
            found.exchange(b"command")


def test_a_device_that_says_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tpmrm0"
    path.touch()

    with TpmDevice(path) as found, pytest.raises(Unavailable, match=r"not of the size it says$"):
        Tpm(found).nv_size(0x01400001)


def test_a_device_is_closed_behind_us(tmp_path: Path) -> None:
    path = tmp_path / "tpmrm0"
    path.touch()
    with TpmDevice(path) as found:
        descriptor = found._fd

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
