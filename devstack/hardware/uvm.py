"""A synthetic issuer that endorses utility VMs, and a container group inside one."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.uvm import SYNTHETIC_EKU, SYNTHETIC_FEED, UvmIssuer
from devstack.hardware.amd import PrivateKey, rsa_key
from devstack.hardware.snp import Chip

EKU, FEED = SYNTHETIC_EKU, SYNTHETIC_FEED


@dataclass(frozen=True, slots=True)
class Endorser:
    """Signs endorsements; each field can be made wrong."""

    root_key: rsa.RSAPrivateKey
    key: PrivateKey
    root_is_authority: bool = True
    root_name: str = "Cleanroom synthetic UVM root"
    issuer_name: str = "Cleanroom synthetic UVM root"
    purpose: str | None = EKU
    header: Mapping[object, object] = field(default_factory=dict)  # over what stands there
    salt: int = 48
    svn: str = "100"
    tag: bytes = b"\xd2"

    @classmethod
    def make(cls) -> Self:
        """Set everything right."""
        return cls(rsa_key("uvm root", 2048), rsa_key("uvm signer", 2048))

    def chain(self) -> list[bytes]:
        """Sign the certificates: the signer's, then the root's."""
        root = _certificate(
            self.root_name,
            self.root_name,
            self.root_key.public_key(),
            self.root_key,
            [x509.BasicConstraints(ca=self.root_is_authority, path_length=None)],
        )
        uses = (
            [x509.ExtendedKeyUsage([x509.ObjectIdentifier(self.purpose)])] if self.purpose else []
        )
        name = "Cleanroom synthetic UVM"
        leaf = _certificate(name, self.issuer_name, self.key.public_key(), self.root_key, uses)
        return [leaf, root]

    def issuer(self, minimum_svn: int = 100) -> UvmIssuer:
        """Name this issuer, as somebody who trusts it does."""
        digest = hashlib.sha256(self.chain()[-1]).digest()
        return UvmIssuer(_b64(digest), EKU, FEED, minimum_svn)

    def endorse(self, measurement: bytes) -> bytes:
        """Sign that a utility VM of this measurement has this version."""
        payload = {
            "x-ms-sevsnpvm-guestsvn": self.svn,
            "x-ms-sevsnpvm-launchmeasurement": measurement.hex(),
        }
        return self.sign(json.dumps(payload).encode())

    def sign(self, payload: bytes) -> bytes:
        """Sign any payload as COSE_Sign1."""
        header: dict[object, object] = {
            1: -38,
            3: "application/json",
            33: self.chain(),
            "iss": self.issuer().did,
            "feed": FEED,
            "signingtime": cbor2.CBORTag(1, 1_700_000_000),
        }
        header = {k: v for k, v in (header | dict(self.header)).items() if v is not None}
        protected = cbor2.dumps(header)
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        pss = padding.PSS(padding.MGF1(hashes.SHA384()), self.salt)
        signer = self.key if isinstance(self.key, rsa.RSAPrivateKey) else self.root_key
        signature = signer.sign(signed, pss, hashes.SHA384())
        return self.tag + cbor2.dumps([protected, {}, payload, signature])


@dataclass(frozen=True, slots=True)
class ContainerGroup:
    """A container group on a chip, under a policy, in an endorsed utility VM."""

    chip: Chip
    policy: bytes
    endorser: Endorser

    @classmethod
    def make(
        cls, chip: Chip, policy: bytes = b"package policy\n", endorser: Endorser | None = None
    ) -> Self:
        """Launch it: the host names the policy's digest."""
        launched = chip.launched(replace(chip.template, host_data=hashlib.sha256(policy).digest()))
        return cls(launched, policy, endorser or Endorser.make())

    def evidence(self, runtime_data: bytes) -> ContainerEvidence:
        """Answer as a container group does when it is asked what it is."""
        return ContainerEvidence(
            report=self.chip.report(hashlib.sha256(runtime_data).digest()),
            chain=self.chip.amd.pem(),
            runtime_data=runtime_data,
            policy=self.policy,
            endorsement=self.endorser.endorse(self.chip.template.measurement),
        )


def _certificate(
    name: str,
    issuer: str,
    key: CertificatePublicKeyTypes,
    signer: rsa.RSAPrivateKey,
    extensions: Sequence[x509.ExtensionType],
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(1)
        .not_valid_before(datetime(2023, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2024, 1, 1, tzinfo=UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
