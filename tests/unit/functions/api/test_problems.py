"""What callers are told when something goes wrong, and what they are not."""

import json
import re
from pathlib import Path

import pytest

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unavailable
from functions.api import problems
from functions.api.problems import KINDS, Problem
from functions.refusals import Declined, Why

SPEC = Path(__file__).parents[4] / "docs" / "spec" / "http-api.md"


def test_a_problem_is_spelled_as_rfc_9457_has_it() -> None:
    problem = json.loads(Problem("not_found", "nothing here").to_bytes())

    assert problem == {
        "type": "urn:cleanroom:problem:not_found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "nothing here",
        "code": "not_found",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(Malformed("a", "b"), 400, id="malformed"),
        pytest.param(Tampered("a"), 422, id="tampered"),
        pytest.param(PolicyRefused("a"), 422, id="refused"),
        pytest.param(Unavailable("a"), 503, id="unavailable"),
    ],
)
def test_an_error_has_a_status(error: CleanroomError, status: int) -> None:
    assert problems.of(error, asks=False).status == status


@pytest.mark.parametrize("why", Why)
def test_what_a_room_declines_is_told_by_its_rule(why: Why) -> None:
    problem = problems.of(Declined(why, "no"), asks=False)

    assert (problem.code, problem.detail) == (why, "no")


def test_what_does_not_answer_is_not_named() -> None:
    problem = problems.of(Unavailable("storage rooms: cannot list (Secret)"), asks=False)

    assert problem == Problem("unavailable", "try again in a moment")


@pytest.mark.parametrize("error", [Malformed("state", "an object"), Tampered("a record")])
def test_who_only_asks_is_not_told_what_is_wrong_with_what_is_stored(error: CleanroomError) -> None:
    assert problems.of(error, asks=True) == problems.INTERNAL


def test_every_code_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (\d{3}) \|", SPEC.read_text(), re.MULTILINE)
    documented = {
        code: int(status) for codes, status in rows for code in re.findall(r"`([a-z_]+)`", codes)
    }

    assert documented == {str(code): int(kind.status) for code, kind in KINDS.items()}
