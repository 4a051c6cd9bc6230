"""`attest/SevSnpVm`: a guest that asked the processor itself."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from cleanroom.attestation import container
from cleanroom.attestation.container import ContainerEvidence
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import Fields, list_of, one_of
from cleanroom.jose import json_object
from devstack.attestation import claims
from devstack.attestation.trust import Trust
from devstack.attestation.wire import LARGEST_BODY, base64_any, json_body, json_in_base64, nonce


def attest(body: bytes, trust: Trust, now: datetime) -> dict[str, object]:
    """Verify a request, and say what tokens claim of it.

    1. The report is genuine, the runtime data is what it was made over, and the endorsement, if
       there is one, is by a trusted issuer for this measurement.
    2. The data of the start, if the client says it, is what the host named at launch.
    3. The policy permits such a guest.
    """
    request = json_body(body, "request")
    runtime, is_json = _data(request.get("runtimeData"), "request.runtimeData")
    evidence = _evidence(json_in_base64(request.get("report"), "request.report"), runtime)
    genuine = container.verify(evidence, trust.roots, trust.issuers, now)  # 1
    report = genuine.snp.report
    start, _ = _data(request.get("initTimeData"), "request.initTimeData")
    if start and not hmac.compare_digest(hashlib.sha256(start).digest(), report.host_data):  # 2
        raise Unattested(f"the host data is {report.host_data.hex()}, expected that of the start")
    trust.policy.check(genuine.snp)  # 3
    compliance = None
    if genuine.endorsement is not None:
        compliance = claims.UTILITY_VM
    elif report.id_key_digest in trust.paravisors:  # a virtual machine that asks as a guest does
        compliance = claims.CONFIDENTIAL_VM
    said = None
    if is_json:
        said = json_object(parse_json(runtime, "runtimeData", LARGEST_BODY), "runtimeData")
    found = claims.hardware(genuine.snp, compliance, said)
    if "nonce" in request:
        found["nonce"] = nonce(request["nonce"], "request.nonce")
    return found


def _evidence(report: Mapping[str, object], runtime: bytes) -> ContainerEvidence:
    f = Fields(report, "report")
    endorsement = None
    if "Endorsements" in report:
        uvm = Fields(f.take("Endorsements", json_in_base64), "Endorsements")
        (endorsement,) = uvm.take("Uvm", list_of(base64_any, 1, 1))
    return ContainerEvidence(
        f.take("SnpReport", base64_any),
        f.take("VcekCertChain", base64_any),
        runtime,
        None,
        endorsement,
    )


def _data(raw: object, where: str) -> tuple[bytes, bool]:
    """Read data and whether it is JSON; a client that has none may say so with empty text."""
    if raw is None or raw == {"data": "", "dataType": ""}:
        return b"", False
    f = Fields(raw, where)
    data = f.take("data", base64_any)
    is_json = f.take("dataType", one_of("JSON", "Binary")) == "JSON"
    if not data:
        raise Malformed(f"{where}.data", "at least one byte")
    return data, is_json
