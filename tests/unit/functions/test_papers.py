from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from functions import papers
from functions.names import ApprovalName
from functions.papers import Agreement
from functions.refusals import Reason
from tests import builders
from tests.builders import NOW, Keys

LATER = NOW + timedelta(days=40)


@pytest.fixture
def agreed(north: Keys, south: Keys) -> Contract:
    return made(north, south)


def made(north: Keys, south: Keys, **changes: Any) -> Contract:
    return Contract.from_value(builders.contract(north, south, **changes), "contract")


def word(contract: Contract, party: str, decision: str = "approve", **changes: Any) -> Approval:
    said = Approval(contract.digest, party, decision, NOW, NOW + timedelta(days=30))
    return replace(said, **changes)


def agreement(contract: Contract, *words: Approval) -> Agreement:
    return Agreement(contract, contract.digest, words)


def approved(contract: Contract) -> Agreement:
    return agreement(contract, *(word(contract, party.name) for party in contract.parties))


def after(contract: Contract, north: Keys, south: Keys, **changes: Any) -> Contract:
    history = {"sequence": contract.sequence + 1, "previous": contract.digest.text}
    return made(north, south, **(history | changes))


def test_a_contract_is_what_its_name_and_its_room_say(agreed: Contract) -> None:
    data = agreed.to_bytes()

    assert papers.contract(data, agreed.digest, "room") == agreed
    assert papers.contract(data + b" ", agreed.digest, "room") == Reason.DIGEST
    assert papers.contract(data, agreed.digest, "other") == Reason.ROOM
    assert papers.contract(b"{}", Digest.of(b"{}"), "room") == Reason.MALFORMED


def test_an_approval_is_what_its_name_and_its_signature_say(
    agreed: Contract, north: Keys, south: Keys
) -> None:
    said = word(agreed, "north")
    name = ApprovalName(agreed.digest, "north")

    assert papers.approval(said.sign(north.signer), name, agreed) == said
    assert papers.approval(said.sign(south.signer), name, agreed) == Reason.SIGNATURE
    assert papers.approval(said.sign(Keys.make().signer), name, agreed) == Reason.SIGNATURE
    assert papers.approval(b"{}", name, agreed) == Reason.MALFORMED
    other = replace(name, party="south")
    assert papers.approval(said.sign(north.signer), other, agreed) == Reason.PARTY
    stale = replace(said, contract=Digest.of(b"other")).sign(north.signer)
    assert papers.approval(stale, name, agreed) == Reason.SIGNATURE


def test_a_history_is_whole_from_its_beginning(agreed: Contract, north: Keys, south: Keys) -> None:
    second = after(agreed, north, south)
    third = after(second, north, south)
    skips = after(agreed, north, south, sequence=3)
    found = {one.digest: one for one in (third, skips, second, agreed)}
    places = {digest: (digest.hex, "etag") for digest in found}

    good, bad = papers.chained(found, places)

    assert good == [agreed.digest, second.digest, third.digest]
    assert [(one.document, one.reason) for one in bad] == [(skips.digest.hex, Reason.HISTORY)]


def test_a_contract_waits_for_its_predecessor(agreed: Contract, north: Keys, south: Keys) -> None:
    second = after(agreed, north, south)

    assert papers.chained({second.digest: second}, {}) == ([], [])


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ([], ("north", "south")),
        ([("north", {})], ("south",)),
        ([("north", {}), ("south", {})], ()),
        ([("north", {}), ("south", {"decision": "revoke"})], ("south",)),
        ([("north", {}), ("south", {"issued": NOW + timedelta(seconds=1)})], ("south",)),
        ([("north", {}), ("south", {"expires": NOW})], ("south",)),
    ],
    ids=["nobody", "one", "all", "revoked", "from tomorrow", "until today"],
)
def test_whose_word_is_missing(
    agreed: Contract, words: list[tuple[str, dict[str, Any]]], missing: tuple[str, ...]
) -> None:
    said = [replace(word(agreed, party), **changes) for party, changes in words]

    assert agreement(agreed, *said).missing(NOW) == missing


def in_force(*given: Agreement, now: datetime = NOW) -> set[Digest]:
    return {one.digest for one in papers.in_force(given, now)}


def test_a_contract_is_in_force_until_one_that_all_its_parties_approved_follows_it(
    agreed: Contract, north: Keys, south: Keys
) -> None:
    second = after(agreed, north, south)
    third = after(second, north, south)

    assert in_force(approved(agreed), agreement(second)) == {agreed.digest}
    assert in_force(approved(agreed), approved(second)) == {second.digest}
    assert in_force(approved(agreed), agreement(second), approved(third)) == {third.digest}
    assert in_force(approved(agreed), now=LATER) == set()


def test_a_contract_without_one_of_the_parties_does_not_end_theirs(
    agreed: Contract, north: Keys
) -> None:
    other = after(agreed, north, Keys.make())

    assert in_force(approved(agreed), approved(other)) == {agreed.digest, other.digest}


def test_a_contract_of_strangers_with_a_higher_number_ends_no_other(agreed: Contract) -> None:
    one, two = Keys.make(), Keys.make()
    first = made(one, two)
    second = after(first, one, two)

    assert in_force(approved(agreed), approved(first), approved(second)) == {
        agreed.digest,
        second.digest,
    }


def test_what_is_not_over_is_current(agreed: Contract, north: Keys, south: Keys) -> None:
    second = after(agreed, north, south)
    given = [approved(agreed), agreement(second)]

    assert papers.current(given, papers.in_force(given, NOW), NOW) == given
    given = [approved(agreed), approved(second)]
    assert papers.current(given, papers.in_force(given, NOW), NOW) == given[1:]
    far = NOW.replace(year=2100)
    assert papers.current(given, papers.in_force(given, far), far) == []
