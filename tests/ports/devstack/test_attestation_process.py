"""The stack's attestation service believes the stack's guests, before and after every restart."""

import dataclasses
import hashlib
import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cleanroom.attestation.acceptable import AZURE_PARAVISORS, accept, of_contract
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.token import verify
from cleanroom.errors import Unattested
from cleanroom.ids import Digest
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement
from devstack import clock
from devstack.hardware.machine import Machine
from devstack.hardware.main import main as hardware_main
from devstack.home import HOST, Home
from party import attesting
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService
from runner.attest.certificates import SecurityContext
from runner.attest.container import ContainerAttester
from runner.attest.snp_guest import SimulatedDevice
from tests.builders import DIGEST
from tests.commands import SCRIPT
from tests.servers import Server, free_ports, running, trusting
from tests.simulated import Guest, guest, same_hardware

CONTRACT, RECEIPT_KEY = Digest(DIGEST), Digest("sha256:" + "01" * 32)
MEASURED = ("--measurement", "5a" * 48)
LEEWAY = timedelta(seconds=60)
POLICY = b"package policy\n# of the stack's test\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.at(tmp_path_factory.mktemp("h"))  # short, for the names of sockets
    same_hardware(made)
    return made


@pytest.fixture(scope="module")
def policy(home: Home) -> Path:
    path = home.path / "policy.rego"
    path.write_bytes(POLICY)
    return path


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Server]:
    (port,) = free_ports(1)
    options = ["--home", str(home.path), "--port", str(port)]
    health = (port, trusting(home))
    with running("devstack.attestation", options, health, home.path / "attestation.log") as made:
        yield made


@pytest.fixture(scope="module")
def hardware(home: Home, policy: Path) -> Iterator[Guest]:
    with guest(home, policy, home.path / "hardware.log") as made:
        yield made


@pytest.fixture(autouse=True)
def trusted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


@pytest.fixture
def authority(server: Server) -> Iterator[AttestationService]:
    service = AttestationService(f"https://{HOST}:{server.health[0]}")
    yield service
    service.close()


def attest(hardware: Guest, authority: AttestationService) -> Attestation:
    device = SimulatedDevice(hardware.device)
    attester = ContainerAttester(device, SecurityContext.read(hardware.folder), authority)
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        return found


def demand(host_data: str) -> RunnerRequirement:
    code = HostData(host_data, utility_vm_svn=100)
    return RunnerRequirement("simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset())


def test_a_guest_of_another_process_is_believed(
    hardware: Guest, authority: AttestationService
) -> None:
    found = attest(hardware, authority)

    claims = verify(found.token, authority.keys(), clock.now(), LEEWAY)
    assert claims.wrapping_key().public.key_size == 8 * found.key_bytes


def test_the_guest_is_what_a_contract_demands(
    hardware: Guest, authority: AttestationService, home: Home
) -> None:
    evidence = attest(hardware, authority).evidence

    machine = Machine.of(home)
    claims = evidence.verify(machine.amd.roots, [machine.endorser.issuer()], clock.now())
    accept(claims, of_contract(demand(hashlib.sha256(POLICY).hexdigest()), AZURE_PARAVISORS))


def test_the_command_verifies_its_evidence_with_the_public_root(
    hardware: Guest, authority: AttestationService, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "evidence.json").write_bytes(attest(hardware, authority).evidence.to_bytes())
    root = home.path / "hardware" / "synthetic-root.pem"
    command = [str(SCRIPT), "verify", "evidence.json", "--synthetic-root", str(root), "--json"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    assert (found["kind"], found["facts"]["synthetic"]) == ("evidence", True)


def test_nobody_else_believes_it(hardware: Guest, authority: AttestationService) -> None:
    kept = attest(hardware, authority).evidence.to_bytes()

    with pytest.raises(Unattested, match="0 trusted roots"):
        attesting.genuine(
            EvidenceBundle.parse(kept, "evidence"), attesting.Trusted.adding([]), clock.now()
        )


def test_tokens_and_evidence_outlive_service_and_hardware(
    server: Server, authority: AttestationService, home: Home, policy: Path, tmp_path: Path
) -> None:
    with guest(home, policy, tmp_path / "log", "other", MEASURED) as first:
        before = attest(first, authority)
        first.kill()
    server.kill()
    server.restart()
    with guest(home, policy, tmp_path / "log2", "other", MEASURED) as second:
        after = attest(second, authority)

    keys = authority.keys()
    machine = Machine.of(home)
    for found in (before, after):
        verify(found.token, keys, clock.now(), LEEWAY)
        claims = found.evidence.verify(machine.amd.roots, [machine.endorser.issuer()], clock.now())
        assert claims.snp.report.measurement == b"\x5a" * 48


def test_a_stack_does_not_believe_the_hardware_of_another(
    hardware: Guest, authority: AttestationService, tmp_path: Path
) -> None:
    other = Machine.of(Home.at(tmp_path / "other")).launched(POLICY, None)
    context = dataclasses.replace(SecurityContext.read(hardware.folder), chain=other.chip.amd.pem())
    attester = ContainerAttester(SimulatedDevice(hardware.device), context, authority)

    with (
        pytest.raises(Unattested, match=r"refused the evidence \(AttestationFailed\)$"),
        attester.attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("attested by the hardware of another stack")


def test_two_processes_cannot_be_one_guest(hardware: Guest, home: Home, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"another policy")

    with (
        pytest.raises(AssertionError, match="device: another process serves it"),
        guest(home, tmp_path / "other", tmp_path / "log"),
    ):
        pytest.fail("two processes are one guest")

    assert SimulatedDevice(hardware.device).report(bytes(64))
    assert SecurityContext.read(hardware.folder).policy == POLICY


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param(["--policy", "gone"], 2, "gone: expected the file of a policy", id="policy"),
        pytest.param(
            ["--policy", "empty"], 2, "empty: expected 1 to 65536 bytes, got 0", id="none"
        ),
        pytest.param(["--policy", "p", "--guest", "../a"], 2, "a to z, digits", id="name"),
        pytest.param(["--policy", "p", "--measurement", "ab"], 2, "96 lower-case", id="short"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    options: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()

    ended = ended_with(["--home", "h", *options])

    err = capfd.readouterr().err
    assert (ended, message in err) == (code, True)
    assert "Traceback" not in err


def ended_with(arguments: list[str]) -> object:
    """Run the command within this process, as far as it comes."""
    try:
        return hardware_main(arguments)
    except SystemExit as ended:
        return ended.code


def test_a_folder_too_deep_for_a_socket_is_named(tmp_path: Path) -> None:
    home = Home.at(tmp_path / ("d" * 90))
    same_hardware(home)
    (tmp_path / "policy").write_bytes(POLICY)

    with (
        pytest.raises(AssertionError, match="device: AF_UNIX path too long"),
        guest(home, tmp_path / "policy", tmp_path / "log"),
    ):
        pytest.fail("a socket with a name that is too long")


def test_an_endorsement_that_is_none_is_refused(
    authority: AttestationService, hardware: Guest
) -> None:
    context = SecurityContext.read(hardware.folder)
    swapped = dataclasses.replace(context, endorsement=context.chain)
    attester = ContainerAttester(SimulatedDevice(hardware.device), swapped, authority)

    with pytest.raises(Unattested), attester.attest(CONTRACT, RECEIPT_KEY):
        pytest.fail("attested by what is no endorsement")
