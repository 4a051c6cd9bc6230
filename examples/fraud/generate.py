"""Make the two banks' synthetic customers: seeded, so the same every time, at any scale."""

import argparse
import csv
import hashlib
import random
from pathlib import Path

COUNTRIES = ("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FR", "IT", "LI", "LU", "NL", "PL", "SE")
SHARED = 0.15  # of each bank's customers are known to the other
BUSINESS = 0.2


def customer(number: int) -> str:
    """Name a customer the way both banks do: a digest of the national number."""
    return hashlib.sha256(f"national number {number}".encode()).hexdigest()[:24]


def write(folder: Path, rows: int, seed: int) -> tuple[Path, Path]:
    """Write north.csv and south.csv."""
    chance = random.Random(seed)  # noqa: S311  # data to play with
    folder.mkdir(parents=True, exist_ok=True)
    first_shared = int(rows * (1 - SHARED))
    north, south = folder / "north.csv", folder / "south.csv"
    with north.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["customer", "country", "segment", "cash_in"])
        for number in range(rows):
            segment = "business" if chance.random() < BUSINESS else "retail"
            country = chance.choice(COUNTRIES)
            table.writerow([customer(number), country, segment, _amount(chance)])
    with south.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["customer", "wired_out"])
        for number in range(first_shared, first_shared + rows):
            table.writerow([customer(number), _amount(chance)])
    return north, south


def _amount(chance: random.Random) -> str:
    return f"{chance.lognormvariate(7, 1.5):.2f}"


def main() -> None:
    """Write the files where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for path in write(given.folder, given.rows, given.seed):
        print(path)


if __name__ == "__main__":
    main()
