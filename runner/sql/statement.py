"""What a program must be, before any key is asked for and without any data.

1. Short and flat enough that no parser suffers from it.
2. To DuckDB: one SELECT, of which every part is on a list (duck_tree.py).
3. To a second parser too, which names the same tables and parameters (glot_tree.py).
4. Its parameters are the contract's.
"""

import re

import duckdb

from runner.sql import duck_tree, glot_tree
from runner.sql.refusal import Wall, refused

LONGEST = 1 << 16  # characters
_DEEPEST = 64  # brackets within brackets
_BRACKETS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()\[\]{}]")


_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "lock_configuration": True,
    "python_enable_replacements": False,
    "threads": 1,
    "memory_limit": "64MB",
}


def parser() -> duckdb.DuckDBPyConnection:
    """Start a DuckDB that only parses; it reaches nothing, and can be asked again and again."""
    return duckdb.connect(config=_CONFIG)


def check(
    duck: duckdb.DuckDBPyConnection,
    program: str,
    inputs: frozenset[str],
    parameters: frozenset[str],
) -> frozenset[str]:
    """Refuse a program that runs into a wall; return which parameters it uses."""
    if len(program) > LONGEST or _depth(program) > _DEEPEST:  # 1
        raise refused(Wall.SIZE)
    found = duck_tree.check(duck_tree.parsed(duck, program), inputs)  # 2
    named = glot_tree.read(program)  # 3
    if sorted(found.tables) != sorted(named.tables):
        raise refused(Wall.AGREEMENT)
    if sorted(found.parameters) != sorted(named.parameters):
        raise refused(Wall.AGREEMENT)
    used = frozenset(found.parameters)  # 4
    for name in sorted(used - parameters):
        raise refused(Wall.PARAMETERS, name)
    return used


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
