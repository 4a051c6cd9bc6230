"""The cipher of one sealed file (docs/spec/sealed-file.md §3).

- AES-256-GCM with a fresh key per file, so the region's index is a safe nonce.
- The associated data binds each region to its file and place.
- The table of BLAKE3 digests binds each stored region to the owner's signature: a reader who holds
  the data key could otherwise forge a region for another reader, because GCM does not commit to
  its content against those who know the key (docs/adr/0004).
"""

from dataclasses import dataclass
from hmac import compare_digest

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import Tampered
from cleanroom.keys import DataKey
from cleanroom.seal.layout import DIGEST_BYTES

FILE_ID_BYTES = 16

type Buffer = bytes | bytearray | memoryview


class RegionCipher:
    """Seals and opens the regions of one file, in any order, from any thread."""

    def __init__(self, key: DataKey, file_id: bytes) -> None:
        self._cipher = AESGCM(key.expose())
        self._file_id = file_id

    def seal(self, index: int, plain: Buffer, stored: Buffer) -> bytes:
        """Encrypt a region into `stored`, 16 bytes longer, and return its digest."""
        # nonce: the index, never used twice under this file's own key
        self._cipher.encrypt_into(_nonce(index), plain, self._bound(index), stored)
        return region_digest(stored)

    def open(self, index: int, stored: Buffer, digest: bytes, plain: Buffer) -> None:
        """Decrypt a region into `plain` if it is the one that was signed for this place."""
        check_region(index, stored, digest)
        try:
            self._cipher.decrypt_into(_nonce(index), stored, self._bound(index), plain)
        except InvalidTag as error:
            raise Tampered(f"region {index} does not open with this key") from error

    def _bound(self, index: int) -> bytes:
        return self._file_id + index.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class RegionTable:
    """The digests of all stored regions, in order, as the manifest's signature covers them."""

    data: bytes

    def __getitem__(self, index: int) -> bytes:
        return self.data[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]

    @property
    def digest(self) -> bytes:
        """What the manifest names the table by."""
        return region_digest(self.data)


def region_digest(stored: Buffer) -> bytes:
    """BLAKE3 of a stored region."""
    return blake3(stored).digest()


def check_region(index: int, stored: Buffer, digest: bytes) -> None:
    """Check a stored region against the signed table; needs no key."""
    if not compare_digest(region_digest(stored), digest):
        raise Tampered(f"region {index} is not the one that was signed for this place")


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")
