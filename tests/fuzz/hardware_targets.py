"""Evidence of hardware: whatever stops at a signature is signed again, so that more is reached."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from cleanroom.attestation import snp, tpm
from cleanroom.attestation.acceptable import AZURE_PARAVISORS, Claims, accept, of_contract
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.hcl import HclReport
from cleanroom.attestation.report import REPORT_BYTES, SIGNED_BYTES, Report
from cleanroom.attestation.tpm import PCRS, RsaPublic
from cleanroom.release.binding import check_bound
from cleanroom.requirements import RunnerRequirement
from devstack.hardware.paravisor import ID_KEY_DIGEST, sized
from party import attesting
from tests.builders import NOW
from tests.fuzz import machines
from tests.fuzz.accepting import Accepted, Accepting, Target
from tests.fuzz.machines import NONCE

_REPORT_AT, _CLAIMS_AT, _SIZE_AT, _HASH_AT = 32, 1236, 1232, 1228
_HASHES = ("sha256", "sha384", "sha512")
_DIGEST = 32  # bytes
_QUOTE_TAIL = 37  # bytes: a bitmap of PCRs, the length of a digest, the digest
_FAMILY_AT, _MODEL_AT = 0x188, 0x189


def report(data: bytes) -> Accepted:
    """Read bytes as a report, and as one that the chip signed."""
    accepted = Accepting()
    accepted("report", lambda: Report.parse(data, "report"))
    for machine in _likely_machines(data):
        chain = machines.chain(machine)
        accepted("genuine", partial(snp.verify, data, chain, machines.roots(), NOW))
        if len(data) == REPORT_BYTES:
            signed = _signed_by_chip(data, machine)
            accepted("signed", partial(snp.verify, signed, chain, machines.roots(), NOW))
            evidence = replace(machines.group_evidence(), report=signed, chain=chain)
            _judge(accepted, "endorsed", EvidenceBundle(evidence))
            evidence = replace(evidence, policy=None, endorsement=None)
            _judge(accepted, "container", EvidenceBundle(evidence))
    return accepted.names


def _likely_machines(data: bytes) -> tuple[str, ...]:
    if data[_FAMILY_AT : _FAMILY_AT + 1] == b"\x1a":
        return ("turin",)
    return ("genoa",) if data[_MODEL_AT : _MODEL_AT + 1] >= b"\x10" else ("milan", "vlek")


def _signed_by_chip(data: bytes, machine: str) -> bytes:
    key = machines.amd(machine).leaf.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signed = bytearray(data)
    numbers = decode_dss_signature(key.sign(data[:SIGNED_BYTES], ec.ECDSA(hashes.SHA384())))
    for offset, number in zip((0x2A0, 0x2E8), numbers, strict=True):
        signed[offset : offset + 48] = number.to_bytes(48, "little")
    return bytes(signed)


def hcl(data: bytes) -> Accepted:
    """Read bytes as a paravisor's report, and again bound to a report; or as claims of it."""
    accepted = Accepting()
    if data.startswith(b"{"):
        blob = replace(machines.paravisor(), claims=data).hcl()
    else:
        found = accepted("hcl", lambda: HclReport.parse(data, "hcl"))
        assert found is None or found.report == data[_REPORT_AT : _REPORT_AT + REPORT_BYTES]
        blob = _bound(data)
    _judge(accepted, "bound", EvidenceBundle(replace(machines.machine_evidence(), hcl=blob)))
    return accepted.names


def _bound(data: bytes) -> bytes:
    """Put a report into it whose data is the digest of its claims."""
    if len(data) < _CLAIMS_AT:
        return data
    size = int.from_bytes(data[_SIZE_AT:_CLAIMS_AT], "little")
    name = _HASHES[(data[_HASH_AT] - 1) % len(_HASHES)]
    digest = hashlib.new(name, data[_CLAIMS_AT : _CLAIMS_AT + size]).digest()
    report = machines.chip("milan").report(digest)
    return data[:_REPORT_AT] + report + data[_REPORT_AT + REPORT_BYTES :]


def tpm_signed(data: bytes) -> Accepted:
    """Read bytes as what the TPM's key signed, and as a key that the TPM certified."""
    accepted = Accepting()
    device, key = machines.paravisor().tpm, machines.rsa_key("ak").public_key()
    pcrs, signature = _selected(data), device.sign(data)
    rebound = data[:-_DIGEST] + hashlib.sha256(b"".join(pcrs.values())).digest()
    again, public_area = device.sign(rebound), machines.public_area()
    accepted("quote", lambda: tpm.verify_quote(data, signature, key, NONCE, pcrs))
    accepted("rebound", lambda: tpm.verify_quote(rebound, again, key, NONCE, pcrs))
    accepted("certified", lambda: tpm.verify_certified(data, signature, key, NONCE, public_area))
    public = accepted("public", lambda: RsaPublic.parse(data, "public"))
    if public is not None:
        message = device.certify(NONCE, data)
        assert tpm.verify_certified(message, device.sign(message), key, NONCE, data) == public
        assert message.endswith(sized(public.name))
    return accepted.names


def _selected(data: bytes) -> Mapping[int, bytes]:
    """Give the PCRs that a quote selects, in ascending order."""
    bitmap = int.from_bytes(data[-_QUOTE_TAIL : 3 - _QUOTE_TAIL], "little")
    values = machines.paravisor().tpm.pcrs
    return {index: values[index] for index in range(PCRS) if bitmap >> index & 1}


def evidence(data: bytes) -> Accepted:
    """Read bytes as a bundle, or as what a guest bound to its report."""
    accepted = Accepting()
    found = accepted("bundle", lambda: EvidenceBundle.parse(data, "evidence"))
    if found is not None:
        assert found.to_bytes() == data
        _judge(accepted, f"verified {found.platform}", found)
        return accepted.names
    made = machines.group()
    signed = made.chip.report(hashlib.sha256(data).digest())
    runtime = replace(machines.group_evidence(), report=signed, runtime_data=data)
    _judge(accepted, "runtime data", EvidenceBundle(runtime))
    return accepted.names


def _judge(accepted: Accepting, name: str, bundle: EvidenceBundle) -> None:
    """Verify it; what is genuine is held against everything that can be demanded."""
    issuers = [machines.endorser().issuer()]
    claims: Claims | None = accepted(name, lambda: bundle.verify(machines.roots(), issuers, NOW))
    if claims is None:
        return
    said = "".join(line.text for line in attesting.explained(claims))
    assert said.isprintable()
    for code in (machines.HOST_DATA, machines.PCRS_OF_CODE):
        wanted = RunnerRequirement("simulated", code, machines.MINIMUM, frozenset())
        demands = of_contract(wanted, [*AZURE_PARAVISORS, ID_KEY_DIGEST])
        accepted(f"{name}, acceptable", partial(accept, claims, demands))
    accepted(f"{name}, bound", lambda: check_bound(claims, machines.CONTRACT, machines.CONTRACT))


TARGETS: Mapping[str, Target] = {
    "report": report,
    "hcl": hcl,
    "tpm": tpm_signed,
    "evidence": evidence,
}
