"""Calls to the kernel that the standard library lacks; each raises OSError where it is refused."""

import ctypes
import os
import platform
import struct

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
SECCOMP_MODE_FILTER = 2

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446

_CAPABILITIES_V3 = struct.pack("<II", 0x20080522, 0)  # of this process
_NO_CAPABILITIES = bytes(24)
_INSTRUCTION = 8  # bytes of one instruction of a filter


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def prctl(option: int, value: int = 0) -> None:  # pragma: no cover  # runs in a cell
    """Set something about this process."""
    words = (ctypes.c_ulong(value), *(ctypes.c_ulong(0) for _ in range(3)))
    _check(_libc.prctl(option, *words))


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call that the C library has no function for."""
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *given))


def mount(  # pragma: no cover  # runs in a cell
    source: str, target: str, kind: str | None, flags: int, data: str = ""
) -> None:
    """Mount a file system, or change a mount."""
    kind_ = kind.encode() if kind else None
    _check(
        _libc.mount(
            source.encode(), target.encode(), kind_, ctypes.c_ulong(flags), data.encode() or None
        )
    )


def detach(target: str) -> None:  # pragma: no cover  # runs in a cell
    """Take a mount away at once, whatever uses it."""
    _check(_libc.umount2(target.encode(), MNT_DETACH))


def pivot_root_here() -> None:  # pragma: no cover  # runs in a cell
    """Make the current folder, a mount, the root, and the old root a mount above it."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(38, "pivot_root: unknown machine")
    system_call(number, b".", b".")


def drop_bounding_set() -> None:  # pragma: no cover  # runs in a cell
    """Let no program that this process runs have a capability."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one, or without the right to: then it has none to lose
            return


def drop_capabilities() -> None:  # pragma: no cover  # runs in a cell
    """Give up every capability of this process."""
    _check(_libc.capset(_CAPABILITIES_V3, _NO_CAPABILITIES))


def load_filter(program: bytes) -> None:  # pragma: no cover  # runs in a cell
    """Have the kernel filter the system calls of this thread and of all that it starts."""
    held = _Program(len(program) // _INSTRUCTION, program)
    words = (ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(held))
    _check(_libc.prctl(PR_SET_SECCOMP, *words, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
