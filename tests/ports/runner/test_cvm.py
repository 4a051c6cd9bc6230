"""A confidential VM from user data to released key: swtpm, its paravisor, a real service."""

import dataclasses
import hashlib
import json
import secrets
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from cleanroom.attestation.acceptable import Nonce, accept, of_contract
from cleanroom.attestation.cvm import CvmEvidence
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.hcl import HclReport
from cleanroom.attestation.token import TokenClaims, verify
from cleanroom.errors import (
    CleanroomError,
    Malformed,
    PolicyRefused,
    Tampered,
    Unattested,
    Unavailable,
)
from cleanroom.fields import base64_text
from cleanroom.ids import Digest
from cleanroom.release import evaluation
from cleanroom.release.binding import check_bound, qualifying_data, user_data
from cleanroom.release.generation import release_policy
from cleanroom.release.wrapping import Wrapping, unwrap, wrap
from cleanroom.requirements import MinimumSvn, Pcrs, RunnerRequirement
from cleanroom.tpm import Tpm
from devstack.attestation.server import AttestationServer
from devstack.hardware.paravisor import ID_KEY_DIGEST
from devstack.hardware.snp import DEBUG, POLICY, Chip
from devstack.hardware.vtpm import VirtualTpm, installed
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService
from runner.attest.cvm import AK, AK_CERTIFICATE, HCL_REPORT, USER_DATA, CvmAttester
from runner.attest.tpm_device import TpmSocket
from tests.attesting import LEEWAY, in_base64url, trust
from tests.builders import DIGEST, NOW
from tests.evidence_files import unwrapped
from tests.hardware import chip, guest
from tests.ports.scripted import Reply, scripted
from tests.tokens import certified

pytestmark = pytest.mark.skipif(not installed(), reason="swtpm is not installed")

CONTRACT, OTHER = Digest(DIGEST), Digest("sha256:" + "ef" * 32)
RECEIPT_KEY, OTHER_KEY = Digest("sha256:" + "01" * 32), Digest("sha256:" + "02" * 32)
DELAY = 0.1  # seconds that the paravisor takes


def extend(tpm: TpmSocket, index: int) -> None:
    """Measure something into a register (TPM2_PCR_Extend)."""
    password = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
    body = struct.pack(">II", index, len(password)) + password
    body += struct.pack(">IH", 1, 0x000B) + hashlib.sha256(b"something else").digest()
    answer = tpm.exchange(struct.pack(">HII", 0x8002, 10 + len(body), 0x182) + body)
    assert answer[6:10] == bytes(4)


class Machine:
    """A machine that runs: its TPM as its own guest sees it."""

    def __init__(self, link: TpmSocket) -> None:
        self.link = link
        self.tpm = Tpm(link)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def start(
    stack: ExitStack, folder: Path, made: Chip | None = None, delay: float = DELAY
) -> Machine:
    folder.mkdir()
    running = stack.enter_context(VirtualTpm(folder, made or chip(), delay))
    return Machine(stack.enter_context(TpmSocket(running.socket)))


@pytest.fixture
def machine(stack: ExitStack, tmp_path: Path) -> Machine:
    return start(stack, tmp_path / "machine")


@pytest.fixture
def authority(attestation: AttestationServer) -> Iterator[AttestationService]:
    service = AttestationService(attestation.url)
    yield service
    service.close()


@pytest.fixture
def attester(machine: Machine, authority: AttestationService) -> CvmAttester:
    return CvmAttester(machine.tpm, chip().amd.pem(), authority)


def verified(found: Attestation, authority: AttestationService) -> TokenClaims:
    return verify(found.token, authority.keys(), NOW, LEEWAY)


def evidence(found: Attestation) -> CvmEvidence:
    assert isinstance(found.evidence.evidence, CvmEvidence)
    return found.evidence.evidence


