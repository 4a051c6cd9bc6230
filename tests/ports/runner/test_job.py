"""One job after the other against every service of the dev stack, with real cells."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential

from cleanroom import receipt
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, PolicyRefused, Tampered, Unattested, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import Input, Outcome
from cleanroom.rules import ReviewedRule
from cleanroom.seal.content import Bytes, CsvTable
from cleanroom.seal.manifest import DatasetOrigin
from cleanroom.walls import Walls, names
from party.files import Output as Written
from party.opening import SealedFile
from runner.cell.walls import ALWAYS
from runner.compute import Compute, Computed
from runner.job import EXACT_POLICY, Job, Parts
from runner.keys.vaults import Vaults
from runner.receipts import JobKey
from runner.room.datasets import Datasets
from runner.room.results import Output
from runner.room.storage import Account
from tests.builders import Keys, aggregation_rule, contract
from tests.sealing import Parts as Sealed
from tests.sealing import data_key, flipped, ignore, memory_file
from tests.servers import free_ports
from tests.worlds import (
    COLUMNS,
    DIALECT,
    NORTH,
    PARTIES,
    REVIEWED,
    TOTAL,
    Agreed,
    World,
    agree,
    agreed_parties,
    approve,
    drop,
    keep_room_key,
    put_sealed,
    runner_of,
    sealed,
    table,
)

OTHER = Digest.of(b"another")
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
FAR = NOW + 20 * DAY


def rule_for(reader: str, *hidden: str) -> ReviewedRule:
    return ReviewedRule(hidden, None, (reader,))


def run(room: Agreed, parts: Parts, number: int = 1, **changes: Any) -> Outcome:
    return Job(room.request(number, **changes), parts).run()


def ended(outcome: Outcome) -> tuple[str, str | None]:
    return outcome.ending.status, outcome.ending.reason


def refusal(room: Agreed, parts: Parts, /, **changes: Any) -> CleanroomError:
    """Run what must not run, and say why it did not: nothing was asked of a vault, or written."""
    before = len(room.world.releases("north"))
    request = room.request(**changes)

    with pytest.raises(CleanroomError) as caught:
        Job(request, parts).run()

    assert len(room.world.releases("north")) == before
    assert room.receipt_name(request.id) not in room.world.names("rooms")
    return caught.value


# --- what is right


def test_a_job_leaves_a_result_for_its_reader_and_a_receipt_that_verifies_offline(
    here: World, parts: Parts, tmp_path: Path
) -> None:
    room = agree(here)

    outcome = run(room, parts)

    assert ended(outcome) == ("completed", None)
    assert room.opened(outcome.job) == TOTAL
    verdict = room.verdict(outcome.job, tmp_path)
    assert verdict.refusal is None
    assert [line.text for line in verdict.lines if not line.proven] == [
        "SIMULATED HARDWARE: software signed this, so nothing here proves anything",
        "what that policy allows: read it, and compare its digest",
    ]


def test_the_receipt_tells_what_was_decided_of_each_input(here: World, parts: Parts) -> None:
    room = agree(here)

    outcome = run(room, parts)

    found = receipt.unchanged(room.receipt(outcome.job), "receipt")
    assert {(decision.dataset, decision.check) for decision in found.decisions} == {
        (alias, check) for alias in "ab" for check in ("result_shape", EXACT_POLICY)
    }


def test_a_finished_job_gives_the_same_outcome_again_and_runs_nothing(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    first = run(room, parts)
    papers = room.receipt(first.job), room.result(first.job)
    asked = len(here.releases("north"))

    again = run(room, parts)

    assert again.to_bytes() == first.to_bytes()
    assert (room.receipt(first.job), room.result(first.job)) == papers
    assert len(here.releases("north")) == asked


def test_a_finished_job_stays_finished_when_an_approval_is_gone(here: World, parts: Parts) -> None:
    room = agree(here)
    first = run(room, parts)
    approve(here, room.contract, "north", decision="revoke")

    assert run(room, parts).to_bytes() == first.to_bytes()


class _Killed(Account):
    """A storage whose client ends when a result is to be committed."""

    def commit(self, container: str, name: str, blocks: Sequence[str]) -> bool:
        raise SystemExit(f"{container} {name} {len(blocks)}")


def test_a_result_whose_runner_was_killed_before_the_end_is_committed_by_the_next(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    job = room.request().id
    storage = _Killed(here.storage.url, DefaultAzureCredential())
    with pytest.raises(SystemExit, match=r" 1$"):
        run(room, replace(parts, storage=storage))
    storage.close()
    assert room.result_name(job) not in here.names("results")
    kept = room.receipt(job)

    outcome = run(room, parts)

    assert ended(outcome) == ("completed", None)
    assert room.receipt(job) == kept
    assert room.opened(job) == TOTAL


def test_a_result_of_many_regions_is_what_was_computed(here: World, tmp_path: Path) -> None:
    plain = bytes(range(256)) * (9 << 12)
    shape, key = agree(here, drops=False).contract.result, JobKey()
    with closing(Account(here.storage.url, DefaultAzureCredential())) as account:
        output = Output(account, "room", OTHER, shape)

        subject, blocks = output.stage(Computed(memoryview(plain), 1, ()), key.public, key, NOW)
        output.commit(blocks)

    assert len(blocks) == 3
    with memory_file(here.get("results", output.name)) as fd:
        file = SealedFile(fd, "result", key.public)
        assert file.manifest.digest == subject.digest
        with Written(tmp_path / "opened", force=False) as written:
            file.open_to(data_key(file, here.keys["north"]), written, ignore)
    assert (tmp_path / "opened").read_bytes() == plain


def test_of_two_runners_with_one_job_the_second_takes_the_receipt_of_the_first(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    meanwhile: list[Outcome] = []

    def slow(agreed: Contract, *rest: Any) -> AbstractContextManager[Computed]:
        if not meanwhile:
            meanwhile.append(run(room, parts))
        return parts.compute.run(agreed, *rest)

    second = run(room, replace(parts, compute=_Slow(parts.compute, slow)))

    assert second.to_bytes() == meanwhile[0].to_bytes()
    assert room.opened(second.job) == TOTAL


@dataclass(frozen=True)
class _Slow:
    """An engine that does something else before it computes."""

    inner: Compute
    run: Callable[..., AbstractContextManager[Computed]]

    @property
    def walls(self) -> Walls:
        return self.inner.walls

    def check(self, *given: Any) -> None:
        self.inner.check(*given)


def test_a_word_that_was_read_counts_until_there_is_a_newer_one(here: World, parts: Parts) -> None:
    room = agree(here)
    first, second = (ended(run(room, parts, number)) for number in (1, 2))
    approve(here, room.contract, "north", decision="revoke")

    assert (first, second) == (("completed", None), ("completed", None))
    assert "no approval that stands now of north" in str(refusal(room, parts, number=3))


def test_an_input_that_is_gone_is_refused_though_its_end_was_read_before(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    doubting = replace(parts, datasets=Datasets(parts.datasets.accounts, believed=0.0))
    run(room, doubting)
    standing = ended(run(room, doubting, 2))
    (name,) = (name for name in here.names("datasets-north") if name.startswith(room.contract.room))
    here.delete("datasets-north", name)

    assert standing == ("completed", None)
    assert "is not there" in str(refusal(room, doubting, number=3))


def test_an_input_that_moved_is_found_again(here: World, parts: Parts) -> None:
    room = agree(here)
    doubting = replace(parts, datasets=Datasets(parts.datasets.accounts, believed=0.0))
    run(room, doubting)
    (name,) = (name for name in here.names("datasets-north") if name.startswith(room.contract.room))
    here.put(
        "datasets-north", name.replace(".sealed", "-moved.sealed"), here.get("datasets-north", name)
    )
    here.delete("datasets-north", name)

    assert ended(run(room, doubting, 2)) == ("completed", None)


def test_a_file_of_many_regions_is_read_by_parts(here: World, parts: Parts) -> None:
    room = agree(here, "SELECT sum(a.amount)::HUGEINT AS total FROM a")
    plain = b"customer,amount\n" + b"".join(b"customer-%06d,1\n" % i for i in range(30_000))
    larger = room.with_input("a", drop(here, room.contract, "a", plain))

    assert room.opened(run(larger, parts).job) == b'"total"\n30000\n'


def test_rows_that_too_few_stand_behind_are_withheld(here: World, parts: Parts) -> None:
    rule = REVIEWED | {"threshold": {"identity": "customer", "minimum": 2}}

    def datasets(room: str) -> list[dict[str, Any]]:
        return [table(here, room, "a", "north", rule=rule), table(here, room, "b", "south")]

    program = "SELECT (a.amount // 2)::HUGEINT AS total FROM a GROUP BY 1"
    room = agree(here, program, datasets=datasets)

    outcome = run(room, parts)

    assert room.opened(outcome.job) == b'"total"\n1\n'
    found = receipt.unchanged(room.receipt(outcome.job), "receipt")
    assert ("a", "threshold") in {(each.dataset, each.check) for each in found.decisions}


def test_a_program_that_does_not_say_how_large_its_groups_are_is_refused(
    here: World, parts: Parts
) -> None:
    rule = REVIEWED | {"threshold": {"identity": "customer", "minimum": 2}}

    def datasets(room: str) -> list[dict[str, Any]]:
        return [table(here, room, "a", "north", rule=rule), table(here, room, "b", "south")]

    room = agree(here, "SELECT amount::HUGEINT AS total FROM a", datasets=datasets)

    assert isinstance(refusal(room, parts), PolicyRefused)


def test_a_rule_that_this_runner_cannot_enforce_is_refused(here: World, parts: Parts) -> None:
    def datasets(room: str) -> list[dict[str, Any]]:
        known = table(here, room, "a", "north", rule=aggregation_rule())
        return [known, table(here, room, "b", "south")]

    assert "cannot enforce" in str(refusal(agree(here, datasets=datasets), parts))


def test_a_key_in_its_owners_vault_opens_its_file(here: World, parts: Parts) -> None:
    room = agree(here)
    url = here.vaults.url("north")
    with here.vaults.secrets("north", "north") as client:
        file, wrapped = sealed_apart(here, room, f"{url}/secrets/{room.contract.room}")
        client.set_secret(room.contract.room, wrapped)
    here.vaults.call(
        "north",
        "north",
        "PUT",
        "/devstack/roles/secrets",
        {"identity": "runner", "role": "Key Vault Secrets User", "scope": "/"},
    )

    outcome = run(room.with_input("a", put_sealed(here, room.contract, "a", file)), parts)

    assert ended(outcome) == ("completed", None)


def test_a_key_in_another_vault_is_not_asked_for(here: World, parts: Parts) -> None:
    room = agree(here)
    elsewhere = f"{here.vaults.url('south')}/secrets/{room.contract.room}"
    file, _ = sealed_apart(here, room, elsewhere)

    outcome = run(room.with_input("a", put_sealed(here, room.contract, "a", file)), parts)

    assert ended(outcome) == ("refused", "policy_refused")


def sealed_apart(here: World, room: Agreed, secret: str) -> tuple[bytes, str]:
    """Seal north's table with the wrapped key in a secret; give the file and the secret."""
    north = here.keys["north"]
    parts = Sealed.of(sealed(here, room.contract, "a", NORTH))
    (reader,) = parts.manifest["readers"]
    named = {"reader": reader["reader"], "algorithm": reader["algorithm"], "secret": secret}
    return parts.with_manifest(north, readers=[named]).join(), reader["wrapped"]


