"""The certificate by which a vault signs what it releases: its own, by the stack's authority."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Self

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cleanroom.fields import base64_text
from cleanroom.jose import base64url_text
from devstack import jws
from devstack.home import HOST
from devstack.vault.wire import Json

BITS = 2048
_LIFE = timedelta(days=90)
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, and the certificates (DER) that vouch for it, its own first."""

    chain: tuple[bytes, ...] = field(repr=False)
    _key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def make(cls, key: rsa.RSAPrivateKey, vault: str, ca: trustme.CA, now: datetime) -> Self:
        """Have the authority certify the key as that of a vault on the loopback."""
        root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
        signing = load_pem_private_key(ca.private_key_pem.bytes(), None)
        assert isinstance(signing, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)  # noqa: S101  # our own
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vault {vault}")]))
            .issuer_name(root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LIFE)
        )
        for extension in _extensions(key, root):
            builder = builder.add_extension(extension, critical=False)
        chain = (builder.sign(signing, SHA256()), root)
        return cls(tuple(each.public_bytes(Encoding.DER) for each in chain), key)

    def sign(self, payload: Json) -> str:
        """Make a compact JWS whose header is that of Azure's answers."""
        return jws.signed(_header(self.chain), payload, self._key)


def _header(chain: tuple[bytes, ...]) -> Json:
    thumbprint = hashlib.sha1(chain[0], usedforsecurity=False).digest()  # RFC 7515 §4.1.7
    return {
        "alg": "RS256",
        "kid": thumbprint.hex().upper(),
        "x5t": base64url_text(thumbprint),
        "typ": "JWT",
        "x5t#S256": base64url_text(hashlib.sha256(chain[0]).digest()),
        "x5c": [base64_text(each) for each in chain],
    }


def _extensions(key: rsa.RSAPrivateKey, root: x509.Certificate) -> list[x509.ExtensionType]:
    # Readers look for the vault's host among the DNS names, as it stands in the vault's address.
    names = [x509.DNSName(HOST), x509.IPAddress(IPv4Address(HOST))]
    issuer = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return [
        x509.SubjectAlternativeName(names),
        x509.BasicConstraints(ca=False, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer),
    ]
