"""Who vouches for the utility VM that a confidential container runs in (COSE_Sign1, RFC 9052).

The host sets a guest's host data freely, so the policy named there says nothing until somebody
trusted says that the guest around it enforces such policies. Dates of the certificates are not
checked: an endorsement has no end; `minimum_svn` is what retires old utility VMs.
"""

import hashlib
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cleanroom.attestation.certificates import Certificate
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import Fields, matching
from cleanroom.jose import base64url_text

LARGEST_ENDORSEMENT = 32 * 1024
_SIGN1 = b"\xd2"  # CBOR tag 18
_ALGORITHM, _CRITICAL, _X5CHAIN = 1, 2, 33  # header labels (RFC 9052 §3.1, RFC 9360)
_PS384 = -38
_LEAST_BITS = 2048
_PSS = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=48)
_DEEPEST = 4
_PARTS = 4  # protected, unprotected, payload, signature
_CHAIN = range(2, 7)  # certificates
_DATES = (0, 1)  # CBOR tags

_svn = matching(r"0|[1-9][0-9]{0,8}", "a number in decimal digits")
_measurement = matching(r"[0-9a-f]{96}", "96 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class UvmIssuer:
    """Whose word about utility VMs is taken, and since which version."""

    root: str  # SHA-256 of a certificate above the signer's, base64url without padding
    eku: str  # extended key usage that the signer's certificate has
    feed: str
    minimum_svn: int

    @property
    def did(self) -> str:
        """Spell it as the endorsement names it."""
        return f"did:x509:0:sha256:{self.root}::eku:{self.eku}"


def microsoft(minimum_svn: int) -> UvmIssuer:
    """Name the issuer for Azure Container Instances, as its published endorsements do."""
    root, eku = "I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s", "1.3.6.1.4.1.311.76.59.1.2"
    return UvmIssuer(root, eku, "ContainerPlat-AMD-UVM", minimum_svn)


SYNTHETIC_EKU = "1.3.6.1.4.1.99999.1.2"
SYNTHETIC_FEED = "cleanroom-synthetic-uvm"


def synthetic(root: Certificate) -> UvmIssuer:
    """Name an issuer whose key is in software, by its root certificate."""
    return UvmIssuer(_fingerprint(root), SYNTHETIC_EKU, SYNTHETIC_FEED, minimum_svn=0)


@dataclass(frozen=True, slots=True)
class Endorsement:
    """GENUINE: the issuer said that a utility VM has this version. Only `verify` makes one."""

    issuer: UvmIssuer
    svn: int


def verify(cose: bytes, issuers: Sequence[UvmIssuer], measurement: bytes) -> Endorsement:
    """Check an endorsement of the guest with this launch measurement.

    1. It is a COSE_Sign1 by PS384 with a chain of certificates, and nothing critical is unknown.
    2. Issuer and feed are among the trusted.
    3. Each certificate signed the one before it, one above the signer's is the issuer's root, and
       the signer's is for the issuer's purpose.
    4. The signer signed header and payload.
    5. The payload is about this measurement, and a version that is not too old.
    """
    protected, payload, signature = _sign1(cose)  # 1
    header = _header(protected)
    issuer = _issuer(header, issuers)  # 2
    signer = _signer(header, issuer)  # 3
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    try:
        signer.verify(signature, signed, _PSS, hashes.SHA384())  # 4
    except InvalidSignature as error:
        raise Unattested("the signature of the uvm endorsement does not hold") from error
    f = Fields(parse_json(payload, "uvm.payload", LARGEST_ENDORSEMENT), "uvm.payload")  # 5
    endorsed = f.take("x-ms-sevsnpvm-launchmeasurement", _measurement)
    svn = int(f.take("x-ms-sevsnpvm-guestsvn", _svn))
    if endorsed != measurement.hex():
        raise Unattested(
            f"the uvm endorsement is for measurement {endorsed}, expected {measurement.hex()}"
        )
    if svn < issuer.minimum_svn:
        raise Unattested(f"the utility vm is version {svn}, expected at least {issuer.minimum_svn}")
    return Endorsement(issuer, svn)


class _OnlyDates(dict[int, Callable[[object, bool], object]]):
    """Reads dates as what they wrap and no other tag: the rest would run code that nobody needs."""

    def __missing__(self, tag: int) -> Callable[[object, bool], object]:
        if tag not in _DATES:
            raise ValueError(tag)
        return lambda value, _immutable: value


def _decode(data: bytes, where: str) -> object:
    source = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        source,
        semantic_decoders=_OnlyDates(),
        max_depth=_DEEPEST,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value: object = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise Malformed(where, "plain CBOR") from error
    if source.tell() != len(data):
        raise Malformed(where, f"to end at {source.tell()}", f"{len(data)} bytes")
    return value


def _sign1(cose: bytes) -> tuple[bytes, bytes, bytes]:
    if len(cose) > LARGEST_ENDORSEMENT:
        raise Malformed("uvm", f"at most {LARGEST_ENDORSEMENT} bytes", f"{len(cose)}")
    match _decode(cose.removeprefix(_SIGN1), "uvm"):
        case [bytes(protected), dict(), bytes(payload), bytes(signature)]:
            return protected, payload, signature
        case _:
            raise Malformed("uvm", "a COSE_Sign1 of protected, unprotected, payload and signature")


def _header(protected: bytes) -> dict[object, object]:
    header = _decode(protected, "uvm.protected")
    if not isinstance(header, dict):
        raise Malformed("uvm.protected", "a map")
    if header.get(_ALGORITHM) != _PS384:
        raise Unattested(f"the uvm endorsement is not signed by PS384 ({_PS384})")
    if _CRITICAL in header:
        raise Malformed("uvm.protected", "no critical headers")
    return header


def _issuer(header: dict[object, object], issuers: Sequence[UvmIssuer]) -> UvmIssuer:
    for issuer in issuers:
        if (header.get("iss"), header.get("feed")) == (issuer.did, issuer.feed):
            return issuer
    expected = " or ".join(issuer.did for issuer in issuers) or "nobody"
    raise Unattested(f"the uvm endorsement's issuer and feed are not those of {expected}")


def _signer(header: dict[object, object], issuer: UvmIssuer) -> rsa.RSAPublicKey:
    ders = header.get(_X5CHAIN)
    if not isinstance(ders, list) or len(ders) not in _CHAIN:
        raise Malformed("uvm.x5chain", f"{_CHAIN.start} to {_CHAIN.stop - 1} certificates")
    chain = [Certificate.parse(_bytes(der), f"uvm.x5chain[{i}]") for i, der in enumerate(ders)]
    for lower, upper in itertools.pairwise(chain):
        _check_issued(lower, upper)
    if issuer.root not in [_fingerprint(certificate) for certificate in chain[1:]]:
        raise Unattested(f"the uvm endorsement's chain does not lead to {issuer.root}")
    if issuer.eku not in chain[0].purposes:
        raise Unattested(f"the uvm endorsement's signer is not for the purpose {issuer.eku}")
    key = chain[0].key
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise Unattested(
            f"the uvm endorsement's signer has no RSA key of {_LEAST_BITS} bits or more"
        )
    return key


def _bytes(raw: object) -> bytes:
    if not isinstance(raw, bytes):
        raise Malformed("uvm.x5chain", "certificates in bytes")
    return raw


def _check_issued(lower: Certificate, upper: Certificate) -> None:
    try:
        lower.readable.verify_directly_issued_by(upper.readable)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unattested(
            f"the uvm endorsement's certificate {lower.common_name!r} was not issued by"
            f" {upper.common_name!r}"
        ) from error
    if not upper.is_authority:
        raise Unattested(f"the uvm endorsement's issuer {upper.common_name!r} is no authority")


def _fingerprint(certificate: Certificate) -> str:
    return base64url_text(hashlib.sha256(certificate.der).digest())
