"""TPM commands go out as the specification spells them, and a strange answer is never believed."""

import hashlib
import struct
from collections.abc import Callable

import pytest

from cleanroom.errors import CleanroomError, Tampered, Unavailable
from cleanroom.tpm import Key, Tpm, pcr_policy, selection

INDEX = 0x01400001
SESSION = 0x03000000
EPHEMERAL = Key(0x80000000, b"")
PCRS = tuple(range(8))
REGISTERS = {index: bytes((index,)) * 32 for index in range(24)}


def sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def plain(body: bytes = b"", code: int = 0) -> bytes:
    """Answer without sessions."""
    return struct.pack(">HII", 0x8001, 10 + len(body), code) + body


def authorised(body: bytes = b"", handle: bytes = b"") -> bytes:
    """Answer with sessions: handle, size of the parameters, these, an empty acknowledgement."""
    parameters = handle + struct.pack(">I", len(body)) + body + bytes(5)
    return struct.pack(">HII", 0x8002, 10 + len(parameters), 0) + parameters


def nv_public(size: int, policy: bytes = b"") -> bytes:
    body = struct.pack(">IHI", INDEX, 0x000B, 0x00020002) + sized(policy) + struct.pack(">H", size)
    return plain(sized(body) + sized(b"name"))


def registers(indexes: tuple[int, ...], size: int = 32) -> bytes:
    values = b"".join(sized(REGISTERS[index][:size]) for index in indexes)
    return plain(bytes(4) + selection(indexes) + struct.pack(">I", len(indexes)) + values)


def signed(scheme: int = 0x0014, digest: int = 0x000B) -> bytes:
    return authorised(sized(b"attested") + struct.pack(">HH", scheme, digest) + sized(b"signature"))


