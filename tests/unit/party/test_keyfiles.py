"""Key files: made all four or none, private halves for their owner only, one kind for each use."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.keys import DataKey, ReaderKey, SigningKey
from party import keyfiles
from party.errors import Usage
from party.keyfiles import PrivateReader
from tests.builders import Keys

NAMES = ["n.reader.pem", "n.reader.pub.pem", "n.signing.pem", "n.signing.pub.pem"]

# PKCS #8 of a key of an algorithm nobody knows (OID 1.2.3.4).
UNKNOWN_ALGORITHM = b"""-----BEGIN PRIVATE KEY-----
MA8CAQAwBQYDKgMEBAMEAQA=
-----END PRIVATE KEY-----
"""


@pytest.fixture
def folder(tmp_path: Path, north: Keys) -> Path:
    """A folder with north's four files."""
    north.write(tmp_path, "north")
    return tmp_path


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def private_pem(key: PrivateKeyTypes, passphrase: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def key_file(folder: Path, pem: bytes, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_bytes(pem)
    path.chmod(mode)
    return path


# Making


@pytest.mark.usefixtures("no_umask")
def test_four_files_are_made_and_private_halves_are_private(tmp_path: Path) -> None:
    keyfiles.make(tmp_path, "n", 2048, force=False)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {
        "n.reader.pem": 0o600,
        "n.reader.pub.pem": 0o666,
        "n.signing.pem": 0o600,
        "n.signing.pub.pem": 0o666,
    }


def test_made_keys_are_found_again(tmp_path: Path) -> None:
    signing, reader = keyfiles.make(tmp_path, "n", 2048, force=False)

    assert keyfiles.signing_key(signing.public_path) == signing.public
    assert keyfiles.reader_key(reader.public_path) == reader.public
    assert PrivateReader(reader.private_path).public == reader.public
    private = keyfiles.private_signing_key(signing.private_path)
    assert SigningKey.from_crypto(private.public_key(), "") == signing.public


def test_keys_are_new_each_time(tmp_path: Path) -> None:
    first = keyfiles.make(tmp_path, "first", 2048, force=False)
    second = keyfiles.make(tmp_path, "second", 2048, force=False)

    assert len({pair.public.id for pair in (*first, *second)}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_made_where_one_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"theirs")

    with pytest.raises(Usage, match=f"^{tmp_path / name}: it exists already$") as caught:
        keyfiles.make(tmp_path, "n", 2048, force=False)

    assert "can then never be opened" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"theirs"


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_made_where_a_link_to_nowhere_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("nowhere")

    with pytest.raises(Usage, match=f"^{tmp_path / name}: it exists already$"):
        keyfiles.make(tmp_path, "n", 2048, force=False)

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_keys_are_replaced_if_told_to(tmp_path: Path) -> None:
    old = keyfiles.make(tmp_path, "n", 2048, force=False)

    new = keyfiles.make(tmp_path, "n", 2048, force=True)

    assert keyfiles.signing_key(tmp_path / "n.signing.pub.pem") == new[0].public != old[0].public
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_a_private_key_that_replaces_a_public_file_is_private(tmp_path: Path) -> None:
    (tmp_path / "n.reader.pem").touch(mode=0o644)

    keyfiles.make(tmp_path, "n", 2048, force=True)

    assert stat.S_IMODE((tmp_path / "n.reader.pem").stat().st_mode) == 0o600


def test_keys_are_not_made_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"there is no such file or folder$"):
        keyfiles.make(tmp_path / "missing", "n", 2048, force=False)


# Public halves


def test_public_keys_are_read(folder: Path, north: Keys) -> None:
    assert keyfiles.signing_key(folder / "north.signing.pub.pem") == north.signing
    assert keyfiles.reader_key(folder / "north.reader.pub.pem") == north.reader


def test_a_reader_key_is_no_signing_key(folder: Path) -> None:
    path = folder / "north.reader.pub.pem"

    with pytest.raises(Malformed, match=f"^{path}: expected an ECDSA P-256 public key$"):
        keyfiles.signing_key(path)


def test_a_signing_key_is_no_reader_key(folder: Path) -> None:
    path = folder / "north.signing.pub.pem"

    with pytest.raises(Malformed, match=f"^{path}: expected an RSA public key of 2048, 3072 or"):
        keyfiles.reader_key(path)


@pytest.mark.parametrize("read", [keyfiles.signing_key, keyfiles.reader_key])
@pytest.mark.parametrize("name", ["north.signing.pem", "north.reader.pem"])
def test_a_private_key_is_no_public_key(
    read: Callable[[Path], object], name: str, folder: Path
) -> None:
    with pytest.raises(Malformed, match=r"expected a public key, got a private key$") as caught:
        read(folder / name)

    assert "the private one stays where it is" in caught.value.hint


def test_a_key_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.pem"
    path.touch()
    os.truncate(path, 1 << 40)

    with pytest.raises(Malformed, match=r"expected a document of at most 65536 bytes, got more$"):
        keyfiles.any_public(path)


@pytest.mark.parametrize("name", ["north.signing.pub.pem", "north.signing.pem"])
def test_a_signing_key_is_recognised_in_either_file(name: str, folder: Path, north: Keys) -> None:
    assert keyfiles.any_public(folder / name) == north.signing


@pytest.mark.parametrize("name", ["north.reader.pub.pem", "north.reader.pem"])
def test_a_reader_key_is_recognised_in_either_file(name: str, folder: Path, north: Keys) -> None:
    assert keyfiles.any_public(folder / name) == north.reader


def test_not_even_the_public_half_is_shown_of_a_private_key_that_others_may_read(
    folder: Path,
) -> None:
    (folder / "north.signing.pem").chmod(0o640)

    with pytest.raises(Usage, match=r"a private key that others may read \(mode 0640\)$"):
        keyfiles.any_public(folder / "north.signing.pem")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            ed25519.Ed25519PrivateKey.generate, "expected an RSA public key", id="Ed25519"
        ),
        pytest.param(
            lambda: ec.generate_private_key(ec.SECP384R1()), "expected an ECDSA P-256", id="P-384"
        ),
        pytest.param(
            lambda: rsa.generate_private_key(65537, 2056), "expected an RSA public key", id="RSA"
        ),
        pytest.param(
            lambda: rsa.generate_private_key(3, 2048), "expected an RSA public key", id="e = 3"
        ),
    ],
)
def test_a_key_of_another_kind_is_not_recognised(
    make: Callable[[], PrivateKeyTypes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Malformed, match=message):
        keyfiles.any_public(key_file(tmp_path, private_pem(make())))


def test_a_public_key_of_another_kind_is_not_recognised(tmp_path: Path) -> None:
    pem = (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )

    with pytest.raises(Malformed, match=r"expected an RSA public key"):
        keyfiles.any_public(key_file(tmp_path, pem))


@pytest.mark.parametrize("garbage", [b"", b"no key", b"\xff" * 100])
def test_garbage_is_no_key(garbage: bytes, tmp_path: Path) -> None:
    path = key_file(tmp_path, garbage)

    with pytest.raises(Malformed, match=f"^{path}: expected a PEM public key$"):
        keyfiles.any_public(path)


# Private halves


def test_a_private_signing_key_is_read(folder: Path, north: Keys) -> None:
    found = keyfiles.private_signing_key(folder / "north.signing.pem")

    assert found.private_numbers() == north.private_signing.private_numbers()


def test_a_reader_key_does_not_sign(folder: Path) -> None:
    path = folder / "north.reader.pem"

    with pytest.raises(
        Malformed, match=f"^{path}: expected an ECDSA P-256 private key, got another kind of key$"
    ) as caught:
        keyfiles.private_signing_key(path)

    assert caught.value.hint == "a signing key is in the file that ends in .signing.pem"


def test_a_signing_key_does_not_read(folder: Path) -> None:
    path = folder / "north.signing.pem"

    with pytest.raises(
        Malformed, match=f"^{path}: expected an RSA private key, got another kind of key$"
    ) as caught:
        PrivateReader(path)

    assert caught.value.hint == "a reader key is in the file that ends in .reader.pem"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666])
