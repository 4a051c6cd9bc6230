"""A drafted contract is one: its columns are the tables', its result's the program's."""

from pathlib import Path
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed
from cleanroom.ids import Digest
from cleanroom.rules import ReviewedRule
from party import cards, contracts, drafting
from party.cards import Card
from party.drafting import Wish
from party.errors import Usage
from tests.builders import HEX, MILAN, NOW, Keys
from tests.unit.party.test_cards import card

RUNNERS = f"""
- platform: simulated
  code: {{kind: host-data, value: {HEX}, utility_vm_svn: 100}}
  minimum_svn: {MILAN}
"""
PROGRAM = "SELECT count(*) AS customers, sum(a.amount) AS total FROM a JOIN b USING (customer)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, north: Keys, south: Keys, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cards, two tables, a program and runners, side by side."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name, keys in (("north", north), ("south", south)):
        Path(cards.file_name(name, "room")).write_bytes(card(keys, name).to_bytes())
    Path("a.csv").write_text("customer,amount\nann,1\n")
    Path("wide table.csv").write_text("customer,balance\nann,\nbob,2\n")
    Path("query.sql").write_text(PROGRAM)
    Path("runners.yaml").write_text(RUNNERS)
    return tmp_path


def wish(**changes: Any) -> Wish:
    known: dict[str, Any] = {
        "cards": (Path("north.room.card.json"), Path("south.room.card.json")),
        "tables": ("north:a.csv", "south:b=wide table.csv"),
        "persons": (),
        "program": Path("query.sql"),
        "readers": ("north",),
        "purpose": "Find customers: of both.",
        "runners": Path("runners.yaml"),
        "after": None,
        "output": Path("contract.yaml"),
        "profile": None,
    }
    return Wish(**known | changes)


def drafted(**changes: Any) -> Contract:
    path = Path("contract.yaml")
    path.write_text(drafting.draft(wish(**changes), NOW))
    return contracts.load(path)


def test_a_draft_is_a_contract(north: Keys) -> None:
    made = drafted()

    assert (made.room, made.sequence, made.purpose) == ("room", 1, "Find customers: of both.")
    assert [(one.alias, one.owner, one.dataset) for one in made.datasets] == [
        ("a", "north", "a"),
        ("b", "south", "b"),
    ]
    assert made.datasets[0].location == "https://north.blob.core.windows.net/datasets/room/a"
    assert [(one.party, one.key) for one in made.result.readers] == [("north", north.reader)]


def test_columns_are_those_of_tables_and_program() -> None:
    made = drafted()

    shown = [(one.name, one.type, one.nullable) for one in made.datasets[1].columns]
    assert shown == [("customer", "text", False), ("balance", "int64", True)]
    assert [(one.name, one.type) for one in made.result.columns] == [
        ("customers", "int64"),
        ("total", "int128"),
    ]


def test_a_draft_that_protects_nobody_says_so() -> None:
    drafted()

    assert "Nothing but the program limits" in Path("contract.yaml").read_text()


def test_rows_that_few_persons_stand_behind_are_withheld_if_asked_for() -> None:
    made = drafted(persons=("a=customer", "b=customer"))

    rules = [one.rule for one in made.datasets]
    assert all(isinstance(rule, ReviewedRule) for rule in rules)
    assert [rule.threshold and rule.threshold.minimum for rule in rules] == [10, 10]  # type: ignore[union-attr]  # reviewed
    assert "Nothing but the program limits" not in Path("contract.yaml").read_text()


def test_a_later_contract_follows_the_one_before() -> None:
    first = drafted()
    Path("first.json").write_bytes(first.to_bytes())

    second = drafted(after=Path("first.json"))

    assert (second.sequence, second.previous) == (2, first.digest)
    assert second.digest != Digest.of(first.to_bytes())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"tables": ("a.csv",)}, "expected OWNER:FILE or OWNER:ALIAS=FILE", id="table"),
        pytest.param({"tables": ("north:query.sql",)}, "a table: CSV, Parquet", id="no table"),
        pytest.param({"tables": ("north:missing.csv",)}, "there is no such file", id="no file"),
        pytest.param({"tables": ("west:a.csv",)}, "'west': expected a party with a card", id="who"),
        pytest.param({"readers": ("west",)}, "'west': expected a party with a card", id="reader"),
        pytest.param({"persons": ("a",)}, "expected ALIAS=COLUMN", id="person"),
        pytest.param({"persons": ("a=no",)}, "a has no column 'no'", id="no column"),
        pytest.param({"persons": ("c=no",)}, "no table is called 'c'", id="no alias"),
        pytest.param({"runners": None}, "which machines may run it", id="no runners"),
        pytest.param({"program": Path("/etc/hostname")}, "does not lie beside", id="elsewhere"),
        pytest.param({"tables": ("north:B-1=a.csv",)}, "the alias: expected", id="alias"),
    ],
)
def test_what_cannot_be_drafted_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CleanroomError, match=message):
        drafting.draft(wish(**changes), NOW)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param("SELECT nothing FROM a", "nothing", id="no column"),
        pytest.param("SELEC 1", "syntax error", id="no SQL"),
        pytest.param("SELECT * FROM read_csv('a.csv')", "one SELECT over these tables", id="file"),
        pytest.param("SELECT [1] AS few FROM a", r"its column 'few' is INTEGER\[\]", id="type"),
    ],
)
def test_a_program_that_does_not_fit_is_refused_with_where(program: str, message: str) -> None:
    Path("query.sql").write_text(program)

    with pytest.raises(Malformed, match=message):
        drafting.draft(wish(), NOW)


def test_a_party_without_data_has_no_table(north: Keys) -> None:
    bare = Card("north", "room", north.signing, north.reader, None, None)
    Path("north.room.card.json").write_bytes(bare.to_bytes())

    with pytest.raises(Usage, match="its card names no room key") as caught:
        drafting.draft(wish(), NOW)

    assert caught.value.hint.startswith("cleanroom init north --room room")


def test_of_two_cards_of_one_party_none_is_taken() -> None:
    Path("false.card.json").write_bytes(card(Keys.make(), "south").to_bytes())
    three = (*wish().cards, Path("false.card.json"))

    with pytest.raises(Usage, match="one card of each party"):
        drafted(cards=three)


def test_a_card_has_the_name_by_which_a_contract_knows_it() -> None:
    Path("north.room.card.json").rename("north.json")

    with pytest.raises(Usage, match=r"ends in \.card\.json, got 'north\.json'"):
        drafted(cards=(Path("north.json"), wish().cards[1]))


def test_cards_of_two_rooms_make_no_contract(south: Keys) -> None:
    Path("south.room.card.json").write_bytes(card(south, "south", "other").to_bytes())

    with pytest.raises(Usage, match="cards of one room"):
        drafting.draft(wish(), NOW)
