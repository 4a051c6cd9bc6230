"""DSSE envelopes by ECDSA P-256: sign, verify, look inside.

- One signature, by the one key that the caller names; the envelope itself is canonical JSON. So
  no byte can change unnoticed, but for the sign of a signature's s, which says the same: nothing
  is named by the digest of an envelope.
- `verify` returns the exact bytes that were signed. Parse those, and nothing else.
- Whoever signs has the shape of a signer of the package securesystemslib. Checking needs only the
  public key, so nothing here loads clients of key services (docs/adr/0005).
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom.canonical import canonical, parse_canonical
from cleanroom.errors import Tampered
from cleanroom.fields import Fields, base64_bytes, base64_text, list_of, visible
from cleanroom.ids import Digest
from cleanroom.keys import SigningKey

LARGEST_PAYLOAD = 1 << 20
LARGEST_ENVELOPE = 4 * (LARGEST_PAYLOAD // 3 + 1) + 4096
_LARGEST_SIGNATURE = 72  # a DER ECDSA P-256 signature
_ECDSA = ec.ECDSA(SHA256())


class Signature(Protocol):
    """A signature as securesystemslib's signers give it, DER in hexadecimal."""

    @property
    def keyid(self) -> str:
        """The name of the key."""
        ...

    @property
    def signature(self) -> str:
        """The signature itself."""
        ...


class Signer(Protocol):
    """Whoever holds a private key: `securesystemslib.signer.Signer` has this shape."""

    def sign(self, payload: bytes) -> Signature:
        """Sign bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope taken apart: nothing in it is trusted yet."""

    payload: bytes
    payload_type: str
    key_id: Digest
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, where: str) -> "Signed":
        """Accept the canonical envelope with exactly one signature."""
        f = Fields(parse_canonical(data, where, LARGEST_ENVELOPE), where)
        payload = f.take("payload", base64_bytes(LARGEST_PAYLOAD))
        payload_type = f.take("payloadType", visible(200))
        ((key_id, signature),) = f.take("signatures", list_of(_signature, 1, 1))
        f.end()
        return cls(payload, payload_type, key_id, signature)

    def verify(self, payload_type: str, key: SigningKey, where: str) -> bytes:
        """Return the signed bytes if this key signed them as this type."""
        if self.payload_type != payload_type:
            raise Tampered(f"{where}: signed as {self.payload_type!r}, not {payload_type!r}")
        if self.key_id != key.id:
            raise Tampered(f"{where}: signed by {self.key_id}, not by the expected {key.id}")
        try:
            key.public.verify(self.signature, _pae(payload_type, self.payload), _ECDSA)
        except InvalidSignature as error:
            raise Tampered(f"{where}: the signature does not hold") from error
        return self.payload


def sign(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Sign bytes and return the canonical envelope."""
    signature = signer.sign(_pae(payload_type, payload))
    return canonical(
        {
            "payload": base64_text(payload),
            "payloadType": payload_type,
            "signatures": [
                {
                    "keyid": signature.keyid,
                    "sig": base64_text(bytes.fromhex(signature.signature)),
                }
            ],
        },
        "envelope",
    )


def verify(data: bytes, payload_type: str, key: SigningKey, where: str) -> bytes:
    """Parse an envelope and return the bytes that this key signed as this type."""
    return Signed.parse(data, where).verify(payload_type, key, where)


def _pae(payload_type: str, payload: bytes) -> bytes:
    """Join what is signed so that type and payload cannot run into each other (DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signature(raw: object, where: str) -> tuple[Digest, bytes]:
    f = Fields(raw, where)
    found = f.take("keyid", Digest.parse), f.take("sig", base64_bytes(_LARGEST_SIGNATURE))
    f.end()
    return found
