"""Statements say one thing about things named by digest."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cleanroom.canonical import canonical
from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from cleanroom.statement import Subject, parse_statement, statement
from tests.builders import HEX

TYPE = "urn:cleanroom:test:v1"
SUBJECTS = (
    Subject("first", Digest.of(b"first")),
    Subject("second", Digest.of(b"second")),
)


def value() -> Any:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "first", "digest": {"sha256": HEX}}],
        "predicateType": TYPE,
        "predicate": {"anything": [1]},
    }


@pytest.mark.parametrize(
    "subjects",
    [
        pytest.param((), id="no subject"),
        pytest.param(SUBJECTS[:1], id="one subject"),
        pytest.param(SUBJECTS, id="two subjects"),
    ],
)
def test_a_statement_comes_back_from_its_bytes(subjects: tuple[Subject, ...]) -> None:
    payload = statement(subjects, TYPE, {"a": 1})

    parsed = parse_statement(payload, TYPE, "x")

    assert parsed == (subjects, {"a": 1})
    assert statement(parsed[0], TYPE, {"a": 1}) == payload


def test_a_statement_is_spelled_as_in_toto_does() -> None:
    payload = statement(SUBJECTS[:1], TYPE, {})

    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "first", "digest": {"sha256": SUBJECTS[0].digest.hex}}],
        "predicateType": TYPE,
        "predicate": {},
    }


def test_the_statement_that_the_cases_below_spoil_is_accepted() -> None:
    subjects, predicate = parse_statement(canonical(value(), "x"), TYPE, "x")

    assert subjects == (Subject("first", Digest(f"sha256:{HEX}")),)
    assert predicate == {"anything": [1]}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda s: s.pop("_type"), "x: expected a field '_type'", id="no type"),
        pytest.param(lambda s: s.pop("subject"), "x: expected a field 'subject'", id="no subject"),
        pytest.param(
            lambda s: s.pop("predicateType"),
            "x: expected a field 'predicateType'",
            id="no predicate type",
        ),
        pytest.param(
            lambda s: s.pop("predicate"), "x: expected a field 'predicate'", id="no predicate"
        ),
        pytest.param(
            lambda s: s.update(more=1), "x: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
            "x._type: expected 'https://in-toto.io/Statement/v1', got 'https://in-toto.io/Stat",
            id="another version",
        ),
        pytest.param(
            lambda s: s.update(predicateType="urn:cleanroom:other:v1"),
            f"x.predicateType: expected {TYPE!r}, got 'urn:cleanroom:other:v1'",
            id="another predicate type",
        ),
        pytest.param(
            lambda s: s.update(subject={}),
            "x.subject: expected a list, got an object",
            id="subject as an object",
        ),
        pytest.param(
            lambda s: s.update(subject=s["subject"] * 2),
            "x.subject: expected each name once, got 'first'",
            id="subject twice",
        ),
        pytest.param(
            lambda s: s.update(subject=s["subject"] * 65),
            "x.subject: expected 0 to 64 entries, got 65",
            id="too many subjects",
        ),
        pytest.param(
            lambda s: s.update(subject=["first"]),
            "x.subject[0]: expected an object with named fields, got text",
            id="subject as text",
        ),
        pytest.param(
            lambda s: s["subject"][0].pop("name"),
            "x.subject[0]: expected a field 'name'",
            id="subject without name",
        ),
        pytest.param(
            lambda s: s["subject"][0].pop("digest"),
            "x.subject[0]: expected a field 'digest'",
            id="subject without digest",
        ),
        pytest.param(
            lambda s: s["subject"][0].update(uri="https://name.example"),
            "x.subject[0]: expected no other field, got 'uri'",
            id="subject with an address",
        ),
        pytest.param(
            lambda s: s["subject"][0].update(name="First"),
            "x.subject[0].name: expected a name of 1 to 63",
            id="subject with a bad name",
        ),
        pytest.param(
            lambda s: s["subject"][0].update(digest=f"sha256:{HEX}"),
            "x.subject[0].digest: expected an object with named fields, got text",
            id="digest as text",
        ),
        pytest.param(
            lambda s: s["subject"][0].update(digest={}),
            "x.subject[0].digest: expected a field 'sha256'",
            id="no digest",
        ),
        pytest.param(
            lambda s: s["subject"][0]["digest"].update(sha512=HEX * 2),
            "x.subject[0].digest: expected no other field, got 'sha512'",
            id="a second digest",
        ),
        pytest.param(
            lambda s: s["subject"][0]["digest"].update(sha256=HEX.upper()),
            "x.subject[0].digest.sha256: expected ",
            id="digest in upper case",
        ),
    ],
)
def test_a_statement_with_one_thing_wrong_is_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    spoiled = value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        parse_statement(canonical(spoiled, "x"), TYPE, "x")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"[]", "an object with named fields, got a list", id="a list"),
        pytest.param(b"null", "an object with named fields, got nothing", id="null"),
        pytest.param(json.dumps(value()).encode(), "canonical JSON", id="another spelling"),
        pytest.param(b" " * (1 << 20) + b"1", "at most 1048576 bytes", id="too large"),
    ],
)
def test_bytes_that_are_no_statement_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}"):
        parse_statement(payload, TYPE, "x")
