"""Make two banks' payments of ninety days, among them those of a ring that splits its cash.

A few honest people do once, by chance, what the ring does all the time.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

from examples.synthetic import Row, Table, chance, main, money, pseudonym

BRANCHES = tuple(f"branch-{number:02}" for number in range(1, 13))
DESTINATIONS = ("AE", "BR", "CN", "GB", "HK", "IN", "JP", "MX", "SG", "TR", "US", "ZA")
RING = ("branch-07", "HK")
_FIRST = dt.date(2026, 7, 1)
_DAYS = 90
_SMALLEST_RING = 15
_HONEST = 5
_MOST_PAYMENTS = 4


@dataclass(frozen=True, slots=True)
class _Pair:
    """Cash that is paid in, and the share of it that is wired on so many days later."""

    name: str
    branch: str
    destination: str
    day: dt.date
    amount: float
    later: int
    share: float


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make the deposits of one bank and the transfers of the other, of so many customers."""
    return (
        Table("deposits", ("customer", "branch", "day", "amount"), _deposits(rows, seed)),
        Table("transfers", ("customer", "destination", "day", "amount"), _transfers(rows, seed)),
    )


def _deposits(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "deposits")
    for number in range(rows):
        for _ in range(drawn.randint(1, _MOST_PAYMENTS)):
            yield _name(number), drawn.choice(BRANCHES), _day(drawn), money(drawn, 800)
    for pair in _pairs(rows, seed):
        yield pair.name, pair.branch, str(pair.day), f"{pair.amount:.2f}"


def _transfers(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "transfers")
    for number in range(rows):
        for _ in range(drawn.randrange(_MOST_PAYMENTS)):
            yield _name(number), drawn.choice(DESTINATIONS), _day(drawn), money(drawn, 500)
    for pair in _pairs(rows, seed):
        day = pair.day + dt.timedelta(pair.later)
        yield pair.name, pair.destination, str(day), f"{pair.amount * pair.share:.2f}"


def _pairs(rows: int, seed: int) -> Iterator[_Pair]:
    """Have people pay in just under 10,000, and send most of it on at once."""
    drawn = chance(seed, "pairs")
    ring = range(rows, rows + max(_SMALLEST_RING, rows // 200))
    for number in ring:
        for _ in range(drawn.randint(2, _MOST_PAYMENTS)):
            yield _pair(number, RING, drawn)
    for number in range(ring.stop, ring.stop + max(_HONEST, rows // 400)):
        yield _pair(number, (drawn.choice(BRANCHES), drawn.choice(DESTINATIONS)), drawn)


def _pair(number: int, corridor: tuple[str, str], drawn: random.Random) -> _Pair:
    return _Pair(
        _name(number),
        *corridor,
        _FIRST + dt.timedelta(drawn.randrange(_DAYS)),
        drawn.uniform(9_000, 9_990),
        drawn.randrange(3),
        drawn.uniform(0.93, 0.99),
    )


def _name(number: int) -> str:
    return pseudonym("national number", number)


def _day(drawn: random.Random) -> str:
    return str(_FIRST + dt.timedelta(drawn.randrange(_DAYS)))


if __name__ == "__main__":
    main(tables, __doc__)
