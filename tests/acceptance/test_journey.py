"""From nothing to a result that was verified, by the commands that people type."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from cleanroom.contract import Contract
from party import contracts
from tests.builders import Keys, triggers
from tests.parties import Party, typed, whole_stack
from tests.stacks import RunningStack

ORDERS = "customer,amount\nann,1\nbob,2\ncid,3\n"
ACCOUNTS = "customer,balance\nbob,10\ncid,20\ndan,30\n"
PROGRAM = """SELECT count(*) AS customers, sum(a.amount + b.balance) AS total
FROM orders a JOIN accounts b USING (customer)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with whole_stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture
def parties(stack: RunningStack, tmp_path: Path) -> tuple[Party, Party]:
    return both(stack, tmp_path)


@pytest.fixture(scope="module")
def done(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Party, Party]:
    """Two parties with a room, `done`, in which a job has completed."""
    north, south = both(stack, tmp_path_factory.mktemp("done"))
    agreed(north, south, "done")
    north.good("drop", "orders.csv", "done")
    south.good("drop", "accounts.csv", "done")
    assert north("watch", "done", "--until", "1", *PATIENCE).code == 0
    return north, south


PATIENCE = ("--patience", "90 seconds")


def both(stack: RunningStack, folder: Path) -> tuple[Party, Party]:
    north, south = (Party(name, folder, stack.env(name)) for name in ("north", "south"))
    return north, south


def drafted(north: Party, south: Party, room: str) -> Contract:
    """Make keys, exchange cards, and draft a contract."""
    north.write("orders.csv", ORDERS)
    north.write("accounts.csv", ACCOUNTS)
    north.write("query.sql", PROGRAM)
    cards = [one.good("init", "--room", room)["card"] for one in (north, south)]
    north.good(
        *("contract", "new", "--program", "query.sql", "--reader", "north", "--force"),
        *(word for card in cards for word in ("--card", card)),
        *("--table", "north:orders.csv", "--table", "south:accounts.csv"),
        *("--purpose", "Find what customers of both are worth."),
    )
    return contracts.load(north.folder / "contract.yaml")


def agreed(north: Party, south: Party, room: str, **changes: Any) -> Contract:
    """Draft a contract, change it, propose it, and approve it twice."""
    value = json.loads(drafted(north, south, room).to_bytes()) | changes
    made = Contract.from_value(value, "contract")
    (north.folder / "contract.json").write_bytes(made.to_bytes())
    north.good("propose", "contract.json")
    for one in (north, south):
        one.good("approve", f"{room}/{made.digest.hex}", "--yes")
    return made


# --- the way


def test_two_parties_compute_on_what_neither_shows(parties: tuple[Party, Party]) -> None:
    north, south = parties
    agreed(north, south, "whole")

    north.good("drop", "orders.csv", "whole")
    south.good("drop", "accounts.csv", "whole")
    followed = north("watch", "whole", "--until", "1", *PATIENCE, "--json")

    assert followed.code == 0, followed.err
    happened = [json.loads(line)["what"] for line in followed.out.splitlines()]
    assert happened[-1] == "completed"
    assert {"proposed", "approve", "in_force", "recorded", "queued"} <= set(happened)
    (job,) = north.good("results", "whole")["jobs"]
    opened = north.good("open", "whole")
    assert (opened["job"], opened["verified"]) == (job["job"], True)
    assert (north.folder / opened["output"]).read_text() == '"customers","total"\n2,35\n'
    verdict = north.good("verify", opened["papers"])
    assert verdict["facts"]["status"] == "completed"
    assert verdict["facts"]["synthetic"]
    assert [line for line in verdict["not_proven"] if "approval" in line] == []


def test_a_later_file_makes_a_later_result(done: tuple[Party, Party]) -> None:
    north, _ = done
    before = len(north.good("results", "done")["jobs"])
    north.write("orders.csv", ORDERS + "dan,4\n")

    north.good("drop", "orders.csv", "done")
    assert north("watch", "done", "--until", before + 1, *PATIENCE).code == 0

    opened = north.good("open", "done", "-o", "later.csv")
    assert (north.folder / opened["output"]).read_text() == '"customers","total"\n3,69\n'


