"""Keys as files: PEM, private ones for their owner's eyes only."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cleanroom.errors import Malformed, Tampered
from cleanroom.keys import OAEP_SHA256, ReaderKey, SigningKey
from party.errors import Usage
from party.files import Output, private, read_document

_EXPONENT = 65537
_OWNER_ONLY = 0o600
_LARGEST = 1 << 16

type PublicKey = SigningKey | ReaderKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One pair and where its halves are."""

    public: PublicKey
    private_path: Path
    public_path: Path


def make(folder: Path, name: str, bits: int, *, force: bool) -> tuple[KeyPair, KeyPair]:
    """Make a signing pair and a reader pair; all four files are new, or none is."""
    signing = ec.generate_private_key(ec.SECP256R1())
    reader = rsa.generate_private_key(_EXPONENT, bits)
    pairs = (
        (signing, _pair(folder, name, "signing", SigningKey.from_crypto(signing.public_key(), ""))),
        (reader, _pair(folder, name, "reader", ReaderKey.from_crypto(reader.public_key(), ""))),
    )
    if not force:
        for _, pair in pairs:
            for path in (pair.private_path, pair.public_path):
                if os.path.lexists(path):
                    raise Usage(f"{path}: it exists already").with_hint(
                        "choose another name; --force makes new keys, and what was sealed for the"
                        " old ones can then never be opened"
                    )
    made: list[Output] = []
    try:
        with ExitStack() as stack:
            for key, pair in pairs:
                pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                private_half = Output(pair.private_path, force=force, mode=_OWNER_ONLY)
                public_half = Output(pair.public_path, force=force)
                for output, data in (
                    (private_half, pem),
                    (public_half, pair.public.pem.encode("ascii")),
                ):
                    made.append(output)
                    stack.enter_context(output).write_at(data, 0)
    except BaseException:
        for output in made:
            output.withdraw()
        raise
    return pairs[0][1], pairs[1][1]


def _pair(folder: Path, name: str, purpose: str, public: PublicKey) -> KeyPair:
    return KeyPair(public, folder / f"{name}.{purpose}.pem", folder / f"{name}.{purpose}.pub.pem")


def signing_key(path: Path) -> SigningKey:
    """Read the public half of a signing key."""
    try:
        return SigningKey.from_pem(_public(path), str(path))
    except Malformed as error:
        raise _hinted(error, "a signing key is in the file that ends in .signing.pub.pem") from None


def reader_key(path: Path) -> ReaderKey:
    """Read the public half of a reader key."""
    try:
        return ReaderKey.from_pem(_public(path), str(path))
    except Malformed as error:
        raise _hinted(error, "a reader key is in the file that ends in .reader.pub.pem") from None


def any_public(path: Path) -> PublicKey:
    """Read a public key of either purpose."""
    data = _public(path)
    if b"PRIVATE KEY" in data:
        key = load_private(path).public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            return SigningKey.from_crypto(key, str(path))
        return ReaderKey.from_crypto(key, str(path))
    try:
        return SigningKey.from_pem(data, str(path))
    except Malformed:
        return ReaderKey.from_pem(data, str(path))


def _public(path: Path) -> bytes:
    """Read a file of one public key: of several, the first would be taken without a word."""
    with _where_from(path, "a public key comes from its owner; to try things out"):
        data = read_document(path, _LARGEST)
    if data.count(b"-----BEGIN") > 1:
        raise Malformed(str(path), "one key", "several")
    return data


@contextmanager
def _where_from(path: Path, words: str) -> Iterator[None]:
    """Say where a key file comes from that is not there."""
    try:
        yield
    except Usage as error:
        if path.suffix == ".pem" and isinstance(error.__cause__, FileNotFoundError):
            raise error.with_hint(f"{words}: cleanroom keys new NAME") from error.__cause__
        raise


def _hinted(error: Malformed, hint: str) -> Malformed:
    """Add a hint where there is none yet."""
    return error if error.hint else error.with_hint(hint)


def private_signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the private half of a signing key."""
    key = load_private(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Malformed(str(path), "an ECDSA P-256 private key", "another kind of key").with_hint(
            "a signing key is in the file that ends in .signing.pem"
        )
    return key


class PrivateReader:
    """The private half of a reader key: says which key it is, and unwraps data keys."""

    def __init__(self, path: Path) -> None:
        key = load_private(path, trusted=True)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Malformed(str(path), "an RSA private key", "another kind of key").with_hint(
                "a reader key is in the file that ends in .reader.pem"
            )
        self._key = key
        self.public = ReaderKey.from_crypto(key.public_key(), str(path))

    def unwrap(self, wrapped: bytes) -> bytes:
        """Decrypt a wrapped data key."""
        try:
            return self._key.decrypt(wrapped, OAEP_SHA256)
        except ValueError as error:
            raise Tampered("the wrapped data key does not open with this reader key") from error


def load_private(path: Path, *, trusted: bool = False) -> PrivateKeyTypes:
    """Read a private key file that only its owner can read.

    Testing whether an RSA key is made of primes takes longer than opening a small file; a party's
    own key may be trusted to be what `keys new` made. One that is not opens nothing.
    """
    with _where_from(path, "make your own once with"):
        data = private(path)
    try:
        return load_pem_private_key(data, password=None, unsafe_skip_rsa_key_validation=trusted)
    except TypeError as error:
        raise Malformed(str(path), "a private key without a passphrase").with_hint(
            "keep a key that needs more protection in a vault: azurekms://..."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(str(path), "a PEM private key") from error
