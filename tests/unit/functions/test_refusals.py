import re
from dataclasses import replace
from pathlib import Path

import pytest

from functions.refusals import Reason, Refusal

ROOT = Path(__file__).parents[3]
ONE = Refusal("rooms/room/contracts/a", "0x1", Reason.NAME)


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, document="rooms/room/contracts/b"),
        replace(ONE, etag="0x2"),
        replace(ONE, reason=Reason.SIZE),
    ],
    ids=["document", "version", "reason"],
)
def test_a_refusal_is_named_by_all_that_it_says(other: Refusal) -> None:
    assert ONE.id == replace(ONE).id
    assert ONE.id != other.id


def test_any_name_can_be_refused() -> None:
    assert re.fullmatch("[0-9a-f]{32}", replace(ONE, document="\ud800").id)


def test_the_reasons_are_those_that_are_documented() -> None:
    text = (ROOT / "docs" / "spec" / "events.md").read_text()
    _, _, section = text.partition("## 3. ")

    assert re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE) == [str(each) for each in Reason]


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word(reason: Reason) -> None:
    assert re.fullmatch("[a-z_]+", reason)
