"""Every example whole: sealed, approved, dropped, computed, opened, verified."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from examples.places import names
from tests.builders import Keys
from tests.examples.findings import EXPECTED
from tests.examples.played import computed, rows_of
from tests.examples.stage import Stage, play, running_stage

_ROWS = 2_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.mark.parametrize("example", names())
def test_an_example_goes_all_the_way(
    example: str, stage: Stage, tmp_path: Path, keys: Sequence[Keys]
) -> None:
    expected = EXPECTED[example]
    played = play(stage, example, tmp_path, keys, _ROWS)
    if expected.parameters:
        played.ask(expected.parameters)

    job = played.outcome()

    assert (job["outcome"]["status"], job["outcome"]["reason"]) == ("completed", None)
    by_itself = computed(played.contract, tmp_path, expected.parameters).data
    for reader in played.contract.result.readers:
        assert played.opened(job["job"], reader.party) == by_itself
    assert expected.found(rows_of(by_itself))
    assert played.verdict(job["job"]).refusal is None
