"""The hardware of a stack is the same, whoever loads it, and is believed by its root only."""

from pathlib import Path

import pytest

from cleanroom.attestation import container, snp
from cleanroom.attestation.amd import AMD_ROOTS
from cleanroom.errors import Unattested
from devstack.attestation.main import believing, signer_of
from devstack.hardware import context
from devstack.hardware.machine import ROOT_FILE, Machine
from devstack.home import Home
from party.attesting import Trusted
from runner.attest.certificates import SecurityContext
from tests.builders import NOW

POLICY = b"package policy\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A stack whose hardware is made already."""
    made = Home.at(tmp_path_factory.mktemp("home"))
    Machine.of(made)
    return made


def test_who_loads_it_later_has_the_same_root(home: Home) -> None:
    first, second = Machine.of(home), Machine.of(home)

    assert first.amd.roots == second.amd.roots
    assert first.endorser.issuer() == second.endorser.issuer()


def test_what_one_signs_the_other_believes(home: Home) -> None:
    evidence = Machine.of(home).launched(POLICY, None).evidence(b"{}")

    other = Machine.of(home)
    claims = container.verify(evidence, other.amd.roots, [other.endorser.issuer()], NOW)

    assert claims.snp.synthetic
    assert claims.endorsement is not None


def test_a_guest_has_the_measurement_that_it_was_launched_with(home: Home) -> None:
    group = Machine.of(home).launched(POLICY, b"\x5a" * 48)

    evidence = group.evidence(b"{}")

    machine = Machine.of(home)
    claims = container.verify(evidence, machine.amd.roots, [machine.endorser.issuer()], NOW)
    assert claims.snp.report.measurement == b"\x5a" * 48


def test_its_public_root_is_what_the_command_takes(home: Home) -> None:
    trusted = Trusted.adding([home.path / "hardware" / ROOT_FILE])

    machine = Machine.of(home)
    assert trusted.roots == machine.amd.roots
    assert trusted.synthetic_issuers == (machine.endorser.issuer(minimum_svn=0),)


def test_its_public_root_holds_no_key(home: Home) -> None:
    content = (home.path / "hardware" / ROOT_FILE).read_bytes()

    assert content.count(b"BEGIN CERTIFICATE") == 2
    assert b"PRIVATE" not in content


def test_keys_are_their_owners(home: Home) -> None:
    folder = home.path / "hardware"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "machine.pem").stat().st_mode & 0o777 == 0o600


def test_nobody_believes_it_without_its_root(home: Home) -> None:
    group = Machine.of(home).launched(POLICY, None)

    with pytest.raises(Unattested, match="0 trusted roots"):
        snp.verify(group.chip.report(bytes(64)), group.chip.amd.pem(), AMD_ROOTS, NOW)


def test_a_guest_finds_what_the_host_of_a_container_group_gives(home: Home, tmp_path: Path) -> None:
    group = Machine.of(home).launched(POLICY, None)

    context.write(tmp_path, group)

    found = SecurityContext.read(tmp_path)
    claims = snp.verify(group.chip.report(bytes(64)), found.chain, group.chip.amd.roots, NOW)
    assert (claims.synthetic, found.policy) == (True, POLICY)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_attestation_service_adds_the_machine_to_whom_it_believes(home: Home) -> None:
    machine = Machine.of(home)

    trust = believing(machine)

    assert trust.roots == machine.amd.roots
    assert [issuer.feed for issuer in trust.issuers] == [
        "ContainerPlat-AMD-UVM",
        "cleanroom-synthetic-uvm",
    ]
    assert len(trust.paravisors) > 1


def test_the_attestation_service_signs_by_one_key(home: Home) -> None:
    first, second = signer_of(home, NOW), signer_of(home, NOW)

    assert first.id == second.id
    assert first.key.private_numbers() == second.key.private_numbers()
