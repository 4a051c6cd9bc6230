"""A wrapped key that stays in its owner's vault: with it the file opens, without it never again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from devstack.home import HOST, Home
from tests.commands import TABLE, Here, Ran
from tests.vaults import Vaults, running_vaults

NAME = "customers-key"


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaults]:
    with running_vaults(Home.at(tmp_path_factory.mktemp("home")), "north") as made:
        yield made


@pytest.fixture
def secrets(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretClient]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)
    with vaults.secrets("north", "north") as made:
        yield made


def opened_with(cleanroom: Here, wrapped: Path) -> Ran:
    return cleanroom(
        *("open", "table.csv.sealed", "-o", "opened.csv"),
        *("--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("--wrapped-key", wrapped),
    )


def test_a_key_that_its_owner_keeps_in_a_vault_opens_until_it_is_deleted(
    cleanroom: Here, folder: Path, vaults: Vaults, secrets: SecretClient
) -> None:
    at = f"{vaults.url('north')}/secrets/{NAME}"
    sealed = cleanroom(
        *("seal", "table.csv", "--party", "north", "--dataset", "customers"),
        *("--sign-with", "north.signing.pem", "--for", "south.reader.pub.pem"),
        *("--keep-key-at", at, "--wrapped-key-to", "wrapped.txt"),
    )
    secrets.set_secret(NAME, (folder / "wrapped.txt").read_text())
    (folder / "wrapped.txt").unlink()
    fetched = folder / "fetched.txt"
    fetched.write_text(secrets.get_secret(NAME).value or "")

    opened = opened_with(cleanroom, fetched)
    secrets.begin_delete_secret(NAME, _polling_interval=0).wait()

    assert at in sealed.text
    assert opened.code == 0
    assert (folder / "opened.csv").read_text() == TABLE
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret(NAME)
