"""A test authority that signs whatever it is told, and the claims that honest ones make."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from cleanroom.attestation.token import Authority, TokenClaims, verify
from cleanroom.fields import base64_text
from cleanroom.ids import Digest
from cleanroom.jose import base64url_text, jwk
from cleanroom.release.binding import CONTRACT, RECEIPT_KEY, user_data
from tests.builders import DIGEST, HEX, NOW

ISSUER = "https://sharedweu.weu.attest.azure.net"
ISSUED = int(NOW.timestamp())
LIFE = 8 * 60 * 60
LEEWAY = timedelta(seconds=60)
CONTRACT_DIGEST = Digest(DIGEST)
USER_DATA = user_data(CONTRACT_DIGEST).hex().upper()

type Spoil = Callable[[dict[str, Any]], object]


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


AUTHORITY_KEY, OTHER_KEY, WRAPPING_KEY = rsa_key(), rsa_key(), rsa_key()


def encoded(value: object) -> str:
    return base64url_text(value if isinstance(value, bytes) else json.dumps(value).encode())


def signed(header: object, payload: object, key: rsa.RSAPrivateKey) -> str:
    """Make a compact JWS by RS256, whatever the header says."""
    start = f"{encoded(header)}.{encoded(payload)}"
    return f"{start}.{encoded(key.sign(start.encode(), padding.PKCS1v15(), SHA256()))}"


def header(**changes: Any) -> dict[str, Any]:
    """Give a header with the fields that real ones have."""
    return {"alg": "RS256", "jku": f"{ISSUER}/certs", "kid": "a+key=", "typ": "JWT"} | changes


def hardware(**changes: Any) -> dict[str, Any]:
    """Give what an authority reads in the report of a well-behaved guest."""
    return {
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-compliance-status": "azure-compliant-uvm",
        "x-ms-sevsnpvm-bootloader-svn": 4,
        "x-ms-sevsnpvm-tee-svn": 0,
        "x-ms-sevsnpvm-snpfw-svn": 24,
        "x-ms-sevsnpvm-microcode-svn": 219,
        "x-ms-sevsnpvm-guestsvn": 65547,
        "x-ms-sevsnpvm-hostdata": HEX,
        "x-ms-sevsnpvm-launchmeasurement": "0a" * 48,
        "x-ms-sevsnpvm-reportdata": "0b" * 64,
        "x-ms-sevsnpvm-is-debuggable": False,
        "x-ms-sevsnpvm-migration-allowed": False,
        "x-ms-sevsnpvm-vmpl": 0,
    } | changes


def common() -> dict[str, Any]:
    return {"iss": ISSUER, "iat": ISSUED, "nbf": ISSUED, "exp": ISSUED + LIFE, "x-ms-ver": "1.0"}


def wrapping_jwk(**changes: Any) -> dict[str, Any]:
    return jwk(WRAPPING_KEY.public_key()) | {"key_ops": ["encrypt"]} | changes


def container() -> dict[str, Any]:
    """Give the claims of a confidential container that works for the contract."""
    runtime = {CONTRACT: DIGEST, RECEIPT_KEY: f"sha256:{HEX}", "keys": [wrapping_jwk()]}
    return common() | hardware() | {"x-ms-runtime": runtime}


def machine() -> dict[str, Any]:
    """Give the claims of a confidential virtual machine that works for the contract."""
    runtime = {"keys": [wrapping_jwk(n="AQ", kid="HCLAkPub")], "user-data": USER_DATA}
    tee = hardware() | {
        "x-ms-compliance-status": "azure-compliant-cvm",
        "x-ms-sevsnpvm-hostdata": "00" * 32,
        "x-ms-runtime": runtime,
    }
    return common() | {
        "secureboot": True,
        "x-ms-attestation-type": "azurevm",
        "x-ms-azurevm-attested-pcrs": [0, 1, 2, 3, 4, 5, 6, 7],
        "x-ms-isolation-tee": tee,
        "x-ms-runtime": {
            "client-payload": {"nonce": "QURFMDEwMQ=="},
            "keys": [wrapping_jwk(kid="TpmEphemeralEncryptionKey")],
        },
    }


def token(claims: object, **changes: Any) -> str:
    return signed(header(**changes), claims, AUTHORITY_KEY)


def authority() -> Authority:
    return Authority(ISSUER, {"a+key=": AUTHORITY_KEY.public_key()})


def genuine(claims: object) -> TokenClaims:
    return verify(token(claims), authority(), NOW, LEEWAY)


@dataclass(frozen=True)
class Certified:
    """A certificate and its key; it can certify others."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def x5c(self) -> str:
        return base64_text(self.der)


def certified(
    name: str,
    by: Certified | None = None,
    *,
    hosts: tuple[str, ...] = (),
    key: rsa.RSAPrivateKey | None = None,
    days: int = 1,
) -> Certified:
    """Make a certificate: an authority's, or with `hosts` a server's."""
    own = key or rsa_key()
    signer = by.key if by else own
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    ca = not hosts
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(names, critical=False).add_extension(server, critical=False)
    return Certified(builder.sign(signer, SHA256()), own)
