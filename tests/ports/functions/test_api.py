"""The HTTP API, with tokens of the stack's directory: rooms, contracts, approvals, jobs."""

import hmac
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom import dsse
from cleanroom.contract import LARGEST
from cleanroom.ids import Digest
from cleanroom.job import Ending, Outcome, ResultRef
from cleanroom.jose import jwk
from devstack import jws, tokens
from tests.apis import PATIENCE, Api, Client, running_api
from tests.rooms import Place, PlayedRoom, second
from tests.stacks import RunningStack
from tests.tokens import OTHER_KEY, encoded

ON_REQUEST = {
    "on_arrival": False,
    "on_approval": False,
    "on_request": True,
    "schedule": None,
}
LIMITS = {
    "seconds": 600,
    "memory": 1 << 30,
    "runs": 100,
    "period": "lifetime",
    "expires": "2040-01-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def api(services: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    with running_api(services, folder, has_directory=True) as running:
        yield running


@pytest.fixture(scope="module")
def as_north(api: Api, services: RunningStack) -> Client:
    return api.genuine(services.env("north"))


@pytest.fixture(scope="module")
def as_south(api: Api, services: RunningStack) -> Client:
    return api.genuine(services.env("south"))


@pytest.fixture(scope="module")
def as_operator(api: Api, services: RunningStack) -> Client:
    return api.genuine(services.env("operator"))


@pytest.fixture(scope="module")
def as_east(api: Api) -> Client:
    return api.being("party:east")


def contract_path(room: PlayedRoom) -> str:
    return f"rooms/{room.name}/contracts/{room.contract.digest.hex}"


def propose(client: Client, room: PlayedRoom) -> requests.Response:
    return client.post(f"rooms/{room.name}/contracts", room.contract.to_bytes())


def say(client: Client, room: PlayedRoom, party: str, **how: Any) -> requests.Response:
    return client.ask("PUT", f"{contract_path(room)}/approvals/{party}", room.word(party, **how))


def code(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (
        answer.status_code,
        f"urn:cleanroom:problem:{problem['code']}",
    )
    return answer.status_code, problem["code"]


def impostor(room: PlayedRoom) -> bytes:
    """Sign a word of north's with south's key."""
    return replace(room, place=replace(room.place, north=room.place.south)).word("north")


def approved(place: Place, *clients: Client, drops: str = "ab", **changes: Any) -> PlayedRoom:
    """Have north and south agree on a contract; data that is there before, is seen at once."""
    room = place.room(**({"triggers": ON_REQUEST} | changes))
    for alias in drops:
        room.drop(alias)
    assert propose(clients[0], room).status_code == 201
    for party, client in zip(("north", "south"), clients, strict=True):
        assert say(client, room, party).status_code == 201
    return room


def asking(room: PlayedRoom, **more: object) -> dict[str, object]:
    return {"contract": room.contract.digest.text, "parameters": {}} | more


def ask(
    client: Client, room: PlayedRoom, key: str | None = None, **more: object
) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.ask("POST", f"rooms/{room.name}/jobs", json=asking(room, **more), headers=headers)


@dataclass(frozen=True)
class Ended:
    """A room with one job that has ended, as the runner would have it."""

    room: PlayedRoom
    job: Digest
    receipt: bytes
    sealed: bytes

    @property
    def path(self) -> str:
        return f"rooms/{self.room.name}/jobs/{self.job.hex}"


@pytest.fixture(scope="module")
def once() -> dict[str, Ended]:
    """Keep what is made for the first test that needs it."""
    return {}


@pytest.fixture
def ended(once: dict[str, Ended], place: Place, as_north: Client, as_south: Client) -> Ended:
    if not once:
        once["ended"] = end(place, as_north, as_south)
    return once["ended"]


def end(place: Place, as_north: Client, as_south: Client) -> Ended:
    room = approved(place, as_north, as_south)
    job = Digest(ask(as_south, room).json()["job"])
    receipt = dsse.sign(b"a statement", "text/plain", place.north.signer)
    results = (ResultRef("result", Digest.of(b"manifest")),)
    outcome = Outcome(
        *(room.name, job, room.contract.digest, Ending("completed", None), second()),
        *(Digest.of(receipt), results),
    )
    folder = f"{room.name}/jobs/{job.hex}"
    room.rooms.upload_blob(f"{folder}/receipt.json", receipt)
    room.rooms.upload_blob(f"{folder}/outcome.json", outcome.to_bytes())
    sealed = place.storage.get_blob_client("results", f"{room.name}/{job.hex}/result.sealed")
    sealed.upload_blob(b"a sealed result")
    return Ended(room, job, receipt, b"a sealed result")


# --- the way of a room


def test_a_run_that_is_asked_for_is_on_the_queue(
    place: Place, as_north: Client, as_south: Client
) -> None:
    room = approved(place, as_north, as_south)

    answer = ask(as_south, room)

    job = Digest(answer.json()["job"])
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/rooms/{room.name}/jobs/{job.hex}"
    assert [message.id for message in place.messages(room.name, wanted=1)] == [job]


def test_a_room_tells_who_approved_and_what_is_missing(place: Place, as_north: Client) -> None:
    room = place.room()
    room.drop("a")
    propose(as_north, room)
    say(as_north, room, "north")

    found = as_north.get(f"rooms/{room.name}").json()

    (contract,) = found["contracts"]
    assert (found["room"], found["refused"]) == (room.name, [])
    assert contract["contract"] == room.contract.digest.text
    assert contract["status"] == "awaiting_approval"
    assert [(word["party"], word["decision"]) for word in contract["words"]] == [
        ("north", "approve")
    ]
    assert contract["missing"] == ["south"]
    assert contract["waiting"] == [{"dataset": "b", "why": "missing"}]


def test_a_contract_in_force_is_said_to_be(
    place: Place, as_north: Client, as_south: Client
) -> None:
    room = approved(place, as_north, as_south)
    ask(as_north, room)

    (contract,) = as_south.get(f"rooms/{room.name}").json()["contracts"]

    assert (contract["status"], contract["missing"], contract["waiting"]) == ("in_force", [], [])
    assert contract["runs"] == {"period": "month", "allowed": 4, "made": 1}


def test_a_contract_comes_back_byte_for_byte(place: Place, as_north: Client) -> None:
    room = place.room()
    answer = propose(as_north, room)

    found = requests.get(
        as_north.url.removesuffix("/api") + answer.headers["Location"],
        headers=as_north.headers,
        timeout=PATIENCE,
    )

    assert found.content == room.contract.to_bytes()
    assert found.headers["ETag"] == f'"{room.contract.digest.hex}"'


def test_the_same_contract_again_changes_nothing(place: Place, as_north: Client) -> None:
    room = place.room()

    first, again = propose(as_north, room), propose(as_north, room)

    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["new"], again.json()["new"]) == (True, False)


def test_a_revocation_ends_it(place: Place, as_north: Client, as_south: Client) -> None:
    room = approved(place, as_north, as_south)

    revoked = say(as_south, room, "south", decision="revoke", age=-1)

    assert (revoked.status_code, revoked.json()["decision"]) == (201, "revoke")
    assert code(ask(as_north, room)) == (409, "not_in_force")


def test_an_approval_from_before_a_later_word_is_refused(
    place: Place, as_north: Client, as_south: Client
) -> None:
    room = approved(place, as_north, as_south)

    assert code(say(as_north, room, "north", age=60)) == (409, "later_word")


# --- runs


def test_a_run_waits_for_its_data(place: Place, as_north: Client, as_south: Client) -> None:
    room = approved(place, as_north, as_south, drops="a")

    answer = ask(as_north, room)

    assert code(answer) == (409, "inputs_waiting")
    assert answer.json()["detail"] == "not all data is there: b is missing"


def test_the_same_key_is_the_same_job(place: Place, as_north: Client, as_south: Client) -> None:
    room = approved(place, as_north, as_south)

    first = ask(as_north, room, "ab" * 16)
    again = ask(as_north, room, "ab" * 16, id="ab" * 16)
    other = ask(as_north, room)

    assert first.json() == again.json()
    assert other.json()["job"] != first.json()["job"]
    assert len(place.messages(room.name, wanted=2)) == 2


def test_a_limit_is_told_apart_from_what_passes(
    place: Place, as_north: Client, as_south: Client
) -> None:
    room = approved(place, as_north, as_south, limits=LIMITS | {"runs": 1})
    first = ask(as_north, room)

    second_run = ask(as_north, room)

    assert first.status_code == 202
    assert code(second_run) == (429, "limit_reached")
    assert second_run.json()["detail"] == "1 runs a lifetime are allowed, and were made"


def test_a_contract_may_not_run_on_request(
    place: Place, as_north: Client, as_south: Client
) -> None:
    arrival = ON_REQUEST | {"on_arrival": True, "on_request": False}
    room = approved(place, as_north, as_south, triggers=arrival)

    assert code(ask(as_north, room)) == (409, "not_on_request")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({"parameters": {"x": 1}}, "parameters: expected no other field", id="values"),
        pytest.param({"id": "short"}, "body.id: expected 32 lower-case", id="id"),
        pytest.param({"contract": "x"}, "body.contract: expected 'sha256:'", id="contract"),
        pytest.param({"more": 1}, "body: expected no other field", id="field"),
        pytest.param({"parameters": [1]}, "body.parameters: expected an object", id="list"),
    ],
)
def test_a_wrong_wish_names_the_place(
    ended: Ended, as_north: Client, body: dict[str, Any], detail: str
) -> None:
    answer = ask(as_north, ended.room, **body)

    assert code(answer) == (400, "malformed")
    assert answer.json()["detail"].startswith(detail)


