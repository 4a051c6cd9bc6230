"""The SEV-SNP attestation report: 1184 bytes, little-endian (docs/spec/attestation.md §2).

Parsing says what the bytes mean and refuses what they may not hold; whether they are true is the
business of `snp.verify`.
"""

from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cleanroom.errors import Malformed, Unattested

REPORT_BYTES = 1184
SIGNED_BYTES = 0x2A0  # of the report's first bytes the signature is over
VERSIONS = (2, 3, 5)  # 4 was never seen and is not documented to us
CHIP_ID_BYTES = 64

# First byte, and the one behind the last, of what must be zero. The last two are the tops of the
# signature's numbers and all that follows them: unsigned, so nothing may hide there.
_ZERO = (
    *((0x4C, 0x50), (0x18B, 0x1A0), (0x1EB, 0x1EC), (0x1EF, 0x1F0), (0x208, 0x2A0)),
    *((0x2D0, 0x2E8), (0x318, REPORT_BYTES)),
)
_FIRST_WITH_CPUID, _WITHOUT_CPUID = 3, (0x188, 0x18B)
_FIRST_WITH_MITIGATIONS, _WITHOUT_MITIGATIONS = 5, (0x1F8, 0x208)
_KNOWN_FLAGS = 5  # bits
_KNOWN_POLICY = 21  # bits; a guest with a newer one must be understood before it is believed


class Product(StrEnum):
    """A line of processors: one AMD root each."""

    MILAN = "Milan"
    GENOA = "Genoa"  # and Bergamo and Siena, which share its root
    TURIN = "Turin"


_MODELS = (  # family, first and last model (AMD 57230, "CPUID")
    (0x19, 0x00, 0x0F, Product.MILAN),
    (0x19, 0x10, 0x1F, Product.GENOA),
    (0x19, 0xA0, 0xAF, Product.GENOA),
    (0x1A, 0x00, 0x11, Product.TURIN),
)


@dataclass(frozen=True, slots=True)
class Tcb:
    """Versions of the firmware that everything else rests on; `fmc` is 0 before Turin."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int

    @classmethod
    def parse(cls, raw: bytes, product: Product, where: str) -> "Tcb":
        """Accept the eight bytes of a TCB, which Turin orders differently."""
        if product is Product.TURIN:
            found = cls(raw[1], raw[2], raw[3], raw[7], fmc=raw[0])
            reserved = raw[4:7]
        else:
            found = cls(raw[0], raw[1], raw[6], raw[7], fmc=0)
            reserved = raw[2:6]
        if any(reserved):
            raise Malformed(where, f"zero in the reserved bytes of a {product} TCB", raw.hex())
        return found

    def parts(self) -> tuple[tuple[str, int], ...]:
        """Name each version."""
        return (
            ("bootloader", self.bootloader),
            ("tee", self.tee),
            ("snp", self.snp),
            ("microcode", self.microcode),
            ("fmc", self.fmc),
        )

    def check_at_least(self, floor: "Tcb", what: str, floor_name: str) -> None:
        """Refuse unless no part is older than the other's."""
        for (name, mine), (_, lowest) in zip(self.parts(), floor.parts(), strict=True):
            if mine < lowest:
                raise Unattested(
                    f"{what} has {name} {mine}, expected at least {lowest} of {floor_name}"
                )


@dataclass(frozen=True, slots=True)
class GuestPolicy:
    """What the guest's owner demanded at launch, and the firmware enforces."""

    abi: tuple[int, int]  # major, minor
    smt: bool  # another guest may run on the core's second thread
    migration: bool  # a migration agent may move the guest
    debug: bool  # the host may read and write the guest's memory
    single_socket: bool

    @classmethod
    def parse(cls, bits: int, where: str) -> "GuestPolicy":
        """Accept the 64 bits."""
        if bits >> _KNOWN_POLICY or not bits & (1 << 17):
            expected = f"bit 17 set and none of the bits {_KNOWN_POLICY} to 63"
            raise Malformed(where, expected, f"{bits:#x}")
        smt, migration, debug, single = (bool(bits & (1 << n)) for n in (16, 18, 19, 20))
        return cls(((bits >> 8) & 0xFF, bits & 0xFF), smt, migration, debug, single)


