"""The cipher of one region, against AES-GCM and BLAKE3 used directly, and against forgers."""

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Tampered
from cleanroom.keys import DataKey
from cleanroom.seal.layout import TAG_BYTES
from cleanroom.seal.regions import (
    RegionCipher,
    RegionTable,
    check_region,
    region_digest,
)

KEY = bytes(range(32))
FILE_ID = bytes(range(100, 116))
PLAIN = b"forty-two euros"


def seal(
    plain: bytes, index: int, key: bytes = KEY, file_id: bytes = FILE_ID
) -> tuple[bytes, bytes]:
    """Return the stored region and its digest."""
    stored = bytearray(len(plain) + TAG_BYTES)
    digest = RegionCipher(DataKey(key), file_id).seal(index, plain, stored)
    return bytes(stored), digest


def open_region(
    stored: bytes, index: int, digest: bytes, key: bytes = KEY, file_id: bytes = FILE_ID
) -> bytes:
    plain = bytearray(len(stored) - TAG_BYTES)
    RegionCipher(DataKey(key), file_id).open(index, stored, digest, plain)
    return bytes(plain)


@given(st.binary(min_size=1, max_size=1000), st.integers(0, (1 << 20) - 1))
def test_opening_undoes_sealing(plain: bytes, index: int) -> None:
    stored, digest = seal(plain, index)

    assert open_region(stored, index, digest) == plain


def test_a_region_is_aes_gcm_with_its_index_as_nonce_bound_to_file_and_place() -> None:
    stored, digest = seal(PLAIN, 258)

    nonce, bound = bytes(10) + b"\x01\x02", FILE_ID + bytes(6) + b"\x01\x02"
    assert stored == AESGCM(KEY).encrypt(nonce, PLAIN, bound)
    assert digest == blake3(stored).digest()


def test_every_flipped_bit_is_refused() -> None:
    stored, digest = seal(PLAIN, 0)

    for bit in range(len(stored) * 8):
        spoiled = bytearray(stored)
        spoiled[bit // 8] ^= 1 << bit % 8

        with pytest.raises(Tampered, match=r"^region 0 is not the one that was signed for this"):
            open_region(bytes(spoiled), 0, digest)


def test_a_flipped_bit_is_refused_by_the_cipher_too_if_its_digest_was_mended() -> None:
    stored, _ = seal(PLAIN, 0)
    spoiled = bytes([stored[0] ^ 1]) + stored[1:]

    with pytest.raises(Tampered, match=r"^region 0 does not open with this key$"):
        open_region(spoiled, 0, region_digest(spoiled))


def test_a_region_of_another_place_is_refused_by_the_cipher_too() -> None:
    stored, digest = seal(PLAIN, 1)

    with pytest.raises(Tampered, match=r"^region 2 does not open with this key$"):
        open_region(stored, 2, digest)


def test_a_region_of_another_file_under_the_same_key_is_refused() -> None:
    stored, digest = seal(PLAIN, 0, file_id=bytes(16))

    with pytest.raises(Tampered, match=r"^region 0 does not open with this key$"):
        open_region(stored, 0, digest)


def test_another_data_key_does_not_open_a_region() -> None:
    stored, digest = seal(PLAIN, 0)

    with pytest.raises(Tampered, match=r"^region 0 does not open with this key$"):
        open_region(stored, 0, digest, key=bytes(32))


def test_a_region_forged_by_somebody_who_knows_the_key_is_refused() -> None:
    _, digest = seal(b"pay north 10 euros", 0)
    forged, own_digest = seal(b"pay south 99 euros", 0)

    with pytest.raises(Tampered, match=r"^region 0 is not the one that was signed for this place$"):
        open_region(forged, 0, digest)

    assert open_region(forged, 0, own_digest) == b"pay south 99 euros"  # GCM alone believes it


@pytest.mark.parametrize(
    "digest",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(31), id="short"),
        pytest.param(bytes(32), id="zero"),
    ],
)
def test_no_other_digest_will_do(digest: bytes) -> None:
    stored, _ = seal(PLAIN, 0)

    with pytest.raises(Tampered, match=r"^region 3 is not the one that was signed for this place$"):
        check_region(3, stored, digest)


def test_nothing_is_decrypted_when_the_digest_differs() -> None:
    stored, _ = seal(PLAIN, 0)
    plain = bytearray(len(PLAIN))

    with pytest.raises(Tampered):
        RegionCipher(DataKey(KEY), FILE_ID).open(0, stored, bytes(32), plain)

    assert plain == bytes(len(PLAIN))


def test_a_table_gives_the_digest_of_each_region() -> None:
    table = RegionTable(b"a" * 32 + b"b" * 32)

    assert (table[0], table[1]) == (b"a" * 32, b"b" * 32)


def test_a_table_is_named_by_its_blake3_digest() -> None:
    assert RegionTable(b"a" * 32).digest == blake3(b"a" * 32).digest()


def test_there_is_no_digest_for_a_region_behind_the_table() -> None:
    stored, _ = seal(PLAIN, 1)

    with pytest.raises(Tampered, match=r"^region 1 is not the one that was signed for this place$"):
        check_region(1, stored, RegionTable(bytes(32))[1])
