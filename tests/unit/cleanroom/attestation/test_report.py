"""A report says what its bytes say, and holds nothing where nothing may be."""

import re
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cleanroom.attestation.report import SIGNED_BYTES, GuestPolicy, Product, Report, Tcb
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import CHIP_ID
from devstack.hardware.snp import DEBUG, MIGRATION, POLICY, SINGLE_SOCKET, SMT
from tests.hardware import chip, guest

REPORT = 1184


def with_bytes(offset: int, octets: bytes, version: int = 3) -> bytes:
    report = (
        bytearray(guest(version=version, cpuid=(0, 0, 0)).report(b""))
        if version == 2
        else (bytearray(guest(version=version).report(b"")))
    )
    report[offset : offset + len(octets)] = octets
    return bytes(report)


def numbered() -> bytes:
    """A report each field of which is different."""
    made = guest(
        guest_svn=7,
        vmpl=2,
        flags=0b11111,
        chip_id=b"\xc1" * 64,
        measurement=b"\x4d" * 48,
        host_data=b"\x40" * 32,
        id_key_digest=b"\x1d" * 48,
        current=b"current!",
        reported=b"reported",
        committed=b"committd",
        launch=b"launched",
        version=5,
    )
    patched = made.template.patched(0x110, b"\xa0" * 48).patched(0x1F8, b"\x01" + bytes(7))
    patched = patched.patched(0x200, b"\x02" + bytes(7)).patched(
        0x1E8, bytes((1, 2, 3, 0, 4, 5, 6))
    )
    return made.launched(patched).report(b"\xda" * 64)


def test_every_field_is_read_from_its_place() -> None:
    data = numbered()

    found = Report.parse(data, "report")

    assert found == Report(
        version=5,
        guest_svn=7,
        policy=GuestPolicy((0, 31), smt=True, migration=False, debug=False, single_socket=False),
        family_id=b"\x01" + bytes(15),
        image_id=b"\x02" + bytes(15),
        vmpl=2,
        signature_algorithm=1,
        current_tcb=b"current!",
        platform_info=0x25,
        author_key_enabled=True,
        chip_key_masked=True,
        signing_key=7,
        report_data=b"\xda" * 64,
        measurement=b"\x4d" * 48,
        host_data=b"\x40" * 32,
        id_key_digest=b"\x1d" * 48,
        author_key_digest=b"\xa0" * 48,
        report_id=b"\x1e" * 32,
        migration_agent_id=b"\xff" * 32,
        reported_tcb=b"reported",
        product=Product.MILAN,
        stepping=1,
        chip_id=b"\xc1" * 64,
        committed_tcb=b"committd",
        current_firmware=(3, 2, 1),
        committed_firmware=(6, 5, 4),
        launch_tcb=b"launched",
        launch_mitigations=1,
        current_mitigations=2,
        signed=data[:SIGNED_BYTES],
        signature=encode_dss_signature(
            int.from_bytes(data[0x2A0:0x2D0], "little"), int.from_bytes(data[0x2E8:0x318], "little")
        ),
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(bytes(REPORT - 1), "report: expected 1184 bytes, got 1183", id="short"),
        pytest.param(bytes(REPORT + 1), "report: expected 1184 bytes, got 1185", id="long"),
        pytest.param(b"", "report: expected 1184 bytes, got 0", id="empty"),
        pytest.param(bytes(REPORT), "report.version: expected 2, 3 or 5, got 0", id="version 0"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        Report.parse(data, "report")


@pytest.mark.parametrize("version", [1, 4, 6])
def test_a_version_that_nobody_described_is_refused(version: int) -> None:
    data = guest(version=version).report(b"")

    with pytest.raises(Malformed, match=f"^report.version: expected 2, 3 or 5, got {version}$"):
        Report.parse(data, "report")


ZERO = [
    *(pytest.param(3, at, "0x4c to 0x4f", id=f"{at:#x}") for at in (0x4C, 0x4F)),
    *(pytest.param(3, at, "0x18b to 0x19f", id=f"{at:#x}") for at in (0x18B, 0x19F)),
    pytest.param(3, 0x1EB, "0x1eb to 0x1eb", id="behind the current firmware"),
    pytest.param(3, 0x1EF, "0x1ef to 0x1ef", id="behind the committed firmware"),
    *(pytest.param(5, at, "0x208 to 0x29f", id=f"{at:#x}") for at in (0x208, 0x29F)),
    *(pytest.param(3, at, "0x2d0 to 0x2e7", id=f"top of r {at:#x}") for at in (0x2D0, 0x2E7)),
    *(pytest.param(3, at, "0x318 to 0x49f", id=f"top of s {at:#x}") for at in (0x318, 0x49F)),
    *(pytest.param(2, at, "0x188 to 0x18a", id=f"cpuid in 2 {at:#x}") for at in (0x188, 0x18A)),
    *(pytest.param(3, at, "0x1f8 to 0x207", id=f"mitigations {at:#x}") for at in (0x1F8, 0x207)),
]


@pytest.mark.parametrize(("version", "at", "span"), ZERO)
def test_bytes_that_mean_nothing_are_zero(version: int, at: int, span: str) -> None:
    data = with_bytes(at, b"\x80", version)

    with pytest.raises(Malformed, match=f"^report, bytes {span}: expected zero$"):
        Report.parse(data, "report")


@pytest.mark.parametrize(("at", "version"), [(0x188, 3), (0x1F8, 5), (0x207, 5)])
def test_bytes_that_a_newer_version_gave_a_meaning_may_be_set(at: int, version: int) -> None:
    data = with_bytes(at, b"\x19", version)

    assert Report.parse(data, "report").version == version


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^report.flags: expected at most 5 bits, got 0x20$"):
        Report.parse(with_bytes(0x48, b"\x20"), "report")


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        pytest.param(1 << 17, (False, False, False, False), id="nothing"),
        pytest.param(1 << 17 | SMT, (True, False, False, False), id="smt"),
        pytest.param(1 << 17 | MIGRATION, (False, True, False, False), id="migration"),
        pytest.param(1 << 17 | DEBUG, (False, False, True, False), id="debug"),
        pytest.param(1 << 17 | SINGLE_SOCKET, (False, False, False, True), id="single socket"),
    ],
)
def test_each_bit_of_the_policy_is_read(bits: int, expected: tuple[bool, ...]) -> None:
    found = GuestPolicy.parse(bits, "policy")

    assert (found.smt, found.migration, found.debug, found.single_socket) == expected


