"""What a program must be to DuckDB, which will run it: checked before any key, and in the cell.

1. Short and flat enough that no parser suffers from it.
2. One SELECT, of which every part is on a list (duck_tree.py).
3. Its parameters are the contract's.
"""

import re

import duckdb

from runner.sql import duck_tree
from runner.sql.duck_tree import Found
from runner.sql.refusal import Wall, refused

LONGEST = 1 << 16  # characters
_DEEPEST = 64  # brackets within brackets
_BRACKETS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()\[\]{}]")


def check(duck: duckdb.DuckDBPyConnection, program: str, inputs: frozenset[str]) -> Found:
    """Refuse a program that runs into a wall; return what it names."""
    if len(program) > LONGEST or _depth(program) > _DEEPEST:  # 1
        raise refused(Wall.SIZE)
    return duck_tree.check(duck_tree.parsed(duck, program), inputs)  # 2


def used(found: Found, parameters: frozenset[str]) -> frozenset[str]:
    """Return which of the contract's parameters it uses; refuse any other."""
    names = frozenset(found.parameters)
    for name in sorted(names - parameters):  # 3
        raise refused(Wall.PARAMETERS, name)
    return names


def _depth(program: str) -> int:
    """Count brackets within brackets; text may hide some, which only makes it deeper or plain."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(program):
        if match[0] in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in ")]}":
            depth -= 1
    return deepest
