"""Valid things to start from: each test takes one and spoils it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cleanroom.keys import OAEP_SHA256, ReaderKey, SigningKey
from party.signers import FileSigner

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
HEX = "cd" * 32
MILAN = {"product": "Milan", "fmc": 0, "bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}


@dataclass(frozen=True)
class Keys:
    """A party's keys, both halves."""

    private_signing: ec.EllipticCurvePrivateKey
    private_reader: rsa.RSAPrivateKey
    signing: SigningKey
    reader: ReaderKey

    @classmethod
    def make(cls) -> Self:
        signing = ec.generate_private_key(ec.SECP256R1())
        reader = rsa.generate_private_key(65537, 2048)
        return cls(
            signing,
            reader,
            SigningKey.from_crypto(signing.public_key(), "signing"),
            ReaderKey.from_crypto(reader.public_key(), "reader"),
        )

    @property
    def signer(self) -> FileSigner:
        return FileSigner(self.private_signing, self.signing)

    def unwrap(self, wrapped: bytes) -> bytes:
        return self.private_reader.decrypt(wrapped, OAEP_SHA256)

    def write(self, folder: Path, name: str) -> None:
        """Write the four files that `cleanroom keys new` writes."""
        for purpose, private, public in (
            ("signing", self.private_signing, self.signing.pem),
            ("reader", self.private_reader, self.reader.pem),
        ):
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            path = folder / f"{name}.{purpose}.pem"
            path.write_bytes(pem)
            path.chmod(0o600)
            (folder / f"{name}.{purpose}.pub.pem").write_text(public)


def aggregation_rule(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "aggregation",
        "aggregates": [{"column": "amount", "functions": ["sum"]}],
        "joins": ["customer"],
        "join_required": True,
        "dimensions": [],
        "threshold": {"identity": "customer", "minimum": 10},
        "readers": ["north", "south"],
    } | changes


def columns() -> list[dict[str, Any]]:
    return [
        {"name": "customer", "type": "text", "nullable": False},
        {"name": "amount", "type": "decimal(12,2)", "nullable": True},
    ]


def dataset(alias: str, owner: str, **changes: Any) -> dict[str, Any]:
    return {
        "alias": alias,
        "owner": owner,
        "dataset": "customers",
        "location": f"https://account.blob.core.windows.net/datasets/room/{owner}-customers",
        "columns": columns(),
        "rule": aggregation_rule(),
        "versions": {"minimum": 1, "only": None, "maximum_age": None},
    } | changes


def party(name: str, keys: Keys, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "signing_key": keys.signing.to_json(),
        "room_key": {
            "url": f"https://{name}.vault.azure.net/keys/room-key",
            "public": keys.reader.to_json(),
            "authority": "https://sharedweu.weu.attest.azure.net",
        },
    } | changes


def triggers(**given: Any) -> dict[str, Any]:
    """Spell the triggers that are given, and no others."""
    none = {"on_arrival": False, "on_approval": False, "on_request": False, "schedule": None}
    return none | given


def contract(north: Keys, south: Keys, **changes: Any) -> dict[str, Any]:
    """Build a contract's JSON value between two parties, each with a dataset."""
    return {
        "format": "cleanroom/contract/v1",
        "room": "room",
        "sequence": 1,
        "previous": None,
        "purpose": "Find fraud.",
        "parties": [party("north", north), party("south", south)],
        "runners": [
            {
                "platform": "aci",
                "code": {"kind": "host-data", "value": HEX, "utility_vm_svn": 100},
                "minimum_svn": dict(MILAN),
                "walls": [],
                "debug": False,
            }
        ],
        "datasets": [dataset("a", "north"), dataset("b", "south")],
        "program": {
            "language": "sql",
            "source": {"kind": "inline", "text": "select 1"},
            "parameters": [],
        },
        "result": {
            "name": "result",
            "format": "csv",
            "columns": [{"name": "total", "type": "decimal(38,2)", "nullable": False}],
            "maximum_rows": 100,
            "readers": [{"party": "north", "key": north.reader.to_json()}],
        },
        "triggers": triggers(on_arrival=True),
        "limits": {
            "seconds": 600,
            "memory": 1 << 30,
            "runs": 4,
            "period": "month",
            "expires": "2099-12-31T00:00:00Z",
        },
    } | changes
