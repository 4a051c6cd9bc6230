"""What the generators of all examples share: tables of chance, the same for the same seed.

Rows are made one after another and written as they come, so any number of them takes no memory.
"""

import argparse
import csv
import hashlib
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

type Row = Sequence[str | int]
type Tables = Callable[[int, int], tuple["Table", ...]]
"""Makes an example's tables of a number of rows and a seed."""

_PSEUDONYM = 24  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Table:
    """A party's table; its name is the dataset's alias in the contract."""

    name: str
    columns: tuple[str, ...]
    rows: Iterable[Row]

    def write(self, folder: Path) -> Path:
        """Write it as CSV."""
        path = folder / f"{self.name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(self.columns)
            lines.writerows(self.rows)
        return path


def chance(seed: int, what: str) -> random.Random:
    """Draw for one purpose, whatever is drawn for others."""
    return random.Random(f"{what} {seed}")  # noqa: S311  # data to play with


def pseudonym(kind: str, number: int) -> str:
    """Name somebody as all parties do: by a digest of a number that they all know."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:_PSEUDONYM]


def money(drawn: random.Random, median: float, spread: float = 1.0) -> str:
    """Draw an amount as amounts are: most are small, some are large."""
    return f"{drawn.lognormvariate(math.log(median), spread):.2f}"


def write(tables: Tables, rows: int, seed: int, folder: Path) -> list[Path]:
    """Write an example's tables into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [table.write(folder) for table in tables(rows, seed)]


def main(tables: Tables, about: str | None) -> None:
    """Write the tables that the command line asks for, and say where they are."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", "--folder", type=Path, default=Path(), help="a folder (this one)")
    parser.add_argument("--rows", type=int, default=20_000, help="how large (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which of all (%(default)s)")
    given = parser.parse_args()
    for path in write(tables, given.rows, given.seed, given.out):
        print(path)
