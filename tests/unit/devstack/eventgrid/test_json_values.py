"""JSON of strangers: everything that others can read too, and nothing else."""

import pytest

from cleanroom.errors import Malformed
from devstack.eventgrid import json_values


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"NaN", id="no number"),
        pytest.param(b"-Infinity", id="infinite"),
        pytest.param(b"1e999", id="too large a fraction"),
        pytest.param(b"9" * 5000, id="too large a number"),
        pytest.param(b"[" * 66 + b"]" * 66, id="a little too deep"),
        pytest.param(b"[" * 500_000, id="far too deep"),
    ],
)
def test_what_others_cannot_read_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        json_values.parse(text, "it")


@pytest.mark.parametrize(
    "text", [b"1.5", b'{"a":[1,null,true,{"b":"c"}]}', b"[" * 64 + b"]" * 64, b'"\\ud800"']
)
def test_what_others_can_read_is_kept(text: bytes) -> None:
    value = json_values.parse(text, "it")

    assert json_values.dump(value).encode() == text
    assert json_values.parse(json_values.encode(value), "it") == value


def test_readers_get_characters_in_utf_8() -> None:
    assert json_values.encode("Zürich") == '"Zürich"'.encode()
