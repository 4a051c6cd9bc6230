"""From evidence to the opened key: attestation service, token, genuine client, vault."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.token import verify as genuine
from cleanroom.ids import Digest
from cleanroom.keys import ReaderKey
from cleanroom.release import evaluation, meaning
from cleanroom.release.binding import runtime_data
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from cleanroom.release.response import Asked, Released, VaultTrust, verify
from cleanroom.release.wrapping import Wrapping, by_key, room_key, unwrap
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement
from devstack import clock
from devstack.attestation.server import AttestationServer
from devstack.attestation.trust import PERMIT_ALL
from devstack.hardware.snp import DEBUG, POLICY
from devstack.hardware.uvm import ContainerGroup
from devstack.home import HOST
from devstack.vault.releasing import UNMET, UNVERIFIED
from runner.attest.authority import AttestationService, ContainerProof
from tests.attesting import LEEWAY, trust
from tests.builders import DIGEST
from tests.hardware import group, guest
from tests.tokens import WRAPPING_KEY, rsa_key
from tests.vaults import Vaults, rsa_numbers

CONTRACT, OTHER = Digest(DIGEST), Digest("sha256:" + "ef" * 32)
RECEIPT_KEY = Digest("sha256:" + "01" * 32)
ROOM_KEY = rsa_key(3072)
NONCE = "6e6f6e6365"
WRAP = Wrapping.SHA256


@pytest.fixture(scope="module")
def attestation(vaults: Vaults) -> Iterator[AttestationServer]:
    """A service that believes synthetic hardware, and says what it sees, debugging too."""
    believed = replace(trust(), policy=PERMIT_ALL)
    with AttestationServer(believed, vaults.home.authority(), clock.now) as server:
        yield server


@pytest.fixture(autouse=True)
def trusted(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


def policy_of(authority: str) -> ReleasePolicy:
    """Ask for our one runner, working for the contract."""
    code = HostData(group().chip.template.host_data.hex(), utility_vm_svn=100)
    runner = RunnerRequirement(
        "simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset()
    )
    return release_policy(CONTRACT, [runner], authority, svns=True)


def token(
    attestation: AttestationServer, machine: ContainerGroup, contract: Digest = CONTRACT
) -> str:
    """Have a machine attested, as the runner does it."""
    said = runtime_data(contract, RECEIPT_KEY, WRAPPING_KEY.public_key())
    evidence = machine.evidence(said)
    service = AttestationService(attestation.url)
    proof = ContainerProof(evidence.report, evidence.chain, said, evidence.endorsement)
    found = service.attest_container(proof)
    service.close()
    return found


@pytest.fixture(scope="module")
def name(vaults: Vaults, attestation: AttestationServer) -> str:
    """Have the party put its room key into its vault, to be released for one contract."""
    policy = KeyReleasePolicy(policy_of(attestation.url).to_bytes(), immutable=True)
    with pytest.MonkeyPatch.context() as patch, vaults.keys("north", "north") as client:
        patch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
        client.import_key(
            "room-key",
            JsonWebKey(kty="RSA", **rsa_numbers(ROOM_KEY)),
            hardware_protected=True,
            exportable=True,
            release_policy=policy,
        )
    return "room-key"


@pytest.fixture
def runner(vaults: Vaults) -> Iterator[KeyClient]:
    with vaults.keys("north", "runner") as made:
        yield made


def released(vaults: Vaults, value: str, algorithm: Wrapping = WRAP) -> Released:
    """Read the answer as the runner does."""
    root = x509.load_pem_x509_certificate(vaults.home.authority_file.read_bytes())
    believed = VaultTrust((root.public_bytes(Encoding.DER),), HOST)
    asked = Asked(f"{vaults.url('north')}/keys/room-key", None, algorithm, NONCE)
    return verify(value, asked, believed, clock.now())


def last_entry(vaults: Vaults) -> Any:
    _, found = vaults.call("north", "north", "GET", "/devstack/audit")
    return found["value"][-1]


@pytest.mark.parametrize("algorithm", list(Wrapping))
def test_a_runner_opens_the_key_that_the_party_imported(
    algorithm: Wrapping,
    vaults: Vaults,
    attestation: AttestationServer,
    name: str,
    runner: KeyClient,
) -> None:
    target = token(attestation, group())

    answer = runner.release_key(name, target, algorithm=algorithm.value, nonce=NONCE)

    found = released(vaults, answer.value, algorithm)
    opened = unwrap(found.wrapped, algorithm, WRAPPING_KEY.key_size // 8, by_key(WRAPPING_KEY))
    expected = ReaderKey.from_crypto(ROOM_KEY.public_key(), "room key")
    assert room_key(opened, expected).private_numbers() == ROOM_KEY.private_numbers()
    assert meaning.equal(found.policy, policy_of(attestation.url))
    assert found.immutable
    assert last_entry(vaults)["verdict"] == "released"


def test_what_the_vault_decides_the_runner_can_know_before(
    attestation: AttestationServer,
) -> None:
    service = AttestationService(attestation.url)
    authority = service.keys()
    service.close()
    target = token(attestation, group(), OTHER)

    claims = genuine(target, authority, clock.now(), LEEWAY)

    assert len(evaluation.unmet(policy_of(attestation.url), claims)) == 1


def refusal(client: KeyClient, name: str, target: str) -> tuple[int, str, str]:
    with pytest.raises(HttpResponseError) as caught:
        client.release_key(name, target, algorithm=WRAP.value, nonce=NONCE)
    error = caught.value.error
    assert error is not None
    return caught.value.status_code or 0, str(error.code), str(error.message)


def test_no_key_for_another_contract(
    vaults: Vaults, attestation: AttestationServer, name: str, runner: KeyClient
) -> None:
    target = token(attestation, group(), OTHER)

    assert refusal(runner, name, target) == (403, "Forbidden", UNMET)
    assert last_entry(vaults)["claims"]["x-ms-runtime.cleanroom-contract"] == OTHER.text


def test_no_key_for_a_guest_that_can_be_debugged(
    vaults: Vaults, attestation: AttestationServer, name: str, runner: KeyClient
) -> None:
    target = token(attestation, ContainerGroup.make(guest(policy=POLICY | DEBUG)))

    assert refusal(runner, name, target) == (403, "Forbidden", UNMET)
    assert "is-debuggable: expected equals false, got True" in last_entry(vaults)["reason"]


def test_no_key_for_other_code(
    attestation: AttestationServer, name: str, runner: KeyClient
) -> None:
    target = token(attestation, ContainerGroup.make(guest(), b"package policy\n# another\n"))

    assert refusal(runner, name, target) == (403, "Forbidden", UNMET)


def test_no_key_on_the_word_of_another_authority(
    vaults: Vaults, name: str, runner: KeyClient
) -> None:
    with AttestationServer(trust(), vaults.home.authority(), clock.now) as other:
        target = token(other, group())

    assert refusal(runner, name, target) == (403, "Forbidden", UNVERIFIED)


def test_no_key_for_a_token_that_was_changed(
    attestation: AttestationServer, name: str, runner: KeyClient
) -> None:
    head, payload, signature = token(attestation, group(), OTHER).split(".")
    other = token(attestation, group()).split(".")[1]

    assert refusal(runner, name, f"{head}.{other}.{signature}") == (403, "Forbidden", UNVERIFIED)
    assert payload != other


def test_no_key_for_who_has_no_role(
    vaults: Vaults, attestation: AttestationServer, name: str
) -> None:
    target = token(attestation, group())

    with vaults.keys("north", "south") as other:
        status, code, message = refusal(other, name, target)

    assert (status, code) == (403, "Forbidden")
    assert "Action: 'Microsoft.KeyVault/vaults/keys/release/action'" in message
    assert last_entry(vaults)["who"]["name"] == "south"


def test_no_key_that_there_is_not(attestation: AttestationServer, runner: KeyClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        runner.release_key("none", token(attestation, group()))


def test_a_policy_without_exportable_is_refused(
    vaults: Vaults, attestation: AttestationServer
) -> None:
    policy = KeyReleasePolicy(policy_of(attestation.url).to_bytes())

    with (
        vaults.keys("north", "north") as client,
        pytest.raises(HttpResponseError, match=r"AKV\.SKR\.1005: Non-exportable keys"),
    ):
        client.create_rsa_key("other", hardware_protected=True, release_policy=policy)


def test_the_log_outlives_a_crash(
    vaults: Vaults, attestation: AttestationServer, name: str, runner: KeyClient
) -> None:
    target = token(attestation, group())
    runner.release_key(name, target, algorithm=WRAP.value, nonce=NONCE)
    before = last_entry(vaults)

    vaults.server.kill()
    vaults.server.restart()

    assert before["verdict"] == "released"
    assert last_entry(vaults) == before
    again = runner.release_key(name, target, algorithm=WRAP.value, nonce=NONCE)
    assert released(vaults, again.value).version == before["version"]