@dataclass(frozen=True, slots=True)
class Report:
    """Every field of a report. A TCB stays raw until the product says how to read it."""

    version: int
    guest_svn: int
    policy: GuestPolicy
    family_id: bytes
    image_id: bytes
    vmpl: int  # 0xffffffff: the host asked
    signature_algorithm: int
    current_tcb: bytes
    platform_info: int
    author_key_enabled: bool
    chip_key_masked: bool
    signing_key: int  # 0 VCEK, 1 VLEK, 7 none
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    migration_agent_id: bytes
    reported_tcb: bytes
    product: Product | None  # by family and model; version 2 has none
    stepping: int
    chip_id: bytes
    committed_tcb: bytes
    current_firmware: tuple[int, int, int]  # major, minor, build
    committed_firmware: tuple[int, int, int]
    launch_tcb: bytes
    launch_mitigations: int
    current_mitigations: int
    signed: bytes
    signature: bytes  # DER

    @classmethod
    def parse(cls, data: bytes, where: str) -> "Report":
        """Accept a report of a known version whose reserved bytes are zero."""
        if len(data) != REPORT_BYTES:
            raise Malformed(where, f"{REPORT_BYTES} bytes", f"{len(data)}")

        def number(offset: int, size: int) -> int:
            return int.from_bytes(data[offset : offset + size], "little")

        def octets(offset: int, size: int) -> bytes:
            return data[offset : offset + size]

        version, flags = number(0x000, 4), number(0x048, 4)
        if version not in VERSIONS:
            raise Malformed(f"{where}.version", "2, 3 or 5", str(version))
        _check_zero(data, version, where)
        if flags >> _KNOWN_FLAGS:
            raise Malformed(f"{where}.flags", f"at most {_KNOWN_FLAGS} bits", f"{flags:#x}")
        return cls(
            version=version,
            guest_svn=number(0x004, 4),
            policy=GuestPolicy.parse(number(0x008, 8), f"{where}.policy"),
            family_id=octets(0x010, 16),
            image_id=octets(0x020, 16),
            vmpl=number(0x030, 4),
            signature_algorithm=number(0x034, 4),
            current_tcb=octets(0x038, 8),
            platform_info=number(0x040, 8),
            author_key_enabled=bool(flags & 1),
            chip_key_masked=bool(flags & 2),
            signing_key=flags >> 2,
            report_data=octets(0x050, 64),
            measurement=octets(0x090, 48),
            host_data=octets(0x0C0, 32),
            id_key_digest=octets(0x0E0, 48),
            author_key_digest=octets(0x110, 48),
            report_id=octets(0x140, 32),
            migration_agent_id=octets(0x160, 32),
            reported_tcb=octets(0x180, 8),
            product=None if version < _FIRST_WITH_CPUID else _product(data[0x188], data[0x189]),
            stepping=data[0x18A],
            chip_id=octets(0x1A0, CHIP_ID_BYTES),
            committed_tcb=octets(0x1E0, 8),
            current_firmware=(data[0x1EA], data[0x1E9], data[0x1E8]),
            committed_firmware=(data[0x1EE], data[0x1ED], data[0x1EC]),
            launch_tcb=octets(0x1F0, 8),
            launch_mitigations=number(0x1F8, 8),
            current_mitigations=number(0x200, 8),
            signed=data[:SIGNED_BYTES],
            signature=encode_dss_signature(number(0x2A0, 48), number(0x2E8, 48)),
        )


def _check_zero(data: bytes, version: int, where: str) -> None:
    spans = list(_ZERO)
    if version < _FIRST_WITH_CPUID:
        spans.append(_WITHOUT_CPUID)
    if version < _FIRST_WITH_MITIGATIONS:
        spans.append(_WITHOUT_MITIGATIONS)
    for start, end in spans:
        if any(data[start:end]):
            raise Malformed(f"{where}, bytes {start:#x} to {end - 1:#x}", "zero")


def _product(family: int, model: int) -> Product:
    for known, first, last, product in _MODELS:
        if family == known and first <= model <= last:
            return product
    raise Unattested(
        f"the report is of processor family {family:#x}, model {model:#x},"
        " expected a Milan, Genoa or Turin"
    )
