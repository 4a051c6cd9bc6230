"""What a contract demands of the runner before any key is released (docs/spec/contract.md §4)."""

from dataclasses import dataclass
from typing import Literal

from cleanroom import walls
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, exactly, integer, list_of, one_of
from cleanroom.ids import sha256_hex
from cleanroom.walls import Walls

PRODUCTS = ("Genoa", "Milan", "Turin")
PLATFORMS = ("aci", "azure-cvm", "simulated")
_LARGEST_SVN = 255
_LARGEST_UVM_SVN = 10**9 - 1
_PCRS = 24


@dataclass(frozen=True, slots=True)
class HostData:
    """Code pinned by the SEV-SNP host data: the digest of a confidential container's policy."""

    value: str
    utility_vm_svn: int  # the oldest utility VM that may enforce the policy
    kind: Literal["host-data"] = "host-data"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_code` reads it."""
        return {"kind": self.kind, "value": self.value, "utility_vm_svn": self.utility_vm_svn}


@dataclass(frozen=True, slots=True)
class Pcrs:
    """Code pinned by SHA-256 platform configuration registers of a measured image."""

    values: tuple[tuple[int, str], ...]
    kind: Literal["pcrs"] = "pcrs"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_code` reads it."""
        return {
            "kind": self.kind,
            "values": [{"index": index, "sha256": digest} for index, digest in self.values],
        }


type Code = HostData | Pcrs


@dataclass(frozen=True, slots=True)
class MinimumSvn:
    """The oldest firmware that is acceptable, part by part; each product counts its own."""

    product: str
    fmc: int
    bootloader: int
    tee: int
    snp: int
    microcode: int

    @classmethod
    def parse(cls, raw: object, where: str) -> "MinimumSvn":
        """Accept five numbers of one byte; only Turin has the first."""
        f = Fields(raw, where)
        svn = integer(0, _LARGEST_SVN)
        product = f.take("product", one_of(*PRODUCTS))
        found = cls(
            product,
            f.take("fmc", svn if product == "Turin" else integer(0, 0)),
            f.take("bootloader", svn),
            f.take("tee", svn),
            f.take("snp", svn),
            f.take("microcode", svn),
        )
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "product": self.product,
            "fmc": self.fmc,
            "bootloader": self.bootloader,
            "tee": self.tee,
            "snp": self.snp,
            "microcode": self.microcode,
        }


@dataclass(frozen=True, slots=True)
class RunnerRequirement:
    """One acceptable runner; debugging is never acceptable."""

    platform: str
    code: Code
    minimum_svn: MinimumSvn
    walls: Walls

    @classmethod
    def parse(cls, raw: object, where: str) -> "RunnerRequirement":
        """Accept a platform with the kind of code identity that it can prove."""
        f = Fields(raw, where)
        found = cls(
            f.take("platform", one_of(*PLATFORMS)),
            f.take("code", _code),
            f.take("minimum_svn", MinimumSvn.parse),
            f.take("walls", walls.parse),
        )
        f.take("debug", exactly(value=False))
        f.end()
        wanted = {"aci": "host-data", "azure-cvm": "pcrs"}.get(found.platform, found.code.kind)
        if found.code.kind != wanted:
            raise Malformed(f"{where}.code.kind", f"{wanted!r} on {found.platform}")
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "platform": self.platform,
            "code": self.code.to_dict(),
            "minimum_svn": self.minimum_svn.to_dict(),
            "walls": walls.names(self.walls),
            "debug": False,
        }


def _code(raw: object, where: str) -> Code:
    f = Fields(raw, where)
    found: Code
    if f.take("kind", one_of("host-data", "pcrs")) == "host-data":
        found = HostData(
            f.take("value", sha256_hex), f.take("utility_vm_svn", integer(0, _LARGEST_UVM_SVN))
        )
    else:
        found = Pcrs(f.take("values", list_of(_pcr, 1, _PCRS)))
        indexes = [index for index, _ in found.values]
        if indexes != sorted(set(indexes)):
            raise Malformed(f"{where}.values", "each register once, in rising order")
    f.end()
    return found


def _pcr(raw: object, where: str) -> tuple[int, str]:
    f = Fields(raw, where)
    found = f.take("index", integer(0, _PCRS - 1)), f.take("sha256", sha256_hex)
    f.end()
    return found