@pytest.mark.parametrize(
    "bits",
    [
        pytest.param(POLICY & ~(1 << 17), id="the bit that is always set is not"),
        pytest.param(POLICY | 1 << 21, id="first unknown bit"),
        pytest.param(POLICY | 1 << 63, id="last bit"),
    ],
)
def test_a_policy_with_unknown_bits_is_refused(bits: int) -> None:
    message = f"report.policy: expected bit 17 set and none of the bits 21 to 63, got {bits:#x}"

    with pytest.raises(Malformed, match=f"^{message}$"):
        Report.parse(guest(policy=bits).report(b""), "report")


def test_the_abi_of_the_policy_is_read() -> None:
    assert GuestPolicy.parse(1 << 17 | 0x0137, "policy").abi == (1, 0x37)


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0xA0, Product.GENOA),
        (0x19, 0xAF, Product.GENOA),
        (0x1A, 0x00, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),
    ],
)
def test_family_and_model_tell_the_product(family: int, model: int, product: Product) -> None:
    data = guest(cpuid=(family, model, 1)).report(b"")

    assert Report.parse(data, "report").product is product


@pytest.mark.parametrize(
    ("family", "model"), [(0x19, 0x20), (0x19, 0x9F), (0x19, 0xB0), (0x1A, 0x12), (0x17, 0x01)]
)
def test_another_processor_is_refused(family: int, model: int) -> None:
    message = (
        f"the report is of processor family {family:#x}, model {model:#x},"
        " expected a Milan, Genoa or Turin"
    )

    with pytest.raises(Unattested, match=f"^{message}$"):
        Report.parse(guest(cpuid=(family, model, 1)).report(b""), "report")


def test_version_2_does_not_tell_the_product() -> None:
    data = guest(version=2, cpuid=(0, 0, 0)).report(b"")

    assert Report.parse(data, "report").product is None


@pytest.mark.parametrize("product", [Product.MILAN, Product.GENOA])
def test_a_tcb_before_turin(product: Product) -> None:
    raw = bytes((1, 2, 0, 0, 0, 0, 3, 4))

    assert Tcb.parse(raw, product, "tcb") == Tcb(bootloader=1, tee=2, snp=3, microcode=4, fmc=0)


def test_a_tcb_of_turin() -> None:
    raw = bytes((1, 2, 3, 4, 0, 0, 0, 5))

    assert Tcb.parse(raw, Product.TURIN, "tcb") == Tcb(
        fmc=1, bootloader=2, tee=3, snp=4, microcode=5
    )


@pytest.mark.parametrize(
    ("product", "at"),
    [
        *((Product.MILAN, at) for at in (2, 3, 4, 5)),
        *((Product.GENOA, at) for at in (2, 3, 4, 5)),
        *((Product.TURIN, at) for at in (4, 5, 6)),
    ],
)
def test_a_tcb_holds_nothing_in_reserved_bytes(product: Product, at: int) -> None:
    raw = bytes(1 if n == at else 0 for n in range(8))
    message = f"tcb: expected zero in the reserved bytes of a {product} TCB, got {raw.hex()}"

    with pytest.raises(Malformed, match=f"^{message}$"):
        Tcb.parse(raw, product, "tcb")


@pytest.mark.parametrize("part", ["bootloader", "tee", "snp", "microcode", "fmc"])
def test_a_tcb_is_compared_part_by_part(part: str) -> None:
    floor = Tcb(5, 5, 5, 5, 5)
    older = Tcb(
        **{n: 4 if n == part else 9 for n in ("bootloader", "tee", "snp", "microcode", "fmc")}
    )

    floor.check_at_least(floor, "this", "that")
    with pytest.raises(Unattested, match=f"^this has {part} 4, expected at least 5 of that$"):
        older.check_at_least(floor, "this", "that")


def test_the_synthetic_chip_has_a_name_of_its_own() -> None:
    assert Report.parse(chip().report(b""), "report").chip_id == CHIP_ID


@pytest.mark.parametrize("change", [lambda data: data[::-1], lambda data: data[1:] + b"\0"])
def test_shuffled_bytes_are_refused_by_an_error_of_ours(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CleanroomError):
        Report.parse(change(chip().report(b"")), "report")
