"""A virtual machine gets a token that only its TPM opens, and for genuine evidence only."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from cleanroom.errors import PolicyRefused
from cleanroom.fields import base64_text
from cleanroom.ids import Digest
from cleanroom.jose import base64url_text
from cleanroom.release import evaluation
from cleanroom.release.binding import user_data
from cleanroom.release.generation import release_policy
from cleanroom.requirements import MinimumSvn, Pcrs, RunnerRequirement
from devstack.attestation.trust import GENUINE
from devstack.hardware.amd import rsa_key
from devstack.hardware.paravisor import ID_KEY_DIGEST, Paravisor, Tpm, jwk, pcr_values
from devstack.hardware.snp import DEBUG, POLICY
from tests.attesting import (
    AZURE_GUEST,
    URL,
    Guest,
    attest_guest,
    genuine,
    in_base64,
    in_base64url,
    opened,
    refusal,
    sealing_key,
    service,
    token_in,
)
from tests.builders import DIGEST, NOW
from tests.evidence_files import unwrapped
from tests.hardware import guest, paravisor
from tests.tokens import certified

CONTRACT = Digest(DIGEST)
OTHER = Digest("sha256:" + "ef" * 32)


def machine(made: Paravisor | None = None) -> Guest:
    return Guest.of((made or paravisor()).write_user_data(user_data(CONTRACT)))


def claims_of(made: Guest) -> Any:
    return genuine(opened(token_in(made.ask()), sealing_key())).claims


def other_tpm() -> Tpm:
    return Tpm(rsa_key("other ak", 2048), pcr_values())


def test_a_token_has_the_claims_of_azures_and_no_others() -> None:
    made = machine()

    found = claims_of(made)

    report = made.paravisor.hcl()[32:1216]
    ak = made.paravisor.tpm.key.public_key()
    ek = rsa_key("ek", 2048).public_key()
    ephemeral = jwk("TpmEphemeralEncryptionKey", "encrypt", sealing_key().public_key())
    assert found == {
        "exp": int(NOW.timestamp()) + 8 * 3600,
        "iat": int(NOW.timestamp()),
        "iss": URL,
        "jti": found["jti"],
        "nbf": int(NOW.timestamp()),
        "secureboot": True,
        "x-ms-attestation-type": "azurevm",
        "x-ms-azurevm-attestation-protocol-ver": "2.0",
        "x-ms-azurevm-attested-pcrs": [0, 1, 2, 3, 4, 5, 6, 7],
        "x-ms-azurevm-bootdebug-enabled": False,
        "x-ms-azurevm-dbvalidated": True,
        "x-ms-azurevm-dbxvalidated": True,
        "x-ms-azurevm-debuggersdisabled": True,
        "x-ms-azurevm-default-securebootkeysvalidated": True,
        "x-ms-azurevm-elam-enabled": False,
        "x-ms-azurevm-flightsigning-enabled": False,
        "x-ms-azurevm-hvci-policy": 0,
        "x-ms-azurevm-hypervisordebug-enabled": False,
        "x-ms-azurevm-is-windows": False,
        "x-ms-azurevm-kerneldebug-enabled": False,
        "x-ms-azurevm-osbuild": "NotApplication",
        "x-ms-azurevm-osdistro": "Debian",
        "x-ms-azurevm-ostype": "Linux",
        "x-ms-azurevm-osversion-major": 13,
        "x-ms-azurevm-osversion-minor": 1,
        "x-ms-azurevm-signingdisabled": True,
        "x-ms-azurevm-testsigning-enabled": False,
        "x-ms-azurevm-vmid": "00000000-0000-4000-8000-000000000001",
        "x-ms-isolation-tee": {
            "x-ms-attestation-type": "sevsnpvm",
            "x-ms-compliance-status": "azure-compliant-cvm",
            "x-ms-runtime": {
                "keys": [jwk("HCLAkPub", "sign", ak), jwk("HCLEkPub", "encrypt", ek)],
                "user-data": user_data(CONTRACT).hex().upper(),
                "vm-configuration": {
                    "console-enabled": True,
                    "secure-boot": True,
                    "tpm-enabled": True,
                    "vmUniqueId": "00000000-0000-4000-8000-000000000001",
                },
            },
            "x-ms-sevsnpvm-authorkeydigest": "00" * 48,
            "x-ms-sevsnpvm-bootloader-svn": 4,
            "x-ms-sevsnpvm-familyId": "01" + "00" * 15,
            "x-ms-sevsnpvm-guestsvn": 2,
            "x-ms-sevsnpvm-hostdata": "00" * 32,
            "x-ms-sevsnpvm-idkeydigest": ID_KEY_DIGEST.hex(),
            "x-ms-sevsnpvm-imageId": "02" + "00" * 15,
            "x-ms-sevsnpvm-is-debuggable": False,
            "x-ms-sevsnpvm-launchmeasurement": "4d" * 48,
            "x-ms-sevsnpvm-microcode-svn": 219,
            "x-ms-sevsnpvm-migration-allowed": False,
            "x-ms-sevsnpvm-reportdata": report[0x50:0x90].hex(),
            "x-ms-sevsnpvm-reportid": "1e" * 32,
            "x-ms-sevsnpvm-smt-allowed": True,
            "x-ms-sevsnpvm-snpfw-svn": 24,
            "x-ms-sevsnpvm-tee-svn": 0,
            "x-ms-sevsnpvm-vmpl": 0,
        },
        "x-ms-policy-hash": "uUcijG3ZkWUG7t2avMIRlykdIdzZKcraFjweqdT6F2k",
        "x-ms-runtime": {"client-payload": {"nonce": "QURFMDEwMQ=="}, "keys": [ephemeral]},
        "x-ms-ver": "1.0",
    }


def test_a_sealed_token_says_how_it_is_sealed() -> None:
    value = json.loads(unwrapped(token_in(machine().ask())))

    assert value["EncryptionParams"] == {
        "BlockMode": "ChainingModeGCM",
        "BlockPadding": "PKCS7",
        "Cipher": "AES",
        "KeySizeInBits": 256,
        "Iv": value["EncryptionParams"]["Iv"],
    }
    sizes = {name: len(value[name]) for name in ("EncryptedInnerKey", "AuthenticationData")}
    assert sizes == {"EncryptedInnerKey": 344, "AuthenticationData": 24}


def test_a_sealed_token_opens_with_the_tpms_key_only() -> None:
    sealed = token_in(machine().ask())

    with pytest.raises((ValueError, InvalidTag)):  # PKCS #1 v1.5 answers garbage with garbage
        opened(sealed, rsa_key("ek", 2048))


def test_no_two_tokens_are_sealed_alike() -> None:
    first, second = (json.loads(unwrapped(token_in(machine().ask()))) for _ in range(2))

    assert first["EncryptionParams"]["Iv"] != second["EncryptionParams"]["Iv"]


def test_the_name_of_the_request_has_two_spellings() -> None:
    body = json.dumps({"attestationInfo": in_base64url(machine().information())}).encode()

    assert opened(token_in(service().post(AZURE_GUEST, body, NOW)), sealing_key())


@pytest.mark.parametrize("nonce", [b"", b"\1" * 64], ids=["none, as Azure's client", "a nonce"])
def test_the_quotes_nonce_is_the_clients_business(nonce: bytes) -> None:
    answer = attest_guest(machine().information(nonce))

    assert opened(token_in(answer), sealing_key())


def test_a_machine_may_show_the_certificate_of_its_attestation_key() -> None:
    vm = paravisor()
    der = certified("ak", key=vm.tpm.key).der

    assert claims_of(machine(replace(vm, ak_certificate=der)))["secureboot"] is True


def test_a_machine_says_whether_it_is_windows() -> None:
    information = machine().information() | {"OSType": in_base64(b"Windows")}

    found = genuine(opened(token_in(attest_guest(information)), sealing_key()))
    assert found.claims["x-ms-azurevm-is-windows"] is True


def policy_for(contract: Digest) -> Any:
    code = Pcrs(((4, pcr_values()[4].hex()),))
    runner = RunnerRequirement(
        "simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset()
    )
    return release_policy(contract, [runner], URL, svns=True)


def test_a_token_meets_the_release_policy_of_its_contract_only() -> None:
    found = genuine(opened(token_in(machine().ask()), sealing_key()))

    evaluation.check(policy_for(CONTRACT), found)
    with pytest.raises(PolicyRefused, match=r"x-ms-runtime\.user-data: expected equals EFEF"):
        evaluation.check(policy_for(OTHER), found)


def test_a_paravisor_of_ones_own_is_genuine_and_not_compliant() -> None:
    own = Paravisor.make(guest(id_key_digest=b"\1" * 48))

    found = genuine(opened(token_in(machine(own).ask()), sealing_key()))

    assert found.snp().compliance is None
    with pytest.raises(PolicyRefused, match=r"x-ms-compliance-status: expected .* got nothing"):
        evaluation.check(policy_for(CONTRACT), found)


# --- lies


def runtime_of_another_contract() -> bytes:
    claims = machine().paravisor.claims
    return claims.replace(b"ABAB", b"EFEF")


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        pytest.param(
            lambda _: Guest.of(Paravisor.make(guest(policy=POLICY | DEBUG))),
            "PolicyEvaluationError: the attestation policy: expected a guest without debugging",
            id="debugging",
        ),
        pytest.param(
            lambda m: replace(m, runtime=runtime_of_another_contract()),
            "AttestationFailed: the report data is",
            id="another contract in the claims",
        ),
        pytest.param(
            lambda m: replace(m, quoted_by=other_tpm()),
            "AttestationFailed: the signature of the TPM's attestation key does not hold",
            id="another machine's quote",
        ),
        pytest.param(
            lambda m: replace(m, named=other_tpm().key.public_key()),
            "AttestationFailed: the attestation key is not the one that the paravisor names",
            id="another machine's attestation key",
        ),
        pytest.param(
            lambda m: replace(m, certified_by=other_tpm()),
            "AttestationFailed: the signature of the TPM's attestation key does not hold",
            id="another machine's certificate of the sealing key",
        ),
        pytest.param(
            lambda m: replace(m, pcrs=dict.fromkeys(range(8), b"\1" * 32)),
            "AttestationFailed: the digest in the quote is not that of the PCR values",
            id="other registers than quoted",
        ),
        pytest.param(
            lambda m: replace(m, quoted=range(7)),
            "AttestationFailed: the quote selects PCRs [0, 1, 2, 3, 4, 5, 6], expected [0, 1, 2",
            id="fewer registers quoted than shown",
        ),
        pytest.param(
            lambda m: replace(m, attributes=0x20400),
            "AttestationFailed: the sealing key has attributes 0x20400, expected 0x20432",
            id="a sealing key that may leave",
        ),
        pytest.param(
            lambda m: replace(m, policy=b""),
            "AttestationFailed: the sealing key has policy , expected",
            id="a sealing key for any state",
        ),
        pytest.param(
            lambda m: replace(m, policy=b"\1" * 32),
            "AttestationFailed: the sealing key has policy 0101",
            id="a sealing key for another state",
        ),
        pytest.param(
            lambda m: replace(m, certified_with=b"wrong nonce"),
            "AttestationFailed: the TPM was asked with nonce 77726f6e67206e6f6e6365, expected ",
            id="a wrong nonce in the sealing key's certificate",
        ),
        pytest.param(
            lambda m: replace(
                m,
                paravisor=replace(
                    m.paravisor, ak_certificate=certified("ak", key=other_tpm().key).der
                ),
            ),
            "AttestationFailed: the certificate of the attestation key is for another key",
            id="another key's certificate",
        ),
        pytest.param(
            lambda _: Guest.of(Paravisor.make(guest(chip_id=b"\1" * 64))),
            "AttestationFailed: the report is of chip 0101",
            id="another chip",
        ),
    ],
)
def test_a_lie_gets_no_token(lie: Callable[[Guest], Guest], message: str) -> None:
    status, code, text = refusal(lie(machine()).ask())

    assert (status, f"{code}: {text}"[: len(message)]) == (400, message)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda i: i["IsolationInfo"].update(Type="TrustedLaunch"),
            "IsolationInfo.Type: expected 'SevSnp', got 'TrustedLaunch'",
            id="no isolation",
        ),
        pytest.param(
            lambda i: i.update(AttestationProtocolVersion="1.0"),
            "AttestationInfo.AttestationProtocolVersion: expected '2.0', got '1.0'",
            id="older protocol",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(PcrSet=[0, 1]),
            "TpmInfo.PcrSet: expected the registers of TpmInfo.PCRs",
            id="another set of registers",
        ),
        pytest.param(
            lambda i: i["TpmInfo"]["PCRs"].append(i["TpmInfo"]["PCRs"][0]),
            "TpmInfo.PCRs: expected each name once, got '0'",
            id="a register twice",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(PCRs=[], PcrSet=[]),
            "TpmInfo.PCRs: expected 1 to 24 entries, got 0",
            id="no registers",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(PcrQuote=""),
            "the signature of the TPM's attestation key",
            id="no quote",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(EncKeyPub=""),
            "TpmInfo.EncKeyPub: expected a TPM2B_PUBLIC of the size it says",
            id="no sealing key",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(EncKeyPub=base64_text(b"\0\1\0\1")),
            "TpmInfo.EncKeyPub: expected a TPM2B_PUBLIC of the size it says",
            id="sealing key of another size",
        ),
        pytest.param(
            lambda i: i["TpmInfo"].update(EncKeyPub=i["TpmInfo"]["AikPub"]),
            "the TPM certified key",
            id="another sealing key than certified",
        ),
        pytest.param(
            lambda i: i.pop("TpmInfo"),
            "AttestationInfo: expected a field 'TpmInfo'",
            id="no TPM",
        ),
        pytest.param(
            lambda i: i.update(ClientPayload={"nonce": 7}),
            "AttestationInfo.ClientPayload: expected base64, got a number",
            id="payload that is no text",
        ),
        pytest.param(
            lambda i: i["IsolationInfo"]["Evidence"].update(RunTimeData=base64url_text(b"[]")),
            "hcl.claims: expected an object with named fields, got a list",
            id="claims that are a list",
        ),
    ],
)
def test_a_request_with_one_thing_wrong_is_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    information = machine().information()
    spoil(information)

    status, _, text = refusal(attest_guest(information))

    assert (status, text[: len(message)]) == (400, message)


def test_a_service_that_believes_amd_only_refuses_synthetic_hardware() -> None:
    status, _, text = refusal(machine().ask(GENUINE))

    assert (status, text) == (400, "the chain has 0 trusted roots, expected exactly 1")