def test_a_program_gets_its_values_from_who_asks(parties: tuple[Party, Party]) -> None:
    north, south = parties
    least = {"name": "least", "type": "integer", "minimum": 1, "maximum": 9, "choices": None}
    sql = "SELECT count(*) AS customers, sum(amount)::HUGEINT AS total FROM orders"
    program = {
        "language": "sql",
        "source": {"kind": "inline", "text": f"{sql} WHERE amount >= $least"},
        "parameters": [least],
    }
    agreed(north, south, "asked", program=program, triggers=triggers(on_request=True))
    too_early = north("contract", "run", "asked", "least=2").refusal
    north.good("drop", "orders.csv", "asked")
    south.good("drop", "accounts.csv", "asked")

    job = north.good("contract", "run", "asked", "least=2")["job"]
    assert north("watch", "asked", "--until", "1", *PATIENCE).code == 0

    assert (too_early[0], "cleanroom drop" in too_early[2]) == (3, True)
    opened = north.good("open", f"asked/{job.removeprefix('sha256:')[:8]}")
    assert (north.folder / opened["output"]).read_text() == '"customers","total"\n2,5\n'


def test_a_sealed_file_is_dropped_as_it_is_and_only_once(done: tuple[Party, Party]) -> None:
    _, south = done
    key = south.variables["CLEANROOM_PARTY_VAULT"].replace("https", "azurekms") + "/keys/signing"
    sealed = south.good(
        "seal",
        "accounts.csv",
        "--contract",
        "contract.json",
        "--sign-with",
        key,
        "--dataset",
        "accounts",
        "--force",
    )

    dropped = south.good("drop", "accounts.csv.sealed", "done")
    again = south("drop", "accounts.csv.sealed", "done").refusal

    assert (dropped["sealed"], dropped["digest"]) == (False, sealed["digest"])
    assert (again[0], again[1].endswith(": is there already")) == (1, True)


def test_a_timeline_moves_by_itself_whatever_tool_drops_the_files(
    parties: tuple[Party, Party],
) -> None:
    north, south = parties
    agreed(north, south, "tools")
    with north.begun("watch", "tools", "--until", "1", *PATIENCE, "--json") as watching:
        for one, file in ((north, "orders"), (south, "accounts")):
            key = one.variables["CLEANROOM_PARTY_VAULT"].replace("https", "azurekms")
            one.good(
                *("seal", f"{file}.csv", "--contract", "contract.json", "--dataset", file),
                *("--sign-with", f"{key}/keys/signing"),
            )
            uploaded(one, f"{file}.csv.sealed", f"tools/{file}/by-another-tool.sealed")
        out, err = watching.communicate(timeout=120)

    assert watching.returncode == 0, err
    happened = [json.loads(line)["what"] for line in out.splitlines()]
    assert happened.count("arrived") >= 1
    assert happened[-1] == "completed"


def uploaded(party: Party, file: str, name: str) -> None:
    """Upload as any program does that has a signed URL of the party's container."""
    with ContainerClient.from_container_url(
        party.variables["CLEANROOM_DEV_DATASETS_URL"],
        connection_verify=party.variables["REQUESTS_CA_BUNDLE"],
    ) as container:
        container.upload_blob(name, (party.folder / file).read_bytes())


# --- the ways off


def test_who_is_no_reader_opens_nothing(done: tuple[Party, Party]) -> None:
    _, south = done

    assert south("open", "done").refusal == (
        3,
        "'south' is no reader of this contract's result: north",
        "which party are you? --profile",
    )


