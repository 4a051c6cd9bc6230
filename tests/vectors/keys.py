"""Keys for the test vectors, derived from public labels (docs/spec/vectors.md §2): no secrets.

They are made at test time, so that no private key stands in the tree, and the same every time.
"""

import hashlib
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from securesystemslib.signer import Signature

from cleanroom.keys import ReaderKey, SigningKey

_BITS = 2048
_E = 65537
_ROUNDS = 24  # of Miller-Rabin, with bases from the same stream
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def stream(label: str, length: int) -> bytes:
    """Expand a label: SHA-256(label ‖ 0), SHA-256(label ‖ 1), ... as 4-byte big-endian counters."""
    blocks = (
        hashlib.sha256(label.encode() + counter.to_bytes(4, "big")).digest()
        for counter in range(-(-length // 32))
    )
    return b"".join(blocks)[:length]


@cache
def signing(name: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-256 key."""
    scalar = int.from_bytes(stream(f"cleanroom vectors signing {name}", 40), "big")
    return ec.derive_private_key(scalar % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def signing_key(name: str) -> SigningKey:
    return SigningKey.from_crypto(signing(name).public_key(), name)


@cache
def reader(name: str) -> rsa.RSAPrivateKey:
    """Derive an RSA-2048 key: the next fitting primes from two places of the stream."""
    p, q = (_prime(f"cleanroom vectors reader {name} {which}") for which in "pq")
    d = pow(_E, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(_E, p * q),
    )
    return numbers.private_key()


def reader_key(name: str) -> ReaderKey:
    return ReaderKey.from_crypto(reader(name).public_key(), name)


def _prime(label: str) -> int:
    size = _BITS // 2
    start = int.from_bytes(stream(label, size // 8), "big") | (3 << (size - 2)) | 1
    while (start - 1) % _E == 0 or not _is_prime(start, label):
        start += 2
    return start


def _is_prime(number: int, label: str) -> bool:
    if any(number % small == 0 for small in range(3, 2000, 2)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    bases = stream(f"{label} bases", 8 * _ROUNDS)
    return all(
        _passes(number, int.from_bytes(bases[8 * i : 8 * i + 8], "big"), odd, twos)
        for i in range(_ROUNDS)
    )


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


class DeterministicSigner:
    """ECDSA with the nonce of RFC 6979, so that vectors come out the same every time."""

    def __init__(self, name: str) -> None:
        self._private = signing(name)
        self._id = signing_key(name).id.text

    def sign(self, payload: bytes) -> Signature:
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        return Signature(self._id, self._private.sign(payload, algorithm).hex())


def wrap(name: str, secret: bytes, label: str) -> bytes:
    """RSA-OAEP (RFC 8017 §7.1.1) with SHA-256 and a seed from the stream instead of chance."""
    size = _BITS // 8
    empty = hashlib.sha256(b"").digest()
    block = empty + bytes(size - len(secret) - 2 * 32 - 2) + b"\x01" + secret
    seed = stream(f"{label} seed", 32)
    masked = _xor(block, _mask(seed, len(block)))
    masked_seed = _xor(seed, _mask(masked, 32))
    numbers = reader(name).public_key().public_numbers()
    encoded = int.from_bytes(b"\x00" + masked_seed + masked, "big")
    return pow(encoded, numbers.e, numbers.n).to_bytes(size, "big")


def _mask(seed: bytes, length: int) -> bytes:
    blocks = (
        hashlib.sha256(seed + counter.to_bytes(4, "big")).digest()
        for counter in range(-(-length // 32))
    )
    return b"".join(blocks)[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
