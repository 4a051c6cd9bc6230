"""`attest/AzureGuest`: a virtual machine with a paravisor and a virtual TPM, protocol 2.0.

The answer is sealed to a key of that TPM, so that only this machine, in the state that it proved,
reads its token.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.attestation import cvm
from cleanroom.attestation.cvm import CvmClaims, CvmEvidence
from cleanroom.attestation.tpm import PCRS, RsaPublic, verify_certified
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import Fields, base64_text, exactly, integer, list_of, text, unique
from cleanroom.jose import base64url_text, json_object, jwk
from cleanroom.tpm import DECRYPT_ATTRIBUTES, pcr_policy
from devstack.attestation import claims
from devstack.attestation.trust import Trust
from devstack.attestation.wire import LARGEST_BODY, base64_any, json_body, json_in_base64

_LONGEST = 1 << 12  # characters of a system's name
_ADDITIONAL = b"Transport Key"
_IV_BYTES, _TAG_BYTES = 12, 16
_pcr_index = integer(0, PCRS - 1)


@dataclass(frozen=True, slots=True)
class Attested:
    """Claims, and the TPM's key that the token is sealed to."""

    claims: dict[str, object]
    key: rsa.RSAPublicKey


def attest(body: bytes, trust: Trust, now: datetime) -> Attested:
    """Verify a request, and say what tokens claim of it.

    1. The report is genuine, its report data is the digest of the paravisor's claims, the key they
       name signed a quote of exactly these registers, and has the certificate, if there is one.
    2. The attestation key beside the quote is that key too.
    3. It certified the key that the token is sealed to: a key that never leaves the TPM, and works
       while the registers stay as they are quoted.
    4. The policy permits such a guest.
    """
    request = json_body(body, "request")
    name = "attestationInfo" if "attestationInfo" in request else "AttestationInfo"
    information = json_in_base64(request.get(name), name)
    f = Fields(information, name)
    f.take("AttestationProtocolVersion", exactly("2.0"))
    tpm = json_object(f.take("TpmInfo", json_object), "TpmInfo")
    runtime, evidence = _evidence(tpm, f.take("IsolationInfo", json_object))
    machine = cvm.verify(evidence, trust.roots, now)  # 1
    own = RsaPublic.parse(_sized(tpm, "AikPub"), "AikPub").key
    if own != machine.attestation_key:  # 2
        raise Unattested("the attestation key is not the one that the paravisor names")
    key = _sealing_key(tpm, machine)  # 3
    trust.policy.check(machine.snp)  # 4
    genuine = machine.snp.report.id_key_digest in trust.paravisors
    isolation = claims.hardware(
        machine.snp,
        claims.CONFIDENTIAL_VM if genuine else None,
        json_object(parse_json(runtime, "RunTimeData", LARGEST_BODY), "RunTimeData"),
    )
    says = {
        "client-payload": f.take("ClientPayload", _payload),
        "keys": [jwk(key) | {"kid": "TpmEphemeralEncryptionKey", "key_ops": ["encrypt"]}],
    }
    return Attested(claims.machine(machine, _system(f), isolation, says), key)


def sealed(token: str, key: rsa.RSAPublicKey, random: Callable[[int], bytes]) -> str:
    """Seal a token to a TPM's key, as Azure's service does."""
    secret, iv = random(32), random(_IV_BYTES)
    opened = AESGCM(secret).encrypt(iv, token.encode("ascii"), _ADDITIONAL)
    answer = {
        "Jwt": base64_text(opened[:-_TAG_BYTES]),
        "EncryptedInnerKey": base64_text(key.encrypt(secret, padding.PKCS1v15())),
        "EncryptionParams": {
            "BlockMode": "ChainingModeGCM",
            "BlockPadding": "PKCS7",
            "Cipher": "AES",
            "KeySizeInBits": 256,
            "Iv": base64_text(iv),
        },
        "AuthenticationData": base64_text(opened[-_TAG_BYTES:]),
    }
    return base64url_text(json.dumps(answer).encode())


