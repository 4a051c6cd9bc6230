"""Make a trial's participants and a registry's social data; the drug works for who can take it."""

from collections.abc import Iterator

from examples.synthetic import Row, Table, chance, main, pseudonym

ARMS = ("drug", "placebo")
WEEKS = 24
_EFFECT = 8.0  # of the drug on somebody who took it in every week
_REFUSED = 0.1  # did not agree that the two may be joined


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make so many participants, and what the registry knows of most of them."""
    return (
        Table(
            "participants",
            ("patient", "arm", "weeks_taken", "improvement"),
            _participants(rows, seed),
        ),
        Table("social", ("patient", "deprivation", "kilometres"), _social(rows, seed)),
    )


def _participants(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "participants")
    for number in range(rows):
        arm = drawn.choice(ARMS)
        share = 1 - 0.2 * (_deprivation(number, seed) - 1)  # of the weeks, to a fifth of them
        weeks = max(0, min(WEEKS, round(WEEKS * share + drawn.normalvariate(0, 2))))
        effect = _EFFECT * weeks / WEEKS if arm == "drug" else 0.0
        improvement = 2 + effect + drawn.normalvariate(0, 4)
        yield pseudonym("patient", number), arm, weeks, f"{improvement:.1f}"


def _social(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "social")
    for number in range(rows):
        if drawn.random() >= _REFUSED:
            far = drawn.randint(1, 20 * _deprivation(number, seed))
            yield pseudonym("patient", number), _deprivation(number, seed), far


def _deprivation(number: int, seed: int) -> int:
    """Tell how deprived somebody's area is, from 1 to 5."""
    return chance(seed, f"area {number}").randint(1, 5)


if __name__ == "__main__":
    main(tables, __doc__)
