"""One vault: its name and address, and all that it keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from devstack import files
from devstack.home import HOST, Home
from devstack.vault import signer
from devstack.vault.audit import AuditLog
from devstack.vault.calls import Call
from devstack.vault.roles import Roles, first_assignments
from devstack.vault.signer import Signer
from devstack.vault.store import Row, Store
from devstack.vault.wire import Json

RUNNER = "runner"
_VERSION_BYTES = 16


@dataclass(frozen=True, slots=True)
class Vault:
    """What answering needs; `owner` is the identity that has the vault's name."""

    name: str
    port: int
    tenant: str
    token_key: rsa.RSAPublicKey
    store: Store
    roles: Roles
    audit: AuditLog
    signer: Signer
    random: Callable[[int], bytes]

    @property
    def owner(self) -> str:
        """Who decides on roles, and reads the log."""
        return self.name

    @property
    def url(self) -> str:
        """Where it is, and how its keys are named."""
        return f"https://{HOST}:{self.port}"

    @classmethod
    def open(
        cls,
        home: Home,
        name: str,
        port: int,
        token_key: rsa.RSAPublicKey,
        now: datetime,
        random: Callable[[int], bytes],
        directory: str = "",
    ) -> Self:
        """Open what the home folder has of this vault, and make what is missing.

        It believes the tokens of one directory, the operator's unless another is named.
        """
        folder = home.folder("vault") / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return cls(
            name=name,
            port=port,
            tenant=home.directory(directory),
            token_key=token_key,
            store=Store(folder / "vault.sqlite", name, home.key(f"vault/{name}")),
            roles=Roles(folder / "roles.json", first_assignments(name, RUNNER)),
            audit=AuditLog(folder / "releases.jsonl"),
            signer=Signer.make(_signing_key(folder), name, home.authority(), now),
            random=random,
        )

    def close(self) -> None:
        """Close its files."""
        self.store.close()
        self.audit.close()


@dataclass(frozen=True, slots=True)
class Order:
    """One call to one vault, with its body, at one time."""

    vault: Vault
    call: Call
    body: Json
    at: datetime

    @property
    def now(self) -> int:
        """Its time in Unix seconds."""
        return int(self.at.timestamp())

    def url(self, row: Row, *, versioned: bool = True) -> str:
        """Name a row of the collection that the call is about."""
        whole = f"{self.vault.url}/{self.call.collection}/{row.name}"
        return f"{whole}/{row.version}" if versioned else whole

    def keep_new(self, content: bytes) -> str | None:
        """Keep a new version, and give its address; none if the name is taken by a deleted one."""
        call, version = self.call, self.vault.random(_VERSION_BYTES).hex()
        if not self.vault.store.add(call.collection, call.name, version, content):
            return None
        return f"{self.vault.url}{call.path}/{version}"

    def keep(self, row: Row, content: bytes) -> None:
        """Keep another content of a version that there is."""
        self.keep_all([(row, content)])

    def keep_all(self, contents: Sequence[tuple[Row, bytes]]) -> None:
        """Keep other contents of versions that there are, all at once."""
        self.vault.store.replace(self.call.collection, contents)


def _signing_key(folder: Path) -> rsa.RSAPrivateKey:
    kept = files.first(folder / "signing.key", _new_signing_key)
    key = load_der_private_key(kept, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # we wrote it
    return key


def _new_signing_key() -> bytes:
    key = rsa.generate_private_key(65537, signer.BITS)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
