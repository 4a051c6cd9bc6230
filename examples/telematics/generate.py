"""Make an insurer's policies and a car maker's driving data; how people drive is what costs."""

from collections.abc import Iterator
from dataclasses import dataclass

from examples.synthetic import Row, Table, chance, main, money, pseudonym

PREMIUMS = {"18-24": 1_400, "25-39": 800, "40-64": 600, "65 and over": 700}
_STYLES = {"smooth": (1, 0.21), "steady": (4, 0.35), "harsh": (12, 0.7)}
"""How often each brakes hard on 100 km, and how likely it had a claim in three years."""
_OTHERS = 0.4  # of the insurer's vehicles, and of the car maker's, are not known to the other


@dataclass(frozen=True, slots=True)
class _Driver:
    vehicle: str
    ages: str
    style: str


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make the tables of both, with so many vehicles each."""
    first = int(rows * _OTHERS)
    return (
        Table(
            "policies",
            ("vehicle", "ages", "premium", "claims"),
            _policies(_drivers(range(rows), seed), seed),
        ),
        Table(
            "driving",
            ("vehicle", "kilometres", "harsh_brakes", "night_kilometres"),
            _driving(_drivers(range(first, first + rows), seed), seed),
        ),
    )


def _drivers(numbers: range, seed: int) -> Iterator[_Driver]:
    """Make the people of whom both tables tell, so that the two agree."""
    for number in numbers:
        drawn = chance(seed, f"driver {number}")
        yield _Driver(
            pseudonym("vehicle", number), drawn.choice(list(PREMIUMS)), drawn.choice(list(_STYLES))
        )


def _policies(drivers: Iterator[_Driver], seed: int) -> Iterator[Row]:
    drawn = chance(seed, "policies")
    for driver in drivers:
        usual = PREMIUMS[driver.ages]
        _, likely = _STYLES[driver.style]
        claims = money(drawn, usual * 3, 0.5) if drawn.random() < likely else "0.00"
        yield driver.vehicle, driver.ages, f"{3 * usual * drawn.uniform(0.9, 1.1):.2f}", claims


def _driving(drivers: Iterator[_Driver], seed: int) -> Iterator[Row]:
    drawn = chance(seed, "driving")
    for driver in drivers:
        driven = drawn.randint(9_000, 60_000)
        often, _ = _STYLES[driver.style]
        brakes = int(driven / 100 * often * drawn.uniform(0.7, 1.3))
        yield driver.vehicle, driven, brakes, int(driven * drawn.uniform(0, 0.3))


if __name__ == "__main__":
    main(tables, __doc__)
