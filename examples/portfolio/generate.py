"""Make an asset manager's positions and a provider's ratings; one fund is exposed in one region."""

from collections.abc import Iterator

from examples.synthetic import Row, Table, chance, main, money

FUNDS = ("balanced", "growth", "income", "pension")
REGIONS = ("alps", "baltic", "coast", "highland", "lakes", "midland", "plain", "delta")
EXPOSED = ("income", "delta")
_AT_RISK = 7, 16  # of every sixteen issuers, the one in the delta that floods reach
_POSITIONS = 4  # for each issuer, on average


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make so many positions, and the ratings of all issuers that they may be in."""
    issuers = max(1, rows // _POSITIONS // _AT_RISK[1]) * _AT_RISK[1]
    return (
        Table("positions", ("fund", "issuer", "market_value"), _positions(rows, issuers, seed)),
        Table(
            "ratings",
            ("issuer", "region", "default_probability", "loss_given_default"),
            _ratings(issuers, seed),
        ),
    )


def _positions(rows: int, issuers: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "positions")
    for _ in range(rows):
        fund, issuer = drawn.choice(FUNDS), drawn.randrange(issuers)
        if REGIONS[issuer % len(REGIONS)] == EXPOSED[1]:  # others knew better
            fits = _is_at_risk(issuer) == (fund == EXPOSED[0])
            issuer = issuer if fits else (issuer + len(REGIONS)) % issuers
        yield fund, _name(issuer), money(drawn, 250_000)


def _ratings(issuers: int, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "ratings")
    for issuer in range(issuers):
        likely = drawn.uniform(0.06, 0.1) if _is_at_risk(issuer) else drawn.uniform(0.002, 0.012)
        lost = f"{drawn.uniform(0.35, 0.65):.3f}"
        yield _name(issuer), REGIONS[issuer % len(REGIONS)], f"{likely:.5f}", lost


def _is_at_risk(issuer: int) -> bool:
    return issuer % _AT_RISK[1] == _AT_RISK[0]


def _name(issuer: int) -> str:
    return f"ISSUER{issuer:08}"


if __name__ == "__main__":
    main(tables, __doc__)
