"""The few TPM 2.0 commands that attestation needs, over whatever carries them to a TPM.

A confidential VM's image should hold as little as it can, so there is no C stack in between
(docs/adr/0012). Structures are those of the TPM 2.0 Library, part 2; commands those of part 3.
All authorisations are empty passwords, as Azure's vTPM has them, but for the PCR policy of the
ephemeral key.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

from cleanroom.errors import Tampered, Unavailable

OWNER = 0x40000001
NULL_HIERARCHY = 0x40000007
KEY_BYTES = 256  # RSA-2048, the largest that every TPM makes
_PASSWORD = 0x40000009
_SESSIONS, _NO_SESSIONS = 0x8002, 0x8001
_SHA256, _NULL, _RSA, _RSASSA, _RSAES, _OAEP = 0x000B, 0x0010, 0x0001, 0x0014, 0x0015, 0x0017
_HASHES = {"sha1": 0x0004, "sha256": _SHA256, "sha384": 0x000C}
_NV_ATTRIBUTES = 0x00020002  # owner may read, owner may write
_NV_CHUNK = 1024
DECRYPT_ATTRIBUTES = 0x00020432  # decrypt, fixedTPM, fixedParent, sensitiveDataOrigin, noDA
_SIGN_ATTRIBUTES = 0x00050472  # sign, restricted, fixedTPM, fixedParent, sensitiveDataOrigin, …
_POLICY_SESSION = 1
_HANDLE_IS_WRONG = 0x18B  # TPM_RC_HANDLE for the first handle: no such NV index
# What decrypting another key's ciphertext fails with: TPM_RC_VALUE for the first parameter, or in a
# TPM made with OpenSSL TPM_RC_FAILURE. One that failed as a whole refuses the next command too.
_DOES_NOT_OPEN = (0x1C4, 0x101)
_LARGEST_ANSWER = 4096
_MOST_PCRS_AT_ONCE = 8
_PCR_BYTES = 3  # a selection of 24 registers
_DIGEST_BYTES = 32


class Transport(Protocol):
    """Carries one command to a TPM and its answer back: a device, or a socket of a simulator."""

    def exchange(self, command: bytes) -> bytes:
        """Send a command and return the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """A structure that the TPM made (TPMS_ATTEST) and its raw RSASSA signature."""

    attested: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A loaded key: its handle, and its public area (TPMT_PUBLIC)."""

    handle: int
    public: bytes


class Tpm:
    """A TPM that answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def nv_size(self, index: int) -> int | None:
        """Tell how much an index holds; None if there is no such index."""
        answer = self._run("NV_ReadPublic", 0x169, (index,), or_codes=(_HANDLE_IS_WRONG,))
        if answer.code != 0:
            return None
        answer.octets(2 + 4 + 2 + 4)  # the public area's size; index, name's algorithm, attributes
        answer.sized()  # policy
        return answer.number(2)

    def nv_read(self, index: int) -> bytes:
        """Read an index whole."""
        size = self.nv_size(index)
        if size is None:
            raise Unavailable(f"the TPM has no NV index 0x{index:08x}")
        found = b""
        while len(found) < size:
            count = min(_NV_CHUNK, size - len(found))
            wanted = struct.pack(">HH", count, len(found))
            chunk = self._run("NV_Read", 0x14E, (OWNER, index), wanted, (_PASSWORD,)).sized()
            if len(chunk) != count:
                raise Unavailable(
                    f"the TPM's NV index 0x{index:08x}: expected {count} bytes, got {len(chunk)}"
                )
            found += chunk
        return found

    def nv_write(self, index: int, data: bytes) -> None:
        """Write an index whole; make it first if it is not there or has another size."""
        size = self.nv_size(index)
        if size is not None and size != len(data):
            self._run("NV_UndefineSpace", 0x122, (OWNER, index), b"", (_PASSWORD,))
        if size != len(data):
            public = struct.pack(">IHIHH", index, _SHA256, _NV_ATTRIBUTES, 0, len(data))
            space = _sized(b"") + _sized(public)
            self._run("NV_DefineSpace", 0x12A, (OWNER,), space, (_PASSWORD,))
        for start in range(0, len(data), _NV_CHUNK):
            chunk = _sized(data[start : start + _NV_CHUNK]) + struct.pack(">H", start)
            self._run("NV_Write", 0x137, (OWNER, index), chunk, (_PASSWORD,))

    def pcrs(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Read SHA-256 registers."""
        found: dict[int, bytes] = {}
        for start in range(0, len(indexes), _MOST_PCRS_AT_ONCE):
            some = indexes[start : start + _MOST_PCRS_AT_ONCE]
            answer = self._run("PCR_Read", 0x17E, (), selection(some))
            answer.number(4)  # how often they changed: a quote tells whether they did meanwhile
            answer.octets(len(selection(some)))
            if (count := answer.number(4)) != len(some):
                raise Unavailable(f"the TPM: expected {len(some)} registers, got {count}")
            found |= {index: answer.sized() for index in sorted(some)}
        if any(len(value) != _DIGEST_BYTES for value in found.values()):
            raise Unavailable(f"the TPM: expected registers of {_DIGEST_BYTES} bytes")
        return found

    def make_attestation_key(self, handle: int) -> None:
        """Make a restricted signing key that stays under this handle, as a paravisor does."""
        wanted = _sized(_sized(b"") + _sized(b"")) + _sized(_SIGNING_KEY) + _sized(b"") + bytes(4)
        made = self._run("CreatePrimary", 0x131, (OWNER,), wanted, (_PASSWORD,), handle_back=True)
        stays = struct.pack(">I", handle)
        self._run("EvictControl", 0x120, (OWNER, made.handle), stays, (_PASSWORD,))
        self._flush(made.handle)

    def public(self, handle: int) -> bytes:
        """Read the public area of a key that stays in the TPM."""
        return self._run("ReadPublic", 0x173, (handle,)).sized()

    def quote(self, signer: int, qualifying: bytes, indexes: Sequence[int]) -> Signed:
        """Have registers and up to 64 bytes of our choice signed."""
        wanted = _sized(qualifying) + struct.pack(">H", _NULL) + selection(indexes)
        return self._signed(self._run("Quote", 0x158, (signer,), wanted, (_PASSWORD,)))

    def certify(self, key: Key, signer: int) -> Signed:
        """Have it signed that a key lives in this TPM."""
        wanted = _sized(b"") + struct.pack(">H", _NULL)
        handles = (key.handle, signer)
        return self._signed(self._run("Certify", 0x148, handles, wanted, (_PASSWORD, _PASSWORD)))

    @contextmanager
    def ephemeral_key(self, indexes: Sequence[int]) -> Iterator[Key]:
        """Make an RSA key that decrypts in this TPM only, while these registers stay so."""
        public = _decryption_key(pcr_policy(self.pcrs(indexes)))
        wanted = _sized(_sized(b"") + _sized(b"")) + _sized(public) + _sized(b"") + bytes(4)
        answer = self._run(
            "CreatePrimary", 0x131, (NULL_HIERARCHY,), wanted, (_PASSWORD,), handle_back=True
        )
        key = Key(answer.handle, answer.sized())
        try:
            yield key
        finally:
            self._flush(key.handle)

    def decrypt(self, key: Key, indexes: Sequence[int], sealed: bytes, oaep: str | None) -> bytes:
        """Decrypt with an ephemeral key: OAEP with the hash of this name, or PKCS #1 v1.5."""
        scheme = struct.pack(">HH", _OAEP, _HASHES[oaep]) if oaep else struct.pack(">H", _RSAES)
        with self._pcr_session(indexes) as session:
            wanted = _sized(sealed) + scheme + _sized(b"")
            answer = self._run(
                "RSA_Decrypt", 0x159, (key.handle,), wanted, (session,), or_codes=_DOES_NOT_OPEN
            )
            if answer.code != 0:  # so the session is still there
                raise Tampered("the ciphertext was not made for the TPM's key, or otherwise")
            return answer.sized()

    @contextmanager
    def _pcr_session(self, indexes: Sequence[int]) -> Iterator[int]:
        nonce = _sized(bytes(16))  # nothing is keyed by it: the session has neither salt nor bind
        wanted = nonce + _sized(b"") + struct.pack(">BHH", _POLICY_SESSION, _NULL, _SHA256)
        both = (NULL_HIERARCHY, NULL_HIERARCHY)
        session = self._run("StartAuthSession", 0x176, both, wanted, handle_back=True).handle
        try:
            self._run("PolicyPCR", 0x17F, (session,), _sized(b"") + selection(indexes))
            yield session
        except BaseException:
            self._flush(session)
            raise
        # a session that authorised a command is gone with it: its continueSession bit is not set

    def _flush(self, handle: int) -> None:
        self._run("FlushContext", 0x165, (), struct.pack(">I", handle))

    def _signed(self, answer: "_Answer") -> Signed:
        attested = answer.sized()
        kind, digest = answer.number(2), answer.number(2)
        if (kind, digest) != (_RSASSA, _SHA256):
            raise Unavailable("the TPM's key signs otherwise than RSASSA with SHA-256")
        return Signed(attested, answer.sized())

    def _run(
        self,
        name: str,
        code: int,
        handles: Sequence[int],
        parameters: bytes = b"",
        sessions: Sequence[int] = (),
        *,
        handle_back: bool = False,
        or_codes: Sequence[int] = (),
    ) -> "_Answer":
        """Run a command that must succeed, or fail with a code that the caller expects."""
        auths = b"".join(struct.pack(">IHBH", session, 0, 0, 0) for session in sessions)
        area = struct.pack(">I", len(auths)) + auths if sessions else b""
        body = b"".join(struct.pack(">I", handle) for handle in handles) + area + parameters
        tag = _SESSIONS if sessions else _NO_SESSIONS
        command = struct.pack(">HII", tag, 10 + len(body), code) + body
        answer = _Answer(name, self._transport.exchange(command))
        if answer.code not in (0, *or_codes):
            raise Unavailable(f"the TPM refused {name} with code 0x{answer.code:03x}")
        if answer.code == 0:
            answer.handle = answer.number(4) if handle_back else 0
            if sessions:
                answer.number(4)  # the size of the parameters; authorisations follow, all empty
        return answer


class _Answer:
    """Reads what a TPM answered; one that is shorter than it says is refused."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._at = 2  # behind the tag, which says what we know: whether there are sessions
        self.handle = 0
        size, self.code = self.number(4), self.number(4)
        if size != len(data) or size > _LARGEST_ANSWER:
            self._short()

    def number(self, size: int) -> int:
        """Read a number."""
        return int.from_bytes(self.octets(size), "big")

    def sized(self) -> bytes:
        """Read bytes that their length, in two bytes, precedes (a TPM2B)."""
        return self.octets(self.number(2))

    def octets(self, count: int) -> bytes:
        """Read bytes."""
        if self._at + count > len(self._data):
            self._short()
        self._at += count
        return self._data[self._at - count : self._at]

    def _short(self) -> NoReturn:
        raise Unavailable(f"the TPM's answer to {self._name} is not of the size it says")


def selection(indexes: Sequence[int]) -> bytes:
    """Spell which SHA-256 registers are meant (TPML_PCR_SELECTION)."""
    bits = sum(1 << index for index in set(indexes))
    return struct.pack(">IHB", 1, _SHA256, _PCR_BYTES) + bits.to_bytes(_PCR_BYTES, "little")


def pcr_policy(values: Mapping[int, bytes]) -> bytes:
    """Work out the digest that TPM2_PolicyPCR leads to from an empty policy."""
    registers = hashlib.sha256(b"".join(values[index] for index in sorted(values))).digest()
    steps = bytes(_DIGEST_BYTES) + struct.pack(">I", 0x17F) + selection(sorted(values)) + registers
    return hashlib.sha256(steps).digest()


def _decryption_key(policy: bytes) -> bytes:
    """Spell the template of the ephemeral key (TPMT_PUBLIC)."""
    head = struct.pack(">HHI", _RSA, _SHA256, DECRYPT_ATTRIBUTES) + _sized(policy)
    return head + struct.pack(">HHHI", _NULL, _NULL, 8 * KEY_BYTES, 0) + _sized(b"")


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


_SIGNING_KEY = (
    struct.pack(">HHI", _RSA, _SHA256, _SIGN_ATTRIBUTES)
    + _sized(b"")
    + struct.pack(">HHHHI", _NULL, _RSASSA, _SHA256, 8 * KEY_BYTES, 0)
    + _sized(b"")
)