def test_a_result_is_opened_only_for_a_contract_that_its_reader_approved(
    done: tuple[Party, Party],
) -> None:
    north, _ = done
    forgetful = replace(north, variables={**north.variables, "CLEANROOM_PARTY_ROOMS": ""})
    (north.folder / "other.json").write_bytes(
        contracts.load(north.folder / "contract.json").to_bytes().replace(b"worth", b"WORTH")
    )
    shared = ("open", "done", "--papers", "few", "-o", "few.csv")

    unknown = forgetful(*shared).refusal
    other = forgetful(*shared, "--contract", "other.json").refusal
    known = forgetful(*shared, "--contract", "contract.json")

    assert unknown[:2] == (
        3,
        "your own approval is not among the papers: the contract may be made up",
    )
    assert (other[0], other[1].endswith("other.json is another contract")) == (3, True)
    assert known.code == 0, known.err


def test_papers_that_were_changed_are_refused(done: tuple[Party, Party]) -> None:
    north, _ = done
    papers = north.folder / north.good("open", "done", "-o", "first.csv")["papers"]
    result = (papers / "result.sealed").read_bytes()

    (papers / "result.sealed").write_bytes(bytes([result[0] ^ 1]) + result[1:])
    changed = north("verify", papers)
    (papers / "result.sealed").write_bytes(result)
    (papers / "south.approval.json").write_bytes((papers / "north.approval.json").read_bytes())
    doubled = north("verify", papers)

    assert (changed.code, doubled.code) == (3, 3)
    assert "region 0" in changed.err
    assert "does not rest on the approval" in doubled.err


def test_what_is_revoked_runs_no_more(parties: tuple[Party, Party]) -> None:
    north, south = parties
    made = agreed(north, south, "revoked")
    before = south.good("approve", f"revoked/{made.digest.hex}", "--yes")["room_key"]

    revoked = south.good("revoke", "revoked")
    north.good("drop", "orders.csv", "revoked")
    south.good("drop", "accounts.csv", "revoked")

    room = north.good("status", "revoked")
    (contract,) = room["contracts"]
    assert (revoked["decision"], revoked["room_key"]) == ("revoke", before)
    assert revoked["contract"] == made.digest.text
    assert (contract["status"], contract["missing"]) == ("awaiting_approval", ["south"])
    assert room["jobs"] == []
    assert "approval of south" in north("status", "revoked").text
    assert north("open", "revoked").refusal[1] == "room 'revoked': no job has completed"


def test_whoever_revokes_a_room_whose_key_is_for_an_earlier_contract_is_told(
    parties: tuple[Party, Party],
) -> None:
    north, south = parties
    made = agreed(north, south, "earlier")
    value = json.loads(made.to_bytes()) | {"sequence": 2, "previous": made.digest.text}
    later = Contract.from_value(value, "contract")
    (south.folder / "later.json").write_bytes(later.to_bytes())
    south.good("propose", "later.json")

    by_room = north("revoke", "earlier").refusal
    by_name = north("revoke", f"earlier/{made.digest.hex}")
    again = north("revoke", "earlier")

    assert by_room[0] == 3
    assert by_room[1].startswith("contract 2 is revoked, but https://")
    assert by_room[1].endswith("/keys/room-earlier is released for another one")
    assert "cleanroom revoke earlier/DIGEST" in by_room[2]
    assert "your vault releases it no more" in by_name.text
    assert again.code == 0


def test_a_job_that_is_refused_ends_a_watch_with_a_no(parties: tuple[Party, Party]) -> None:
    north, south = parties
    source = {"kind": "inline", "text": "SELECT getenv('HOME') AS customers FROM orders"}
    program = {"language": "sql", "source": source, "parameters": []}
    agreed(north, south, "refused", program=program)
    north.good("drop", "orders.csv", "refused")
    south.good("drop", "accounts.csv", "refused")

    ran = north("watch", "refused", "--until", "1", *PATIENCE)
    (job,) = north.good("results", "refused")["jobs"]
    opened = north("open", f"refused/{job['job'].removeprefix('sha256:')[:12]}").refusal

    assert ran.code == 3
    assert "was refused: policy_refused" in ran.err
    assert (opened[0], opened[1].endswith("there is nothing to open")) == (3, True)