class Scripted:
    """Answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def exchange(self, command: bytes) -> bytes:
        self.asked.append(command)
        return self.answers.pop(0)

    @property
    def codes(self) -> list[int]:
        return [struct.unpack_from(">I", command, 6)[0] for command in self.asked]


def scripted(*answers: bytes) -> tuple[Tpm, Scripted]:
    transport = Scripted(*answers)
    return Tpm(transport), transport


# --- indexes


@pytest.mark.parametrize("policy", [b"", b"\1" * 32], ids=["no policy", "policy"])
def test_the_size_of_an_index_is_read_behind_its_policy(policy: bytes) -> None:
    tpm, transport = scripted(nv_public(2600, policy))

    assert tpm.nv_size(INDEX) == 2600
    assert transport.asked == [bytes.fromhex("8001 0000000e 00000169 01400001")]


def test_an_index_that_is_not_there_has_no_size() -> None:
    tpm, _ = scripted(plain(code=0x18B))

    assert tpm.nv_size(INDEX) is None


def test_an_index_that_is_not_there_cannot_be_read() -> None:
    tpm, _ = scripted(plain(code=0x18B))

    with pytest.raises(Unavailable, match=r"^the TPM has no NV index 0x01400001$"):
        tpm.nv_read(INDEX)


def test_an_index_is_read_in_parts_that_every_tpm_gives() -> None:
    data = bytes(range(256)) * 10 + b"end"
    parts = [authorised(sized(data[start : start + 1024])) for start in (0, 1024, 2048)]
    tpm, transport = scripted(nv_public(len(data)), *parts)

    assert tpm.nv_read(INDEX) == data
    asked = [struct.unpack(">HH", command[-4:]) for command in transport.asked[1:]]
    assert asked == [(1024, 0), (1024, 1024), (515, 2048)]
    owner, password = "40000001", "00000009 40000009 0000 00 0000"
    assert transport.asked[1] == bytes.fromhex(
        f"8002 00000023 0000014e {owner} 01400001 {password} 0400 0000"
    )


@pytest.mark.parametrize("part", [b"", b"\0" * 63, b"\0" * 65], ids=["none", "short", "long"])
def test_a_part_of_another_size_than_asked_for_is_refused(part: bytes) -> None:
    tpm, _ = scripted(nv_public(64), authorised(sized(part)))

    with pytest.raises(Unavailable, match=rf"01400001: expected 64 bytes, got {len(part)}$"):
        tpm.nv_read(INDEX)


def test_an_index_of_the_right_size_is_written_over() -> None:
    tpm, transport = scripted(nv_public(64), authorised())

    tpm.nv_write(INDEX, b"\1" * 64)

    assert transport.codes == [0x169, 0x137]
    assert transport.asked[1].endswith(sized(b"\1" * 64) + b"\0\0")


def test_an_index_of_another_size_is_made_anew() -> None:
    tpm, transport = scripted(nv_public(32), authorised(), authorised(), authorised())

    tpm.nv_write(INDEX, b"\1" * 64)

    assert transport.codes == [0x169, 0x122, 0x12A, 0x137]
    public = bytes.fromhex("01400001 000b 00020002 0000 0040")  # owner reads and writes, 64 bytes
    assert transport.asked[2].endswith(sized(b"") + sized(public))


def test_an_index_that_is_not_there_is_made() -> None:
    tpm, transport = scripted(plain(code=0x18B), authorised(), authorised(), authorised())

    tpm.nv_write(INDEX, b"\1" * 1500)

    assert transport.codes == [0x169, 0x12A, 0x137, 0x137]
    assert transport.asked[3].endswith(sized(b"\1" * 476) + b"\x04\0")


# --- registers


def test_registers_are_asked_for_eight_at_once() -> None:
    tpm, transport = scripted(
        registers(tuple(range(8))), registers(tuple(range(8, 16))), registers(tuple(range(16, 24)))
    )

    assert tpm.pcrs(range(24)) == REGISTERS
    assert transport.asked[1] == bytes.fromhex("8001 00000014 0000017e 00000001 000b 03 00ff00")


def test_registers_asked_for_in_disorder_keep_their_values() -> None:
    tpm, _ = scripted(registers((0, 4, 7)))

    assert tpm.pcrs((7, 0, 4)) == {index: REGISTERS[index] for index in (0, 4, 7)}


def test_fewer_registers_than_asked_for_are_refused() -> None:
    tpm, _ = scripted(registers(PCRS[:7]))

    # the selection has the same size; the count says that one is missing
    with pytest.raises(Unavailable, match=r"^the TPM: expected 8 registers, got 7$"):
        tpm.pcrs(PCRS)


def test_registers_of_another_size_are_refused() -> None:
    tpm, _ = scripted(registers(PCRS, size=20))

    with pytest.raises(Unavailable, match=r"^the TPM: expected registers of 32 bytes$"):
        tpm.pcrs(PCRS)


def test_a_policy_is_that_of_the_specification() -> None:
    values = {index: REGISTERS[index] for index in (7, 0)}
    registers_in_order = hashlib.sha256(bytes(32) + b"\7" * 32).digest()
    steps = bytes(32) + bytes.fromhex("0000017f 00000001 000b 03 810000") + registers_in_order

    assert pcr_policy(values) == hashlib.sha256(steps).digest()


# --- signatures


def test_a_quote_is_asked_for_with_nonce_and_selection() -> None:
    tpm, transport = scripted(signed())

    found = tpm.quote(0x81000003, b"nonce", PCRS)

    assert (found.attested, found.signature) == (b"attested", b"signature")
    wanted = bytes.fromhex("0005") + b"nonce" + bytes.fromhex("0010 00000001 000b 03 ff0000")
    assert transport.asked[0].endswith(wanted)


@pytest.mark.parametrize(
    ("scheme", "digest"),
    [
        pytest.param(0x0016, 0x000B, id="RSAPSS"),
        pytest.param(0x0014, 0x000C, id="SHA-384"),
        pytest.param(0x0014, 0x0004, id="SHA-1"),
    ],
)
def test_a_signature_of_another_scheme_is_refused(scheme: int, digest: int) -> None:
    tpm, _ = scripted(signed(scheme, digest))

    with pytest.raises(Unavailable, match=r"signs otherwise than RSASSA with SHA-256$"):
        tpm.quote(0x81000003, b"", PCRS)


# --- keys


def created(public: bytes = b"public") -> bytes:
    return authorised(sized(public) + bytes(30), handle=struct.pack(">I", EPHEMERAL.handle))


def test_an_ephemeral_key_goes_when_its_work_is_done() -> None:
    tpm, transport = scripted(registers(PCRS), created(), plain())

    with tpm.ephemeral_key(PCRS) as key:
        assert key == Key(EPHEMERAL.handle, b"public")
        assert transport.codes == [0x17E, 0x131]

    assert transport.codes == [0x17E, 0x131, 0x165]
    assert transport.asked[2].endswith(struct.pack(">I", EPHEMERAL.handle))


def test_an_ephemeral_key_goes_when_its_work_fails() -> None:
    tpm, transport = scripted(registers(PCRS), created(), plain())

    with pytest.raises(KeyError), tpm.ephemeral_key(PCRS):
        raise KeyError

    assert transport.codes[-1] == 0x165


def test_a_key_decrypts_in_a_session_of_its_registers() -> None:
    session = plain(struct.pack(">I", SESSION) + sized(bytes(16)))
    tpm, transport = scripted(session, plain(), authorised(sized(b"opened")))

    assert tpm.decrypt(EPHEMERAL, PCRS, b"sealed", "sha256") == b"opened"
    assert transport.codes == [0x176, 0x17F, 0x159]
    assert transport.asked[1].endswith(struct.pack(">IH", SESSION, 0) + selection(PCRS))
    assert transport.asked[2].endswith(sized(b"sealed") + bytes.fromhex("0017 000b 0000"))


@pytest.mark.parametrize(
    ("oaep", "scheme"),
    [("sha1", "0017 0004"), ("sha384", "0017 000c"), (None, "0015")],
)
def test_a_key_decrypts_by_the_scheme_asked_for(oaep: str | None, scheme: str) -> None:
    session = plain(struct.pack(">I", SESSION) + sized(bytes(16)))
    tpm, transport = scripted(session, plain(), authorised(sized(b"opened")))

    tpm.decrypt(EPHEMERAL, PCRS, b"sealed", oaep)

    assert transport.asked[2].endswith(b"sealed" + bytes.fromhex(scheme) + sized(b""))


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        pytest.param(
            0x1C4, Tampered, "the ciphertext was not made for the TPM's key", id="another key's"
        ),
        pytest.param(
            0x101, Tampered, "the ciphertext was not made for the TPM's key", id="in other words"
        ),
        pytest.param(
            0x99D, Unavailable, "the TPM refused RSA_Decrypt with code 0x99d", id="another state"
        ),
    ],
)
def test_a_session_goes_when_decrypting_fails(
    code: int, error: type[CleanroomError], message: str
) -> None:
    session = plain(struct.pack(">I", SESSION) + sized(bytes(16)))
    tpm, transport = scripted(session, plain(), plain(code=code), plain())

    with pytest.raises(error, match=f"^{message}"):
        tpm.decrypt(EPHEMERAL, PCRS, b"sealed", "sha256")

    assert transport.codes[-1] == 0x165
    assert transport.asked[-1].endswith(struct.pack(">I", SESSION))


def test_a_tpm_that_failed_as_a_whole_is_not_a_ciphertext_that_does_not_open() -> None:
    session = plain(struct.pack(">I", SESSION) + sized(bytes(16)))
    tpm, _ = scripted(session, plain(), plain(code=0x101), plain(code=0x101))

    with pytest.raises(Unavailable, match=r"^the TPM refused FlushContext with code 0x101$"):
        tpm.decrypt(EPHEMERAL, PCRS, b"sealed", "sha256")


# --- answers that are not what they say


ASK: dict[str, Callable[[Tpm], object]] = {
    "NV_ReadPublic": lambda tpm: tpm.nv_size(INDEX),
    "PCR_Read": lambda tpm: tpm.pcrs(PCRS),
    "ReadPublic": lambda tpm: tpm.public(0x81000003),
    "Quote": lambda tpm: tpm.quote(0x81000003, b"", PCRS),
    "Certify": lambda tpm: tpm.certify(EPHEMERAL, 0x81000003),
    "CreatePrimary": lambda tpm: tpm.make_attestation_key(0x81000003),
    "StartAuthSession": lambda tpm: tpm.decrypt(EPHEMERAL, PCRS, b"", None),
}
GOOD = {
    "NV_ReadPublic": nv_public(64),
    "PCR_Read": registers(PCRS),
    "ReadPublic": plain(sized(b"public")),
    "Quote": signed(),
    "Certify": signed(),
    "CreatePrimary": created(),
    "StartAuthSession": plain(struct.pack(">I", SESSION) + sized(bytes(16))),
}


@pytest.mark.parametrize("name", ASK)
def test_an_error_code_is_told(name: str) -> None:
    tpm, _ = scripted(plain(code=0x922))

    with pytest.raises(Unavailable, match=f"^the TPM refused {name} with code 0x922$"):
        ASK[name](tpm)


@pytest.mark.parametrize("size", [0, 1, 2, 6, 9])
@pytest.mark.parametrize("name", ASK)
def test_an_answer_without_a_whole_header_is_refused(name: str, size: int) -> None:
    tpm, _ = scripted(GOOD[name][:size])

    with pytest.raises(Unavailable, match=f"^the TPM's answer to {name} is not of the size it"):
        ASK[name](tpm)


@pytest.mark.parametrize("name", ASK)
def test_a_cut_answer_is_refused(name: str) -> None:
    tpm, _ = scripted(GOOD[name][:-1])

    with pytest.raises(Unavailable, match=f"^the TPM's answer to {name} is not of the size it"):
        ASK[name](tpm)


@pytest.mark.parametrize("name", ["NV_ReadPublic", "PCR_Read", "ReadPublic", "Quote", "Certify"])
def test_an_answer_that_ends_within_what_it_holds_is_refused(name: str) -> None:
    whole = GOOD[name]
    for size in range(10, len(whole) - 11):  # what stands behind is not read
        cut = whole[:2] + struct.pack(">I", size) + whole[6:size]
        tpm, _ = scripted(cut)
        with pytest.raises(Unavailable):
            ASK[name](tpm)


def test_an_answer_longer_than_any_is_refused() -> None:
    tpm, _ = scripted(plain(sized(b"public") + bytes(4096)))

    with pytest.raises(Unavailable, match=r"^the TPM's answer to ReadPublic is not of the size"):
        tpm.public(0x81000003)
