"""Sealed files to start from: made by the engine, taken apart, spoiled, put together again."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest

from cleanroom import dsse
from cleanroom.canonical import canonical
from cleanroom.errors import CleanroomError
from cleanroom.keys import DataKey
from cleanroom.seal import document
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import DIGEST_BYTES, FOOTER_BYTES, MAGIC, SMALLEST_REGION, TAG_BYTES
from cleanroom.seal.manifest import PAYLOAD_TYPE, DatasetOrigin
from party.files import Output
from party.opening import SealedFile
from party.sealing import Label, Reader, Sealed, seal
from tests.builders import NOW, Keys

REGION = SMALLEST_REGION
STORED = REGION + TAG_BYTES
DROP = object()
ROOT = Path(__file__).parents[1]


def plaintext(size: int, name: str = "") -> bytes:
    """Make bytes that differ from place to place and from name to name."""
    return hashlib.shake_128(name.encode()).digest(size)


def label(**changes: Any) -> Label:
    return replace(
        Label(
            DatasetOrigin("north", "customers", 1),
            NOW,
            "application/octet-stream",
            Bytes(),
            None,
            REGION,
        ),
        **changes,
    )


def ignore(_count: int) -> None:
    """Progress that nobody watches."""


@contextmanager
def memory_file(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("test")
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


def seal_to(
    path: Path, source: int, owner: Keys, readers: tuple[Keys, ...], **changes: Any
) -> Sealed:
    with Output(path, force=False) as output:
        return seal(
            source,
            output,
            label(**changes),
            [Reader(reader.reader, None) for reader in readers],
            owner.signer,
            ignore,
        )


def seal_bytes(plain: bytes, owner: Keys, *readers: Keys, **changes: Any) -> bytes:
    with TemporaryDirectory() as folder, memory_file(plain) as source:
        path = Path(folder) / "sealed"
        seal_to(path, source, owner, readers or (owner,), **changes)
        return path.read_bytes()


def data_key(file: SealedFile, reader: Keys) -> DataKey:
    return document.data_key(file.manifest.wrapped_for(reader.reader.id), None, reader.unwrap)


def open_bytes(sealed: bytes, owner: Keys, reader: Keys) -> bytes:
    with TemporaryDirectory() as folder, memory_file(sealed) as fd:
        path = Path(folder) / "opened"
        file = SealedFile(fd, "file", owner.signing)
        with Output(path, force=False) as output:
            file.open_to(data_key(file, reader), output, ignore)
        return path.read_bytes()


def refusal(sealed: bytes, owner: Keys, reader: Keys) -> CleanroomError:
    """Open what must not open, and return why it did not."""
    with pytest.raises(CleanroomError) as caught:
        open_bytes(sealed, owner, reader)
    return caught.value


@contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """Let no file grow over a limit; Python ignores the signal, so that writing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def flipped(data: bytes, offset: int, mask: int = 1) -> bytes:
    return data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


@dataclass(frozen=True)
class Parts:
    """A sealed file taken apart by the specification, without the code under test."""

    regions: tuple[bytes, ...]
    table: bytes
    envelope: bytes

    @classmethod
    def of(cls, sealed: bytes) -> Self:
        length = int.from_bytes(sealed[-FOOTER_BYTES : -len(MAGIC)], "big")
        start = len(sealed) - FOOTER_BYTES - length
        envelope = sealed[start:-FOOTER_BYTES]
        layout = json.loads(b64decode(json.loads(envelope)["payload"]))["layout"]
        body = start - layout["region_count"] * DIGEST_BYTES
        step = layout["region_size"] + TAG_BYTES
        regions = tuple(sealed[i : min(i + step, body)] for i in range(0, body, step))
        return cls(regions, sealed[body:start], envelope)

    def join(self) -> bytes:
        return b"".join(self.regions) + self.trailer

    @property
    def trailer(self) -> bytes:
        return self.table + self.envelope + len(self.envelope).to_bytes(4, "big") + MAGIC

    @property
    def payload(self) -> bytes:
        return b64decode(json.loads(self.envelope)["payload"])

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self.payload)
        return manifest

    def with_payload(self, payload: bytes, signer: Keys, kind: str = PAYLOAD_TYPE) -> Self:
        return replace(self, envelope=dsse.sign(payload, kind, signer.signer))

    def with_manifest(self, signer: Keys, **changes: Any) -> Self:
        """Change fields of the manifest, or DROP them, and sign it."""
        changed = {k: v for k, v in (self.manifest | changes).items() if v is not DROP}
        return self.with_payload(canonical(changed, "manifest"), signer)

    def with_envelope(self, **changes: Any) -> Self:
        """Change fields of the envelope and leave the signature as it is."""
        return replace(self, envelope=canonical(json.loads(self.envelope) | changes, "envelope"))


def python(code: str, *arguments: object, under: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a Python of its own, for tests that kill or starve it."""
    command = [*under, sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def nameless_files_work(folder: Path) -> bool:
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        return False
    return True
