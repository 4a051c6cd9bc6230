"""Which answers a caller says that it has."""

import pytest

from functions.api.door import is_known

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param('"abc"', True, id="it"),
        pytest.param('W/"abc"', True, id="weakly"),
        pytest.param('"x", "abc"', True, id="among others"),
        pytest.param("*", True, id="anything"),
        pytest.param('"x"', False, id="another"),
        pytest.param("abc", False, id="no tag"),
        pytest.param('"ab"', False, id="part of it"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="nothing"),
        pytest.param('"*"', False, id="a star that is a tag"),
    ],
)
def test_a_caller_says_what_it_has(header: str | None, expected: bool) -> None:
    assert is_known(TAG, header) == expected