def _evidence(
    tpm: Mapping[str, object], isolation: Mapping[str, object]
) -> tuple[bytes, CvmEvidence]:
    f = Fields(isolation, "IsolationInfo")
    f.take("Type", exactly("SevSnp"))
    outer = Fields(f.take("Evidence", json_object), "IsolationInfo.Evidence")
    proof = Fields(outer.take("Proof", json_in_base64), "Proof")
    runtime = outer.take("RunTimeData", base64_any)
    t = Fields(tpm, "TpmInfo")
    quote = t.take("PcrQuote", base64_any)
    pcrs = t.take("PCRs", list_of(_pcr, 1, PCRS))
    unique([str(index) for index, _ in pcrs], "TpmInfo.PCRs")
    if sorted(t.take("PcrSet", list_of(_pcr_index, 1, PCRS))) != sorted(i for i, _ in pcrs):
        raise Malformed("TpmInfo.PcrSet", "the registers of TpmInfo.PCRs")
    return runtime, CvmEvidence(
        hcl=_hcl(proof.take("SnpReport", base64_any), runtime),
        chain=proof.take("VcekCertChain", base64_any),
        ak_certificate=t.take("AikCert", base64_any) or None,
        quote=quote,
        quote_signature=t.take("PcrSignature", base64_any),
        nonce=_asked_with(quote),
        pcrs=dict(pcrs),
    )


def _hcl(report: bytes, runtime: bytes) -> bytes:
    """Put the paravisor's report together again: clients send its two halves."""
    head = b"HCLA" + struct.pack("<IIII12x", 1, 1236 + len(runtime), 2, 0)
    return head + report + struct.pack("<IIIII", 20 + len(runtime), 1, 2, 1, len(runtime)) + runtime


def _asked_with(quote: bytes) -> bytes:
    """Find the nonce of a quote, the client's own business; `verify_quote` reads it whole."""
    at = 8 + int.from_bytes(quote[6:8], "big")  # behind magic, type and signer
    return quote[at + 2 : at + 2 + int.from_bytes(quote[at : at + 2], "big")]


def _sealing_key(tpm: Mapping[str, object], machine: CvmClaims) -> rsa.RSAPublicKey:
    f = Fields(tpm, "TpmInfo")
    certified = verify_certified(
        f.take("EncKeyCertifyInfo", base64_any),
        f.take("EncKeyCertifyInfoSignature", base64_any),
        machine.attestation_key,
        b"",
        _sized(tpm, "EncKeyPub"),
    )
    if certified.attributes != DECRYPT_ATTRIBUTES:
        raise Unattested(
            f"the sealing key has attributes {certified.attributes:#x},"
            f" expected {DECRYPT_ATTRIBUTES:#x}"
        )
    policy = pcr_policy(machine.quote.pcrs)
    if certified.policy != policy:
        raise Unattested(
            f"the sealing key has policy {certified.policy.hex()}, expected {policy.hex()}"
        )
    return certified.key


def _sized(tpm: Mapping[str, object], name: str) -> bytes:
    """Read a TPM2B_PUBLIC."""
    found = Fields(tpm, "TpmInfo").take(name, base64_any)
    if int.from_bytes(found[:2], "big") != len(found) - 2:
        raise Malformed(f"TpmInfo.{name}", "a TPM2B_PUBLIC of the size it says")
    return found[2:]


def _pcr(raw: object, where: str) -> tuple[int, bytes]:
    f = Fields(raw, where)
    return f.take("Index", _pcr_index), f.take("Digest", base64_any)


def _payload(raw: object, where: str) -> dict[str, str]:
    """Repeat the guest's own words, each in base64; nothing vouches for them."""
    payload = json_object(raw, where)
    return {name: base64_text(base64_any(value, where)) for name, value in payload.items()}


def _system(f: Fields) -> dict[str, object]:
    """Repeat what the guest says of its operating system."""

    def name(raw: object, where: str) -> str:
        return text(_LONGEST, shortest=0)(base64_any(raw, where).decode("utf-8", "replace"), where)

    kind = f.take("OSType", name)
    return {
        "attestation-protocol-ver": "2.0",
        "is-windows": kind == "Windows",
        "ostype": kind,
        "osdistro": f.take("OSDistro", name),
        "osbuild": f.take("OSBuild", name),
        "osversion-major": f.take("OSVersionMajor", integer(0)),
        "osversion-minor": f.take("OSVersionMinor", integer(0)),
    }
