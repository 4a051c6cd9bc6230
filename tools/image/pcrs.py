"""Which values the registers of a TPM have once the measured image has started.

- 4: each program that the firmware starts, by its Authenticode digest: the unified kernel image,
  and the kernel inside it, which the image's stub has the firmware load.
- 11: each section of the image, by name and content, in a fixed order: kernel, command line with
  the root's verity hash, initial file system. Services that would add to it later are masked.
- 12 and 13: zero, if nothing was put beside the image: no other command line, no credentials, no
  extension. The stub would take them from a partition that nobody verifies, and measures them here.

Register 11 alone proves nothing: another program can write the same into it. Together with 4, which
names the program that wrote, it does.
"""

import hashlib
from collections.abc import Iterable, Mapping

from tools.image.pe import authenticode, sections

ZERO = bytes(32)
ORDER = (
    *(".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat"),
    *(".pcrpkey", ".profile", ".dtbauto", ".hwids", ".efifw"),
)
"""Sections that the stub measures, in its order; .pcrsig, which signs the result, is left out."""
_CALLING = b"Calling EFI Application from Boot Option"
_SEPARATOR = bytes(4)


def extended(register: bytes, digests: Iterable[bytes]) -> bytes:
    """Extend a register by digests."""
    for digest in digests:
        register = hashlib.sha256(register + digest).digest()
    return register


def boot_programs(image: bytes, *, kernel_by_firmware: bool = True) -> bytes:
    """Give register 4: firmware says what it does, then what it starts."""
    started = [image]
    if kernel_by_firmware:
        started += [section.data for section in sections(image) if section.name == ".linux"]
    return extended(
        ZERO,
        [
            hashlib.sha256(_CALLING).digest(),
            hashlib.sha256(_SEPARATOR).digest(),
            *(authenticode(program) for program in started),
        ],
    )


def kernel_image(parts: Mapping[str, bytes]) -> bytes:
    """Give register 11 for sections by name."""
    register = ZERO
    for name in ORDER:
        if name in parts:
            digests = (name.encode("ascii") + b"\0", parts[name])
            register = extended(register, (hashlib.sha256(each).digest() for each in digests))
    return register


def predicted(image: bytes, *, kernel_by_firmware: bool = True) -> Mapping[int, str]:
    """Give the registers that a contract names for an image."""
    parts = {section.name: section.data for section in sections(image)}
    return {
        4: boot_programs(image, kernel_by_firmware=kernel_by_firmware).hex(),
        11: kernel_image(parts).hex(),
        12: ZERO.hex(),
        13: ZERO.hex(),
    }
