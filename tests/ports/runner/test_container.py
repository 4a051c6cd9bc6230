"""A container from report to released key: simulated device, real service, a vault's wrapping."""

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cleanroom.attestation.acceptable import accept, of_contract
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.token import TokenClaims, verify
from cleanroom.errors import PolicyRefused, Tampered, Unattested, Unavailable
from cleanroom.ids import Digest
from cleanroom.release import evaluation
from cleanroom.release.binding import check_bound
from cleanroom.release.generation import release_policy
from cleanroom.release.wrapping import Wrapping, room_key, unwrap, wrap
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement
from devstack.attestation.server import AttestationServer
from devstack.hardware.guest import GuestDevice
from devstack.hardware.snp import DEBUG, POLICY
from devstack.hardware.uvm import ContainerGroup
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService
from runner.attest.certificates import SecurityContext
from runner.attest.container import ContainerAttester
from runner.attest.snp_guest import SimulatedDevice
from runner.attest.wrapping import WrappingKeys, wrapping_key
from tests.attesting import LEEWAY, trust
from tests.builders import DIGEST, NOW, Keys
from tests.hardware import group, guest

CONTRACT, OTHER = Digest(DIGEST), Digest("sha256:" + "ef" * 32)
RECEIPT_KEY, OTHER_KEY = Digest("sha256:" + "01" * 32), Digest("sha256:" + "02" * 32)


