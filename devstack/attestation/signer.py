"""The service's own key: it signs tokens, and says under which address its certificate is."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.fields import base64_text
from devstack import jws

LIFE = timedelta(hours=8)
_CERTIFIED = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """A key with its certificate."""

    key: rsa.RSAPrivateKey
    certificate: bytes  # DER

    @classmethod
    def make(cls, now: datetime) -> Self:
        """Make a key, and certify it by itself."""
        return cls.of(rsa.generate_private_key(65537, 2048), now)

    @classmethod
    def of(cls, key: rsa.RSAPrivateKey, now: datetime) -> Self:
        """Certify a key by itself; its name does not depend on the certificate."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Cleanroom attestation")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _CERTIFIED)
            .sign(key, SHA256())
        )
        return cls(key, certificate.public_bytes(Encoding.DER))

    @property
    def id(self) -> str:
        """Name the key; readers may not read anything into the name."""
        public = self.key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(der).digest()).decode("ascii")

    def token(self, claims: dict[str, object], url: str, now: datetime, token_id: str) -> str:
        """Sign claims for eight hours, in the name of the service at this address."""
        issued = int(now.timestamp())
        header = {"alg": "RS256", "jku": f"{url}/certs", "kid": self.id, "typ": "JWT"}
        payload = claims | {
            "exp": issued + int(LIFE.total_seconds()),
            "iat": issued,
            "iss": url,
            "jti": token_id,
            "nbf": issued,
            "x-ms-ver": "1.0",
        }
        return jws.signed(header, payload, self.key)

    def key_set(self) -> dict[str, object]:
        """Publish the key as Azure's service does: in a certificate, and in nothing else."""
        key = {"alg": "RS256", "kid": self.id, "kty": "RSA", "use": "sig"}
        return {"keys": [key | {"x5c": [base64_text(self.certificate)]}]}