# --- jobs, receipts, results


def test_a_job_tells_what_happened_and_when(ended: Ended, as_north: Client) -> None:
    found = as_north.get(ended.path).json()

    assert (found["job"], found["room"]) == (ended.job.text, ended.room.name)
    assert (found["trigger"]["kind"], [one["alias"] for one in found["inputs"]]) == (
        "request",
        ["a", "b"],
    )
    assert [one["what"] for one in found["timeline"]] == ["recorded", "queued", "ended"]
    assert found["outcome"]["status"] == "completed"
    assert found["outcome"]["results"] == [
        {"name": "result", "manifest": Digest.of(b"manifest").text}
    ]


def test_jobs_come_in_pages_the_newest_first(
    place: Place, as_north: Client, as_south: Client
) -> None:
    room = approved(place, as_north, as_south)
    made = {ask(as_north, room).json()["job"] for _ in range(3)}

    first = as_north.get(f"rooms/{room.name}/jobs", limit="2").json()
    rest = as_north.get(f"rooms/{room.name}/jobs", limit="2", after=first["next"]).json()

    jobs = first["jobs"] + rest["jobs"]
    assert (len(first["jobs"]), len(rest["jobs"]), rest["next"]) == (2, 1, None)
    assert {one["job"] for one in jobs} == made
    assert [one["due"] for one in jobs] == sorted((one["due"] for one in jobs), reverse=True)
    assert {one["status"] for one in jobs} == {"queued"}


