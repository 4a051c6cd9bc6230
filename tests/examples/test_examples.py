"""Every example by itself: its contract, its program, its data, and what comes out of them."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cleanroom.rules import ReviewedRule
from devstack.runner import policy
from examples.hospitals.generate import HIDDEN, HOSPITALS, TREATMENTS
from examples.places import EXAMPLES, names, parties
from tests.builders import Keys
from tests.examples.findings import EXPECTED, Row
from tests.examples.played import (
    agreed,
    asked,
    checked,
    computed,
    demands,
    generated,
    identities,
    program_of,
    rows_of,
)

ROWS = 3_000
_HAVING = re.compile(r"^HAVING .*\n", re.MULTILINE)

every_example = pytest.mark.parametrize("example", names())


def test_there_is_an_example_for_each_use_and_each_is_in_the_list() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(\w+/README.md\)", _read("README.md"), re.MULTILINE)

    assert sorted(listed) == names() == sorted(EXPECTED)


@every_example
def test_a_contract_is_accepted_for_the_runner_of_a_dev_stack(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    contract = agreed(example, tmp_path, keys)

    assert [party.name for party in contract.parties] == parties(example)
    assert [runner.to_dict() for runner in contract.runners] == [policy.requirement()]
    assert {dataset.rule.kind for dataset in contract.datasets} == {"reviewed"}


@every_example
def test_every_table_about_somebody_has_a_smallest_group(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    contract = agreed(example, tmp_path, keys)

    without = [
        dataset.alias
        for dataset in contract.datasets
        if isinstance(dataset.rule, ReviewedRule) and dataset.rule.threshold is None
    ]

    assert without == (["criteria"] if example == "recruitment" else [])


@every_example
def test_a_program_passes_the_runners_checks_and_asks_for_groups_itself(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    contract = agreed(example, tmp_path, keys)

    changed = checked(contract, program_of(contract))

    assert changed.count("count(DISTINCT") == program_of(contract).count("count(DISTINCT") + len(
        demands(contract)
    )
    assert len(_HAVING.findall(program_of(contract))) == 1


@every_example
def test_the_same_seed_makes_the_same_bytes_and_another_makes_others(
    example: str, tmp_path: Path
) -> None:
    first, again, other = (
        _bytes(generated(example, tmp_path / name, 100, seed))
        for name, seed in (("first", 7), ("again", 7), ("other", 8))
    )

    assert first == again
    assert first.keys() == other.keys()
    assert first != other


@every_example
def test_a_generator_makes_as_much_as_is_wanted(example: str, tmp_path: Path) -> None:
    few, many = (_lines(generated(example, tmp_path / f"{n}", n)) for n in (500, 5_000))

    assert few >= 500
    assert 8 * few < many < 12 * few


@every_example
def test_what_was_planted_is_found(example: str, tmp_path: Path, keys: Sequence[Keys]) -> None:
    contract, expected = agreed(example, tmp_path, keys), EXPECTED[example]

    result = computed(contract, generated(example, tmp_path, ROWS), expected.parameters)

    assert result.decision.passed
    assert expected.found(result.rows)


@every_example
def test_the_program_alone_shows_no_small_group_and_nobody(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    contract, expected = agreed(example, tmp_path, keys), EXPECTED[example]
    generated(example, tmp_path, ROWS)

    rows = asked(contract, tmp_path, expected.parameters)

    assert rows
    assert min(row[expected.counted] for row in rows) >= expected.minimum
    shown = {str(cell) for row in rows for cell in row.values()}
    assert not shown & identities(contract, tmp_path)


@every_example
def test_a_program_that_asks_for_no_groups_shows_no_small_one_either(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    contract, expected = agreed(example, tmp_path, keys), EXPECTED[example]
    generated(example, tmp_path, 120)
    careless = _HAVING.sub("", program_of(contract))

    result = computed(contract, tmp_path, expected.parameters, careless)

    sizes = [int(row[expected.counted]) for row in result.rows]
    least = min(demand.minimum for demand in demands(contract))
    assert result.decision.withheld > 0
    assert not [size for size in sizes if size < least]


@every_example
def test_a_page_shows_what_comes_out_of_the_command_it_names(
    example: str, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    page = _read(f"{example}/README.md")
    (command,) = re.findall(r"^python -m (examples\.\w+\.generate .*)$", page, re.MULTILINE)
    header, *lines = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0].splitlines()
    contract = agreed(example, tmp_path, keys)

    given = command.replace(f"/tmp/{example}", str(tmp_path)).split()  # noqa: S108  # as it says
    subprocess.run([sys.executable, "-m", *given], cwd=EXAMPLES.parent, check=True)
    result = computed(contract, tmp_path, EXPECTED[example].parameters)

    assert header.split() == [column.name for column in contract.result.columns]
    assert {tuple(line.split()) for line in lines} <= {tuple(row.values()) for row in result.rows}


def test_no_hospital_sees_by_itself_what_all_four_see(tmp_path: Path) -> None:
    generated("hospitals", tmp_path, ROWS)

    for name in HOSPITALS:
        rows = rows_of((tmp_path / f"{name}.csv").read_bytes())
        alone = {treatment: _stays(rows, treatment) for treatment in TREATMENTS}
        assert alone["surgery"] < alone["medication"], name


def _stays(rows: Sequence[Row], treatment: str) -> float:
    """Average the stays of one diagnosis after one treatment, as one hospital would."""
    found = [
        int(row["stays"])
        for row in rows
        if (row["diagnosis"], row["treatment"]) == (HIDDEN[0], treatment)
    ]
    return sum(found) / len(found)


def _read(name: str) -> str:
    return (EXAMPLES / name).read_text()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _lines(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.csv"))
