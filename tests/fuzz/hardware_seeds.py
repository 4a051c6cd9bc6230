"""Evidence to start from: of every synthetic machine, and what goes where honest ones do not."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.evidence import EvidenceBundle
from devstack.hardware.amd import PrivateKey
from devstack.hardware.snp import DEBUG, MIGRATION
from tests.fuzz import machines, vaults
from tests.fuzz.machines import MACHINES, NONCE

type _Seeds = Iterator[tuple[str, bytes]]


def _chain() -> _Seeds:
    for machine in MACHINES:
        leaf, ask, ark = machines.certificates(machine)
        yield machine, leaf + ask + ark
        yield f"{machine}-reversed", b"\n" + ark + ask + leaf
        yield f"{machine}-root", ark
    yield "two-chains", machines.chain("milan") + machines.chain("turin")
    yield "empty", b""


def _certificate() -> _Seeds:
    for machine in MACHINES:
        made = machines.amd(machine)
        yield f"{machine}-leaf", made.leaf.der()
        yield f"{machine}-ask", made.ask.der()
        yield f"{machine}-ark", made.der("ark")
    for name, der in zip(("uvm-signer", "uvm-root"), machines.endorser().chain(), strict=True):
        yield name, der
    for name, each in zip(("vault", "vault-between", "vault-root"), vaults.chain(), strict=True):
        yield name, each.der
    for name, key in (
        ("ak", machines.rsa_key("ak").public_key()),
        ("p256", ec.derive_private_key(7, ec.SECP256R1()).public_key()),
        ("p521", ec.derive_private_key(7, ec.SECP521R1()).public_key()),
        ("ed25519", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()),
        ("x25519", x25519.X25519PrivateKey.from_private_bytes(bytes(32)).public_key()),
        ("dsa", _dsa()),
    ):
        yield f"key-{name}", _certified(key, machines.rsa_key("uvm root"))
    p256 = ec.derive_private_key(7, ec.SECP256R1())
    yield "by-p256", _certified(p256.public_key(), p256)


def _dsa() -> dsa.DSAPublicKey:
    p = (1 << 2047) + 1  # no prime: nobody looks
    return dsa.DSAPublicNumbers(4, dsa.DSAParameterNumbers(p, (1 << 255) + 1, 2)).public_key()


def _certified(key: CertificatePublicKeyTypes, signer: PrivateKey) -> bytes:
    long = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "long enough" * 5)  # to be read
    name = x509.Name([long, long, x509.NameAttribute(x509.NameOID.COMMON_NAME, "key")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    builder = builder.serial_number(1).not_valid_before(start)
    builder = builder.not_valid_after(start.replace(year=2033))
    return builder.sign(signer, SHA256()).public_bytes(Encoding.DER)


def _report() -> _Seeds:
    for machine in MACHINES:
        chip = machines.chip(machine)
        yield machine, chip.report(hashlib.sha256(machines.RUNTIME_DATA).digest())
    chip = machines.group().chip
    made = chip.template
    for name, changed in {
        "container": made,
        "version-2": replace(made, version=2, cpuid=(0, 0, 0)),
        "version-5": replace(made, version=5),
        "debug": replace(made, policy=made.policy | DEBUG | MIGRATION),
        "vmpl-3": replace(made, vmpl=3),
    }.items():
        report = chip.launched(changed).report(hashlib.sha256(machines.RUNTIME_DATA).digest())
        yield name, report


def _hcl() -> _Seeds:
    made = machines.paravisor()
    for hash_type in (1, 2, 3):
        yield f"hash-{hash_type}", replace(made, hash_type=hash_type).hcl()
    yield "claims", made.claims
    yield "version-1", replace(made, header={4: 1}).hcl()
    small = made.claims.replace(b'"n":"', b'"n":"' + b"A" * 240, 1)
    end = small.index(b'"', small.index(b'"n":"') + 5)
    yield "small-modulus", small[: end - 240] + small[end:]


def _tpm() -> _Seeds:
    device = machines.paravisor().tpm
    yield "quote", device.quote(NONCE, range(24))
    yield "quote-of-one", device.quote(NONCE, [11])
    yield "quote-of-none", device.quote(NONCE, [])
    yield "certify", device.certify(NONCE, machines.public_area())
    yield "public", machines.public_area()
    yield (
        "public-signing",
        machines.public_area().replace(b"\x00\x10\x00\x10", b"\x00\x10\x00\x14\x00\x0b", 1),
    )


def _endorsement() -> _Seeds:
    protected, payload = machines.endorsement_parts()
    yield "cose", machines.group_evidence().endorsement or b""
    yield "untagged", (machines.group_evidence().endorsement or b"")[1:]
    yield "header", protected
    yield "payload", payload
    yield "dates", cbor2.dumps({1: -38, "t": cbor2.CBORTag(0, "2026-11-21T09:30:00Z")})
    yield "big-number", cbor2.dumps({1: -38, 33: 1 << 70, "f": 1.5, "n": None, "u": "\u20ac"})
    yield "shared", b"\xd2\x84" + cbor2.dumps(cbor2.CBORTag(28, [1])) + b"\xa0\x40\x40"
    yield "long-text", b"\xd2\x84\x5b" + b"\x7f" * 8
    yield "long-list", b"\x9b" + b"\x7f" * 8
    yield "list-as-name", b"\xa1\x81\x01\x02"
    yield "map-as-name", b"\xa1\xa1\x01\x02\x03"


def _evidence() -> _Seeds:
    machine, group = machines.machine_evidence(), machines.group_evidence()
    yield "machine", EvidenceBundle(machine).to_bytes()
    certificate = _certified(machines.rsa_key("ak").public_key(), machines.rsa_key("uvm root"))
    yield (
        "machine-certified",
        EvidenceBundle(replace(machine, ak_certificate=certificate)).to_bytes(),
    )
    yield "group", EvidenceBundle(group).to_bytes()
    yield "bare-group", EvidenceBundle(replace(group, policy=None, endorsement=None)).to_bytes()
    yield "runtime-data", machines.RUNTIME_DATA


MADE: Mapping[str, Callable[[], _Seeds]] = {
    "chain": _chain,
    "certificate": _certificate,
    "endorsement": _endorsement,
    "report": _report,
    "hcl": _hcl,
    "tpm": _tpm,
    "evidence": _evidence,
}
