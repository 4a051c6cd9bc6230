"""The control plane's API as a party asks it: what it answers is believed, refused or explained."""

import json
from pathlib import Path
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.ids import Digest
from party.cloud import fetching
from party.cloud.api import Api
from tests.builders import Keys, contract
from tests.ports.scripted import Reply, scripted
from tests.servers import free_ports

JOB = Digest.of(b"job")
EMPTY = b'{"room": "room", "contracts": []}'


def problem(status: int, code: str, detail: str = "") -> Reply:
    return Reply(status, json.dumps({"code": code, "detail": detail, "status": status}).encode())


def test_a_token_goes_along() -> None:
    with scripted(Reply(200, EMPTY)) as server:
        Api(server.url, lambda: "secret").room("room")

    (asked,) = server.asked
    assert (asked.path, asked.headers["Authorization"]) == ("/rooms/room", "Bearer secret")


def test_what_has_not_changed_is_not_sent_again() -> None:
    first = Reply(200, EMPTY, (("ETag", '"1"'),))
    with scripted(first, Reply(304)) as server:
        api = Api(server.url, lambda: "secret")
        looks = [api.room("room") for _ in range(2)]

    assert looks[0] == looks[1]
    assert server.asked[1].headers["If-None-Match"] == '"1"'


def test_a_token_whose_life_has_ended_is_replaced_once() -> None:
    tokens = iter(["old", "new", "newer"])
    with scripted(Reply(401), Reply(200, EMPTY)) as server:
        Api(server.url, lambda: next(tokens)).room("room")

    assert [one.headers["Authorization"] for one in server.asked] == ["Bearer old", "Bearer new"]


def test_no_redirect_takes_the_token_elsewhere() -> None:
    with scripted(Reply(200, EMPTY)) as elsewhere:
        away = Reply(302, b"", (("Location", f"{elsewhere.url}/rooms/room"),))
        with scripted(away) as server, pytest.raises(CleanroomError):
            Api(server.url, lambda: "secret").room("room")

    assert elsewhere.asked == []


def test_a_redirect_is_not_even_looked_at() -> None:
    nowhere = Reply(302, b"", (("Location", "http://[a/"),))
    with scripted(nowhere) as server, pytest.raises(CleanroomError, match="status 302"):
        Api(server.url, lambda: "secret").room("room")


def test_a_password_of_another_file_does_not_take_the_tokens_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with scripted(Reply(200, EMPTY)) as server:
        Api(server.url, lambda: "secret").room("room")
        fetching.get(server.url, "secret")
        fetching.get(server.url)

    sent = [one.headers.get("Authorization") for one in server.asked]
    assert sent == ["Bearer secret", "Bearer secret", None]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param({"room": "other", "contracts": []}, "told of the room 'other'", id="room"),
        pytest.param(
            {
                "job": Digest.of(b"other").text,
                "contract": JOB.text,
                "trigger": {"kind": "arrival"},
                "timeline": [],
                "outcome": None,
            },
            "told of the job",
            id="job",
        ),
    ],
)
def test_what_was_not_asked_for_is_refused(answer: dict[str, Any], message: str) -> None:
    with scripted(Reply(200, json.dumps(answer).encode())) as server:
        api = Api(server.url, lambda: "secret")

        with pytest.raises(Tampered, match=message):
            api.job("room", JOB) if "job" in answer else api.room("room")


def test_all_pages_of_a_list_are_read() -> None:
    pages = [{"rooms": ["a"], "next": "a/b&c"}, {"rooms": ["b"], "next": None}]
    with scripted(*(Reply(200, json.dumps(page).encode()) for page in pages)) as server:
        found = Api(server.url, lambda: "secret").rooms()

    assert found == ["a", "b"]
    assert server.asked[1].path == "/rooms?limit=100&after=a%2Fb%26c"


def test_no_more_jobs_are_asked_for_than_are_wanted() -> None:
    line = {"job": JOB.text, "due": "2026-11-21T09:30:00Z", "status": "queued", "finished": None}
    page = json.dumps({"jobs": [line] * 3, "next": "more"}).encode()
    with scripted(Reply(200, page)) as server:
        found = Api(server.url, lambda: "secret").jobs("room", 2)

    assert [one.ended for one in found] == [False, False]
    assert [one.path for one in server.asked] == ["/rooms/room/jobs?limit=2"]