def test_a_receipt_comes_back_byte_for_byte(ended: Ended, as_south: Client) -> None:
    assert as_south.get(f"{ended.path}/receipt").content == ended.receipt


def test_a_result_is_read_by_a_link_that_reads_nothing_else(
    place: Place, ended: Ended, as_south: Client
) -> None:
    answer = as_south.get(f"{ended.path}/results/result")

    found, others = answer.json(), f"{place.url}/results/others.sealed"
    until = datetime.fromisoformat(found["expires"])
    signature = urlsplit(found["url"]).query
    assert answer.headers["Cache-Control"] == "no-store"
    assert found["manifest"] == Digest.of(b"manifest").text
    assert timedelta(minutes=9) < until - second() <= timedelta(minutes=10)
    assert "spr=https&" in f"{signature}&"
    assert requests.get(found["url"], timeout=PATIENCE).content == ended.sealed
    assert requests.delete(found["url"], timeout=PATIENCE).status_code == 403
    assert requests.get(f"{others}?{signature}", timeout=PATIENCE).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("jobs/{other}", id="job"),
        pytest.param("jobs/{other}/receipt", id="receipt"),
        pytest.param("jobs/{other}/results/result", id="result of no job"),
        pytest.param("jobs/{job}/results/other", id="result"),
        pytest.param("jobs/{job}x", id="no digest"),
        pytest.param("contracts/{other}", id="contract"),
    ],
)
def test_what_is_not_there_is_not_found(ended: Ended, as_north: Client, path: str) -> None:
    rest = path.format(job=ended.job.hex, other="ab" * 32)

    assert code(as_north.get(f"rooms/{ended.room.name}/{rest}")) == (404, "not_found")


