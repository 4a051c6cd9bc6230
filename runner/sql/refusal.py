"""The walls around a program, each with a name."""

from enum import Enum

from cleanroom.errors import PolicyRefused
from cleanroom.fields import shown


class Wall(Enum):
    """Which wall a program ran into."""

    SIZE = "size"  # too long, or nested too deep
    SELECT = "one select"  # something else than exactly one
    TABLES = "tables"  # something that is none of the inputs
    FUNCTIONS = "functions"  # one that is not on the list
    COLUMNS = "columns"  # something that only looks like a column
    TYPES = "types"  # one that is not on the list
    PARAMETERS = "parameters"  # one that the contract does not declare
    RECURSION = "recursion"  # a query that calls itself
    ORDER = "order"  # an answer that depends on the order of rows
    CONSTRUCTS = "constructs"  # anything else that is not on the lists
    GROUPS = "groups"  # one that does not show how large its groups are
    AGREEMENT = "agreement"  # two parsers that read two different programs


def refused(wall: Wall, found: str = "") -> PolicyRefused:
    """Say which wall it was; a program is public to whoever reads this."""
    return PolicyRefused(f"program: {wall.value}" + (f": {shown(found)}" if found else ""))