def test_a_contract_is_the_one_of_its_digest(north: Keys, south: Keys) -> None:
    made = Contract.from_value(contract(north, south), "contract")
    with scripted(Reply(200, made.to_bytes())) as server:
        api = Api(server.url, lambda: "secret")
        found = api.contract("room", made.digest)

        with pytest.raises(Tampered, match="sent another document"):
            api.contract("room", JOB)

    assert found == made


@pytest.mark.parametrize(
    ("reply", "code", "message", "hint"),
    [
        pytest.param(Reply(404), "usage", "none of this name", "cleanroom status", id="not there"),
        pytest.param(
            Reply(401), "policy_refused", "does not take your token", "audience", id="token"
        ),
        pytest.param(
            problem(403, "forbidden", "not you"), "policy_refused", "not you", "--profile", id="who"
        ),
        pytest.param(
            problem(409, "inputs_waiting", "a"),
            "policy_refused",
            ": a",
            "cleanroom drop",
            id="data",
        ),
        pytest.param(
            problem(409, "not_in_force", "no"), "policy_refused", ": no", "approve", id="approval"
        ),
        pytest.param(
            problem(429, "limit_reached", "5"), "policy_refused", ": 5", "next period", id="limit"
        ),
        pytest.param(problem(422, "tampered", "no"), "tampered", ": no", "", id="tampered"),
        pytest.param(problem(422, "other_room", "no"), "policy_refused", ": no", "", id="room"),
        pytest.param(problem(400, "malformed", "body"), "usage", ": body", "", id="malformed"),
        pytest.param(Reply(503, b"<html>"), "unavailable", "status 503", "try again", id="away"),
        pytest.param(Reply(500, b"[]"), "unavailable", "status 500", "operator", id="bug"),
        pytest.param(Reply(0), "unavailable", "does not answer", "does it run", id="cut"),
        pytest.param(Reply(200, b"{"), "malformed", "the control plane's answer", "", id="no JSON"),
        pytest.param(Reply(200, b"[]"), "malformed", "an object", "", id="no object"),
        pytest.param(Reply(200, b"{}"), "malformed", "answer.contracts", "", id="no contracts"),
        pytest.param(
            Reply(200, b" " * (5 << 20)), "unavailable", "sent more than", "", id="too large"
        ),
    ],
)
def test_what_is_answered_is_said_with_what_to_do(
    reply: Reply, code: str, message: str, hint: str
) -> None:
    with scripted(reply) as server, pytest.raises(CleanroomError, match=message) as caught:
        Api(server.url, lambda: "secret").room("room")

    assert caught.value.code == code
    assert hint in caught.value.hint


def test_a_control_plane_that_is_not_there_is_said_to_be() -> None:
    (port,) = free_ports(1)

    with pytest.raises(CleanroomError, match="does not answer") as caught:
        Api(f"http://127.0.0.1:{port}/api", lambda: "secret").rooms()

    assert (caught.value.code, "cleanroom-dev status" in caught.value.hint) == ("unavailable", True)


def test_a_proposal_is_new_or_was_there(north: Keys, south: Keys) -> None:
    made = Contract.from_value(contract(north, south), "contract")
    with scripted(Reply(201, b"{}"), Reply(200, b"{}")) as server:
        api = Api(server.url, lambda: "secret")
        found = [api.propose(made), api.propose(made)]

    assert found == [True, False]
    assert server.asked[0].body == made.to_bytes()
    assert server.asked[0].headers["Content-Type"] == "application/json"


def test_a_word_goes_where_its_contract_is() -> None:
    with scripted(Reply(201, b"{}")) as server:
        Api(server.url, lambda: "secret").deliver("room", JOB, "north", b"{}")

    (asked,) = server.asked
    assert (asked.method, asked.path) == (
        "PUT",
        f"/rooms/room/contracts/{JOB.hex}/approvals/north",
    )


def test_a_run_is_asked_for_with_its_values() -> None:
    with scripted(Reply(202, json.dumps({"job": JOB.text, "id": "a"}).encode())) as server:
        found = Api(server.url, lambda: "secret").run("room", JOB, {"least": 3}, "0" * 32)

    said: Any = json.loads(server.asked[0].body)
    assert found == JOB
    assert said == {"contract": JOB.text, "parameters": {"least": 3}, "id": "0" * 32}


def test_a_url_that_is_not_secret_on_its_way_is_refused() -> None:
    with (
        scripted(Reply(200, b'{"url": "http://a.b/c"}')) as server,
        pytest.raises(Malformed, match="an https URL"),
    ):
        Api(server.url, lambda: "secret").result_url("room", JOB, "result")
