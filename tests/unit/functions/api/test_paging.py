"""Pages are asked for by a number and by what the page before gave."""

import pytest

from cleanroom.errors import Malformed
from cleanroom.jose import base64url_text
from functions.api.paging import MOST, USUAL, Wanted, token


@pytest.mark.parametrize("marker", ["a", "rooms/nörth/x", "!" * 900])
def test_the_next_page_is_where_this_one_ends(marker: str) -> None:
    assert Wanted.parse({"after": token(marker) or ""}) == Wanted(USUAL, marker)


def test_after_the_last_page_there_is_none() -> None:
    assert token(None) is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, Wanted(USUAL, None), id="nothing said"),
        pytest.param({"limit": "1", "code": "a key"}, Wanted(1, None), id="what is not ours"),
        pytest.param({"limit": str(MOST)}, Wanted(MOST, None), id="most"),
    ],
)
def test_a_page_has_a_usual_length(query: dict[str, str], expected: Wanted) -> None:
    assert Wanted.parse(query) == expected


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1000", "1e1", "٣", " 1", ""])
def test_a_length_out_of_range_is_refused(limit: str) -> None:
    with pytest.raises(Malformed, match=r"^limit: expected a number from 1 to 100"):
        Wanted.parse({"limit": limit})


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("x", id="no base64url"),
        pytest.param(base64url_text(b"a marker"), id="made up"),
        pytest.param((token("a marker") or "")[:-2], id="cut"),
        pytest.param("A" * 100_000, id="long"),
    ],
)
def test_a_token_of_nobody_is_refused(after: str) -> None:
    with pytest.raises(Malformed, match=r"^after: expected"):
        Wanted.parse({"after": after})
