"""What a program must be, before any key is asked for and without any data.

1. What it must be to DuckDB (reading.py), by which the cell checks it again.
2. To a second parser it names the same tables and parameters, and nothing unknown (glot_tree.py).
3. Its parameters are the contract's.
"""

import duckdb

from runner.sql import glot_tree, reading
from runner.sql.refusal import Wall, refused

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
    found = reading.check(duck, program, inputs)  # 1
    named = glot_tree.read(program)  # 2
    if sorted(found.tables) != sorted(named.tables):
        raise refused(Wall.AGREEMENT)
    if sorted(found.parameters) != sorted(named.parameters):
        raise refused(Wall.AGREEMENT)
    return reading.used(found, parameters)  # 3
