"""X.509 certificates from untrusted bytes, read once and whole, without a warning or a surprise.

AMD gives every VCEK the serial number 0, which RFC 5280 forbids: the package cryptography warns of
it and will refuse it one day. Warning filters belong to the whole process and change under other
threads, so instead we read a copy whose serial number is 1, and check signatures over the bytes
that were signed.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import instant_text

LARGEST_PEM = 32 * 1024
_LARGEST_DER = 8 * 1024
_LARGEST_NAME = 1024  # bytes of DER; real ones have under 200, and error messages repeat them
_PEM = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]{1,16384})-----END CERTIFICATE-----\s*"
)
# SEQUENCE of 256 to 65535 bytes, in it the same again, in it `[0] version 3` and an INTEGER.
_HEAD = re.compile(rb"\x30\x82..\x30\x82..\xa0\x03\x02\x01\x02\x02", re.DOTALL)
_SERIAL_AT = 15
_MOST_KEPT = 64
_LONGEST_SERIAL = 20  # bytes (RFC 5280 §4.1.2.2)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, Warning)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; nothing in it is trusted yet."""

    der: bytes
    signed: bytes
    signature: bytes
    readable: x509.Certificate  # whose serial number is positive
    common_name: str
    subject: x509.Name
    issuer: x509.Name
    not_before: datetime
    not_after: datetime
    key: CertificatePublicKeyTypes
    extensions: x509.Extensions

    @classmethod
    def parse(cls, der: bytes, where: str) -> "Certificate":
        """Accept the DER of a version 3 certificate of usual size."""
        return _parsed(der, where)

    @property
    def purposes(self) -> frozenset[str]:
        """The extended key usages, as dotted numbers."""
        for extension in self.extensions:
            if isinstance(extension.value, x509.ExtendedKeyUsage):
                return frozenset(usage.dotted_string for usage in extension.value)
        return frozenset()

    @property
    def is_authority(self) -> bool:
        """Whether it may sign other certificates."""
        for extension in self.extensions:
            if isinstance(extension.value, x509.BasicConstraints):
                return extension.value.ca
        return False

    def octets(self, oid: str) -> bytes | None:
        """Give the value of an extension that only its maker knows how to read."""
        for extension in self.extensions:
            if extension.oid.dotted_string == oid:
                value = extension.value
                return value.value if isinstance(value, x509.UnrecognizedExtension) else None
        return None

    def check_valid_at(self, now: datetime) -> None:
        """Refuse a certificate before or after its time."""
        if not self.not_before <= now <= self.not_after:
            raise Unattested(
                f"the certificate {self.common_name!r} is valid from"
                f" {instant_text(self.not_before)} to {instant_text(self.not_after)},"
                f" not at {instant_text(now)}"
            )


@lru_cache(maxsize=_MOST_KEPT)
def _parsed(der: bytes, where: str) -> Certificate:
    """Read the very same bytes once: of one machine or vault they come again and again."""
    if len(der) > _LARGEST_DER:
        raise Malformed(where, f"a certificate of at most {_LARGEST_DER} bytes", f"{len(der)}")
    readable = _with_positive_serial(der, where)
    try:
        found = x509.load_der_x509_certificate(readable)
        _check_unsigned(der, found)
        _check_names(found)
        names = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return Certificate(
            der=der,
            signed=der[4 : 4 + len(found.tbs_certificate_bytes)],
            signature=found.signature,
            readable=found,
            common_name=str(names[0].value) if len(names) == 1 else "",
            subject=found.subject,
            issuer=found.issuer,
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            key=found.public_key(),
            extensions=found.extensions,
        )
    except _UNREADABLE as error:
        raise Malformed(where, "an X.509 certificate") from error


def pem_certificates(pem: bytes, most: int, where: str) -> Sequence[Certificate]:
    """Accept PEM blocks one after another, with only white space between."""
    if len(pem) > LARGEST_PEM:
        raise Malformed(where, f"at most {LARGEST_PEM} bytes", f"{len(pem)}")
    found: list[Certificate] = []
    position = len(pem) - len(pem.lstrip())
    while position < len(pem):
        block = _PEM.match(pem, position)
        if block is None or len(found) == most:
            raise Malformed(where, f"1 to {most} PEM certificates and nothing else")
        found.append(Certificate.parse(_der(block[1], where), f"{where}[{len(found)}]"))
        position = block.end()
    return found


def _der(text: bytes, where: str) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(where, "base64 in PEM certificates") from error


def _check_unsigned(der: bytes, found: x509.Certificate) -> None:
    """Refuse a second spelling of the two things behind what is signed, which the package lets by.

    They are the algorithm, which is inside too, and how many bits of the signature do not count.
    """
    end = 4 + len(found.tbs_certificate_bytes)
    algorithm = der[end : end + 2 + der[end + 1]]
    if not der.startswith(algorithm, _SERIAL_AT + der[_SERIAL_AT - 1]):
        raise ValueError("another algorithm than the one that was signed")
    if der[-len(found.signature) - 1] != 0:
        raise ValueError("a signature of broken bytes")


def _check_names(found: x509.Certificate) -> None:
    if max(len(name.public_bytes()) for name in (found.subject, found.issuer)) > _LARGEST_NAME:
        raise ValueError("a name too long to be repeated")


def _with_positive_serial(der: bytes, where: str) -> bytes:
    if not _HEAD.match(der) or len(der) <= _SERIAL_AT:
        raise Malformed(where, "a DER certificate of version 3")
    end = _SERIAL_AT + der[_SERIAL_AT - 1]
    serial = der[_SERIAL_AT:end]
    if not 0 < len(serial) <= _LONGEST_SERIAL or serial[0] & 0x80:
        raise Malformed(f"{where}.serial", f"0 or more in at most {_LONGEST_SERIAL} bytes")
    return der if any(serial) else der[: end - 1] + b"\x01" + der[end:]
