"""A party's word counts if that party signed it, about this contract, and took it not back."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom import dsse
from cleanroom.approval import PREDICATE_TYPE, Approval, missing, verified
from cleanroom.canonical import canonical
from cleanroom.contract import Contract
from cleanroom.errors import Malformed, Tampered
from cleanroom.ids import Digest
from cleanroom.statement import PAYLOAD_TYPE, Subject, statement
from tests.builders import DIGEST, HEX, NOW, Keys, contract

type Spoil = Callable[[Any], object]

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
WORD = Approval(Digest(DIGEST), "north", "approve", NOW, NOW + DAY)


@pytest.fixture(scope="module")
def room(north: Keys, south: Keys) -> Contract:
    return Contract.from_value(contract(north, south), "contract")


def said(decision: str, issued: datetime, party: str = "north", lasts: timedelta = DAY) -> Approval:
    return Approval(Digest(DIGEST), party, decision, issued, issued + lasts)


SOUTH = said("approve", NOW - DAY / 2, "south")


def value() -> Any:
    return json.loads(WORD.to_bytes())


# --- the statement


@pytest.mark.parametrize(
    "approval",
    [
        pytest.param(WORD, id="approve"),
        pytest.param(replace(WORD, decision="revoke"), id="revoke"),
        pytest.param(replace(WORD, expires=NOW + SECOND), id="for a second"),
        pytest.param(replace(WORD, issued=datetime(1, 1, 1, tzinfo=UTC)), id="of long ago"),
    ],
)
def test_an_approval_comes_back_from_its_bytes(approval: Approval) -> None:
    data = approval.to_bytes()

    found = Approval.parse(data, "approval")

    assert found == approval
    assert found.to_bytes() == data


@pytest.mark.parametrize("field", ["party", "decision", "issued", "expires"])
def test_an_approval_with_a_missing_field_is_refused(field: str) -> None:
    spoiled = value()
    del spoiled["predicate"][field]

    with pytest.raises(Malformed, match=f"^x.predicate: expected a field '{field}'$"):
        Approval.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda s: s.update(predicateType="urn:cleanroom:receipt:v1"),
            "x.predicateType: expected 'urn:cleanroom:approval:v1', got 'urn:cleanroom:receipt:v1'",
            id="a receipt",
        ),
        pytest.param(
            lambda s: s.update(subject=[]),
            "x.subject: expected exactly one, named 'contract'",
            id="about nothing",
        ),
        pytest.param(
            lambda s: s["subject"].append({"name": "other", "digest": {"sha256": HEX}}),
            "x.subject: expected exactly one, named 'contract'",
            id="about two things",
        ),
        pytest.param(
            lambda s: s["subject"][0].update(name="program"),
            "x.subject: expected exactly one, named 'contract'",
            id="about a program",
        ),
        pytest.param(
            lambda s: s["subject"][0]["digest"].update(sha256="00"),
            "x.subject[0].digest.sha256: expected",
            id="about a short digest",
        ),
        pytest.param(
            lambda s: s.update(predicate=[]),
            "x.predicate: expected an object with named fields, got a list",
            id="predicate as a list",
        ),
        pytest.param(
            lambda s: s.update(predicate=None),
            "x.predicate: expected an object with named fields, got nothing",
            id="null predicate",
        ),
        pytest.param(
            lambda s: s["predicate"].update(unless="raining"),
            "x.predicate: expected no other field, got 'unless'",
            id="a condition",
        ),
        pytest.param(
            lambda s: s["predicate"].update(party="North"),
            "x.predicate.party: expected a name",
            id="party in upper case",
        ),
        pytest.param(
            lambda s: s["predicate"].update(decision="maybe"),
            "x.predicate.decision: expected 'approve' or 'revoke', got 'maybe'",
            id="another decision",
        ),
        pytest.param(
            lambda s: s["predicate"].update(decision=True),
            "x.predicate.decision: expected 'approve' or 'revoke', got True",
            id="true for approve",
        ),
        pytest.param(
            lambda s: s["predicate"].update(issued="now"),
            "x.predicate.issued: expected a UTC time",
            id="issued now",
        ),
        pytest.param(
            lambda s: s["predicate"].update(expires=None),
            "x.predicate.expires: expected a UTC time",
            id="without end",
        ),
        pytest.param(
            lambda s: s["predicate"].update(expires=s["predicate"]["issued"]),
            "x.predicate.expires: expected a time after 'issued'",
            id="ends as it begins",
        ),
        pytest.param(
            lambda s: s["predicate"].update(expires="2026-11-21T09:29:59Z"),
            "x.predicate.expires: expected a time after 'issued'",
            id="ends before it begins",
        ),
    ],
)
def test_an_approval_with_one_thing_wrong_is_refused(spoil: Spoil, message: str) -> None:
    spoiled = value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Approval.parse(canonical(spoiled, "test"), "x")


# --- whose word it is


def test_a_partys_word_on_the_contract_is_verified(room: Contract, south: Keys) -> None:
    word = replace(WORD, contract=room.digest, party="south")

    assert verified(word.sign(south.signer), room, "x") == word


def test_a_word_signed_by_no_party_is_refused(room: Contract) -> None:
    stranger = Keys.make()
    word = replace(WORD, contract=room.digest)
    message = f"x: signed by {stranger.signing.id}, which no party of the contract has"

    with pytest.raises(Tampered, match=f"^{message}$"):
        verified(word.sign(stranger.signer), room, "x")


def test_a_word_in_the_name_of_another_party_is_refused(room: Contract, south: Keys) -> None:
    word = replace(WORD, contract=room.digest, party="north")

    with pytest.raises(Tampered, match=r"^x: 'south' signed in the name of 'north'$"):
        verified(word.sign(south.signer), room, "x")


def test_a_word_in_the_name_of_a_stranger_is_refused(room: Contract, south: Keys) -> None:
    word = replace(WORD, contract=room.digest, party="west")

    with pytest.raises(Tampered, match=r"^x: 'south' signed in the name of 'west'$"):
        verified(word.sign(south.signer), room, "x")


def test_a_word_about_another_contract_is_refused(room: Contract, north: Keys) -> None:
    with pytest.raises(Tampered, match=f"^x: is about {DIGEST}, not {room.digest}$"):
        verified(WORD.sign(north.signer), room, "x")


def test_a_word_signed_by_another_under_a_partys_key_is_refused(
    room: Contract, north: Keys, south: Keys
) -> None:
    word = replace(WORD, contract=room.digest)
    envelope = json.loads(word.sign(south.signer))
    envelope["signatures"][0]["keyid"] = north.signing.id.text

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        verified(canonical(envelope, "test"), room, "x")


def test_a_revocation_turned_into_an_approval_is_refused(room: Contract, north: Keys) -> None:
    word = replace(WORD, contract=room.digest)
    envelope = json.loads(replace(word, decision="revoke").sign(north.signer))
    envelope["payload"] = json.loads(word.sign(north.signer))["payload"]

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        verified(canonical(envelope, "test"), room, "x")


def test_a_word_signed_as_another_type_is_refused(room: Contract, north: Keys) -> None:
    word = replace(WORD, contract=room.digest)
    envelope = dsse.sign(word.to_bytes(), "application/json", north.signer)

    with pytest.raises(Tampered, match=r"^x: signed as 'application/json', not 'application/vnd"):
        verified(envelope, room, "x")


def test_a_word_of_another_predicate_is_refused(room: Contract, north: Keys) -> None:
    payload = statement((Subject("contract", room.digest),), f"{PREDICATE_TYPE}.1", {})
    envelope = dsse.sign(payload, PAYLOAD_TYPE, north.signer)

    with pytest.raises(Malformed, match=r"^x\.predicateType: expected 'urn:cleanroom:approval:v1'"):
        verified(envelope, room, "x")


def test_a_word_that_is_not_signed_is_refused(room: Contract) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a field 'payload'$"):
        verified(replace(WORD, contract=room.digest).to_bytes(), room, "x")


# --- whose word stands


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], ("north", "south"), id="nobody said anything"),
        pytest.param([SOUTH], ("north",), id="one never did"),
        pytest.param([SOUTH, said("approve", NOW - SECOND)], (), id="both approve"),
        pytest.param([SOUTH, said("approve", NOW)], (), id="approved this second"),
        pytest.param([SOUTH, said("approve", NOW + SECOND)], ("north",), id="not yet issued"),
        pytest.param(
            [SOUTH, said("approve", NOW - DAY, lasts=DAY)], ("north",), id="expires this second"
        ),
        pytest.param(
            [SOUTH, said("approve", NOW - DAY, lasts=DAY + SECOND)], (), id="expires in a second"
        ),
        pytest.param([SOUTH, said("approve", NOW - 9 * DAY)], ("north",), id="expired long ago"),
        pytest.param([SOUTH, said("revoke", NOW - SECOND)], ("north",), id="only revoked"),
        pytest.param(
            [SOUTH, said("approve", NOW - 2 * SECOND), said("revoke", NOW - SECOND)],
            ("north",),
            id="revoked later",
        ),
        pytest.param(
            [SOUTH, said("approve", NOW - SECOND), said("revoke", NOW - SECOND)],
            ("north",),
            id="revoked in the same second",
        ),
        pytest.param(
            [
                SOUTH,
                said("approve", NOW - SECOND, lasts=9 * DAY),
                said("revoke", NOW - SECOND, lasts=2 * SECOND),
            ],
            ("north",),
            id="revoked in the same second, for less time",
        ),
        pytest.param(
            [SOUTH, said("revoke", NOW - 2 * SECOND), said("approve", NOW - SECOND)],
            (),
            id="approved again after revoking",
        ),
        pytest.param(
            [
                SOUTH,
                said("approve", NOW - 3 * SECOND),
                said("revoke", NOW - 2 * SECOND),
                said("approve", NOW - SECOND),
                said("revoke", NOW),
            ],
            ("north",),
            id="revoked twice",
        ),
        pytest.param(
            [
                SOUTH,
                said("approve", NOW - 2 * SECOND),
                said("revoke", NOW - SECOND, lasts=SECOND),
            ],
            ("north",),
            id="a revocation that expired still revokes",
        ),
        pytest.param(
            [SOUTH, said("approve", NOW - SECOND), said("revoke", NOW + DAY)],
            ("north",),
            id="a revocation from the future revokes",
        ),
        pytest.param(
            [SOUTH, said("approve", NOW - SECOND), said("approve", NOW + SECOND)],
            ("north",),
            id="an approval from the future replaces the one before",
        ),
        pytest.param(
            [
                SOUTH,
                said("approve", NOW - 2 * SECOND, lasts=DAY),
                said("approve", NOW - SECOND, lasts=SECOND),
            ],
            ("north",),
            id="a later approval that expired replaces the one before",
        ),
        pytest.param(
            [
                SOUTH,
                said("approve", NOW - SECOND, lasts=SECOND),
                said("approve", NOW - SECOND, lasts=DAY),
            ],
            (),
            id="of two in one second the longer counts",
        ),
        pytest.param([SOUTH, said("approve", NOW, "west")], ("north",), id="a stranger approves"),
        pytest.param(
            [SOUTH, said("approve", NOW), said("revoke", NOW, "west")], (), id="a stranger revokes"
        ),
        pytest.param(
            [said("approve", NOW), said("revoke", NOW, "south")], ("south",), id="the other revokes"
        ),
    ],
)
def test_the_parties_whose_approval_does_not_stand_are_named(
    words: list[Approval], expected: tuple[str, ...], room: Contract
) -> None:
    said_here = [replace(word, contract=room.digest) for word in words]

    assert missing(said_here, room, NOW) == expected
    assert missing(reversed(said_here), room, NOW) == expected


def test_an_approval_of_another_contract_does_not_stand_here(room: Contract) -> None:
    here = replace(said("approve", NOW), contract=room.digest)
    south = replace(SOUTH, contract=room.digest)
    elsewhere = replace(here, contract=Digest.of(b"another contract"))

    assert missing([here, south], room, NOW) == ()
    assert missing([elsewhere, south], room, NOW) == ("north",)


words = st.builds(
    said,
    st.sampled_from(["approve", "revoke"]),
    st.integers(-3, 3).map(lambda seconds: NOW + seconds * SECOND),
    st.sampled_from(["north", "south", "west"]),
    st.integers(1, 6).map(lambda seconds: seconds * SECOND),
)


@given(said_by_all=st.lists(words, max_size=6), data=st.data())
@settings(max_examples=200, deadline=None)
def test_the_order_in_which_words_are_found_does_not_matter(
    room: Contract, said_by_all: list[Approval], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(said_by_all))

    assert missing(shuffled, room, NOW) == missing(said_by_all, room, NOW)


@given(said_by_all=st.lists(words, max_size=6))
@settings(max_examples=200, deadline=None)
def test_after_a_last_revocation_nothing_stands(
    room: Contract, said_by_all: list[Approval]
) -> None:
    last = said("revoke", NOW + 3 * SECOND)

    assert "north" in missing([*said_by_all, last], room, NOW)