# --- what is refused before anybody is asked for a key


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param({"contract": OTHER}, PolicyRefused, id="a contract that is not there"),
        pytest.param({"room": "another-room"}, PolicyRefused, id="another room"),
        pytest.param({"inputs": ()}, PolicyRefused, id="no inputs"),
        pytest.param({"inputs": (Input("a", OTHER),)}, PolicyRefused, id="one input only"),
        pytest.param(
            {"inputs": (Input("a", OTHER), Input("b", OTHER))}, PolicyRefused, id="no such versions"
        ),
        pytest.param({"parameters": {"limit": 1}}, PolicyRefused, id="a parameter that is not"),
    ],
)
def test_a_message_with_a_changed_field_runs_nothing(
    change: dict[str, Any], kind: type[CleanroomError], here: World, parts: Parts
) -> None:
    assert isinstance(refusal(agree(here), parts, **change), kind)


def test_a_contract_whose_bytes_were_changed_is_refused(here: World, parts: Parts) -> None:
    room = agree(here)
    name = f"{room.contract.room}/contracts/{room.contract.digest.hex}.json"
    here.put("rooms", name, replace(room.contract, purpose="Another.").to_bytes())

    assert isinstance(refusal(room, parts), Tampered)


def test_a_contract_larger_than_any_is_not_read(here: World, parts: Parts) -> None:
    room = agree(here)
    name = f"{room.contract.room}/contracts/{room.contract.digest.hex}.json"
    here.put("rooms", name, bytes(8 << 20))

    assert isinstance(refusal(room, parts), Tampered)


