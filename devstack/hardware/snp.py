"""A synthetic secure processor: signs reports about guests that it never ran."""

from dataclasses import dataclass, replace
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from cleanroom.attestation.report import Product, Tcb
from devstack.hardware.amd import CHIP_ID, TCB, TURIN_TCB, SyntheticAmd

DEBUG, MIGRATION, SMT, SINGLE_SOCKET = 1 << 19, 1 << 18, 1 << 16, 1 << 20
POLICY = 0x3001F  # what every real Azure guest has
_CPUIDS = {Product.MILAN: (0x19, 1, 1), Product.GENOA: (0x19, 0x11, 1), Product.TURIN: (0x1A, 2, 1)}
_SIGNED = 0x2A0


def raw_tcb(tcb: Tcb, product: Product) -> bytes:
    """Spell a TCB as the product does."""
    if product is Product.TURIN:
        return bytes((tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode))
    return bytes((tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode))


@dataclass(frozen=True, slots=True)
class SnpReport:
    """A report before it is signed."""

    product: Product
    version: int
    reported: bytes
    committed: bytes
    current: bytes
    launch: bytes
    cpuid: tuple[int, int, int]
    chip_id: bytes
    guest_svn: int = 2
    policy: int = POLICY
    vmpl: int = 0
    algorithm: int = 1
    flags: int = 0  # signing key << 2 | chip key masked << 1 | author key
    report_data: bytes = bytes(64)
    measurement: bytes = b"\x4d" * 48
    host_data: bytes = bytes(32)
    id_key_digest: bytes = b"\x1d" * 48
    patches: tuple[tuple[int, bytes], ...] = ()  # bytes to put anywhere, before it is signed

    @classmethod
    def make(cls, amd: SyntheticAmd) -> Self:
        """Set everything right for a chip of this AMD."""
        turin = amd.product is Product.TURIN
        tcb = raw_tcb(TURIN_TCB if turin else TCB, amd.product)
        return cls(
            amd.product,
            5 if turin else 3,
            *(tcb, tcb, tcb, tcb),
            cpuid=_CPUIDS[amd.product],
            chip_id=(CHIP_ID[:8] + bytes(56) if turin else CHIP_ID)
            if amd.kind == "VCEK"
            else bytes(64),
            flags=0 if amd.kind == "VCEK" else 1 << 2,
        )

    def patched(self, offset: int, octets: bytes) -> Self:
        """Write over the report, before it is signed."""
        return replace(self, patches=(*self.patches, (offset, octets)))

    def sign(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Write the report and sign it."""
        report = bytearray(1184)
        for offset, octets in (
            (0x000, self.version.to_bytes(4, "little")),
            (0x004, self.guest_svn.to_bytes(4, "little")),
            (0x008, self.policy.to_bytes(8, "little")),
            (0x010, b"\x01".ljust(16, b"\0")),
            (0x020, b"\x02".ljust(16, b"\0")),
            (0x030, self.vmpl.to_bytes(4, "little")),
            (0x034, self.algorithm.to_bytes(4, "little")),
            (0x038, self.current),
            (0x040, b"\x25".ljust(8, b"\0")),
            (0x048, self.flags.to_bytes(4, "little")),
            (0x050, self.report_data),
            (0x090, self.measurement),
            (0x0C0, self.host_data),
            (0x0E0, self.id_key_digest),
            (0x140, b"\x1e" * 32),
            (0x160, b"\xff" * 32),
            (0x180, self.reported),
            (0x188, bytes(self.cpuid)),
            (0x1A0, self.chip_id),
            (0x1E0, self.committed),
            (0x1E8, b"\x1d\x37\x01\0\x1d\x37\x01\0"),
            (0x1F0, self.launch),
            *self.patches,
        ):
            report[offset : offset + len(octets)] = octets
        r, s = decode_dss_signature(key.sign(bytes(report[:_SIGNED]), ec.ECDSA(SHA384())))
        for offset, number in ((0x2A0, r), (0x2E8, s)):
            report[offset : offset + 48] = number.to_bytes(48, "little")
        return bytes(report)


@dataclass(frozen=True, slots=True)
class Chip:
    """A processor with its certificates: what it signs, `cleanroom.attestation` believes."""

    amd: SyntheticAmd
    template: SnpReport

    @classmethod
    def make(cls, amd: SyntheticAmd) -> Self:
        """Set everything right."""
        return cls(amd, SnpReport.make(amd))

    def launched(self, template: SnpReport) -> Self:
        """Launch another guest: measurement, host data, policy, or any lie about them."""
        return replace(self, template=template)

    def report(self, report_data: bytes) -> bytes:
        """Sign a report for the guest."""
        key = self.amd.leaf.key
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("a report is signed by ECDSA")
        return replace(self.template, report_data=report_data.ljust(64, b"\0")).sign(key)