def test_a_contract_with_somebody_elses_key_is_not_approved(
    parties: tuple[Party, Party],
) -> None:
    north, south = parties
    value: dict[str, Any] = json.loads(drafted(north, south, "keys").to_bytes())
    mine, theirs = value["parties"]
    other = Keys.make()
    cases = {
        "you sign with": {**mine, "signing_key": other.signing.to_json()},
        "in your vault, and": {
            **mine,
            "room_key": {**mine["room_key"], "public": other.reader.to_json()},
        },
        "is no key of your vault": {
            **mine,
            "room_key": {**mine["room_key"], "url": "https://other.vault.azure.net/keys/room-keys"},
        },
        "your vault believe": {
            **mine,
            "room_key": {**mine["room_key"], "authority": "https://127.0.0.1:1"},
        },
    }
    for message, party in cases.items():
        made = Contract.from_value({**value, "parties": [party, theirs]}, "contract")
        (north.folder / "false.json").write_bytes(made.to_bytes())

        code, said, hint = north("approve", "false.json", "--yes").refusal

        assert code == 3
        assert message in said
        assert hint


def test_yes_is_no_answer_to_whatever_is_a_rooms_latest(parties: tuple[Party, Party]) -> None:
    north, south = parties
    made = agreed(north, south, "latest")

    code, message, hint = north("approve", "latest", "--yes").refusal

    assert code == 1
    assert message == "--yes approves what was read before; a room's latest may be another by now"
    assert hint == "cleanroom approve latest/DIGEST --yes, or the contract's file"
    assert north.good("approve", f"latest/{made.digest.hex}", "--yes")["decision"] == "approve"


def test_nobody_approves_without_being_asked(parties: tuple[Party, Party]) -> None:
    north, south = parties
    drafted(north, south, "questions")

    code, message, hint = north("approve", "contract.yaml").refusal

    assert (code, message) == (1, "nobody is there to ask whether to approve")
    assert "cleanroom explain" in hint
    assert north("status", "questions").refusal[0] == 1


def test_whoever_says_no_has_approved_nothing(parties: tuple[Party, Party]) -> None:
    north, south = parties
    drafted(north, south, "noes")

    code, said = typed(north, ["approve", "contract.yaml"], "no\n")

    assert code == 1
    assert "whatever the program makes of your rows may leave" in said
    assert "approve this as north? [yes/no]" in said
    assert "not approved: only 'yes' does it" in said
    assert north("status", "noes").refusal[0] == 1


def test_a_file_that_no_run_could_take_goes_nowhere(done: tuple[Party, Party]) -> None:
    north, south = done
    north.write("short.csv", "customer\nann\n")
    north.write("typed.csv", "customer,amount\nann,much\n")
    north.write("turned.csv", "amount,customer\n1,ann\n")

    short = north("drop", "short.csv", "done").refusal
    badly_typed = north("drop", "typed.csv", "done").refusal
    turned = north("drop", "turned.csv", "done").refusal
    of_another = north("drop", "accounts.csv", "done", "--dataset", "accounts").refusal
    elsewhere = south("drop", "accounts.csv", "nowhere").refusal

    assert short[:2] == (1, "short.csv: there is no column 'amount', only customer")
    assert badly_typed[:2] == (2, "typed.csv: row 1, column 'amount': expected int64")
    assert turned[:2] == (
        3,
        "turned.csv.sealed: column 1 is 'amount' int64, and the contract's is 'customer' text",
    )
    assert of_another[1] == "datasets of north in this contract: orders, not 'accounts'"
    assert elsewhere[:2] == (1, "room 'nowhere': there is none of this name that you may see")


def test_a_party_sees_its_rooms_and_no_others(
    done: tuple[Party, Party], stack: RunningStack
) -> None:
    north, _ = done

    rooms = north.good("status")["rooms"]

    assert "done" in [room["room"] for room in rooms]
    shown = north("status").text
    assert "done" in shown
    assert "contract 1 in force" in shown
    nobody = Party("west", north.folder, {**stack.env("operator"), "CLEANROOM_PARTY_NAME": "west"})
    assert nobody("status").refusal[0] == 1