def test_an_expired_contract_is_refused(here: World, parts: Parts) -> None:
    limits = contract(here.keys["north"], here.keys["south"])["limits"]
    room = agree(here, limits=limits | {"expires": "2026-01-01T00:00:00Z"})

    assert str(refusal(room, parts)) == "the contract has expired"


def test_without_every_approval_nothing_runs(here: World, parts: Parts) -> None:
    room = agree(here, approvals=("north",))

    assert str(refusal(room, parts)) == "no approval that stands now of south"


@pytest.mark.parametrize(
    "word",
    [
        pytest.param({"decision": "revoke"}, id="revoked"),
        pytest.param({"issued": NOW - 2 * DAY, "expires": NOW - DAY}, id="expired"),
        pytest.param({"issued": FAR - DAY, "expires": FAR}, id="not yet"),
    ],
)
def test_an_approval_that_does_not_stand_is_none(
    word: dict[str, Any], here: World, parts: Parts
) -> None:
    room = agree(here)
    approve(here, room.contract, "south", **word)

    assert str(refusal(room, parts)) == "no approval that stands now of south"


def test_an_approval_by_another_party_is_refused(here: World, parts: Parts) -> None:
    room = agree(here)
    kept = f"{room.contract.room}/approvals/{room.contract.digest.hex}"
    here.put("rooms", f"{kept}/south.json", here.get("rooms", f"{kept}/north.json"))

    assert str(refusal(room, parts)).startswith("no approval that stands now of south")