def demand(pcrs: dict[int, bytes]) -> RunnerRequirement:
    code = Pcrs(tuple((index, value.hex()) for index, value in pcrs.items()))
    return RunnerRequirement("simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset())


# --- keys


@pytest.mark.parametrize("algorithm", list(Wrapping))
def test_a_released_key_opens_in_the_machine_that_was_attested(
    algorithm: Wrapping, attester: CvmAttester, authority: AttestationService
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        wrapping = verified(found, authority).wrapping_key()
        wrapped = wrap(b"room key", algorithm, wrapping.public, secrets.token_bytes(32))

        assert wrapping.id == "TpmEphemeralEncryptionKey"
        assert unwrap(wrapped, algorithm, found.key_bytes, found.decrypt) == b"room key"
        assert unwrap(wrapped, algorithm, found.key_bytes, found.decrypt) == b"room key"


def test_a_key_wrapped_for_another_key_does_not_open(
    attester: CvmAttester, authority: AttestationService
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
        wrapped = wrap(b"room key", Wrapping.CKM, to, secrets.token_bytes(32))

        with pytest.raises(Tampered, match=r"^the ciphertext was not made for the TPM's key"):
            unwrap(wrapped, Wrapping.SHA256, found.key_bytes, found.decrypt)
        assert unwrap(wrapped, Wrapping.CKM, found.key_bytes, found.decrypt) == b"room key"


def test_the_wrapping_key_goes_with_the_job(
    attester: CvmAttester, authority: AttestationService
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
    sealed = wrap(b"room key", Wrapping.SHA256, to, secrets.token_bytes(32))[:256]

    with pytest.raises(Unavailable, match=r"^the TPM refused RSA_Decrypt with code"):
        found.decrypt(sealed, hashes.SHA256())


def test_a_machine_that_changed_since_opens_nothing(
    attester: CvmAttester, authority: AttestationService, machine: Machine
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
        wrapped = wrap(b"room key", Wrapping.SHA256, to, secrets.token_bytes(32))
        extend(machine.link, 7)

        with pytest.raises(Unavailable, match=r"^the TPM refused RSA_Decrypt with code 0x99d$"):
            unwrap(wrapped, Wrapping.SHA256, found.key_bytes, found.decrypt)


def test_a_register_that_nobody_looks_at_may_change(
    attester: CvmAttester, authority: AttestationService, machine: Machine
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        to = verified(found, authority).wrapping_key().public
        wrapped = wrap(b"room key", Wrapping.SHA256, to, secrets.token_bytes(32))
        extend(machine.link, 16)

        assert unwrap(wrapped, Wrapping.SHA256, found.key_bytes, found.decrypt) == b"room key"


def test_a_tpm_has_room_for_many_jobs(attester: CvmAttester) -> None:
    tokens = set()
    for _ in range(5):  # a TPM has room for three keys and three sessions
        with attester.attest(CONTRACT, RECEIPT_KEY) as found:
            tokens.add(found.token)

    assert len(tokens) == 5


# --- what is bound


def test_the_token_meets_the_release_policy_of_its_contract_only(
    attester: CvmAttester, authority: AttestationService, attestation: AttestationServer
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        token = verified(found, authority)

    def unmet(contract: Digest) -> list[str]:
        runners = [demand(dict(evidence(found).pcrs))]
        policy = release_policy(contract, runners, attestation.url, svns=True)
        return [leaf.partition(":")[0] for leaf in evaluation.unmet(policy, token)]

    assert unmet(CONTRACT) == []
    assert unmet(OTHER) == ["x-ms-isolation-tee.x-ms-runtime.user-data"]


def test_the_evidence_verifies_offline_and_binds_contract_and_receipt_key(
    attester: CvmAttester,
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        kept = found.evidence.to_bytes()

    believed = trust()
    claims = EvidenceBundle.parse(kept, "receipt").verify(believed.roots, believed.issuers, NOW)
    accept(claims, of_contract(demand(dict(evidence(found).pcrs)), [ID_KEY_DIGEST]))
    check_bound(claims, CONTRACT, RECEIPT_KEY)
    assert sorted(evidence(found).pcrs) == list(range(24))  # a contract may name any of them
    for contract, key in ((OTHER, RECEIPT_KEY), (CONTRACT, OTHER_KEY)):
        with pytest.raises(Unattested):
            check_bound(claims, contract, key)


def test_another_nonce_than_quoted_shows_in_the_evidence(attester: CvmAttester) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        genuine = evidence(found)
    believed = trust()
    wrong = qualifying_data(CONTRACT, OTHER_KEY)

    with pytest.raises(Unattested, match=r"^the TPM was asked with nonce"):
        EvidenceBundle(dataclasses.replace(genuine, nonce=wrong)).verify(
            believed.roots, believed.issuers, NOW
        )
    claims = EvidenceBundle(genuine).verify(believed.roots, believed.issuers, NOW)
    with pytest.raises(Unattested, match=r"^the nonce is"):
        accept(claims, [Nonce(wrong)])


def test_a_report_is_used_again_for_its_contract_and_the_quote_is_not(
    attester: CvmAttester,
) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as first:
        pass
    with attester.attest(CONTRACT, OTHER_KEY) as second:
        pass

    assert evidence(first).hcl == evidence(second).hcl
    assert evidence(first).quote != evidence(second).quote
    assert evidence(second).nonce == qualifying_data(CONTRACT, OTHER_KEY)


def test_another_contract_has_a_report_of_its_own(attester: CvmAttester) -> None:
    with attester.attest(CONTRACT, RECEIPT_KEY) as first:
        pass
    with attester.attest(OTHER, RECEIPT_KEY) as second:
        pass

    said = [HclReport.parse(evidence(found).hcl, "hcl").user_data for found in (first, second)]
    assert said == [user_data(CONTRACT), user_data(OTHER)]


def test_a_machine_may_have_a_certificate_for_its_attestation_key(
    attester: CvmAttester, machine: Machine
) -> None:
    # of some other key: that the service refuses it shows that it was read and sent
    machine.tpm.nv_write(AK_CERTIFICATE, certified("AK").der.ljust(1500, b"\0"))

    with (
        pytest.raises(Unattested, match=r"refused the evidence \(AttestationFailed\)$"),
        attester.attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("attested with another key's certificate")


# --- the paravisor


def test_a_paravisor_that_is_too_slow_is_not_waited_for(
    stack: ExitStack, tmp_path: Path, authority: AttestationService
) -> None:
    slow = start(stack, tmp_path / "slow", delay=3600)
    attester = CvmAttester(slow.tpm, chip().amd.pem(), authority, patience=0.3)
    message = r"^the paravisor made no report with our user data in 0\.3 seconds$"

    with pytest.raises(Unavailable, match=message), attester.attest(CONTRACT, RECEIPT_KEY):
        pytest.fail("attested without a report")


def test_a_report_that_is_half_written_is_waited_for(
    machine: Machine, authority: AttestationService
) -> None:
    attester = CvmAttester(machine.tpm, chip().amd.pem(), authority)
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        whole = evidence(found).hcl
    half = whole[:1024] + bytes(len(whole) - 1024)
    machine.tpm.nv_write(HCL_REPORT, half)

    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        assert HclReport.parse(evidence(found).hcl, "hcl").user_data == user_data(CONTRACT)


def test_a_report_of_which_the_halves_differ_is_waited_for(
    machine: Machine, authority: AttestationService
) -> None:
    attester = CvmAttester(machine.tpm, chip().amd.pem(), authority)
    with attester.attest(OTHER, RECEIPT_KEY) as found:
        old = evidence(found).hcl
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        new = evidence(found).hcl
    machine.tpm.nv_write(HCL_REPORT, old[:1216] + new[1216:])

    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        assert evidence(found).hcl[:32] == new[:32]
        assert verified(found, authority).snp().user_data == user_data(CONTRACT)


# --- lies


def test_a_debuggable_machine_is_refused(
    stack: ExitStack, tmp_path: Path, authority: AttestationService
) -> None:
    lying = start(stack, tmp_path / "lying", guest(policy=POLICY | DEBUG))
    attester = CvmAttester(lying.tpm, chip().amd.pem(), authority)

    with (
        pytest.raises(Unattested, match=r"refused the evidence \(PolicyEvaluationError\)$"),
        attester.attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("a debuggable machine was attested")


def test_a_report_of_another_machine_is_refused(
    stack: ExitStack, tmp_path: Path, machine: Machine, authority: AttestationService
) -> None:
    other = start(stack, tmp_path / "other")
    other.tpm.nv_write(USER_DATA, user_data(CONTRACT))
    with CvmAttester(other.tpm, chip().amd.pem(), authority).attest(CONTRACT, RECEIPT_KEY) as found:
        machine.tpm.nv_write(HCL_REPORT, evidence(found).hcl)

    attester = CvmAttester(machine.tpm, chip().amd.pem(), authority)
    with (
        pytest.raises(Unattested, match=r"refused the evidence \(AttestationFailed\)$"),
        attester.attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("attested with another machine's report")


def test_a_paravisor_of_ones_own_gets_no_key(
    stack: ExitStack,
    tmp_path: Path,
    authority: AttestationService,
    attestation: AttestationServer,
) -> None:
    own = start(stack, tmp_path / "own", guest(id_key_digest=b"\1" * 48))
    attester = CvmAttester(own.tpm, chip().amd.pem(), authority)
    with attester.attest(CONTRACT, RECEIPT_KEY) as found:
        token = verified(found, authority)
    policy = release_policy(CONTRACT, [demand({4: bytes(32)})], attestation.url, svns=True)

    with pytest.raises(PolicyRefused, match=r"x-ms-compliance-status: expected"):
        evaluation.check(policy, token)


# --- the sealed token


def test_only_the_tpm_that_asked_opens_its_token(
    stack: ExitStack, tmp_path: Path, machine: Machine, attestation: AttestationServer
) -> None:
    other = start(stack, tmp_path / "other")
    recorded: list[str] = []

    class Recording(AttestationService):
        def attest_guest(self, information: dict[str, object]) -> str:
            recorded.append(super().attest_guest(information))
            return recorded[0]

    service = Recording(attestation.url)
    with CvmAttester(machine.tpm, chip().amd.pem(), service).attest(CONTRACT, RECEIPT_KEY):
        pass
    with (
        pytest.raises(Tampered, match=r"does not open|was not made for the TPM's key"),
        CvmAttester(other.tpm, chip().amd.pem(), service).attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("another machine's token was opened")
    assert len(recorded) == 2
    service.close()


def test_a_token_that_was_changed_behind_its_seal_does_not_open(
    machine: Machine, attestation: AttestationServer
) -> None:
    class Changing(AttestationService):
        def attest_guest(self, information: dict[str, object]) -> str:
            value = json.loads(unwrapped(super().attest_guest(information)))
            return in_base64url(value | {"AuthenticationData": base64_text(bytes(16))})

    service = Changing(attestation.url)
    with (
        pytest.raises(Tampered, match=r"^the sealed token does not open with the key beside it$"),
        CvmAttester(machine.tpm, chip().amd.pem(), service).attest(CONTRACT, RECEIPT_KEY),
    ):
        pytest.fail("a changed token was opened")
    service.close()


def sealed(**changes: object) -> str:
    value = {
        "Jwt": "AAAA",
        "EncryptedInnerKey": "AAAA",
        "EncryptionParams": {"BlockMode": "ChainingModeGCM", "Cipher": "AES", "Iv": "AAAA" * 4},
        "AuthenticationData": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    return in_base64url(value | changes)


@pytest.mark.parametrize(
    ("token", "error", "message"),
    [
        pytest.param("no base64!", Malformed, "sealed token: expected base64 for URLs", id="none"),
        pytest.param("AAAA", Malformed, "sealed token: expected JSON in UTF-8", id="no JSON"),
        pytest.param(
            in_base64url({}), Malformed, "a field 'AuthenticationData'", id="an empty object"
        ),
        pytest.param(
            sealed(EncryptionParams={"BlockMode": "ChainingModeCBC"}),
            Malformed,
            "sealed token.EncryptionParams.BlockMode: expected 'ChainingModeGCM'",
            id="another mode",
        ),
        pytest.param(
            sealed(EncryptionParams={"BlockMode": "ChainingModeGCM", "Cipher": "DES"}),
            Malformed,
            "sealed token.EncryptionParams.Cipher: expected 'AES'",
            id="another cipher",
        ),
        pytest.param(
            sealed(Iv=7), Unavailable, "the TPM refused RSA_Decrypt with code", id="short inner key"
        ),
    ],
)
def test_a_strange_sealed_token_is_refused(
    token: str,
    error: type[CleanroomError],
    message: str,
    machine: Machine,
    request: pytest.FixtureRequest,
) -> None:
    reply = Reply(body=json.dumps({"token": token}).encode())
    with scripted(reply, ca=request.getfixturevalue("ca")) as server:
        service = AttestationService(server.url)
        attester = CvmAttester(machine.tpm, chip().amd.pem(), service)

        with pytest.raises(error) as refused, attester.attest(CONTRACT, RECEIPT_KEY):
            pytest.fail("a strange token was opened")

        service.close()
    assert message in str(refused.value)


def test_the_attestation_key_is_restricted_and_stays(machine: Machine) -> None:
    assert machine.tpm.public(AK)[4:8] == bytes.fromhex("00050472")


def test_a_tpm_that_cannot_start_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)  # longer than the address of a socket may be
    folder.mkdir()

    with (
        pytest.raises(Unavailable, match=r"^swtpm: did not start$"),
        VirtualTpm(folder, chip(), DELAY),
    ):
        pytest.fail("a TPM without a socket was started")
