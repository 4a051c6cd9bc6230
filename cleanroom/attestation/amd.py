"""From AMD's root to the key that signs a chip's reports (docs/spec/attestation.md §3).

    ARK (trusted by fingerprint) -> ASK -> VCEK        ARK -> ASVK -> VLEK

A VCEK is the key of one chip at one TCB; a VLEK that of one cloud's chips at one TCB.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from cleanroom.attestation.certificates import Certificate, pem_certificates
from cleanroom.attestation.report import CHIP_ID_BYTES, Product, Tcb
from cleanroom.errors import Malformed, Unattested

_MOST_CERTIFICATES = 6  # leaf, ASK, ARK, ASVK, and two to spare
_CA_BITS = 4096
_PSS = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=48)
_HASH = hashes.SHA384()

_ARC = "1.3.6.1.4.1.3704.1"
_HWID = f"{_ARC}.4"
_SPLS = tuple(f"{_ARC}.3.{n}" for n in (1, 2, 3, 8))  # bootloader, tee, snp, microcode
_FMC_SPL = f"{_ARC}.3.9"
_RESERVED_SPLS = tuple(f"{_ARC}.3.{n}" for n in (4, 5, 6, 7))
_SIGN_BIT = 0x80  # of a DER INTEGER's first byte

type Kind = Literal["VCEK", "VLEK"]
_LEAVES: dict[str, tuple[Kind, str]] = {  # leaf's name: what it is, and the name of its issuer
    "SEV-VCEK": ("VCEK", "SEV-"),
    "SEV-VLEK": ("VLEK", "SEV-VLEK-"),
}


@dataclass(frozen=True, slots=True)
class Root:
    """What a trusted root stands for."""

    product: Product
    synthetic: bool  # what it endorses was made by software


# SHA-256 of the DER of each ARK, as served by AMD at kdsintf.amd.com/vcek/v1/{product}/cert_chain.
_AMD = {
    "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd": Root(
        Product.MILAN, synthetic=False
    ),
    "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1": Root(
        Product.GENOA, synthetic=False
    ),
    "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a": Root(
        Product.TURIN, synthetic=False
    ),
}


@dataclass(frozen=True, slots=True)
class TrustedRoots:
    """AMD's roots, always, and synthetic ones if somebody adds them by name."""

    synthetic: tuple[tuple[str, Product], ...]  # SHA-256 of the certificate, lower-case hex

    def find(self, fingerprint: str) -> Root | None:
        """Tell what a certificate stands for; None: nobody trusts it."""
        named = {name: Root(product, synthetic=True) for name, product in self.synthetic}
        return (named | _AMD).get(fingerprint)  # AMD's last, so that nobody makes them synthetic


AMD_ROOTS = TrustedRoots(())


def synthetic_root(certificate: Certificate, where: str) -> tuple[str, Product]:
    """Read a root that somebody wants to trust though its key is in software."""
    product = certificate.common_name.removeprefix("ARK-")
    if product not in list(Product):
        raise Malformed(where, "the certificate of a root such as ARK-Milan")
    return hashlib.sha256(certificate.der).hexdigest(), Product(product)


@dataclass(frozen=True, slots=True)
class Endorser:
    """A key that signs reports, with what AMD says of it."""

    kind: Kind
    product: Product
    synthetic: bool
    key: ec.EllipticCurvePublicKey
    tcb: Tcb
    chip_id: bytes | None  # a VLEK has none


def verify_chain(pem: bytes, roots: TrustedRoots, now: datetime) -> Endorser:
    """Find the chain among the certificates, in any order, and check it.

    1. Exactly one certificate is a trusted root; its fingerprint tells the product.
    2. Exactly one is a leaf, and exactly one the intermediate that such a leaf needs; names agree.
    3. All three are within their time.
    4. Root and intermediate are authorities with RSA-4096; the leaf is none, and has a P-384 key.
    5. The root signed the intermediate, and that the leaf, by RSASSA-PSS with SHA-384.
    6. The leaf's extensions say TCB and chip.
    """
    found = pem_certificates(pem, _MOST_CERTIFICATES, "chain")
    ark, root = _root(found, roots)  # 1
    leaf = _only([c for c in found if c.common_name in _LEAVES], "SEV-VCEK or SEV-VLEK")  # 2
    kind, prefix = _LEAVES[leaf.common_name]
    ask = _only([c for c in found if c.common_name == prefix + root.product], prefix + root.product)
    _check_issuer(ask, ark)
    _check_issuer(leaf, ask)
    for certificate in (ark, ask, leaf):
        certificate.check_valid_at(now)  # 3
    ark_key, ask_key, key = _authority_key(ark), _authority_key(ask), _leaf_key(leaf)  # 4
    _check_signed(ask, ark_key)  # 5; no need to check the root's own: every byte of it is pinned
    _check_signed(leaf, ask_key)
    chip_id = _chip_id(leaf, root.product) if kind == "VCEK" else None  # 6
    return Endorser(kind, root.product, root.synthetic, key, _tcb(leaf, root.product), chip_id)