def test_a_program_of_another_language_is_refused(here: World, parts: Parts) -> None:
    source = {"kind": "inline", "text": "print(1)"}
    program = {"language": "python", "source": source, "parameters": []}

    assert isinstance(refusal(agree(here, program=program), parts), PolicyRefused)


def test_a_dataset_elsewhere_is_not_asked_for(here: World, parts: Parts) -> None:
    def elsewhere(room: str) -> list[dict[str, Any]]:
        location = f"https://elsewhere.example/datasets/{room}"
        return [table(here, room, "a", "north", location=location), table(here, room, "b", "south")]

    room = agree(here, drops=False, datasets=elsewhere)
    asked = replace(room, inputs={"a": OTHER, "b": OTHER})

    assert "not among the hosts" in str(refusal(asked, parts))


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        pytest.param({"origin": DatasetOrigin("north", "other", 1)}, PolicyRefused, id="another"),
        pytest.param(
            {"origin": DatasetOrigin("south", "customers", 1)}, PolicyRefused, id="south's"
        ),
        pytest.param({"owner": Keys.make()}, Tampered, id="not signed by its owner"),
        pytest.param({"reader": Keys.make()}, PolicyRefused, id="not for the room key"),
        pytest.param({"content": Bytes()}, PolicyRefused, id="no table"),
        pytest.param(
            {"content": CsvTable(COLUMNS[:1], 3, DIALECT)}, PolicyRefused, id="a column less"
        ),
        pytest.param(
            {"content": CsvTable((COLUMNS[0], replace(COLUMNS[1], type="text")), 3, DIALECT)},
            PolicyRefused,
            id="a column of another type",
        ),
        pytest.param(
            {"content": CsvTable((replace(COLUMNS[0], nullable=True), COLUMNS[1]), 3, DIALECT)},
            PolicyRefused,
            id="a column that may be empty",
        ),
        pytest.param({"rule": rule_for("south")}, PolicyRefused, id="a rule against a reader"),
        pytest.param(
            {"rule": rule_for("north", "customer")}, PolicyRefused, id="a rule of its own"
        ),
    ],
)
def test_an_input_that_is_not_the_contracts_is_refused(
    lie: dict[str, Any], kind: type[CleanroomError], here: World, parts: Parts
) -> None:
    room = agree(here)
    false = room.with_input("a", drop(here, room.contract, "a", NORTH, **lie))

    assert isinstance(refusal(false, parts), kind)


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param({"minimum": 2, "only": None, "maximum_age": None}, id="rolled back"),
        pytest.param({"minimum": 1, "only": OTHER.text, "maximum_age": None}, id="not the only"),
        pytest.param({"minimum": 1, "only": None, "maximum_age": 60}, id="too old"),
    ],
)
def test_a_version_that_the_contract_does_not_take_is_refused(
    versions: dict[str, Any], here: World, parts: Parts
) -> None:
    def datasets(room: str) -> list[dict[str, Any]]:
        return [table(here, room, "a", "north", versions=versions), table(here, room, "b", "south")]

    room = agree(here, datasets=datasets)
    old = drop(here, room.contract, "a", NORTH, created=NOW - DAY)

    assert isinstance(refusal(room.with_input("a", old), parts), PolicyRefused)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda file: Sealed.of(file).join()[1:], id="cut at its beginning"),
        pytest.param(lambda file: b"\0" + file, id="grown"),
        pytest.param(
            lambda file: flipped(file, len(file) - len(Sealed.of(file).trailer)), id="table"
        ),
    ],
)
def test_a_spoiled_file_is_refused(
    spoil: Callable[[bytes], bytes], here: World, parts: Parts
) -> None:
    room = agree(here)
    file = sealed(here, room.contract, "a", NORTH + b"eve,4\n")
    digest = put_sealed(here, room.contract, "a", file, "spoiled")
    here.put("datasets-north", f"{room.contract.room}/customers/spoiled.sealed", spoil(file))

    assert isinstance(refusal(room.with_input("a", digest), parts), Tampered)


