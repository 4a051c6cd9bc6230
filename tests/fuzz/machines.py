"""Synthetic machines that are the same in every process, so that a finding can be seen again.

Keys come from public labels, as the vectors' do. `_OFFSETS` says how far behind its label's number
each prime stands: searching for those of RSA-4096 takes seconds, each time anew.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cleanroom.attestation.amd import Kind, TrustedRoots
from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.cvm import CvmEvidence
from cleanroom.attestation.report import Product
from cleanroom.attestation.tpm import PCRS
from cleanroom.canonical import canonical
from cleanroom.ids import Digest
from cleanroom.release import binding
from cleanroom.requirements import HostData, MinimumSvn, Pcrs
from devstack.hardware.amd import (
    ARC,
    CHIP_ID,
    TCB,
    TURIN_TCB,
    Spec,
    SyntheticAmd,
    leaf_extensions,
)
from devstack.hardware.paravisor import Paravisor, Tpm, pcr_values, rsa_public, runtime_claims
from devstack.hardware.snp import Chip
from devstack.hardware.uvm import ContainerGroup, Endorser
from tests.vectors.keys import stream

_E = 65537
CONTRACT = Digest(f"sha256:{'0f' * 32}")
RUNTIME_DATA = canonical({binding.CONTRACT: CONTRACT.text, binding.RECEIPT_KEY: CONTRACT.text}, "")
_POLICY = b"package policy\n"  # of a container group
NONCE = binding.qualifying_data(CONTRACT, CONTRACT)
HOST_DATA = HostData(hashlib.sha256(_POLICY).hexdigest(), utility_vm_svn=100)
PCRS_OF_CODE = Pcrs(tuple((n, value.hex()) for n, value in pcr_values().items()))
MINIMUM = MinimumSvn("Milan", 0, TCB.bootloader, TCB.tee, TCB.snp, TCB.microcode)
MACHINES: Mapping[str, tuple[Product, Kind]] = {
    "milan": (Product.MILAN, "VCEK"),
    "genoa": (Product.GENOA, "VCEK"),
    "turin": (Product.TURIN, "VCEK"),
    "vlek": (Product.MILAN, "VLEK"),
}
_CURVE = ec.SECP384R1()
_SCALAR_BYTES = 47  # below the order of the curve, whatever they are
_OFFSETS = {  # name: bits, and how far p and q are
    "ark": (4096, 2378, 2420),
    "ask": (4096, 2068, 3084),
    "asvk": (4096, 1524, 270),
    "ak": (2048, 342, 196),
    "uvm root": (2048, 246, 86),
    "uvm signer": (2048, 564, 938),
    "vault root": (2048, 388, 182),
    "vault between": (2048, 264, 1184),
    "vault": (2048, 362, 614),
    "wrapping": (2048, 2958, 160),
}


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Derive an RSA key."""
    bits, *offsets = _OFFSETS[name]
    p, q = (
        _number(f"cleanroom fuzz {name} {w}", bits // 2) + n
        for w, n in zip("pq", offsets, strict=True)
    )
    d = pow(_E, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_E, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # which takes half a second


def _number(label: str, bits: int) -> int:
    return int.from_bytes(stream(label, bits // 8), "big") | (3 << (bits - 2)) | 1


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-384 key."""
    scalar = int.from_bytes(stream(f"cleanroom fuzz {name}", _SCALAR_BYTES), "big")
    return ec.derive_private_key(scalar, _CURVE)


@cache
def amd(machine: str) -> SyntheticAmd:
    """Give the certificates of a machine's chip."""
    product, kind = MACHINES[machine]
    turin, vlek = product is Product.TURIN, kind == "VLEK"
    ark, ask = f"ARK-{product}", f"SEV-{'VLEK-' if vlek else ''}{product}"
    ark_key, ask_key = rsa_key("ark"), rsa_key("asvk" if vlek else "ask")
    chip = {f"{ARC}.5": b"\x16\x03dev"} if vlek else {f"{ARC}.4": CHIP_ID[: 8 if turin else 64]}
    return SyntheticAmd(
        product,
        kind,
        # A salt would make the root another one in each process; nobody checks its own signature.
        Spec(ark, ark, ark_key, ark_key, authority=True, serial=0x10000, salt=0),
        Spec(ask, ark, ask_key, ark_key, authority=True, serial=0x10001),
        Spec(
            f"SEV-{kind}",
            ask,
            ec_key(kind),
            ask_key,
            authority=False,
            serial=0,
            extensions=leaf_extensions(product, TURIN_TCB if turin else TCB) | chip,
        ),
    )


@cache
def chip(machine: str) -> Chip:
    """Give a machine's processor."""
    return Chip.make(amd(machine))


@cache
def certificates(machine: str) -> tuple[bytes, bytes, bytes]:
    """Give them one by one: the chip's, the intermediate's, the root's."""
    made = amd(machine)
    return made.pem("leaf"), made.pem("ask"), made.pem("ark")


@cache
def chain(machine: str) -> bytes:
    """Give the certificates for a machine's reports, signed once."""
    return b"".join(certificates(machine))


@cache
def roots() -> TrustedRoots:
    """Trust the synthetic root of each product."""
    return TrustedRoots(tuple({root for name in MACHINES for root in amd(name).roots.synthetic}))


@cache
def paravisor() -> Paravisor:
    """Give a confidential VM on Milan."""
    key = rsa_key("ak")
    claims = runtime_claims(key.public_key(), binding.user_data(CONTRACT))
    text = json.dumps(claims, separators=(",", ":")).encode()
    return Paravisor(chip("milan"), Tpm(key, pcr_values()), text)


@cache
def machine_evidence() -> CvmEvidence:
    """Let that VM answer."""
    made, selected = paravisor(), tuple(range(PCRS))
    quote = made.tpm.quote(NONCE, selected)
    signature = made.tpm.sign(quote)
    pcrs = dict(made.tpm.pcrs)
    return CvmEvidence(made.hcl(), chain("milan"), None, quote, signature, NONCE, pcrs)


@cache
def group() -> ContainerGroup:
    """Give a container group on Milan."""
    template = replace(chip("milan").template, host_data=hashlib.sha256(_POLICY).digest())
    return ContainerGroup(chip("milan").launched(template), _POLICY, endorser())


@cache
def endorser() -> Endorser:
    """Give the issuer that endorses utility VMs."""
    return Endorser(rsa_key("uvm root"), rsa_key("uvm signer"))


@cache
def group_evidence() -> ContainerEvidence:
    """Let that group answer."""
    made = group()
    report = made.chip.report(hashlib.sha256(RUNTIME_DATA).digest())
    endorsement = endorser().endorse(made.chip.template.measurement)
    return ContainerEvidence(report, chain("milan"), RUNTIME_DATA, made.policy, endorsement)


@cache
def endorsement_parts() -> tuple[bytes, bytes]:
    """Take an endorsement apart: its header, and its payload."""
    protected, _, payload, _ = cbor2.loads(group_evidence().endorsement or b"").value
    return protected, payload


@cache
def public_area() -> bytes:
    """Give a key of that VM's TPM, as the TPM spells it."""
    return rsa_public(rsa_key("wrapping").public_key())
