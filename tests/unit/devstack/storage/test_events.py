import json
from dataclasses import replace
from datetime import timedelta

from devstack.storage.changes import Blob, Change
from devstack.storage.events import (
    Account,
    Commit,
    Properties,
    batch,
    cloud_event,
    parse_commit,
)
from tests.builders import NOW

ACCOUNT = Account.named("cleanroom", "a subscription", "https://127.0.0.1:10000")
WRITE = Change(Blob("north", "a/b ü.csv"), "PutBlob", "client")
COMMIT = Commit.of(
    WRITE,
    Properties("0x8D4", "text/csv", 3, "BlockBlob"),
    "request",
    NOW.replace(second=7) + timedelta(microseconds=120),
)


def test_a_commit_is_read_as_it_was_written() -> None:
    assert parse_commit(COMMIT.to_json()) == COMMIT


def test_an_event_names_account_and_blob() -> None:
    event = cloud_event(COMMIT, 1, ACCOUNT)

    assert event["source"] == (
        "/subscriptions/a subscription/resourceGroups/cleanroom-dev"
        "/providers/Microsoft.Storage/storageAccounts/cleanroom"
    )
    assert event["subject"] == "/blobServices/default/containers/north/blobs/a/b ü.csv"


def test_time_has_seven_digits() -> None:
    assert COMMIT.at == NOW.strftime("%Y-%m-%dT%H:%M:07.0001200Z")


def test_sequencers_compare_as_text() -> None:
    numbers = [1, 9, 10, 15, 16, 255, 256, 1 << 40]

    spelled = [str(_data(cloud_event(COMMIT, number, ACCOUNT))["sequencer"]) for number in numbers]

    assert spelled == sorted(spelled)
    assert {len(sequencer) for sequencer in spelled} == {48}


def test_the_same_commit_has_the_same_id() -> None:
    again = replace(COMMIT, request_id="", at="another time")
    other = replace(COMMIT, properties=replace(COMMIT.properties, etag="0x8D5"))

    ids = [cloud_event(commit, 1, ACCOUNT)["id"] for commit in (COMMIT, again, other)]

    assert ids[0] == ids[1] != ids[2]


def test_a_batch_keeps_the_order() -> None:
    body = json.loads(batch([(1, COMMIT), (2, COMMIT)], ACCOUNT))

    assert [int(event["data"]["sequencer"], 16) for event in body] == [1, 2]


def test_who_sent_no_request_id_has_an_empty_one() -> None:
    event = cloud_event(replace(COMMIT, client_request_id=""), 1, ACCOUNT)

    assert _data(event)["clientRequestId"] == "00000000-0000-0000-0000-000000000000"


def _data(event: dict[str, object]) -> dict[str, object]:
    data = event["data"]
    assert isinstance(data, dict)
    return data