def test_files_beside_an_input_that_are_no_sealed_files_do_not_matter(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    folder = f"{room.contract.room}/customers"
    for name, junk in (("a", b""), ("b", b"junk"), ("c", bytes(100_000))):
        here.put("datasets-north", f"{folder}/{name}.sealed", junk)

    assert ended(run(room, parts)) == ("completed", None)


def test_an_older_version_that_a_job_names_is_found(here: World, parts: Parts) -> None:
    room = agree(here)
    for version in (2, 3):
        origin = DatasetOrigin("north", "customers", version)
        drop(here, room.contract, "a", NORTH + b"bob,100\n", origin=origin)

    assert room.opened(run(room, parts).job) == TOTAL


def test_a_machine_that_the_contract_does_not_name_gets_nothing(here: World, parts: Parts) -> None:
    room = agree(here, runners=[runner_of(here, "ab" * 32)])

    assert isinstance(refusal(room, parts), Unattested)


@dataclass(frozen=True)
class _Lower:
    """The same engine where fewer walls stand."""

    inner: Compute
    walls: Walls

    def check(self, *given: Any) -> None:
        self.inner.check(*given)

    def run(self, *given: Any) -> AbstractContextManager[Computed]:
        return self.inner.run(*given)


def test_without_a_wall_that_the_contract_demands_no_key_is_asked_for(
    here: World, parts: Parts
) -> None:
    room = agree(here, runners=[runner_of(here, walls=["net", "seccomp"])])
    without = replace(parts, compute=_Lower(parts.compute, ALWAYS))

    found = refusal(room, without)

    assert isinstance(found, PolicyRefused)
    assert str(found) == "walls that the contract demands are not there: net"


def test_another_runner_of_the_contract_may_do_with_fewer_walls(here: World, parts: Parts) -> None:
    room = agree(here, runners=[runner_of(here, walls=["net"]), runner_of(here)])
    without = replace(parts, compute=_Lower(parts.compute, ALWAYS))

    assert ended(run(room, without)) == ("completed", None)


def test_the_receipt_tells_which_walls_stood(here: World, parts: Parts, tmp_path: Path) -> None:
    demanded = names(parts.compute.walls)
    room = agree(here, runners=[runner_of(here, walls=demanded)])

    outcome = run(room, parts)

    assert receipt.unchanged(room.receipt(outcome.job), "receipt").runner.walls >= ALWAYS
    assert room.verdict(outcome.job, tmp_path).facts["walls"] == demanded
    assert room.verdict(outcome.job, tmp_path).refusal is None


def test_a_service_that_does_not_answer_lets_the_job_be_tried_again(
    here: World, parts: Parts
) -> None:
    def nowhere(room: str) -> list[dict[str, Any]]:
        found = agreed_parties(here, room)
        for party in found:
            party["room_key"]["authority"] = f"https://127.0.0.1:{free_ports(1)[0]}"
        return found

    assert isinstance(refusal(agree(here, parties=nowhere), parts), Unavailable)


# --- what ends with a receipt


def test_a_vault_whose_policy_is_for_another_contract_refuses_the_job(
    here: World, parts: Parts, tmp_path: Path
) -> None:
    room = agree(here, released_for=lambda _: OTHER)

    outcome = run(room, parts)

    assert ended(outcome) == ("refused", "policy_refused")
    assert room.verdict(outcome.job, tmp_path).headline.startswith(
        "a receipt of a job that was ref"
    )


def test_a_vault_that_releases_another_key_than_the_contracts_fails_the_job(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    with here.vaults.keys("south", "south") as client:
        client.begin_delete_key(room.contract.room, _polling_interval=0).wait()
        client.purge_deleted_key(room.contract.room)
    keep_room_key(here, room.contract, "south", room.contract.digest, Keys.make())

    assert ended(run(room, parts)) == ("failed", "tampered")


def test_a_region_that_was_changed_fails_the_job(here: World, parts: Parts) -> None:
    room = agree(here)
    file = sealed(here, room.contract, "a", NORTH)
    digest = put_sealed(here, room.contract, "a", flipped(file, 3))

    outcome = run(room.with_input("a", digest), parts)

    assert ended(outcome) == ("failed", "tampered")


def test_a_blob_that_is_changed_between_verifying_and_reading_fails_the_job(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    large = NORTH + b"eve,4\n" * 20_000  # too large to be read at once
    digest = put_sealed(here, room.contract, "a", sealed(here, room.contract, "a", large), "soon")

    def changed(agreed: Contract, *rest: Any) -> AbstractContextManager[Computed]:
        put_sealed(here, agreed, "a", sealed(here, agreed, "a", NORTH), "soon")
        return parts.compute.run(agreed, *rest)

    later = replace(parts, compute=_Slow(parts.compute, changed))

    assert ended(run(room.with_input("a", digest), later)) == ("failed", "tampered")


@pytest.mark.parametrize(
    ("program", "code"),
    [
        pytest.param("SELECT customer::HUGEINT AS total FROM a", "program_failed", id="fails"),
        pytest.param("SELECT count(*) AS other FROM a", "policy_refused", id="another column"),
        pytest.param(
            "SELECT a.amount::HUGEINT AS total FROM a, b, a AS c, a AS d, a AS e",
            "policy_refused",
            id="too many rows",
        ),
    ],
)
def test_a_program_that_does_not_give_the_contracts_result_leaves_none(
    program: str, code: str, here: World, parts: Parts, tmp_path: Path
) -> None:
    room = agree(here, program)

    outcome = run(room, parts)

    assert outcome.ending.reason == code
    assert outcome.results == ()
    assert room.result_name(outcome.job) not in here.names("results")
    assert room.verdict(outcome.job, tmp_path).facts["reason"] == code


# --- receipts that somebody else put there


def test_a_receipt_of_another_job_is_not_taken_for_this_ones(here: World, parts: Parts) -> None:
    room = agree(here)
    first = run(room, parts)
    here.put("rooms", room.receipt_name(room.request(2).id), room.receipt(first.job))

    with pytest.raises(Tampered, match="not about this job"):
        run(room, parts, 2)


def test_a_receipt_whose_key_lived_in_no_runner_is_not_taken(here: World, parts: Parts) -> None:
    room = agree(here)
    first = run(room, parts)
    found = receipt.unchanged(room.receipt(first.job), "receipt")
    forged = replace(found, runner=replace(found.runner, key=here.keys["north"].signing))
    here.put("rooms", room.receipt_name(first.job), forged.sign(here.keys["north"].signer))

    with pytest.raises(Unattested):
        run(room, parts)


# --- a vault's answers, shown to other jobs


class _Repeating(Vaults):
    """Vaults that are asked each time, whose first answer is shown to every job."""

    def __init__(self, genuine: Vaults) -> None:
        self._genuine = genuine
        self._first: dict[str, str] = {}

    def release(self, url: str, token: str, nonce: str) -> str:
        answer = self._genuine.release(url, token, nonce)
        return self._first.setdefault(url, answer)


def sealed_for_another_key(here: World, room: Agreed) -> bytes:
    """Seal north's table for its room key in name, and for south's in truth."""
    parts = Sealed.of(sealed(here, room.contract, "a", NORTH))
    truly = Sealed.of(sealed(here, room.contract, "a", NORTH, reader=here.keys["south"]))
    (named,), (other,) = parts.manifest["readers"], truly.manifest["readers"]
    return parts.with_manifest(
        here.keys["north"], readers=[named | {"wrapped": other["wrapped"]}]
    ).join()


def test_a_vaults_answer_to_another_job_is_refused(here: World, parts: Parts) -> None:
    room = agree(here)
    release = replace(parts.release, vaults=_Repeating(parts.release.vaults))
    repeating = replace(parts, release=release)

    first = run(room, repeating)
    second = run(room, repeating, 2)

    assert ended(first) == ("completed", None)
    assert ended(second) == ("failed", "tampered")


def test_an_answer_without_a_nonce_that_is_shown_again_opens_nothing_else(
    here: World, parts: Parts
) -> None:
    room = agree(here)
    vaults = _Repeating(parts.release.vaults)
    repeating = replace(parts, release=replace(parts.release, vaults=vaults, nonce=lambda: "0"))
    foreign = put_sealed(here, room.contract, "a", sealed_for_another_key(here, room))

    first, second = run(room, repeating), run(room, repeating, 2)
    third = run(room.with_input("a", foreign), repeating, 3)

    assert [ended(each)[0] for each in (first, second)] == ["completed"] * 2
    assert room.opened(second.job) == TOTAL
    assert ended(third) == ("failed", "tampered")


def test_each_job_asks_each_vault_with_a_token_of_its_own(here: World, parts: Parts) -> None:
    room = agree(here)
    before = {name: len(here.releases(name)) for name in PARTIES}

    for number in (1, 2):
        run(room, parts, number)

    for name in PARTIES:
        first, second = here.releases(name)[before[name] :]
        assert first["wrapped_to"] == second["wrapped_to"]
        assert first["token"] != second["token"]
