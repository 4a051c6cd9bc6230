"""What each example's generator hides in its data, and what must be seen of it in the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from examples.fraud.generate import RING as CORRIDOR
from examples.laundering.generate import RING
from examples.portfolio.generate import EXPOSED
from examples.products.generate import PLANTED
from examples.recruitment.generate import BEST
from examples.telematics.generate import PREMIUMS

type Row = Mapping[str, str]
type Rows = Sequence[Row]


@dataclass(frozen=True)
class Expected:
    """What an example is asked with, which column counts who stands behind a row, what is found."""

    counted: str
    minimum: int
    found: Callable[[Rows], bool]
    parameters: Mapping[str, str]


def cash_is_carried_through_one_corridor(rows: Rows) -> bool:
    most = max(rows, key=lambda row: ratio(row, "cash_in_north", "customers"))
    carried = ratio(most, "wired_out_south", "cash_in_north")
    return (most["country"], most["segment"]) == CORRIDOR and abs(carried - 1) < Decimal("0.2")


def one_branch_pays_in_for_one_country(rows: Rows) -> bool:
    most = max(rows, key=lambda row: int(row["customers"]))
    return (most["branch"], most["destination"]) == RING


def one_fund_is_exposed_in_one_region(rows: Rows) -> bool:
    riskiest = max(rows, key=lambda row: ratio(row, "expected_loss", "market_value"))
    return (riskiest["fund"], riskiest["region"]) == EXPOSED


def harsh_drivers_cost_more_at_every_age(rows: Rows) -> bool:
    lost = {(row["ages"], row["style"]): Decimal(row["loss_ratio"]) for row in rows}
    return all(lost[ages, "harsh"] > 2 * lost[ages, "smooth"] for ages in PREMIUMS)


def who_buys_for_a_baby_insures_the_home(rows: Rows) -> bool:
    sold = [row for row in rows if row["product"] != "none"]
    best = max(sold, key=lambda row: int(row["customers"]))
    return (best["category"], best["product"]) == PLANTED[1:]


def one_site_has_the_most_patients(rows: Rows) -> bool:
    eligible = {row["site"]: int(row["eligible"]) for row in rows}
    best = eligible.pop(BEST)
    return all(best > 2 * number for number in eligible.values())


def the_drug_helps_who_can_take_it(rows: Rows) -> bool:
    found = {(int(row["deprivation"]), row["arm"]): row for row in rows}
    effects, weeks = (
        [
            Decimal(found[area, "drug"][column]) - Decimal(found[area, "placebo"][column]) * less
            for area in (1, 5)
        ]
        for column, less in (("improvement", 1), ("weeks_taken", 0))
    )
    return effects[0] > 2 * effects[1] and weeks[0] > 2 * weeks[1]


def who_had_surgery_comes_back(rows: Rows) -> bool:
    stays = {(row["diagnosis"], row["treatment"]): Decimal(row["stays"]) for row in rows}
    return stays["aortic-stenosis", "surgery"] > stays["aortic-stenosis", "medication"] + Decimal(
        "0.2"
    )


def ratio(row: Row, of: str, to: str) -> Decimal:
    return Decimal(row[of]) / Decimal(row[to])


EXPECTED = {
    "fraud": Expected("customers", 10, cash_is_carried_through_one_corridor, {}),
    "laundering": Expected("customers", 10, one_branch_pays_in_for_one_country, {}),
    "portfolio": Expected("issuers", 5, one_fund_is_exposed_in_one_region, {}),
    "telematics": Expected("vehicles", 25, harsh_drivers_cost_more_at_every_age, {}),
    "products": Expected(
        "customers", 10, who_buys_for_a_baby_insures_the_home, {"segment": PLANTED[0]}
    ),
    "recruitment": Expected("eligible", 10, one_site_has_the_most_patients, {}),
    "outcomes": Expected("participants", 20, the_drug_helps_who_can_take_it, {}),
    "hospitals": Expected("patients", 20, who_had_surgery_comes_back, {}),
}
