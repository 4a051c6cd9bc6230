"""User delegation keys: what may be asked for, and what a key depends on."""

import base64
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from devstack.storage import delegation
from devstack.storage.delegation import Delegation, Terms
from devstack.storage.refusals import (
    INVALID_HEADER,
    INVALID_XML,
    INVALID_XML_VALUE,
    NOT_IMPLEMENTED,
    Refusal,
)
from tests.builders import NOW

KEYS = Delegation("tenant", {"id-of-functions": "functions"}, b"secret")
VERSION = "2026-10-06"
TERMS = Terms("id-of-functions", "tenant", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", VERSION)


def spelled(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def asking(start: timedelta, expiry: timedelta) -> bytes:
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n<KeyInfo>"
        f"<Start>{spelled(NOW + start)}</Start><Expiry>{spelled(NOW + expiry)}</Expiry></KeyInfo>"
    ).encode()


def granted(body: bytes, version: str = VERSION) -> Terms | Refusal:
    return KEYS.granted("id-of-functions", version, body, NOW)


HOUR, WEEK, SECOND = timedelta(hours=1), timedelta(days=7), timedelta(seconds=1)


def test_a_key_is_granted_as_it_was_asked_for() -> None:
    assert granted(asking(-HOUR, HOUR)) == Terms(
        "id-of-functions", "tenant", spelled(NOW - HOUR), spelled(NOW + HOUR), VERSION
    )


def test_without_a_start_a_key_holds_from_now_on() -> None:
    body = f"<KeyInfo><Expiry>{spelled(NOW + HOUR)}</Expiry></KeyInfo>".encode()

    found = granted(body)

    assert isinstance(found, Terms)
    assert found.start == spelled(NOW)


@pytest.mark.parametrize(
    ("start", "expiry", "good"),
    [
        pytest.param(-WEEK, WEEK, True, id="a week"),
        pytest.param(HOUR, 2 * HOUR, True, id="later"),
        pytest.param(-WEEK - SECOND, HOUR, False, id="begins too long ago"),
        pytest.param(-HOUR, WEEK + SECOND, False, id="ends too late"),
        pytest.param(-HOUR, -SECOND, False, id="has ended"),
        pytest.param(HOUR, HOUR, False, id="ends as it begins"),
    ],
)
def test_a_key_holds_within_a_week_of_now(start: timedelta, expiry: timedelta, good: bool) -> None:
    found = granted(asking(start, expiry))

    assert (found != INVALID_XML_VALUE) == good
    assert isinstance(found, Terms) == good


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param(b"", INVALID_XML, id="nothing"),
        pytest.param(b"<KeyInfo></KeyInfo>", INVALID_XML, id="no expiry"),
        pytest.param(asking(-HOUR, HOUR) + b"<a/>", INVALID_XML, id="more"),
        pytest.param(b"<!DOCTYPE a>" + asking(-HOUR, HOUR), INVALID_XML, id="a type"),
        pytest.param(b"\xff" + asking(-HOUR, HOUR), INVALID_XML, id="no text"),
        pytest.param(
            b"<KeyInfo><Expiry>soon</Expiry></KeyInfo>", INVALID_XML_VALUE, id="no expiry's time"
        ),
        pytest.param(
            b"<KeyInfo><Start>x</Start><Expiry>2100-01-01</Expiry></KeyInfo>",
            INVALID_XML_VALUE,
            id="no start's time",
        ),
        pytest.param(
            asking(-HOUR, HOUR).replace(
                b"</Expiry>", b"</Expiry><DelegatedUserTid>t</DelegatedUserTid>"
            ),
            NOT_IMPLEMENTED,
            id="another tenant's user",
        ),
    ],
)
def test_what_makes_no_key_is_refused(body: bytes, refusal: Refusal) -> None:
    assert granted(body) == refusal


@pytest.mark.parametrize("version", ["", "latest", "2026-10-06<"])
def test_a_key_has_a_version(version: str) -> None:
    assert granted(asking(-HOUR, HOUR), version) == INVALID_HEADER


@pytest.mark.parametrize("name", [one.name for one in fields(Terms)])
def test_a_key_depends_on_all_that_is_told_of_it(name: str) -> None:
    other = replace(TERMS, **{name: "other"})

    assert KEYS.key(other) != KEYS.key(TERMS)


def test_a_key_depends_on_the_secret() -> None:
    assert replace(KEYS, secret=b"other").key(TERMS) != KEYS.key(TERMS)


def test_an_answer_tells_the_key_and_its_terms() -> None:
    found = dict(re.findall(r"<(\w+)>([^<>]+)</", KEYS.answer(TERMS).decode()))

    assert found == {
        "SignedOid": "id-of-functions",
        "SignedTid": "tenant",
        "SignedStart": "2026-01-01T00:00:00Z",
        "SignedExpiry": "2026-01-02T00:00:00Z",
        "SignedService": "b",
        "SignedVersion": VERSION,
        "Value": base64.b64encode(KEYS.key(TERMS)).decode(),
    }


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(KEYS)


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T00:00Z", "2026-01-02T01:00:00+01:00"])
def test_a_time_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert delegation.moment(text) == datetime(2026, 1, 2, tzinfo=UTC)
