"""Simulated devices behind sockets: a guest's report device, a TPM, and the cloud's host."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cleanroom.attestation import snp
from cleanroom.errors import CleanroomError, Malformed, Unavailable
from devstack.hardware.guest import GuestDevice
from runner.attest.certificates import from_host
from runner.attest.snp_guest import SimulatedDevice
from runner.attest.tpm_device import TpmSocket
from tests.builders import NOW
from tests.hardware import chip
from tests.ports.scripted import HOST, Reply, scripted

DATA = bytes(range(64))
COMMAND = bytes.fromhex("8001 0000000e 00000169 01400001")
PAUSE = 0.01


@contextmanager
def saying(path: Path, *parts: bytes) -> Iterator[Path]:
    """Accept one client, read what it says, answer in parts, hang up."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.recv(4096)
                for part in parts:
                    link.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join()


@contextmanager
def silent(path: Path) -> Iterator[Path]:
    """Let clients connect, and say nothing."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        yield path


# --- reports


def test_a_simulated_report_is_genuine_under_its_own_root(tmp_path: Path) -> None:
    made = chip()
    with GuestDevice(tmp_path / "guest", made) as device:
        report = SimulatedDevice(device.socket).report(DATA)

    found = snp.verify(report, made.amd.pem(), made.amd.roots, NOW)
    assert (found.report.report_data, found.synthetic) == (DATA, True)


def test_a_device_answers_again_and_after_a_client_that_hung_up(tmp_path: Path) -> None:
    with GuestDevice(tmp_path / "guest", chip()) as device:
        with socket.socket(socket.AF_UNIX) as hasty:
            hasty.connect(str(device.socket))
            hasty.sendall(b"half a request")
        reports = {SimulatedDevice(device.socket).report(DATA)[0x50:0x90] for _ in range(2)}

    assert reports == {DATA}


def test_a_guest_that_does_not_wait_for_its_report_is_not_mentioned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with GuestDevice(tmp_path / "guest", chip()) as device:
        with socket.socket(socket.AF_UNIX) as hasty:
            hasty.connect(str(device.socket))
            hasty.sendall(DATA.ljust(96, b"\0"))
        assert SimulatedDevice(device.socket).report(DATA)

    assert capfd.readouterr().err == ""


def test_a_device_that_is_served_is_not_taken_over(tmp_path: Path) -> None:
    with GuestDevice(tmp_path / "guest", chip()) as device:
        with (
            pytest.raises(Unavailable, match=r"/guest: another process serves it$"),
            GuestDevice(tmp_path / "guest", chip()),
        ):
            pytest.fail("two devices at one place")

        assert SimulatedDevice(device.socket).report(DATA)


def test_a_device_can_be_started_where_one_was(tmp_path: Path) -> None:
    for _ in range(2):
        with GuestDevice(tmp_path / "guest", chip()) as device:
            assert SimulatedDevice(device.socket).report(DATA)


def test_hardware_that_is_not_there_gives_no_report(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"/none: the simulated hardware does not answer$"):
        SimulatedDevice(tmp_path / "none").report(DATA)


def test_hardware_that_hangs_up_gives_no_report(tmp_path: Path) -> None:
    with saying(tmp_path / "guest", b"\0" * 100) as path, pytest.raises(Unavailable) as refused:
        SimulatedDevice(path).report(DATA)

    assert str(refused.value) == f"{path}: the firmware gave no report (status 0)"


def test_hardware_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with silent(tmp_path / "guest") as path, pytest.raises(Unavailable, match=r"not answer$"):
        SimulatedDevice(path, patience=0.05).report(DATA)


def test_an_answer_in_parts_is_put_together(tmp_path: Path) -> None:
    report = b"\7" * 1184
    answer = (bytes(32) + report).ljust(4000, b"\0")
    with saying(tmp_path / "guest", answer[:50], answer[50:2000], answer[2000:]) as path:
        assert SimulatedDevice(path).report(DATA) == report


# --- the TPM's socket


def test_a_tpms_answer_in_parts_is_put_together(tmp_path: Path) -> None:
    answer = bytes.fromhex("8001 0000000c 00000000 abcd")
    parts = answer[:3], answer[3:11], answer[11:]
    with saying(tmp_path / "tpm", *parts) as path, TpmSocket(path) as link:
        assert link.exchange(COMMAND) == answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes.fromhex("8001 0000"), id="cut header"),
        pytest.param(bytes.fromhex("8001 0000000c 00000000 ab"), id="cut"),
        pytest.param(bytes.fromhex("8001 00100000 00000000") + bytes(9000), id="too long"),
    ],
)
def test_a_tpms_answer_that_is_cut_or_too_long_is_refused(answer: bytes, tmp_path: Path) -> None:
    with (
        saying(tmp_path / "tpm", answer) as path,
        TpmSocket(path) as link,
        pytest.raises(Unavailable, match=f"^{path}: the TPM's answer is cut or too long$"),
    ):
        link.exchange(COMMAND)


def test_a_tpm_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the TPM does not answer, no such file or directory$"):
        TpmSocket(tmp_path / "none")


def test_a_tpm_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with (
        silent(tmp_path / "tpm") as path,
        TpmSocket(path, patience=0.05) as link,
        pytest.raises(Unavailable, match=r"the TPM does not answer, no answer in time$"),
    ):
        link.exchange(COMMAND)


# --- the cloud's host


def thim() -> bytes:
    amd = chip().amd
    leaf, rest = amd.pem("leaf").decode(), amd.pem("ask", "ark").decode()
    return json.dumps({"vcekCert": leaf, "tcbm": "00", "certificateChain": rest}).encode()


def test_the_host_is_asked_as_a_guest_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY")

    with scripted(Reply(body=thim())) as host:
        assert from_host(host.url, PAUSE).count(b"BEGIN CERTIFICATE") == 3

    (asked,) = host.asked
    assert (asked.method, asked.path) == ("GET", "/metadata/THIM/amd/certification")
    assert asked.headers["Metadata"] == "true"


@pytest.mark.parametrize(
    ("reply", "times", "error", "message"),
    [
        pytest.param(Reply(404), 1, Unavailable, r"\(HTTP status 404\)$", id="not Azure"),
        pytest.param(Reply(500), 4, Unavailable, r"\(HTTP status 500\)$", id="failing"),
        pytest.param(
            Reply(302, headers=(("Location", "http://127.0.0.1:1/"),)),
            1,
            Unavailable,
            r"\(HTTP status 302\)$",
            id="redirect",
        ),
        pytest.param(Reply(0), 4, Unavailable, "does not answer$", id="hung up"),
        pytest.param(Reply(body=b"{}"), 1, Malformed, "a field 'vcekCert'$", id="garbage"),
        pytest.param(
            Reply(body=bytes((1 << 20) + 1)), 1, Malformed, "at most 1048576 bytes$", id="large"
        ),
    ],
)
def test_a_host_without_certificates_is_told(
    reply: Reply, times: int, error: type[CleanroomError], message: str
) -> None:
    with scripted(reply) as host:
        with pytest.raises(error, match=message):
            from_host(host.url, PAUSE)

        assert len(host.asked) == times


def test_a_host_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        url = f"http://{HOST}:{unused.getsockname()[1]}"

    with pytest.raises(Unavailable, match=r"does not answer$"):
        from_host(url, PAUSE)
