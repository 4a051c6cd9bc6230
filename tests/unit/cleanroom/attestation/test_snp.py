"""A report is believed when the chip that it names signed it, and not otherwise."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation import snp
from cleanroom.attestation.amd import AMD_ROOTS, Kind
from cleanroom.attestation.report import SIGNED_BYTES, Product, Report, Tcb
from cleanroom.attestation.snp import SnpClaims
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import TCB, TURIN_TCB, SyntheticAmd
from devstack.hardware.snp import Chip, SnpReport, raw_tcb
from tests.hardware import NOW, PRODUCTS, chip

type Change = Callable[[SnpReport], SnpReport]


def verified(made: Chip) -> SnpClaims:
    return snp.verify(made.report(b"data"), made.amd.pem(), made.amd.roots, NOW)


@pytest.mark.parametrize("kind", ["VCEK", "VLEK"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_genuine_report_becomes_claims(product: Product, kind: Kind) -> None:
    made = chip(SyntheticAmd.make(product, kind))

    data = made.report(b"data")
    found = snp.verify(data, made.amd.pem(), made.amd.roots, NOW)

    tcb = TURIN_TCB if product is Product.TURIN else TCB
    assert found == SnpClaims(
        Report.parse(data, "report"), product, tcb, tcb, tcb, tcb, kind, synthetic=True
    )


def test_a_report_of_version_2_is_of_the_product_of_its_chain() -> None:
    made = chip(SyntheticAmd.make(Product.GENOA))
    made = made.launched(replace(made.template, version=2, cpuid=(0, 0, 0)))

    assert verified(made).product is Product.GENOA


def test_each_tcb_is_read_from_its_field() -> None:
    made = chip()
    tcbs = {
        "reported": TCB,
        "committed": replace(TCB, snp=25),
        "current": replace(TCB, snp=26),
        "launch": replace(TCB, snp=1),
    }
    fields = {name: raw_tcb(tcb, Product.MILAN) for name, tcb in tcbs.items()}

    found = verified(made.launched(replace(made.template, **fields)))  # type: ignore[arg-type]  # knobs

    assert {name: getattr(found, name) for name in tcbs} == tcbs


def with_tcb(field: str, **parts: int) -> Change:
    octets = raw_tcb(replace(TCB, **parts), Product.MILAN)
    return lambda report: replace(report, **{field: octets})  # type: ignore[arg-type]  # knobs


CHECKS = [
    pytest.param(
        lambda report: replace(report, algorithm=0),
        "the report's signature algorithm is 0, expected 1",
        id="no algorithm",
    ),
    pytest.param(
        lambda report: replace(report, algorithm=2),
        "the report's signature algorithm is 2, expected 1",
        id="another algorithm",
    ),
    pytest.param(
        lambda report: replace(report, flags=1 << 2),
        "the report says signing key 1, expected 0 of VCEK",
        id="says VLEK",
    ),
    pytest.param(
        lambda report: replace(report, flags=7 << 2),
        "the report says signing key 7, expected 0 of VCEK",
        id="says nobody signed",
    ),
    pytest.param(
        lambda report: replace(report, flags=2),
        "the report says that the chip's key is masked, expected it to sign",
        id="masked chip key",
    ),
    pytest.param(
        lambda report: replace(report, cpuid=(0x19, 0x11, 1)),
        "the report is of a Genoa, expected Milan of the chain",
        id="another product",
    ),
    *(
        pytest.param(
            with_tcb("reported", **{part: getattr(TCB, part) - 1 if part != "tee" else 1}),
            f"the reported tcb has {part} {getattr(TCB, part) - 1 if part != 'tee' else 1},"
            f" expected {getattr(TCB, part)} of VCEK",
            id=f"reported {part}",
        )
        for part in ("bootloader", "tee", "snp", "microcode")
    ),
    *(
        pytest.param(
            with_tcb("committed", **{part: getattr(TCB, part) - 1}),
            f"committed tcb has {part} {getattr(TCB, part) - 1}, expected at least"
            f" {getattr(TCB, part)} of the reported tcb",
            id=f"committed {part}",
        )
        for part in ("bootloader", "snp", "microcode")
    ),
    *(
        pytest.param(
            with_tcb("current", **{part: getattr(TCB, part) - 1}),
            f"current tcb has {part} {getattr(TCB, part) - 1}, expected at least"
            f" {getattr(TCB, part)} of the committed tcb",
            id=f"current {part}",
        )
        for part in ("bootloader", "snp", "microcode")
    ),
    pytest.param(
        lambda report: replace(report, chip_id=b"\xc1" * 64),
        "the report is of chip c1c1c1c1c1c1c1c1..., expected that of VCEK",
        id="another chip",
    ),
    pytest.param(
        lambda report: replace(report, chip_id=bytes(64)),
        "the report is of chip 0000000000000000..., expected that of VCEK",
        id="masked chip",
    ),
]


@pytest.mark.parametrize(("change", "message"), CHECKS)
def test_each_check_of_a_report_refuses_alone(change: Change, message: str) -> None:
    made = chip()

    verified(made)
    with pytest.raises(Unattested, match=f"^{re.escape(message)}$"):
        verified(made.launched(change(made.template)))


@pytest.mark.parametrize("field", ["reported", "committed", "current", "launch"])
def test_the_reserved_bytes_of_each_tcb_are_zero(field: str) -> None:
    made = chip()
    octets = bytes((4, 0, 1, 0, 0, 0, 24, 219))
    expected = "expected zero in the reserved bytes of a Milan TCB"
    message = f"report.{field}_tcb: {expected}, got {octets.hex()}"

    with pytest.raises(Malformed, match=f"^{message}$"):
        verified(made.launched(replace(made.template, **{field: octets})))  # type: ignore[arg-type]  # knobs


def test_a_turin_has_one_version_more_to_compare() -> None:
    made = chip(SyntheticAmd.make(Product.TURIN))
    reported = raw_tcb(replace(TURIN_TCB, fmc=0), Product.TURIN)

    with pytest.raises(Unattested, match=r"^the reported tcb has fmc 0, expected 1 of VCEK$"):
        verified(made.launched(replace(made.template, reported=reported)))


def test_a_report_says_vcek_and_comes_with_a_vlek() -> None:
    made = chip(SyntheticAmd.make(kind="VLEK"))

    with pytest.raises(Unattested, match=r"^the report says signing key 0, expected 1 of VLEK$"):
        verified(made.launched(replace(made.template, flags=0)))


@pytest.mark.parametrize(
    ("flags", "chip_id"),
    [
        pytest.param(1 << 2 | 2, bytes(64), id="chip masked"),
        pytest.param(1 << 2, b"\xc1" * 64, id="chip shown"),
    ],
)
def test_a_vlek_signs_for_any_chip(flags: int, chip_id: bytes) -> None:
    made = chip(SyntheticAmd.make(kind="VLEK"))

    found = verified(made.launched(replace(made.template, flags=flags, chip_id=chip_id)))

    assert found.report.chip_id == chip_id


def test_a_report_signed_by_another_key_is_refused() -> None:
    made = chip()
    report = made.template.sign(ec.generate_private_key(ec.SECP384R1()))

    with pytest.raises(Unattested, match=r"^the signature of the report by VCEK fails$"):
        snp.verify(report, made.amd.pem(), made.amd.roots, NOW)


@pytest.mark.parametrize(
    ("r", "s"), [(b"\0", b"\0"), (b"\0", None), (None, b"\0"), (b"\xff", b"\xff")]
)
def test_numbers_that_are_no_signature_are_refused(r: bytes | None, s: bytes | None) -> None:
    made = chip()
    report = bytearray(made.report(b"data"))
    for at, octet in ((0x2A0, r), (0x2E8, s)):
        if octet is not None:
            report[at : at + 48] = octet * 48

    with pytest.raises(Unattested, match=r"^the signature of the report by VCEK fails$"):
        snp.verify(bytes(report), made.amd.pem(), made.amd.roots, NOW)


def test_numbers_in_the_other_byte_order_are_refused() -> None:
    made = chip()
    report = bytearray(made.report(b"data"))
    report[0x2A0:0x2D0] = report[0x2A0:0x2D0][::-1]
    report[0x2E8:0x318] = report[0x2E8:0x318][::-1]

    with pytest.raises(Unattested, match=r"^the signature of the report by VCEK fails$"):
        snp.verify(bytes(report), made.amd.pem(), made.amd.roots, NOW)


def test_every_byte_that_is_signed_counts() -> None:
    made = chip()
    data, chain = made.report(b"data"), made.amd.pem()
    believed = []

    for at in range(SIGNED_BYTES):
        spoilt = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        try:
            snp.verify(spoilt, chain, made.amd.roots, NOW)
            believed.append(at)
        except CleanroomError:
            pass

    assert believed == []


def test_synthetic_hardware_is_not_genuine() -> None:
    made = chip()

    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots, expected exactly 1$"):
        snp.verify(made.report(b"data"), made.amd.pem(), AMD_ROOTS, NOW)


def test_the_synthetic_tcb_needs_two_bytes_in_der() -> None:
    assert Tcb(4, 0, 24, 219, 0) == TCB
