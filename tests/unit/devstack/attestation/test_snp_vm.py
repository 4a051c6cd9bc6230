"""A guest gets a token for a genuine report, and for nothing else."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.attestation.container import ContainerEvidence
from cleanroom.errors import PolicyRefused
from cleanroom.ids import Digest
from cleanroom.release import evaluation
from cleanroom.release.generation import release_policy
from cleanroom.requirements import HostData, MinimumSvn, RunnerRequirement
from devstack.attestation.trust import GENUINE, PERMIT_ALL
from devstack.hardware.snp import DEBUG, POLICY
from devstack.hardware.uvm import ContainerGroup
from tests import evidence_files
from tests.attesting import (
    SNP_VM,
    URL,
    attest_container,
    container_request,
    genuine,
    in_base64url,
    refusal,
    service,
    token_in,
    trust,
)
from tests.builders import DIGEST, NOW
from tests.hardware import group, guest, paravisor
from tests.tokens import wrapping_jwk

RUNTIME = json.dumps({"cleanroom-contract": DIGEST, "keys": [wrapping_jwk()]}).encode()
HOST_DATA = bytes.fromhex("cd" * 32)


def evidence(made: ContainerGroup | None = None) -> ContainerEvidence:
    return (made or group()).evidence(RUNTIME)


def ask(**changes: object) -> Any:
    body = json.dumps(container_request(evidence(), **changes)).encode()
    return service().post(SNP_VM, body, NOW)


def test_a_token_has_the_claims_of_azures_and_no_others() -> None:
    found = genuine(token_in(attest_container(evidence())))

    report = evidence().report
    assert dict(found.claims) == {
        "exp": int(NOW.timestamp()) + 8 * 3600,
        "iat": int(NOW.timestamp()),
        "iss": URL,
        "jti": found.claims["jti"],
        "nbf": int(NOW.timestamp()),
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-compliance-status": "azure-compliant-uvm",
        "x-ms-policy-hash": "uUcijG3ZkWUG7t2avMIRlykdIdzZKcraFjweqdT6F2k",
        "x-ms-runtime": {"cleanroom-contract": DIGEST, "keys": [wrapping_jwk()]},
        "x-ms-sevsnpvm-authorkeydigest": "00" * 48,
        "x-ms-sevsnpvm-bootloader-svn": 4,
        "x-ms-sevsnpvm-familyId": "01" + "00" * 15,
        "x-ms-sevsnpvm-guestsvn": 2,
        "x-ms-sevsnpvm-hostdata": report[0xC0:0xE0].hex(),
        "x-ms-sevsnpvm-idkeydigest": "1d" * 48,
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
        "x-ms-ver": "1.0",
    }


def test_a_tokens_header_is_azures() -> None:
    token = token_in(attest_container(evidence()))

    header = json.loads(evidence_files.unwrapped(token.split(".")[0]))
    kid = json.loads(service().get("/certs").body)["keys"][0]["kid"]
    assert header == {"alg": "RS256", "jku": f"{URL}/certs", "kid": kid, "typ": "JWT"}


def test_every_token_has_a_name_of_its_own() -> None:
    first, second = (genuine(token_in(attest_container(evidence()))).claims for _ in range(2))

    assert len(str(first["jti"])) == len(str(second["jti"])) == 64
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({}, None, id="as it stands"),
        pytest.param({"nonce": "a nonce"}, None, id="nonce as text"),
        pytest.param({"nonce": 13202930541250959283}, None, id="nonce as a number of 64 bits"),
        pytest.param({"initTimeData": {"data": "", "dataType": ""}}, None, id="empty start"),
        pytest.param(
            {"initTimeData": {"data": in_base64url(group().policy), "dataType": "Binary"}},
            None,
            id="the policy as data of the start",
        ),
        pytest.param(
            {"initTimeData": {"data": in_base64url(b"other policy"), "dataType": "Binary"}},
            "AttestationFailed: the host data is",
            id="another policy as data of the start",
        ),
        pytest.param(
            {"runtimeData": {"data": in_base64url(b"{}"), "dataType": "JSON"}},
            "AttestationFailed: the report data is",
            id="other runtime data",
        ),
        pytest.param(
            {"runtimeData": {"data": "", "dataType": "JSON"}},
            "InvalidParameter: request.runtimeData.data: expected at least one byte",
            id="empty runtime data",
        ),
        pytest.param(
            {"runtimeData": None}, "AttestationFailed: the report data is", id="no runtime data"
        ),
        pytest.param(
            {"runtimeData": {"data": in_base64url(RUNTIME), "dataType": "Text"}},
            "InvalidParameter: request.runtimeData.dataType: expected 'JSON' or 'Binary'",
            id="another type of data",
        ),
        pytest.param(
            {"runtimeData": {"data": 7, "dataType": "JSON"}},
            "InvalidParameter: request.runtimeData.data: expected base64, got a number",
            id="data as a number",
        ),
        pytest.param(
            {"nonce": True},
            "InvalidParameter: request.nonce: expected text or a whole number",
            id="nonce as a truth",
        ),
        pytest.param(
            {"report": None},
            "InvalidParameter: request.report: expected base64, got nothing",
            id="no report",
        ),
        pytest.param(
            {"report": "A"}, "InvalidParameter: request.report: expected base64", id="cut report"
        ),
        pytest.param(
            {"report": in_base64url({})},
            "InvalidParameter: report: expected a field 'SnpReport'",
            id="empty report",
        ),
        pytest.param(
            {"report": in_base64url(b"[]")},
            "InvalidParameter: request.report: expected an object with named fields, got a list",
            id="report as a list",
        ),
    ],
)
def test_a_request_is_answered_or_refused_by_name(
    changes: dict[str, object], message: str | None
) -> None:
    answer = ask(**changes)

    if message is None:
        assert genuine(token_in(answer)).snp().compliance == "azure-compliant-uvm"
    else:
        status, code, text = refusal(answer)
        assert (status, f"{code}: {text}"[: len(message)]) == (400, message)


@pytest.mark.parametrize(
    ("nonce", "claimed"),
    [
        pytest.param("a nonce", "a nonce", id="text"),
        pytest.param(13202930541250959283, "13202930541250959283", id="number"),
    ],
)
def test_a_nonce_comes_back_as_text(nonce: object, claimed: str) -> None:
    assert genuine(token_in(ask(nonce=nonce))).claims["nonce"] == claimed


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "request: expected JSON in UTF-8", id="nothing"),
        pytest.param(b"\xff", "request: expected JSON in UTF-8", id="no text"),
        pytest.param(b"[" * 100_000, "request: expected JSON in UTF-8", id="deep"),
        pytest.param(b"[]", "request: expected an object", id="a list"),
        pytest.param(b'{"a":1,"a":2}', "request: expected each name once, got 'a'", id="twice"),
        pytest.param(b'{"a":1.5}', "request: expected whole numbers only", id="fraction"),
        pytest.param(b'{"a":NaN}', "request: expected whole numbers only", id="no number"),
        pytest.param(b" " * (1 << 20) + b"{}", "request: expected at most 1048576", id="large"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, message: str) -> None:
    status, code, text = refusal(service().post(SNP_VM, body, NOW))

    assert (status, code, text[: len(message)]) == (400, "InvalidParameter", message)


def test_padding_is_for_the_client_to_choose() -> None:
    padded = base64.urlsafe_b64encode(RUNTIME).decode()
    assert padded.endswith("=")

    answer = ask(runtimeData={"data": padded, "dataType": "JSON"})

    assert genuine(token_in(answer)).runtime["cleanroom-contract"] == DIGEST


def test_binary_runtime_data_is_proven_and_not_claimed() -> None:
    answer = ask(runtimeData={"data": in_base64url(RUNTIME), "dataType": "Binary"})

    found = genuine(token_in(answer))
    assert "x-ms-runtime" not in found.claims
    assert found.snp().report_data == evidence().report[0x50:0x90]


def test_without_an_endorsement_nothing_is_said_to_be_compliant() -> None:
    made = replace(evidence(ContainerGroup.make(guest(id_key_digest=b"\1" * 48))), endorsement=None)

    assert genuine(token_in(attest_container(made))).snp().compliance is None


def test_a_virtual_machine_may_ask_as_a_guest_does() -> None:
    vm = paravisor()
    report = vm.hcl()[32:1216]
    made = ContainerEvidence(report, vm.chip.amd.pem(), vm.claims, None, None)

    found = genuine(token_in(attest_container(made)))

    assert found.snp().compliance == "azure-compliant-cvm"
    assert found.runtime["user-data"] == "00" * 64


# --- lies


def other_measurement() -> ContainerEvidence:
    endorsement = evidence().endorsement
    made = ContainerGroup.make(guest(measurement=b"\1" * 48))
    return replace(evidence(made), endorsement=endorsement)


def flipped() -> ContainerEvidence:
    report = bytearray(evidence().report)
    report[0x90] ^= 1
    return replace(evidence(), report=bytes(report))


@pytest.mark.parametrize(
    ("lie", "code", "message"),
    [
        pytest.param(
            lambda: evidence(ContainerGroup.make(guest(policy=POLICY | DEBUG))),
            "PolicyEvaluationError",
            "the attestation policy: expected a guest without debugging",
            id="debugging",
        ),
        pytest.param(
            other_measurement,
            "AttestationFailed",
            "the uvm endorsement is for measurement 4d4d",
            id="another utility vm",
        ),
        pytest.param(flipped, "AttestationFailed", "the signature of the report", id="flipped bit"),
        pytest.param(
            lambda: evidence(ContainerGroup.make(guest(chip_id=b"\1" * 64))),
            "AttestationFailed",
            "the report is of chip 0101",
            id="another chip",
        ),
        pytest.param(
            lambda: evidence(ContainerGroup.make(guest(algorithm=2))),
            "AttestationFailed",
            "the report's signature algorithm is 2",
            id="another algorithm",
        ),
        pytest.param(
            lambda: replace(evidence(), chain=b""),
            "AttestationFailed",
            "the chain has 0 trusted roots",
            id="no chain",
        ),
        pytest.param(
            lambda: replace(evidence(), report=b"\0" * 1183),
            "InvalidParameter",
            "report: expected 1184 bytes, got 1183",
            id="cut report",
        ),
        pytest.param(
            lambda: replace(evidence(), endorsement=b"\xd2\x84"),
            "InvalidParameter",
            "uvm: expected plain CBOR",
            id="no endorsement",
        ),
    ],
)
def test_a_lie_gets_no_token(lie: Callable[[], ContainerEvidence], code: str, message: str) -> None:
    status, found, text = refusal(attest_container(lie()))

    assert (status, found, text[: len(message)]) == (400, code, message)


def test_a_service_that_believes_amd_only_refuses_synthetic_hardware() -> None:
    status, _, text = refusal(attest_container(evidence(), GENUINE))

    assert (status, text) == (400, "the chain has 0 trusted roots, expected exactly 1")


def policy_for(host_data: bytes) -> Any:
    code = HostData(host_data.hex(), utility_vm_svn=100)
    runner = RunnerRequirement(
        "simulated", code, MinimumSvn("Milan", 0, 4, 0, 24, 219), frozenset()
    )
    return release_policy(Digest(DIGEST), [runner], URL, svns=True)


def test_a_truth_that_the_service_permits_is_for_the_release_policy_to_refuse() -> None:
    made = evidence(ContainerGroup.make(guest(policy=POLICY | DEBUG)))
    answer = attest_container(made, replace(trust(), policy=PERMIT_ALL))

    with pytest.raises(PolicyRefused, match=r"is-debuggable: expected equals false, got True"):
        evaluation.check(policy_for(made.report[0xC0:0xE0]), genuine(token_in(answer)))


def test_host_data_of_another_policy_does_not_meet_the_release_policy() -> None:
    found = genuine(token_in(attest_container(evidence())))

    evaluation.check(policy_for(evidence().report[0xC0:0xE0]), found)
    with pytest.raises(PolicyRefused, match=r"^release policy: x-ms-sevsnpvm-hostdata: "):
        evaluation.check(policy_for(HOST_DATA), found)


# --- a real machine


@pytest.mark.real_evidence
def test_a_real_request_gets_a_token_with_the_values_of_its_report() -> None:
    body = evidence_files.read("encryption-key/maa-request.json")

    found = genuine(token_in(service(GENUINE).post(SNP_VM, body, NOW)))

    snp = found.snp()
    assert snp.measurement.hex() == (
        "d0c9e2be22046e60779be88868cff64c2aa22047c15d3127ba495cee3fbc2854"
        "c5633f9da2096e6c64ae2b69bbff8082"
    )
    assert snp.host_data.hex() == (
        "73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20"
    )
    assert snp.report_data.hex() == (
        "8b2e75cafc4eebdc85f810fea38551e2ac354c0517d9b23fe8f5fa33ad526086" + "00" * 32
    )
    assert (snp.svns.bootloader, snp.svns.tee, snp.svns.snp, snp.svns.microcode) == (4, 0, 24, 219)
    assert (snp.svns.guest, snp.debuggable, snp.migration_allowed, snp.vmpl) == (2, False, False, 0)
    assert snp.compliance == "azure-compliant-uvm"
    assert found.wrapping_key().id == "96478d5f"
    assert found.claims["nonce"] == "13202930541250959283"


@pytest.mark.real_evidence
def test_a_real_request_with_other_runtime_data_gets_none() -> None:
    request = evidence_files.parsed("encryption-key/maa-request.json")
    request["runtimeData"]["data"] = in_base64url(RUNTIME)

    status, _, text = refusal(service(GENUINE).post(SNP_VM, json.dumps(request).encode(), NOW))

    assert (status, text[:18]) == (400, "the report data is")
