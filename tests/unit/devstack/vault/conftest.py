"""A vault in a folder, without a socket, and who may ask it."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack.home import Home
from devstack.vault.vault import Vault
from tests.builders import NOW
from tests.vaults import Asker

NAME, PORT = "north", 8451


@pytest.fixture(scope="session")
def token_key(stack: Home) -> rsa.RSAPublicKey:
    return stack.token_key().public_key()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A stack with a vault that nobody has used."""
    home = Home.at(tmp_path_factory.mktemp("stack"))
    key = home.token_key().public_key()
    Vault.open(home, NAME, PORT, key, NOW, secrets.token_bytes).close()
    return home


@pytest.fixture
def vault(stack: Home, token_key: rsa.RSAPublicKey, tmp_path: Path) -> Iterator[Vault]:
    """A copy of it: to make keys and files takes its time."""
    shutil.copytree(stack.path, tmp_path / "home")
    home = Home.at(tmp_path / "home")
    made = Vault.open(home, NAME, PORT, token_key, NOW, secrets.token_bytes)
    yield made
    made.close()


@pytest.fixture
def owner(stack: Home, vault: Vault) -> Asker:
    return Asker(stack, vault, NAME)


@pytest.fixture
def runner(stack: Home, vault: Vault) -> Asker:
    return Asker(stack, vault, "runner")


@pytest.fixture
def stranger(stack: Home, vault: Vault) -> Asker:
    return Asker(stack, vault, "stranger")
