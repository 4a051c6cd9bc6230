import re
from dataclasses import replace

import pytest

from functions.refusals import Reason, Refusal

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


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word(reason: Reason) -> None:
    assert re.fullmatch("[a-z_]+", reason)
