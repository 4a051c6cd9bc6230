"""What we compare with: `cp`, age, and the encryption stream of Azure Storage's client library."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

from azure.storage.blob._encryption import GCMBlobEncryptionStream

from bench.measure import seconds

AZURE = f"azure-storage-blob {version('azure-storage-blob')}"
_BLOCK = 4 << 20  # what the client library uploads at a time, and also the size of its regions


def run(*line: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it said."""
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


@dataclass(frozen=True, slots=True)
class Age:
    """age with an X25519 key made for the run."""

    program: str
    recipient: str
    identity: Path

    @classmethod
    def made_in(cls, folder: Path) -> Self | None:
        """Make the key; None when age is not installed."""
        program, keygen = shutil.which("age"), shutil.which("age-keygen")
        if program is None or keygen is None:
            return None
        identity = folder / "age.key"
        subprocess.run([keygen, "-o", identity], check=True, stderr=subprocess.DEVNULL)
        return cls(program, run(keygen, "-y", identity).strip(), identity)

    @staticmethod
    def installed() -> str | None:
        """Say which release is there, if any."""
        path = shutil.which("age")
        return None if path is None else f"age {run(path, '--version').strip().removeprefix('v')}"

    def encrypt(self, source: Path, output: Path) -> list[str | Path]:
        """Give the command line that encrypts for the one key."""
        return [self.program, "-r", self.recipient, "-o", output, source]

    def decrypt(self, source: Path, output: Path) -> list[str | Path]:
        """Give the command line that decrypts with the one key."""
        return [self.program, "-d", "-i", self.identity, "-o", output, source]


def azure(source: Path, output: Path) -> float:
    """Read and encrypt as an upload does, but write a file; return the seconds.

    It runs in a process of its own, as the library calls do that it is compared with, and like
    theirs its time is without the start of that process. As output, /dev/null drops everything.
    In its favour the C library keeps freed memory: it makes new buffers for every region, and
    without this spends most of its time on getting memory back from the kernel.
    """
    env = {**os.environ, "MALLOC_TOP_PAD_": str(64 << 20)}
    return float(run(sys.executable, "-m", "bench.peers", source, output, env=env))


def _azure(source: Path, output: Path) -> None:
    with source.open("rb") as file, output.open("wb", buffering=0) as encrypted:
        stream = GCMBlobEncryptionStream(os.urandom(32), file)
        while data := stream.read(_BLOCK):
            encrypted.write(data)


if __name__ == "__main__":
    print(seconds(lambda: _azure(Path(sys.argv[1]), Path(sys.argv[2]))))
