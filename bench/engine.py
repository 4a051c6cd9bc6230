"""The measured side: seal and open whole files, as a program and as a user does."""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from cleanroom.keys import DataKey
from cleanroom.seal import document
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import DEFAULT_REGION
from cleanroom.seal.manifest import DatasetOrigin
from party import keyfiles, signers
from party.files import Output
from party.opening import SealedFile, opened
from party.sealing import Label, Reader, seal

type Verb = Literal["seal", "open"]

_NAME = "bench"  # of the key files
_PROGRAM = Path(sys.executable).with_name("cleanroom")


def command(verb: Verb, source: Path, output: Path, folder: Path) -> list[str]:
    """Give the command line that is timed as what a user runs."""
    options = {
        "seal": (
            f"--as=bytes --party=bank --dataset=transactions"
            f" --sign-with={folder / _NAME}.signing.pem --for={folder / _NAME}.reader.pub.pem"
        ),
        "open": f"--from={folder / _NAME}.signing.pub.pem --with={folder / _NAME}.reader.pem",
    }
    return [str(_PROGRAM), verb, str(source), f"--output={output}", *options[verb].split()]


def worker(verb: Verb, source: Path, output: Path, folder: Path) -> list[str]:
    """Give the command line that calls the library once and prints what it took."""
    return [sys.executable, "-m", "bench.worker", verb, str(source), str(output), str(folder)]


def help_command() -> list[str]:
    """Give the command line that does nothing but start."""
    return [str(_PROGRAM), "--help"]


def environment(folder: Path) -> dict[str, str]:
    """Give what such a command runs with: Python's compiled files kept, but in our folder."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "pycache")}


@dataclass(frozen=True, slots=True)
class Keys:
    """An owner who signs and a reader who opens, both made for the run."""

    owner: signers.Identity
    reader: keyfiles.PrivateReader

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """Make new keys, in files that other processes can read too."""
        keyfiles.make(folder, _NAME, 3072, force=False)
        return cls.read_from(folder)

    @classmethod
    def read_from(cls, folder: Path) -> Self:
        """Read what `made_in` wrote."""
        return cls(
            signers.identity(str(folder / f"{_NAME}.signing.pem")),
            keyfiles.PrivateReader(folder / f"{_NAME}.reader.pem"),
        )

    def data_key(self, file: SealedFile) -> DataKey:
        """Unwrap the data key of a file."""
        wrapped = file.manifest.wrapped_for(self.reader.public.id)
        return document.data_key(wrapped, None, self.reader.unwrap)


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
    with opened(source) as fd, Output(output, force=False) as sealed:
        seal(fd, sealed, label, [Reader(keys.reader.public, None)], keys.owner.signer, _silent)


def open_file(source: Path, output: Path, keys: Keys) -> None:
    """Open a sealed file as the command does."""
    with opened(source) as fd, Output(output, force=False) as plain:
        file = SealedFile(fd, str(source), keys.owner.key)
        file.open_to(keys.data_key(file), plain, _silent)


def _silent(_count: int) -> None:
    pass