# --- who may


def test_a_party_sees_its_own_rooms_only(
    api: Api, ended: Ended, as_north: Client, as_east: Client, as_operator: Client
) -> None:
    assert ended.room.name in all_rooms(as_north)
    assert ended.room.name in all_rooms(as_operator)
    assert all_rooms(as_east) == []
    assert all_rooms(api.being("party:north", "party:east")) == []


def all_rooms(client: Client) -> list[str]:
    """Turn all pages."""
    found = client.get("rooms", limit="2").json()
    rooms: list[str] = found["rooms"]
    while found["next"]:
        found = client.get("rooms", limit="2", after=found["next"]).json()
        rooms += found["rooms"]
    return rooms


REQUESTS = [
    pytest.param("GET", "rooms/{room}", id="room"),
    pytest.param("POST", "rooms/{room}/contracts", id="propose"),
    pytest.param("GET", "rooms/{room}/contracts/{contract}", id="contract"),
    pytest.param("PUT", "rooms/{room}/contracts/{contract}/approvals/east", id="approve"),
    pytest.param("PUT", "rooms/{room}/contracts/{contract}/approvals/north", id="other's word"),
    pytest.param("GET", "rooms/{room}/jobs", id="jobs"),
    pytest.param("POST", "rooms/{room}/jobs", id="ask"),
    pytest.param("GET", "rooms/{room}/jobs/{job}", id="job"),
    pytest.param("GET", "rooms/{room}/jobs/{job}/receipt", id="receipt"),
    pytest.param("GET", "rooms/{room}/jobs/{job}/results/result", id="result"),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("roles", [("party:east",), (), ("party:north", "party:east"), ("other",)])
def test_a_room_of_others_is_not_there(
    api: Api, ended: Ended, method: str, path: str, roles: tuple[str, ...]
) -> None:
    names = {"contract": ended.room.contract.digest.hex, "job": ended.job.hex}
    body = ended.room.word("north") if method == "PUT" else ended.room.contract.to_bytes()
    client = api.being(*roles)

    theirs = client.ask(method, path.format(room=ended.room.name, **names), body)
    nowhere = client.ask(method, path.format(room="no-such-room", **names), body)

    assert code(theirs) == (404, "not_found")
    if "propose" not in path and not path.endswith("contracts"):
        assert (nowhere.status_code, nowhere.content) == (theirs.status_code, theirs.content)


def test_a_party_proposes_only_what_names_it(place: Place, as_east: Client) -> None:
    room = place.room()

    answer = propose(as_east, room)

    assert code(answer) == (403, "forbidden")
    assert list(room.rooms.list_blobs(f"{room.name}/")) == []


def test_a_room_that_another_has_just_begun_is_not_there(place: Place, as_north: Client) -> None:
    room = place.room()
    control = place.storage.get_container_client("control")
    control.upload_blob(f"rooms/{room.name}/first", b"another contract")

    assert code(propose(as_north, room)) == (404, "not_found")
    assert list(room.rooms.list_blobs(f"{room.name}/")) == []


def test_a_word_on_no_contract_of_the_room_is_refused(
    place: Place, ended: Ended, as_north: Client
) -> None:
    path = f"rooms/{ended.room.name}/contracts/{'ab' * 32}/approvals/north"

    assert code(as_north.ask("PUT", path, place.room().word("north"))) == (404, "not_found")


def test_a_request_has_one_id(ended: Ended, as_north: Client) -> None:
    answer = ask(as_north, ended.room, "ab" * 16, id="cd" * 16)

    assert code(answer) == (400, "malformed")
    assert answer.json()["detail"] == "body.id: expected what Idempotency-Key says"


def test_the_same_id_with_other_values_is_another_wish(
    place: Place, as_north: Client, as_south: Client
) -> None:
    first = approved(place, as_north, as_south)
    other = place.contract(first.name, triggers=ON_REQUEST, purpose="something else")
    room = replace(first, contract=other)
    assert propose(as_north, room).status_code == 201
    for party, client in (("north", as_north), ("south", as_south)):
        assert say(client, room, party).status_code == 201
    assert ask(as_north, first, "ab" * 16).status_code == 202

    assert code(ask(as_north, room, "ab" * 16)) == (422, "request_differs")


def test_a_party_hands_in_its_own_words_only(place: Place, as_north: Client) -> None:
    room = place.room()
    propose(as_north, room)
    path = f"{contract_path(room)}/approvals"

    others = say(as_north, room, "south")
    renamed = as_north.ask("PUT", f"{path}/north", room.word("south"))
    forged = as_north.ask("PUT", f"{path}/north", impostor(room))

    assert (code(others), code(renamed)) == ((403, "forbidden"), (403, "forbidden"))
    assert code(forged) == (422, "tampered")
    assert list(room.rooms.list_blobs(f"{room.name}/approvals/")) == []


def test_the_operator_brings_words_but_cannot_make_them(place: Place, as_operator: Client) -> None:
    room = place.room()
    propose(as_operator, room)
    path = f"{contract_path(room)}/approvals/north"

    brought = say(as_operator, room, "north")
    forged = as_operator.ask("PUT", path, impostor(room))

    assert brought.status_code == 201
    assert code(forged) == (422, "tampered")


# --- tokens


def claims(api: Api, **changes: object) -> dict[str, object]:
    """Say what a genuine token of the operator says; then spoil it."""
    now = int(second().timestamp())
    said: dict[str, object] = {
        "aud": tokens.API,
        "exp": now + 600,
        "iat": now,
        "iss": api.issuer.url,
        "nbf": now,
        "roles": ["operator"],
    }
    return {key: value for key, value in (said | changes).items() if value is not None}


def header(api: Api, **changes: object) -> dict[str, object]:
    return {"alg": "RS256", "kid": jwk(api.issuer.key.public_key())["kid"], "typ": "JWT"} | changes


def test_a_token_made_by_hand_opens(api: Api) -> None:
    token = jws.signed(header(api), claims(api), api.issuer.key)

    assert api.bearing(token).get("rooms").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "api://other"}, id="other audience"),
        pytest.param({"aud": [tokens.API, "api://other"]}, id="several audiences"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"iss": "http://127.0.0.1:1/other"}, id="other issuer"),
        pytest.param({"exp": 1_700_000_000, "nbf": 1_600_000_000}, id="expired"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"nbf": 4_000_000_000}, id="not yet"),
    ],
)
def test_a_token_with_a_wrong_claim_opens_nothing(api: Api, changes: dict[str, object]) -> None:
    token = jws.signed(header(api), claims(api, **changes), api.issuer.key)

    answer = api.bearing(token).get("rooms")

    assert code(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_signed_by_another_key_opens_nothing(api: Api) -> None:
    forged = jws.signed(header(api), claims(api), OTHER_KEY)
    unknown = jws.signed(header(api, kid="unknown"), claims(api), OTHER_KEY)

    assert code(api.bearing(forged).get("rooms")) == (401, "unauthenticated")
    assert code(api.bearing(unknown).get("rooms")) == (401, "unauthenticated")


def test_an_unsigned_token_opens_nothing(api: Api) -> None:
    start = f"{encoded(header(api, alg='none'))}.{encoded(claims(api))}"

    assert code(api.bearing(f"{start}.").get("rooms")) == (401, "unauthenticated")
    assert code(api.bearing(f"{start}.AA").get("rooms")) == (401, "unauthenticated")


def test_a_token_by_a_secret_that_everybody_knows_opens_nothing(api: Api) -> None:
    """The public key used as if it were a secret shared with the issuer."""
    pem = api.issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    start = f"{encoded(header(api, alg='HS256'))}.{encoded(claims(api))}"
    token = f"{start}.{encoded(hmac.digest(pem, start.encode(), 'sha256'))}"

    assert code(api.bearing(token).get("rooms")) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Authorization": "Basic eDp5"}, id="a password"),
        pytest.param({"Authorization": "Bearer x.y"}, id="no token"),
        pytest.param({"Authorization": "Bearer " + "x" * 20_000}, id="a long one"),
    ],
)
def test_nobody_comes_in_without_a_token(api: Api, headers: dict[str, str]) -> None:
    assert code(Client(api.url, headers).get("rooms")) == (401, "unauthenticated")