@pytest.mark.parametrize("name", ["north.signing.pem", "north.reader.pem"])
def test_a_private_key_that_others_may_read_is_refused(mode: int, name: str, folder: Path) -> None:
    path = folder / name
    path.chmod(mode)

    with pytest.raises(
        Usage, match=rf"^{path}: a private key that others may read \(mode {mode:04o}\)$"
    ) as caught:
        keyfiles.load_private(path)

    assert caught.value.hint == f"chmod 600 {path}"


def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, north: Keys) -> None:
    path = key_file(tmp_path, private_pem(north.private_signing, b"passphrase"))

    with pytest.raises(
        Malformed, match=f"^{path}: expected a private key without a passphrase$"
    ) as caught:
        keyfiles.load_private(path)

    assert "azurekms://" in caught.value.hint


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no key", id="text"),
        pytest.param(UNKNOWN_ALGORITHM, id="unknown algorithm"),
        pytest.param(UNKNOWN_ALGORITHM.replace(b"MA8", b"MA9"), id="cut DER"),
        pytest.param(UNKNOWN_ALGORITHM[:-20], id="cut PEM"),
    ],
)
def test_garbage_is_no_private_key(garbage: bytes, tmp_path: Path) -> None:
    path = key_file(tmp_path, garbage)

    with pytest.raises(Malformed, match=f"^{path}: expected a PEM private key$"):
        keyfiles.load_private(path)


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("name", ["north.signing.pub.pem", "north.reader.pub.pem"])
def test_a_public_key_is_no_private_key(name: str, mode: int, folder: Path) -> None:
    (folder / name).chmod(mode)

    with pytest.raises(Malformed, match=r"expected a private key, got a public one$") as caught:
        keyfiles.load_private(folder / name)

    assert caught.value.hint == "give the file without .pub in its name"