def demand(host_data: str) -> RunnerRequirement:
    code = HostData(host_data, utility_vm_svn=100)
    return RunnerRequirement("simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset())


def host_data(made: ContainerGroup) -> str:
    return made.chip.template.host_data.hex()


def context(made: ContainerGroup) -> SecurityContext:
    endorsement = made.endorser.endorse(made.chip.template.measurement)
    return SecurityContext(made.chip.amd.pem(), made.policy, endorsement)


@pytest.fixture
def authority(attestation: AttestationServer) -> Iterator[AttestationService]:
    service = AttestationService(attestation.url)
    yield service
    service.close()


@pytest.fixture
def attester(authority: AttestationService, tmp_path: Path) -> Iterator[ContainerAttester]:
    with GuestDevice(tmp_path / "guest", group().chip) as device:
        yield ContainerAttester(SimulatedDevice(device.socket), context(group()), authority)


@pytest.fixture
def sharing(authority: AttestationService, tmp_path: Path) -> Iterator[ContainerAttester]:
    keys = WrappingKeys(wrapping_key)
    with GuestDevice(tmp_path / "guest", group().chip) as device:
        link = SimulatedDevice(device.socket)
        yield ContainerAttester(link, context(group()), authority, keys.of)


def verified(found: Attestation, authority: AttestationService) -> TokenClaims:
    return verify(found.token, authority.keys(), NOW, LEEWAY)


def test_a_released_key_opens_in_the_container_that_was_attested(
    attester: ContainerAttester, authority: AttestationService, north: Keys
) -> None:
    pkcs8 = north.private_reader.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
        wrapped = wrap(pkcs8, Wrapping.SHA256, to, secrets.token_bytes(32))

        opened = unwrap(wrapped, Wrapping.SHA256, found.key_bytes, found.decrypt)

    assert (
        room_key(opened, north.reader).private_numbers() == north.private_reader.private_numbers()
    )


@pytest.mark.parametrize("algorithm", list(Wrapping))
def test_every_wrapping_opens(
    algorithm: Wrapping, attester: ContainerAttester, authority: AttestationService
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
        wrapped = wrap(b"room key", algorithm, to, secrets.token_bytes(32))

        assert unwrap(wrapped, algorithm, found.key_bytes, found.decrypt) == b"room key"


def test_a_key_released_for_another_job_does_not_open(
    attester: ContainerAttester, authority: AttestationService
) -> None:
    with (
        attester.attest(CONTRACT, RECEIPT_KEY) as first,
        attester.attest(CONTRACT, RECEIPT_KEY) as second,
    ):
        to = verified(first, authority).wrapping_key().public
        wrapped = wrap(b"room key", Wrapping.SHA256, to, secrets.token_bytes(32))

        with pytest.raises(Tampered, match="not made for this key"):
            unwrap(wrapped, Wrapping.SHA256, second.key_bytes, second.decrypt)


def test_the_token_meets_the_release_policy_of_its_contract_and_code_only(
    attester: ContainerAttester, authority: AttestationService, attestation: AttestationServer
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        token = verified(found, authority)

    def unmet(contract: Digest, code: str) -> list[str]:
        policy = release_policy(contract, [demand(code)], attestation.url, svns=True)
        return [leaf.partition(":")[0] for leaf in evaluation.unmet(policy, token)]

    ours = host_data(group())
    assert unmet(CONTRACT, ours) == []
    assert unmet(OTHER, ours) == ["x-ms-runtime.cleanroom-contract"]
    assert unmet(CONTRACT, "cd" * 32) == ["x-ms-sevsnpvm-hostdata"]


def test_the_evidence_verifies_offline_and_binds_contract_and_receipt_key(
    attester: ContainerAttester,
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        kept = found.evidence.to_bytes()

    believed = trust()
    claims = EvidenceBundle.parse(kept, "receipt").verify(believed.roots, believed.issuers, NOW)
    accept(claims, of_contract(demand(host_data(group())), ()))
    check_bound(claims, CONTRACT, RECEIPT_KEY)
    for contract, key in ((OTHER, RECEIPT_KEY), (CONTRACT, OTHER_KEY)):
        with pytest.raises(Unattested):
            check_bound(claims, contract, key)


def test_every_job_has_a_wrapping_key_and_a_report_of_its_own(
    attester: ContainerAttester,
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as first:
        pass
    with attester.attest(CONTRACT, RECEIPT_KEY) as second:
        pass

    assert first.evidence != second.evidence
    assert first.token != second.token


# --- jobs that share a wrapping key


def test_jobs_of_one_contract_share_a_wrapping_key_and_prove_each_its_own(
    sharing: ContainerAttester, authority: AttestationService
) -> None:
    with sharing.attest(CONTRACT, RECEIPT_KEY) as first:
        to = verified(first, authority).wrapping_key().public
    with sharing.attest(CONTRACT, OTHER_KEY) as second:
        again = verified(second, authority).wrapping_key().public

    believed = trust()
    claims = second.evidence.verify(believed.roots, believed.issuers, NOW)
    check_bound(claims, CONTRACT, OTHER_KEY)
    with pytest.raises(Unattested):
        check_bound(claims, CONTRACT, RECEIPT_KEY)
    assert again == to
    assert second.token != first.token


def test_what_was_released_for_another_contract_does_not_open(
    sharing: ContainerAttester, authority: AttestationService
) -> None:
    with (
        sharing.attest(CONTRACT, RECEIPT_KEY) as first,
        sharing.attest(OTHER, RECEIPT_KEY) as second,
    ):
        to = verified(first, authority).wrapping_key().public
        wrapped = wrap(b"room key", Wrapping.SHA256, to, secrets.token_bytes(32))

        with pytest.raises(Tampered, match="not made for this key"):
            unwrap(wrapped, Wrapping.SHA256, second.key_bytes, second.decrypt)


# --- lies


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"policy": POLICY | DEBUG}, id="debugging"),
        pytest.param({"measurement": b"\1" * 48}, id="another utility vm"),
        pytest.param({"chip_id": b"\1" * 64}, id="another chip"),
        pytest.param({"algorithm": 2}, id="another algorithm"),
    ],
)
def test_a_lie_ends_the_attestation(
    fields: dict[str, object], authority: AttestationService, tmp_path: Path
) -> None:
    lying = ContainerGroup.make(guest(**fields))
    with GuestDevice(tmp_path / "guest", lying.chip) as device:
        attester = ContainerAttester(SimulatedDevice(device.socket), context(group()), authority)

        with (
            pytest.raises(Unattested, match=r"refused the evidence \([A-Za-z]+\)$"),
            attester.attest(CONTRACT, RECEIPT_KEY),
        ):
            pytest.fail("a lying guest was attested")


def test_host_data_of_another_policy_is_genuine_and_gets_no_key(
    authority: AttestationService, attestation: AttestationServer, tmp_path: Path
) -> None:
    other = ContainerGroup.make(guest(), b"another policy\n")
    with GuestDevice(tmp_path / "guest", other.chip) as device:
        attester = ContainerAttester(SimulatedDevice(device.socket), context(other), authority)
        with attester.attest(CONTRACT, RECEIPT_KEY) as found:
            token = verified(found, authority)

    policy = release_policy(CONTRACT, [demand(host_data(group()))], attestation.url, svns=True)
    with pytest.raises(PolicyRefused, match=r"^release policy: x-ms-sevsnpvm-hostdata: "):
        evaluation.check(policy, token)


def test_a_policy_beside_the_container_that_is_not_its_own_shows_in_the_evidence(
    authority: AttestationService, tmp_path: Path
) -> None:
    false = dataclasses.replace(context(group()), policy=b"another policy\n")
    with GuestDevice(tmp_path / "guest", group().chip) as device:
        attester = ContainerAttester(SimulatedDevice(device.socket), false, authority)
        with attester.attest(CONTRACT, RECEIPT_KEY) as found:
            believed = trust()

            with pytest.raises(Unattested, match=r"^the host data is .* of the policy$"):
                found.evidence.verify(believed.roots, believed.issuers, NOW)


def test_a_container_without_its_device_attests_nothing(
    authority: AttestationService, tmp_path: Path
) -> None:
    device = SimulatedDevice(tmp_path / "none")
    attester = ContainerAttester(device, context(group()), authority)

    with pytest.raises(Unavailable), attester.attest(CONTRACT, RECEIPT_KEY):
        pytest.fail("attested without a device")