def test_the_functions_key_is_no_token(api: Api) -> None:
    assert code(api.keyed().get("rooms")) == (401, "unauthenticated")


# --- HTTP


def test_an_answer_that_one_has_is_not_sent_again(ended: Ended, as_north: Client) -> None:
    path = f"rooms/{ended.room.name}"
    first = as_north.get(path)

    again = as_north.ask("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    other = as_north.ask("GET", path, headers={"If-None-Match": '"x"'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (other.status_code, other.content) == (200, first.content)


def test_a_body_that_is_too_large_is_refused(ended: Ended, as_north: Client) -> None:
    answer = as_north.post(f"rooms/{ended.room.name}/contracts", b"x" * (LARGEST + 1))

    assert code(answer) == (413, "too_large")
    assert answer.json()["detail"] == f"body: expected at most {LARGEST} bytes"


def test_a_body_of_another_kind_is_refused(ended: Ended, as_north: Client) -> None:
    answer = as_north.ask(
        "POST", f"rooms/{ended.room.name}/jobs", b"a=b", headers={"Content-Type": "text/plain"}
    )

    assert code(answer) == (415, "not_json")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        pytest.param({"limit": "0"}, "limit: expected", id="none"),
        pytest.param({"limit": "101"}, "limit: expected", id="too many"),
        pytest.param({"after": "x"}, "after: expected", id="no token"),
        pytest.param({"after": "YWJj"}, "after: expected", id="made up"),
    ],
)
def test_a_wrong_page_is_refused(as_north: Client, query: dict[str, str], detail: str) -> None:
    answer = as_north.get("rooms", **query)

    assert code(answer) == (400, "malformed")
    assert answer.json()["detail"].startswith(detail)


