"""Report devices: what is asked, and what of the answers is believed."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from runner.attest.snp_guest import (
    ANSWER_BYTES,
    REPORT_BYTES,
    ConfigFs,
    GuestDevice,
    report_in,
    request,
)

DATA = bytes(range(64))


class Tsm(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """A folder like the kernel's: making an entry makes its files, and they go with it."""

    provider = "sev_guest\n"
    report: bytes = b"report".ljust(REPORT_BYTES, b"\0")

    def mkdir(self, *_: object, **__: object) -> None:
        super().mkdir()
        Path(self / "inblob").touch()
        Path(self / "provider").write_text(self.provider, "ascii")
        Path(self / "outblob").write_bytes(self.report)

    def rmdir(self) -> None:
        type(self).last = Path(self / "inblob").read_bytes()
        for name in ("inblob", "provider", "outblob"):
            Path(self / name).unlink()
        super().rmdir()

    last = b""


def test_a_request_is_the_kernels() -> None:
    assert request(DATA) == DATA + bytes(32)  # vmpl 0, and reserved


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_report_data_has_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=r"^report data has 64 bytes$"):
        request(bytes(size))


def test_a_report_is_taken_out_of_the_answer() -> None:
    report = bytes(range(256)) * 4 + bytes(160)

    assert report_in((bytes(32) + report).ljust(ANSWER_BYTES, b"\0"), "x") == report


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(b"", 0xFFFFFFFF, id="nothing"),
        pytest.param(b"\0\0\0", 0xFF000000, id="cut status"),
        pytest.param(b"\x16".ljust(ANSWER_BYTES, b"\0"), 22, id="an error"),
        pytest.param(bytes(32 + REPORT_BYTES - 1), 0, id="cut report"),
    ],
)
def test_an_answer_without_a_report_is_refused(answer: bytes, status: int) -> None:
    expected = rf"^x: the firmware gave no report \(status {status}\)$"

    with pytest.raises(Unavailable, match=expected):
        report_in(answer, "x")


# --- the device


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path: path / "none", os.strerror(2), id="no device"),
        pytest.param(lambda path: path, os.strerror(21), id="a folder"),
        pytest.param(lambda _: Path("/dev/null"), os.strerror(25), id="another device"),
    ],
)
def test_what_is_no_device_is_refused(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    path = make(tmp_path)

    with pytest.raises(Unavailable, match=f"^{path}: no report, {re.escape(reason.lower())}$"):
        GuestDevice(path).report(DATA)


# --- the file interface


def test_a_report_comes_from_an_entry_that_does_not_stay(tmp_path: Path) -> None:
    folder = Tsm(tmp_path)

    assert ConfigFs(folder).report(DATA) == Tsm.report
    assert Tsm.last == DATA
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("provider", "report", "message"),
    [
        pytest.param("tdx_guest\n", Tsm.report, "got 1184 from tdx_guest", id="another provider"),
        pytest.param("sev_guest\n", b"", "got 0 from sev_guest", id="no report"),
        pytest.param("sev_guest\n", Tsm.report + b"\0", "got 1185 from sev_guest", id="long"),
    ],
)
def test_a_report_by_another_or_of_another_size_is_refused(
    provider: str, report: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tsm, "provider", provider)
    monkeypatch.setattr(Tsm, "report", report)

    with pytest.raises(Unavailable, match=f"expected 1184 bytes from sev_guest, {message}$"):
        ConfigFs(Tsm(tmp_path)).report(DATA)

    assert list(tmp_path.iterdir()) == []


def test_a_kernel_without_the_interface_is_said_to_have_none(tmp_path: Path) -> None:
    folder = tmp_path / "none"

    with pytest.raises(Unavailable, match=f"^{folder}: no report, no such file or directory$"):
        ConfigFs(folder).report(DATA)


def test_a_folder_that_is_not_the_kernels_gives_no_report(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"^{tmp_path}: no report, "):
        ConfigFs(tmp_path).report(DATA)
