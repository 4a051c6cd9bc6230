"""The measured side: seal and open whole files, as a program and as a user does."""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from cleanroom import dsse
from cleanroom.keys import OAEP_SHA256, DataKey, ReaderKey, SigningKey
from cleanroom.seal import document
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import DEFAULT_REGION
from cleanroom.seal.manifest import DatasetOrigin
from party.files import Output
from party.opening import SealedFile, opened
from party.sealing import Label, Reader, seal

type Verb = Literal["seal", "open"]

COMMAND = "fresh process"  # how the rows of `command` are called


def command(verb: Verb, source: Path, output: Path, keys: Path) -> list[str]:
    """Give the command line that is timed as what a user runs.

    This is the place for `cleanroom seal` and `cleanroom open`; until then the library is called
    in a process of its own.
    """
    return worker(verb, source, output, keys)


def worker(verb: Verb, source: Path, output: Path, keys: Path) -> list[str]:
    """Give the command line that does the work once and prints the memory it took."""
    return [sys.executable, "-m", "bench.worker", verb, str(source), str(output), str(keys)]


def environment(folder: Path) -> dict[str, str]:
    """Give what such a command runs with: Python's compiled files kept, but in our folder."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "pycache")}


@dataclass(frozen=True, slots=True)
class Keys:
    """An owner who signs and a reader who opens, both made for the run."""

    owner: ec.EllipticCurvePrivateKey
    reader: rsa.RSAPrivateKey

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """Make new keys and write them for other processes."""
        keys = cls(ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 3072))
        for name, key in (("owner", keys.owner), ("reader", keys.reader)):
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}.pem").write_bytes(pem)
        return keys

    @classmethod
    def read_from(cls, folder: Path) -> Self:
        """Read what `made_in` wrote."""
        owner = load_pem_private_key((folder / "owner.pem").read_bytes(), None)
        reader = load_pem_private_key((folder / "reader.pem").read_bytes(), None)
        if not isinstance(owner, ec.EllipticCurvePrivateKey):
            raise TypeError("the owner's key is of another kind")
        if not isinstance(reader, rsa.RSAPrivateKey):
            raise TypeError("the reader's key is of another kind")
        return cls(owner, reader)

    @property
    def signing(self) -> SigningKey:
        """Whose signature the manifest must have."""
        return SigningKey.from_crypto(self.owner.public_key(), "owner")

    @property
    def reading(self) -> ReaderKey:
        """Whom the file is sealed for."""
        return ReaderKey.from_crypto(self.reader.public_key(), "reader")

    def data_key(self, file: SealedFile) -> DataKey:
        """Unwrap the data key of a file."""
        wrapped = file.manifest.wrapped_for(self.reading.id)
        return document.data_key(wrapped, None, lambda data: self.reader.decrypt(data, OAEP_SHA256))


def seal_file(source: Path, output: Path, keys: Keys) -> None:
    """Seal a file as the command does."""
    label = Label(
        DatasetOrigin("bank", "transactions", 1),
        datetime.now(UTC),
        "application/octet-stream",
        Bytes(),
        None,
        DEFAULT_REGION,
    )
    signer = CryptoSigner(keys.owner, dsse.signer_key(keys.signing))
    with opened(source) as fd, Output(output, force=False) as sealed:
        seal(fd, sealed, label, [Reader(keys.reading, None)], signer, _silent)


def open_file(source: Path, output: Path, keys: Keys) -> None:
    """Open a sealed file as the command does."""
    with opened(source) as fd, Output(output, force=False) as plain:
        file = SealedFile(fd, str(source), keys.signing)
        file.open_to(keys.data_key(file), plain, _silent)


def _silent(_count: int) -> None:
    pass
