"""Make a hospital's patients, a laboratory's findings and a drug maker's criteria."""

from collections.abc import Iterator

from examples.synthetic import Row, Table, chance, main, pseudonym

SITES = ("airport", "bridge", "cathedral", "docks", "eastgate", "fairview", "hilltop", "riverside")
BEST = "riverside"
CRITERIA = {  # what nobody but the drug maker may learn
    "youngest": "40",
    "oldest": "75",
    "least_egfr": "45",
    "weight_bmi": "0.080",
    "weight_years": "0.150",
    "weight_hba1c": "0.900",
    "cutoff": "12.500",
}


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make so many patients, the findings of all of them, and the one row of criteria."""
    return (
        Table("patients", ("patient", "site", "age", "bmi", "years"), _patients(rows, seed)),
        Table("findings", ("patient", "hba1c", "egfr"), _findings(rows, seed)),
        Table("criteria", tuple(CRITERIA), [tuple(CRITERIA.values())]),
    )


def _patients(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "patients")
    for number in range(rows):
        bmi = drawn.normalvariate(29, 4)
        yield (
            pseudonym("insured", number),
            _site(number, seed),
            drawn.randint(18, 95),
            f"{max(15, bmi):.1f}",
            drawn.randint(0, 25),
        )


def _findings(rows: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "findings")
    for number in range(rows):
        usual = 10.0 if _site(number, seed) == BEST else 7.2
        hba1c = drawn.normalvariate(usual, 1.2)
        yield pseudonym("insured", number), f"{max(4, hba1c):.1f}", drawn.randint(25, 120)


def _site(number: int, seed: int) -> str:
    return chance(seed, f"site {number}").choice(SITES)


if __name__ == "__main__":
    main(tables, __doc__)
