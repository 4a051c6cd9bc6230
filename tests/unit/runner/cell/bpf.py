"""A machine for the kernel's filter programs: what would it answer to a system call?"""

import struct
from collections.abc import Sequence

import pyseccomp  # type: ignore[import-untyped]  # one file, with annotations but no marker

_INSTRUCTION = struct.Struct("<HBBI")
_DATA = struct.Struct("<iIQ6Q")
_WORD = struct.Struct("<I")


def answer(program: bytes, name: str, arguments: Sequence[int] = ()) -> int:
    """Return the action for a call of this machine's own architecture."""
    arch = pyseccomp.system_arch()
    number: int = pyseccomp.resolve_syscall(arch, name)
    return answer_to(program, number, arch, arguments)


def answer_to(program: bytes, number: int, arch: int, arguments: Sequence[int] = ()) -> int:
    """Return the action for a call by its number."""
    data = _DATA.pack(number, arch, 0, *(*arguments, *(0,) * 6)[:6])
    instructions = list(_INSTRUCTION.iter_unpack(program))
    held, place = 0, 0
    while True:
        code, yes, no, value = instructions[place]
        place += 1
        match code:
            case 0x20:  # load a word
                held = int(_WORD.unpack_from(data, value)[0])
            case 0x54:  # and
                held &= value
            case 0x05:  # jump
                place += value
            case 0x15:  # jump if equal
                place += yes if held == value else no
            case 0x25:  # jump if greater
                place += yes if held > value else no
            case 0x35:  # jump if greater or equal
                place += yes if held >= value else no
            case 0x45:  # jump if bits are set
                place += yes if held & value else no
            case 0x06:  # return
                return int(value)
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")
