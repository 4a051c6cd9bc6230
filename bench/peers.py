"""What we compare with: `cp`, age, and the encryption stream of Azure Storage's client library."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

from azure.storage.blob._encryption import GCMBlobEncryptionStream

AZURE = f"azure-storage-blob {version('azure-storage-blob')}"
_BLOCK = 4 << 20  # what the client library uploads at a time, and also the size of its regions


def run(*line: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it said."""
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


def copy(source: Path, output: Path) -> None:
    """Copy with `cp`: the least that reading and writing a file can cost."""
    run(_found("cp"), source, output)


@dataclass(frozen=True, slots=True)
class Age:
    """age with an X25519 key made for the run."""

    program: str
    recipient: str
    identity: Path

    @classmethod
    def made_in(cls, folder: Path) -> Self | None:
        """Make the key; None when age is not installed."""
        if shutil.which("age") is None:
            return None
        identity = folder / "age.key"
        subprocess.run(
            [_found("age-keygen"), "-o", identity], check=True, stderr=subprocess.DEVNULL
        )
        return cls(_found("age"), run(_found("age-keygen"), "-y", identity).strip(), identity)

    @staticmethod
    def installed() -> str | None:
        """Say which release is there, if any."""
        path = shutil.which("age")
        return None if path is None else f"age {run(path, '--version').strip().removeprefix('v')}"

    def encrypt(self, source: Path, output: Path) -> None:
        """Encrypt for the one key."""
        run(self.program, "-r", self.recipient, "-o", output, source)

    def decrypt(self, source: Path, output: Path) -> None:
        """Decrypt with the one key."""
        run(self.program, "-d", "-i", self.identity, "-o", output, source)


def azure_to_nowhere(source: Path) -> None:
    """Read and encrypt as an upload does, without the upload."""
    _azure(source, lambda _data: None)


def azure_to_file(source: Path, output: Path) -> None:
    """Read and encrypt as an upload does, and write a file instead."""
    with output.open("wb", buffering=0) as file:
        _azure(source, file.write)


def _azure(source: Path, take: Callable[[bytes], object]) -> None:
    with source.open("rb") as file:
        stream = GCMBlobEncryptionStream(os.urandom(32), file)
        while data := stream.read(_BLOCK):
            take(data)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(program)
    return path
