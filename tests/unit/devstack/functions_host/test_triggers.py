"""What makes functions run: keys, events, timers, messages, hands; and what is watched."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host import admin, http, watch, webhooks
from devstack.functions_host.data import Answer, Binary, Datum, Document, Text
from devstack.functions_host.functions import Level
from devstack.functions_host.keys import Keys
from devstack.functions_host.schedule import schedule
from devstack.functions_host.timers import Status, begun, occasion
from devstack.functions_host.trace import traceparent
from devstack.home import Home

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOURLY = schedule("0 0 * * * *", "f", NOW)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_keys_open_what_they_are_for(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    keys = Keys(home)
    own, master = home.secret("functions/own/f"), home.secret("functions/master")

    assert keys.opens_function(None, "f", Level.ANONYMOUS)
    assert keys.opens_function(own, "f", Level.FUNCTION)
    assert not keys.opens_function(own, "g", Level.FUNCTION)
    assert not keys.opens_function(own, "f", Level.ADMIN)
    assert keys.opens_function(master, "f", Level.ADMIN)
    assert keys.opens_admin(master)
    assert not keys.opens_webhook(own, "eventgrid_extension")
    assert not keys.opens_admin("")
    assert not keys.opens_admin("\ud800")


@pytest.mark.parametrize("name", ["master", "default", "eventgrid_extension"])
def test_no_function_gets_another_key_by_its_name(name: str, tmp_path: Path) -> None:
    home = Home.at(tmp_path)

    own = home.secret(f"functions/own/{name}")

    assert Keys(home).opens_function(own, name, Level.FUNCTION)
    assert own != home.secret(f"functions/{name}")
    assert not Keys(home).opens_admin(own)


def test_a_key_survives_a_query_that_was_not_escaped(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    names = (f"functions/own/f{n}" for n in range(1000))
    name = next(name for name in names if "+" in home.secret(name))

    spaced = home.secret(name).replace("+", " ")

    assert Keys(home).opens_function(spaced, name.removeprefix("functions/own/"), Level.FUNCTION)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(TRACE, True, id="a trace"),
        pytest.param(TRACE.upper(), False, id="capitals"),
        pytest.param("00-" + "0" * 32 + "-b7ad6b7169203331-01", False, id="no trace"),
        pytest.param(None, False, id="nothing"),
        pytest.param(b"x", False, id="bytes"),
    ],
)
def test_a_trace_is_passed_on_or_begun(given: object, kept: bool) -> None:
    found = traceparent(given)

    assert (found == given) == kept
    assert traceparent(found) == found


# --- events


def test_an_event_is_the_occasion_of_an_invocation() -> None:
    event = {"id": "1", "subject": "s", "data": {"url": "u", "n": 5, "deep": {}}}

    found = webhooks.occasion(event)

    assert found.input == Document(json.dumps(event))
    assert found.data == {"id": "1", "subject": "s", "data.url": "u", "data.n": "5"}


@pytest.mark.parametrize("content", [b"", b"5", b"[]", b"[5]", b'"x"'])
def test_what_are_no_events_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        webhooks.parse(content)


def test_a_validation_needs_its_code() -> None:
    assert webhooks.validation_code([{"data": {"validationCode": "c"}}]) == "c"
    with pytest.raises(Malformed):
        webhooks.validation_code([{"data": {}}])


def test_a_hand_gives_input() -> None:
    assert admin.parse(b'{"input": 5}') == 5
    assert admin.parse(b"{}") is None


@pytest.mark.parametrize(
    ("value", "status", "body", "kind"),
    [
        pytest.param(None, 204, None, None, id="nothing"),
        pytest.param(Text("x"), 200, b"x", "text/plain; charset=utf-8", id="text"),
        pytest.param(Document("{}"), 200, b"{}", "text/plain; charset=utf-8", id="json"),
        pytest.param(Binary(b"x"), 200, b"x", "application/octet-stream", id="bytes"),
        pytest.param(Answer(201, (("A", "b"),), b"x"), 201, b"x", None, id="answer"),
        pytest.param(Answer(1, (), b""), 500, None, None, id="status"),
        pytest.param(Answer(200, (("A", "b\r\nC: d"),), b""), 500, None, None, id="header"),
    ],
)
def test_what_a_function_returns_is_an_answer(
    value: Datum | None, status: int, body: bytes | None, kind: str | None
) -> None:
    found = http._reply(value)

    assert (found.status, found.body) == (status, body)
    assert found.headers.get("Content-Type") == kind


# --- timers


def test_a_new_timer_is_due_by_its_schedule() -> None:
    status, late = begun(HOURLY, None, NOW)

    assert (status.next, status.last, late) == (NOW + timedelta(hours=1), None, False)


@pytest.mark.parametrize(
    ("kept", "late"),
    [
        pytest.param(Status(HOURLY.text, None, NOW + timedelta(minutes=5), NOW), False, id="due"),
        pytest.param(Status(HOURLY.text, NOW, NOW - timedelta(minutes=5), NOW), True, id="late"),
        pytest.param(Status("0 0 0 * * *", None, NOW - timedelta(days=1), NOW), False, id="other"),
    ],
)
def test_a_kept_timer_is_late_if_its_schedule_is_the_same(kept: Status, late: bool) -> None:
    assert begun(HOURLY, kept, NOW)[1] == late


def test_a_status_survives_its_file() -> None:
    status = Status(HOURLY.text, NOW, NOW + timedelta(hours=1), NOW)

    assert Status.parse(status.to_bytes()) == status


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"Schedule": "", "Last": null, "Next": 5, "LastUpdated": ""}'],
)
def test_a_status_that_cannot_be_read_is_none(content: bytes) -> None:
    assert Status.parse(content) is None


def test_a_function_sees_its_timer() -> None:
    status = Status(HOURLY.text, None, NOW, NOW)

    found = occasion(status, past_due=True).input

    assert isinstance(found, Document)
    assert json.loads(found.value) == {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": None,
            "Next": "2026-11-21T09:00:00+00:00",
            "LastUpdated": "2026-11-21T09:00:00+00:00",
        },
        "IsPastDue": True,
    }


# --- what is watched


def test_a_change_of_a_file_or_beside_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "host.json").write_text("{}")
    files = [str(tmp_path / "a.py"), str(tmp_path / "host.json"), str(tmp_path / "gone.json")]
    before = watch.snapshot(files)

    (tmp_path / "b.py").write_text("2")
    with_another = watch.snapshot(files)
    os.utime(tmp_path / "host.json", ns=(1, 1))

    assert before < with_another
    assert watch.snapshot(files) != with_another
