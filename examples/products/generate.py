"""Make a bank's customers and a retailer's; who buys for a baby then insures the home."""

import random
from collections.abc import Iterator

from examples.synthetic import Row, Table, chance, main, money, pseudonym

SEGMENTS = ("business", "family", "retired", "student")
CATEGORIES = ("baby", "books", "garden", "sports", "travel")
PRODUCTS = ("none", "credit-card", "home-insurance", "loan", "savings-plan")
PLANTED = ("family", "baby", "home-insurance")
_OTHERS = 0.5  # of each side's customers are not known to the other
_LIKELY = 0.45


def tables(rows: int, seed: int) -> tuple[Table, ...]:
    """Make so many customers of the bank, and as many of the retailer."""
    first = int(rows * _OTHERS)
    return (
        Table("holdings", ("customer", "segment", "last_product"), _holdings(range(rows), seed)),
        Table(
            "purchases",
            ("customer", "category", "spent"),
            _purchases(range(first, first + rows), seed),
        ),
    )


def _holdings(customers: range, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "holdings")
    for number in customers:
        segment = drawn.choice(SEGMENTS)
        product = drawn.choices(PRODUCTS, (80, 5, 5, 5, 5))[0]
        bought = PLANTED[1] in _categories(chance(seed, f"baskets {number}"))
        if segment == PLANTED[0] and bought and drawn.random() < _LIKELY:
            product = PLANTED[2]
        yield pseudonym("card", number), segment, product


def _purchases(customers: range, seed: int) -> Iterator[Row]:
    drawn = chance(seed, "purchases")
    for number in customers:
        for category in _categories(chance(seed, f"baskets {number}")):
            yield pseudonym("card", number), category, money(drawn, 120)


def _categories(drawn: random.Random) -> list[str]:
    """Choose what a customer buys; both tables ask, and hear the same."""
    return sorted(drawn.sample(CATEGORIES, drawn.randint(1, 3)))


if __name__ == "__main__":
    main(tables, __doc__)
