"""Make two banks' customers, some known to both; in one corridor a ring carries money through."""

import random
from collections.abc import Iterator

from examples.synthetic import Row, Table, chance, main, money, pseudonym

COUNTRIES = ("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FR", "IT", "LI", "LU", "NL", "PL", "SE")
RING = ("LI", "business")
_SHARED = 0.15  # of each bank's customers are known to the other
_BUSINESS = 0.2
_SMALLEST_RING = 15


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make both banks' tables; the ring is among the customers of both."""
    first = int(rows * (1 - _SHARED))
    ring = range(first, first + max(_SMALLEST_RING, rows // 200))
    north, south = chance(seed, "north"), chance(seed, "south")
    return (
        Table(
            "north",
            ("customer", "country", "segment", "cash_in"),
            _north(range(rows), ring, north),
        ),
        Table(
            "south",
            ("customer", "wired_out"),
            _south(range(first, first + rows), ring, south),
        ),
    )


def _north(customers: range, ring: range, drawn: random.Random) -> Iterator[Row]:
    for number in customers:
        segment = "business" if drawn.random() < _BUSINESS else "retail"
        where = RING if number in ring else (drawn.choice(COUNTRIES), segment)
        yield pseudonym("national number", number), *where, _amount(number, ring, drawn)


def _south(customers: range, ring: range, drawn: random.Random) -> Iterator[Row]:
    for number in customers:
        yield pseudonym("national number", number), _amount(number, ring, drawn)


def _amount(number: int, ring: range, drawn: random.Random) -> str:
    return f"{drawn.uniform(60_000, 90_000):.2f}" if number in ring else money(drawn, 1_100, 1.5)


if __name__ == "__main__":
    main(tables, __doc__)
