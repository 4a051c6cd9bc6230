"""A contract for where one is: its addresses, and nothing else, are changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from examples.places import EXAMPLES, Places, moved, names

HERE = Places(
    storage="https://127.0.0.1:10000/cleanroom",
    attestation="https://127.0.0.1:8442",
    vaults={"NORTH_BANK": "https://127.0.0.1:8451", "SOUTH_BANK": "https://127.0.0.1:8452"},
)
WRITTEN = """\
room: a-room
    url: https://north-bank.vault.azure.net/keys/a-room
    authority: https://sharedweu.weu.attest.azure.net
    location: https://account.blob.core.windows.net/datasets-north-bank/a-room/customers
  - north-bank.a-room.card.json
    dataset: in-a-room # of a-roommate
"""
MOVED = """\
room: a-room
    url: https://127.0.0.1:8451/keys/a-room
    authority: https://127.0.0.1:8442
    location: https://127.0.0.1:10000/cleanroom/datasets-north-bank/a-room/customers
  - north-bank.a-room.card.json
    dataset: in-a-room # of a-roommate
"""
ENVIRONMENT = {
    "CLEANROOM_DEV_STORAGE_URL": HERE.storage,
    "CLEANROOM_DEV_ATTESTATION_URL": HERE.attestation,
    "CLEANROOM_DEV_VAULT_URL_NORTH_BANK": HERE.vaults["NORTH_BANK"],
    "CLEANROOM_DEV_VAULT_URL_SOUTH_BANK": HERE.vaults["SOUTH_BANK"],
}


def write(*given: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.places", *given],
        cwd=EXAMPLES.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_addresses_become_those_of_here() -> None:
    assert moved(WRITTEN, HERE) == MOVED


def test_a_room_gets_another_name_everywhere() -> None:
    other = moved(WRITTEN, HERE, "other")

    assert other.count("other") == WRITTEN.count("a-room") - 2
    assert other.splitlines()[-1] == "    dataset: in-a-room # of a-roommate"


def test_what_a_stack_says_of_itself_is_read() -> None:
    assert Places.of({**ENVIRONMENT, "PATH": "/bin"}) == HERE


@pytest.mark.parametrize("name", ["STORAGE_URL", "ATTESTATION_URL"])
def test_what_a_stack_does_not_say_is_missed(name: str) -> None:
    lacking = {k: v for k, v in ENVIRONMENT.items() if k != f"CLEANROOM_DEV_{name}"}

    with pytest.raises(Malformed, match=f"what `cleanroom-dev env` says, with {name}"):
        Places.of(lacking)


def test_a_party_without_a_vault_is_missed() -> None:
    with pytest.raises(Malformed, match="with EAST_BANK"):
        moved(WRITTEN.replace("north-bank", "east-bank"), HERE)


@pytest.mark.parametrize("example", names())
def test_no_address_of_azure_stays(example: str) -> None:
    parties = ("NORTH_BANK", "SOUTH_BANK")
    here = Places(HERE.storage, HERE.attestation, dict.fromkeys(parties, "https://127.0.0.1:8451"))

    found = moved((EXAMPLES / example / "contract.yaml").read_text(), here)

    assert set(re.findall(r"https://[^/\s]+", found)) <= {
        "https://127.0.0.1:10000",
        HERE.attestation,
        "https://127.0.0.1:8451",
    }


def test_the_command_writes_a_contract_and_its_program(tmp_path: Path) -> None:
    done = write("fraud", "--out", str(tmp_path / "new"), "--room", "again", env=ENVIRONMENT)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'new' / 'contract.yaml'}\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "contract.yaml",
        "program.sql",
    ]
    assert "\nroom: again\n" in (tmp_path / "new" / "contract.yaml").read_text()


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    done = write("fraud", "--out", str(tmp_path / "new"), env={})

    assert done.returncode == 2
    assert "cleanroom-dev env" in done.stderr
    assert not (tmp_path / "new").exists()
