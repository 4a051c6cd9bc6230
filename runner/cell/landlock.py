"""Landlock: no path but the spill, no TCP, no signal or socket out of the cell.

Asked for by system call, because securityfs need not be mounted. The rights that a kernel knows
grow with its version of the interface; all that it knows are handled, which denies them.
"""

import os
import struct
from dataclasses import dataclass

from runner.cell import kernel

_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1  # every right of the first version
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets, signals


@dataclass(frozen=True, slots=True)
class Rules:
    """What one version of the interface can deny."""

    version: int

    @property
    def handled(self) -> int:
        """Every right to files that it knows."""
        later = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
        return _FIRST | sum(right for since, right in later if self.version >= since)

    @property
    def ruleset(self) -> bytes:
        """The attributes of a ruleset, as long as this version knows them."""
        fields = [self.handled]
        if self.version >= 4:  # noqa: PLR2004  # the version that came with TCP
            fields.append(_TCP)
        if self.version >= 6:  # noqa: PLR2004  # the version that came with scopes
            fields.append(_SCOPES)
        return struct.pack(f"<{len(fields)}Q", *fields)

    def spill(self, folder: int) -> bytes:
        """A rule that lets plain files be made, used and removed in one folder."""
        rights = _WRITE_FILE | _READ_FILE | _READ_DIR | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
        return struct.pack("<Qi", rights & self.handled, folder)


def version() -> int:
    """Ask the kernel which version it has; raises OSError where it has none."""
    return kernel.system_call(kernel.LANDLOCK_CREATE_RULESET, None, 0, _VERSION_FLAG)


def restrict(spill: int | None) -> None:  # pragma: no cover  # runs in a cell
    """Keep this process to a folder, or to nothing; it must have no_new_privs."""
    rules = Rules(version())
    attributes = rules.ruleset
    ruleset = kernel.system_call(kernel.LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if spill is not None:
        kernel.system_call(kernel.LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, rules.spill(spill), 0)
    kernel.system_call(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
