"""The folder of one dev stack: its authority, its secrets, a data folder for each server.

- One key is the root of all: every secret of the stack is derived from it by name, so servers and
  clients agree without asking each other, and `reset` needs to forget one file.
- The folder and all in it belong to one user of the machine (0700, 0600).
"""

import base64
import os
import secrets
import ssl
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devstack import files

HOST = "127.0.0.1"
_KEY_BYTES = 32
_TOKEN_KEY_BITS = 2048
_DOMAIN = b"cleanroom dev stack, "


@dataclass(frozen=True, slots=True)
class Home:
    """An existing folder of a stack."""

    path: Path
    _key: bytes = field(repr=False)

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open the folder, and make what is missing; two processes may do so at once."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = files.first(path / "stack.key", lambda: secrets.token_bytes(_KEY_BYTES))
        return cls(path, key)

    def key(self, name: str) -> bytes:
        """Derive 32 secret bytes for one purpose."""
        return HKDF(SHA256(), _KEY_BYTES, None, _DOMAIN + name.encode()).derive(self._key)

    def secret(self, name: str) -> str:
        """Derive a secret that can stand in a connection string."""
        return base64.b64encode(self.key(name)).decode("ascii")

    def object_id(self, identity: str) -> str:
        """Name an identity as a directory does; the same in this stack as long as it lives."""
        return str(uuid.UUID(bytes=self.key(f"object id of {identity}")[:16], version=4))

    def directory(self, name: str = "") -> str:
        """Name a directory of identities: the operator's, unless another is named."""
        return self.object_id(f"tenant {name}" if name else "tenant")

    def folder(self, server: str) -> Path:
        """Return the data folder of a server."""
        folder = self.path / server
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def authority_file(self) -> Path:
        """Where the certificate of the authority stands, for clients to trust."""
        self.authority()
        return self.path / "ca.pem"

    def authority(self) -> trustme.CA:
        """Return the authority that certifies every server of this stack, and nothing else."""
        pem = files.first(self.path / "ca.key", _new_authority)
        key, _, certificate = pem.partition(b"\0")
        files.first(self.path / "ca.pem", lambda: certificate)
        return trustme.CA.from_pem(certificate, key)

    def tls(self) -> ssl.SSLContext:
        """Return what a server on the loopback needs to speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.authority().issue_cert(HOST, "localhost").configure_cert(context)
        return context

    def token_key(self) -> rsa.RSAPrivateKey:
        """Return the key that signs the tokens of identities."""
        kept = files.first(self.path / "tokens.key", _new_token_key)
        key = load_pem_private_key(kept, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # we wrote it
        return key


def default_path() -> Path:
    """Say where the stack lives unless a command says otherwise."""
    base = os.environ.get("XDG_STATE_HOME")  # noqa: TID251  # where folders are, as the desktop has it
    return (Path(base) if base else Path.home() / ".local" / "state") / "cleanroom-dev"


def _new_authority() -> bytes:
    made = trustme.CA(organization_name="Cleanroom dev stack")
    return made.private_key_pem.bytes() + b"\0" + made.cert_pem.bytes()


def _new_token_key() -> bytes:
    key = rsa.generate_private_key(65537, _TOKEN_KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