@pytest.mark.parametrize("bits", [1024, 2047, 2056])
def test_a_reader_key_of_another_size_is_refused(bits: int, tmp_path: Path) -> None:
    path = key_file(tmp_path, private_pem(rsa.generate_private_key(65537, bits)))

    with pytest.raises(Malformed, match=f"^{path}: expected an RSA public key of 2048, 3072 or"):
        PrivateReader(path)


# Unwrapping


def test_a_reader_unwraps_what_was_wrapped_for_it(folder: Path, north: Keys) -> None:
    reader = PrivateReader(folder / "north.reader.pem")

    assert reader.public == north.reader
    assert reader.unwrap(north.reader.wrap(DataKey(b"k" * 32))) == b"k" * 32


def spoil(wrapped: bytes, offset: int) -> bytes:
    return wrapped[:offset] + bytes([wrapped[offset] ^ 1]) + wrapped[offset + 1 :]


def test_a_reader_does_not_unwrap_anything_else(folder: Path, north: Keys, south: Keys) -> None:
    reader = PrivateReader(folder / "north.reader.pem")
    wrapped = north.reader.wrap(DataKey(b"k" * 32))
    others = [
        b"",
        bytes(256),
        b"\xff" * 256,
        wrapped[:-1],
        wrapped + b"\0",
        b"\0" + wrapped,
        south.reader.wrap(DataKey(b"k" * 32)),
        *(spoil(wrapped, offset) for offset in range(0, 256, 15)),
    ]

    for other in others:
        with pytest.raises(
            Tampered, match=r"^the wrapped data key does not open with this reader key$"
        ):
            reader.unwrap(other)


def test_why_a_key_does_not_unwrap_is_not_told(folder: Path, south: Keys) -> None:
    reader = PrivateReader(folder / "north.reader.pem")
    messages = set()

    for other in (bytes(10), bytes(256), south.reader.wrap(DataKey(bytes(32)))):
        with pytest.raises(CleanroomError) as caught:
            reader.unwrap(other)
        messages.add(str(caught.value))

    assert len(messages) == 1


def test_both_public_kinds_are_told_apart_by_type(folder: Path) -> None:
    assert isinstance(keyfiles.any_public(folder / "north.signing.pub.pem"), SigningKey)
    assert isinstance(keyfiles.any_public(folder / "north.reader.pub.pem"), ReaderKey)