def test_a_contract_of_another_room_is_refused(place: Place, as_north: Client) -> None:
    room, other = place.room(), place.room()

    answer = as_north.post(f"rooms/{other.name}/contracts", room.contract.to_bytes())

    assert code(answer) == (422, "other_room")


def test_a_contract_that_is_not_canonical_is_refused(place: Place, as_north: Client) -> None:
    room = place.room()

    answer = as_north.post(f"rooms/{room.name}/contracts", room.contract.to_bytes() + b"\n")

    assert code(answer) == (400, "malformed")
    assert answer.json()["detail"] == "contract: expected canonical JSON (RFC 8785)"


def test_everything_it_depends_on_is_there(api: Api) -> None:
    answer = Client(api.url).get("health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "dependencies": dict.fromkeys(("storage", "bus", "events", "directory"), "ready"),
    }


# --- the description


@pytest.mark.parametrize("known", [True, False], ids=["what is there", "anything"])
def test_the_api_does_what_its_description_says(
    api: Api, ended: Ended, as_operator: Client, tmp_path: Path, known: bool
) -> None:
    """Schemathesis makes requests from the document, right ones and wrong ones."""
    names = {
        "room": ended.room.name,
        "contract": ended.room.contract.digest.hex,
        "job": ended.job.hex,
        "party": "north",
        "output": "result",
    }
    lines = [f"{name} = {value!r}" for name, value in names.items()] if known else []
    (tmp_path / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines]))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
        *("--header", f"Authorization: {as_operator.headers['Authorization']}"),
        *("--max-examples", "5", "--phases", "examples,coverage,fuzzing", "--seed", "1"),
        # The host answers 404 to other methods; that a contract is one, no schema says.
        *("--exclude-checks", "unsupported_method,positive_data_acceptance", "--no-color"),
        *("--request-timeout", "20", "--generation-database", "none"),
    ]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 11" in done.stdout
