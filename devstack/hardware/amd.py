"""A synthetic AMD: root, intermediates, endorsement keys, with the real ones' names and quirks."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.amd import Kind, TrustedRoots
from cleanroom.attestation.report import Product, Tcb

ARC = "1.3.6.1.4.1.3704.1"
CHIP_ID = hashlib.sha512(b"cleanroom synthetic chip").digest()
TCB = Tcb(bootloader=4, tee=0, snp=24, microcode=219, fmc=0)  # 219: two bytes in DER
TURIN_TCB = Tcb(bootloader=1, tee=1, snp=4, microcode=81, fmc=1)
_SALT = 48

type Role = Literal["ark", "ask", "leaf"]
type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@functools.cache
def rsa_key(name: str, bits: int = 4096) -> rsa.RSAPrivateKey:
    """Make a key once per process: RSA keys take their time."""
    del name  # tells the keys apart
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Make a P-384 key once per process."""
    del name
    return ec.generate_private_key(ec.SECP384R1())


@dataclass(frozen=True, slots=True)
class Spec:
    """One certificate, before it is signed."""

    name: str
    issuer: str
    key: PrivateKey
    signer: rsa.RSAPrivateKey
    authority: bool
    serial: int
    not_before: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    not_after: datetime = datetime(2033, 1, 1, tzinfo=UTC)
    salt: int = _SALT
    extensions: Mapping[str, bytes] = field(default_factory=dict)

    def der(self) -> bytes:
        """Sign it."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(self.name))
            .issuer_name(_name(self.issuer))
            .public_key(self.key.public_key())
            .serial_number(self.serial or 1)
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
        )
        if self.authority:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        for oid, value in self.extensions.items():
            raw = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
            builder = builder.add_extension(raw, critical=False)
        pss = padding.PSS(padding.MGF1(hashes.SHA384()), self.salt)
        made = builder.sign(self.signer, hashes.SHA384(), rsa_padding=pss)
        return made.public_bytes(Encoding.DER) if self.serial else _with_serial_0(made, self.signer)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Cleanroom synthetic hardware"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common),
        ]
    )


def _with_serial_0(made: x509.Certificate, signer: rsa.RSAPrivateKey) -> bytes:
    """Give a VCEK the serial number that AMD gives it, which the builder refuses to write."""
    der, signed = made.public_bytes(Encoding.DER), made.tbs_certificate_bytes
    signed = signed[:11] + b"\0" + signed[12:]
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), _SALT)
    signature = signer.sign(signed, pss, hashes.SHA384())
    return der[:4] + signed + der[4 + len(signed) : -len(signature)] + signature


@dataclass(frozen=True, slots=True)
class AmdKeys:
    """What a synthetic AMD signs with, and what its chip does."""

    ark: rsa.RSAPrivateKey
    ask: rsa.RSAPrivateKey
    leaf: ec.EllipticCurvePrivateKey

    @classmethod
    def of_process(cls, kind: Kind) -> Self:
        """Take those that this process made, and forgets."""
        return cls(rsa_key("ark"), rsa_key("asvk" if kind == "VLEK" else "ask"), ec_key(kind))


@dataclass(frozen=True, slots=True)
class SyntheticAmd:
    """The certificates for one synthetic chip."""

    product: Product
    kind: Kind
    ark: Spec
    ask: Spec  # or ASVK
    leaf: Spec

    @classmethod
    def make(
        cls,
        product: Product = Product.MILAN,
        kind: Kind = "VCEK",
        chip_id: bytes = CHIP_ID,
        keys: AmdKeys | None = None,
    ) -> Self:
        """Set everything right."""
        tcb = TURIN_TCB if product is Product.TURIN else TCB
        if product is Product.TURIN:
            chip_id = chip_id[:8]
        ark_name, ask_name = f"ARK-{product}", f"SEV-{'VLEK-' if kind == 'VLEK' else ''}{product}"
        signs = keys or AmdKeys.of_process(kind)
        extensions = leaf_extensions(product, tcb)
        extensions |= {f"{ARC}.4": chip_id} if kind == "VCEK" else {f"{ARC}.5": b"\x16\x03dev"}
        return cls(
            product,
            kind,
            Spec(ark_name, ark_name, signs.ark, signs.ark, authority=True, serial=0x10000),
            Spec(ask_name, ark_name, signs.ask, signs.ark, authority=True, serial=0x10001),
            Spec(
                f"SEV-{kind}",
                ask_name,
                signs.leaf,
                signs.ask,
                authority=False,
                serial=0,
                extensions=extensions,
            ),
        )

    def spoilt(self, role: Role, **changes: object) -> Self:
        """Change one certificate; those who sign, sign again."""
        return replace(self, **{role: replace(getattr(self, role), **changes)})

    def with_extension(self, oid: str, value: bytes | None) -> Self:
        """Change one extension of the leaf, or leave it out."""
        kept = {name: old for name, old in self.leaf.extensions.items() if name != oid}
        return self.spoilt("leaf", extensions=kept | ({} if value is None else {oid: value}))

    @property
    def roots(self) -> TrustedRoots:
        """Trust this synthetic root, and AMD's."""
        return TrustedRoots(((hashlib.sha256(_ark_der(self.ark)).hexdigest(), self.product),))

    def pem(self, *roles: Role) -> bytes:
        """Write the certificates, all of them or those named, in that order."""
        return b"".join(pem(self.der(role)) for role in roles or ("leaf", "ask", "ark"))

    def der(self, role: Role) -> bytes:
        """Sign one of the certificates."""
        return _ark_der(self.ark) if role == "ark" else getattr(self, role).der()


_ARKS: list[tuple[Spec, bytes]] = []


def _ark_der(spec: Spec) -> bytes:
    """Sign a root once: PSS is random, and a root is known by its fingerprint."""
    for known, der in _ARKS:
        if known == spec:
            return der
    _ARKS.append((spec, spec.der()))
    return _ARKS[-1][1]


def keep_root(amd: SyntheticAmd, der: bytes) -> None:
    """Have a root keep the certificate that another process signed for it."""
    _ARKS.append((amd.ark, der))


def pem(der: bytes) -> bytes:
    """Spell a certificate as text."""
    return (
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    )


def leaf_extensions(product: Product, tcb: Tcb) -> dict[str, bytes]:
    """Say what AMD says of a key: its TCB, part by part, and the product."""
    parts = {1: tcb.bootloader, 2: tcb.tee, 3: tcb.snp, 8: tcb.microcode, 5: 0, 6: 0, 7: 0}
    parts |= {9: tcb.fmc} if product is Product.TURIN else {4: 0}
    name = b"Milan-B0" if product is Product.MILAN else product.value.encode()
    spls = {f"{ARC}.3.{n}": der_integer(value) for n, value in sorted(parts.items())}
    version = der_integer(1 if product is Product.TURIN else 0)
    return {f"{ARC}.1": version, f"{ARC}.2": b"\x16" + bytes((len(name),)) + name, **spls}


def der_integer(value: int) -> bytes:
    """Spell a small number in DER, where the first bit of the first byte is a sign."""
    octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes((len(octets),)) + octets