def _root(found: Sequence[Certificate], roots: TrustedRoots) -> tuple[Certificate, Root]:
    trusted = [
        (certificate, root)
        for certificate in found
        if (root := roots.find(hashlib.sha256(certificate.der).hexdigest()))
    ]
    if len(trusted) != 1:
        raise Unattested(f"the chain has {len(trusted)} trusted roots, expected exactly 1")
    certificate, root = trusted[0]
    if certificate.common_name != f"ARK-{root.product}":
        raise Unattested(
            f"the root is named {certificate.common_name!r}, expected 'ARK-{root.product}'"
        )
    return certificate, root


def _only(found: Sequence[Certificate], name: str) -> Certificate:
    if len(found) != 1:
        raise Unattested(f"the chain has {len(found)} certificates {name}, expected exactly 1")
    return found[0]


def _check_issuer(certificate: Certificate, issuer: Certificate) -> None:
    if certificate.issuer != issuer.subject:
        raise Unattested(
            f"{certificate.common_name} was issued by {certificate.issuer.rfc4514_string()!r},"
            f" expected {issuer.subject.rfc4514_string()!r}"
        )


def _authority_key(certificate: Certificate) -> rsa.RSAPublicKey:
    key = certificate.key
    if not certificate.is_authority:
        raise Unattested(f"{certificate.common_name} is no authority, expected one")
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _CA_BITS:
        raise Unattested(f"the key of {certificate.common_name} is not RSA-{_CA_BITS}")
    return key


def _leaf_key(certificate: Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.key
    if certificate.is_authority:
        raise Unattested(f"{certificate.common_name} is an authority, expected none")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise Unattested(f"the key of {certificate.common_name} is not on P-384")
    return key


def _check_signed(certificate: Certificate, key: rsa.RSAPublicKey) -> None:
    try:
        key.verify(certificate.signature, certificate.signed, _PSS, _HASH)
    except InvalidSignature as error:
        raise Unattested(f"the signature of {certificate.common_name} does not hold") from error


def _tcb(leaf: Certificate, product: Product) -> Tcb:
    for oid in _RESERVED_SPLS:  # of which Turin has one less
        if leaf.octets(oid) is not None and _spl(leaf, oid):
            raise Unattested(f"extension {oid} of {leaf.common_name} is not 0")
    bootloader, tee, snp, microcode = (_spl(leaf, oid) for oid in _SPLS)
    fmc = _spl(leaf, _FMC_SPL) if product is Product.TURIN else 0
    return Tcb(bootloader, tee, snp, microcode, fmc)


def _spl(leaf: Certificate, oid: str) -> int:
    """Read a version: a DER INTEGER of one byte, which takes two from 128 on."""
    value = leaf.octets(oid)
    if value is None:
        raise Unattested(f"{leaf.common_name} has no extension {oid}")
    number = value[-1] if value else 0
    if value != (bytes((2, 2, 0, number)) if number & _SIGN_BIT else bytes((2, 1, number))):
        raise Unattested(
            f"extension {oid} of {leaf.common_name} is {value.hex()},"
            " expected the DER of a number up to 255"
        )
    return number


def _chip_id(leaf: Certificate, product: Product) -> bytes:
    """Read the chip's name: raw, or in older certificates a DER OCTET STRING."""
    size = 8 if product is Product.TURIN else CHIP_ID_BYTES
    value = leaf.octets(_HWID) or b""
    if len(value) == size + 2 and value[:2] == bytes((0x04, size)):
        value = value[2:]
    if len(value) != size:
        raise Unattested(f"extension {_HWID} of {leaf.common_name} does not hold {size} bytes")
    return value.ljust(CHIP_ID_BYTES, b"\0")
