"""How a released key travels: RSA-OAEP of an AES key, then the key under it by RFC 5649.

Used by the runner to open, by a vault to wrap; docs/spec/release-policy.md §8. The hash of OAEP and
of its MGF1 is that of the algorithm's name, and SHA-1 for the one that PKCS#11 named.
"""

from collections.abc import Callable
from enum import Enum

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from cleanroom.errors import Malformed, Tampered
from cleanroom.keys import ReaderKey

LARGEST = 4096  # an RSA-4096 key in PKCS#8 has 2,400 bytes
_AES_BYTES = 32
_LEAST = 16  # what RFC 5649 makes of the shortest key

type Decrypt = Callable[[bytes, hashes.HashAlgorithm], bytes]
"""RSA-OAEP by whoever holds the wrapping key, a TPM or `by_key`; raises an error of ours."""


class Wrapping(Enum):
    """The algorithms by which vaults wrap what they release."""

    CKM = "CKM_RSA_AES_KEY_WRAP"
    SHA256 = "RSA_AES_KEY_WRAP_256"
    SHA384 = "RSA_AES_KEY_WRAP_384"

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """The hash of OAEP and of MGF1."""
        if self is Wrapping.CKM:  # OAEP asks of its hash nothing that SHA-1 has lost
            return hashes.SHA1()  # noqa: S303
        return hashes.SHA256() if self is Wrapping.SHA256 else hashes.SHA384()


def unwrap(wrapped: bytes, algorithm: Wrapping, key_bytes: int, decrypt: Decrypt) -> bytes:
    """Open what a vault wrapped to an RSA key of `key_bytes` bytes."""
    if not key_bytes + _LEAST <= len(wrapped) <= LARGEST:
        raise Malformed(
            "wrapped key", f"{key_bytes + _LEAST} to {LARGEST} bytes", f"{len(wrapped)}"
        )
    aes_key = decrypt(wrapped[:key_bytes], algorithm.hash)
    if len(aes_key) != _AES_BYTES:
        raise Tampered(
            f"wrapped key: expected an AES key of {_AES_BYTES} bytes, got {len(aes_key)}"
        )
    return unwrap_padded(aes_key, wrapped[key_bytes:])


def unwrap_padded(aes_key: bytes, wrapped: bytes) -> bytes:
    """Undo AES key wrap with padding (RFC 5649)."""
    try:
        return keywrap.aes_key_unwrap_with_padding(aes_key, wrapped)
    except keywrap.InvalidUnwrap as error:
        raise Tampered("wrapped key: does not open with the AES key before it") from error


def by_key(private: rsa.RSAPrivateKey) -> Decrypt:
    """Decrypt with a key in memory."""

    def decrypt(ciphertext: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        try:
            return private.decrypt(ciphertext, _oaep(algorithm))
        except ValueError as error:
            raise Tampered("wrapped key: not made for this key, or by this algorithm") from error

    return decrypt


def room_key(pkcs8: bytes, expected: ReaderKey) -> rsa.RSAPrivateKey:
    """Accept the released private key if it is the one whose public half the contract names.

    The general check of a key takes a tenth of a second, mostly for its primes. Whose primes they
    are we need not ask: a party that makes its own key badly opens its own data to others. That the
    parts belong together is arithmetic.
    """
    try:
        private = load_der_private_key(pkcs8, password=None, unsafe_skip_rsa_key_validation=True)
    # TypeError: it has a password. InternalError: an Edwards key of the wrong length.
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        raise Malformed("released key", "a private key in PKCS#8") from error
    if not isinstance(private, rsa.RSAPrivateKey):
        raise Malformed("released key", "an RSA key")
    found = ReaderKey.from_crypto(private.public_key(), "released key")
    if found != expected:
        raise Tampered(f"released key: expected {expected.id}, got {found.id}")
    if not _is_whole(private.private_numbers()):
        raise Malformed("released key", "an RSA key whose parts belong together")
    return private


def _is_whole(key: rsa.RSAPrivateNumbers) -> bool:
    """Check that the private half belongs to the public one (RFC 8017 §3.2)."""
    p, q, d = key.p, key.q, key.d
    return (
        p * q == key.public_numbers.n
        and min(p, q) > 1
        and key.public_numbers.e * d % (p - 1) == 1
        and key.public_numbers.e * d % (q - 1) == 1
        and (key.dmp1, key.dmq1) == (d % (p - 1), d % (q - 1))
        and key.iqmp * q % p == 1
    )


def wrap(
    plaintext: bytes, algorithm: Wrapping, key: rsa.RSAPublicKey, fresh_aes_key: bytes
) -> bytes:
    """Wrap as a vault does; the AES key is 32 random bytes, used for this only."""
    return key.encrypt(fresh_aes_key, _oaep(algorithm.hash)) + keywrap.aes_key_wrap_with_padding(
        fresh_aes_key, plaintext
    )


def _oaep(algorithm: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(algorithm), algorithm=algorithm, label=None)
