"""Signing with a key in a vault: with the genuine clients, over HTTPS on the loopback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.keys import SigningKey
from tests.commands import Here, Ran
from tests.vault_server import HOST, VERSION, Vault, serving

HINT = "is the address right, are you signed in (az login), and may you read this key?"


@pytest.fixture
def vault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault that is there, and whose signing key's public half is known to the others."""
    vault = Vault(ec.generate_private_key(ec.SECP256R1()))
    with serving(vault, folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        public = SigningKey.from_crypto(vault.key.public_key(), "vault")
        (folder / "vault.signing.pub.pem").write_text(public.pem)
        yield vault


def seal(cleanroom: Here, sign_with: str) -> Ran:
    return cleanroom(
        *("seal", "table.csv", "--party", "north", "--dataset", "customers", "--as", "bytes"),
        *("--sign-with", sign_with, "--for", "south.reader.pub.pem"),
    )


@pytest.mark.parametrize("version", ["", f"/{VERSION}"], ids=["latest version", "one version"])
def test_a_key_in_a_vault_seals(version: str, vault: Vault, cleanroom: Here) -> None:
    sealed = seal(cleanroom, vault.key_uri + version)
    opened = cleanroom(
        *("open", "table.csv.sealed", "--from", "vault.signing.pub.pem"),
        *("--with", "south.reader.pem", "-o", "plain"),
    )

    assert (sealed.code, opened.code) == (0, 0)
    assert vault.asked[0] == f"get /keys/signing/{version.removeprefix('/')}"
    assert vault.asked[-1] == f"sign /keys/signing/{VERSION}/sign"


def test_a_vault_that_may_not_be_read_is_unavailable(vault: Vault, cleanroom: Here) -> None:
    vault.refuses = frozenset({"get"})

    ran = seal(cleanroom, vault.key_uri)

    message = f"https://{HOST}:{vault.port}: the vault did not hand out the public key 'signing'"
    assert ran.refusal == (5, message, HINT)


def test_a_vault_that_does_not_sign_is_unavailable(
    vault: Vault, cleanroom: Here, folder: Path
) -> None:
    vault.refuses = frozenset({"sign"})
    before = sorted(folder.iterdir())

    ran = seal(cleanroom, vault.key_uri)

    key = f"https://{HOST}:{vault.port}/keys/signing/{VERSION}"
    assert ran.refusal == (5, f"{key}: the vault did not sign", "may you sign with this key?")
    assert sorted(folder.iterdir()) == before


def test_a_vault_that_signs_with_another_key_is_found_out(
    vault: Vault, cleanroom: Here, folder: Path
) -> None:
    vault.signs_with = ec.generate_private_key(ec.SECP256R1())
    before = sorted(folder.iterdir())

    ran = seal(cleanroom, vault.key_uri)

    key = f"https://{HOST}:{vault.port}/keys/signing/{VERSION}"
    message = f"{key}: what it signed does not hold under its public key <digest>"
    assert ran.refusal == (3, message, "")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param("text", id="text"),
        pytest.param({"kid": 7, "value": 7}, id="numbers"),
        pytest.param({"kid": "here", "value": "AAAA"}, id="another key"),
        pytest.param({"kid": "here", "value": ""}, id="no signature"),
    ],
)
def test_a_vault_that_answers_nonsense_signs_nothing(
    answer: object, vault: Vault, cleanroom: Here, folder: Path
) -> None:
    vault.lies = {"sign": answer}
    before = sorted(folder.iterdir())

    ran = seal(cleanroom, vault.key_uri)

    assert ran.code in (3, 5)
    assert ran.refusal[1].startswith(f"https://{HOST}:{vault.port}/keys/signing/{VERSION}: ")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({}, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param(7, id="a number"),
        pytest.param({"kty": "EC", "crv": "P-256"}, id="no name"),
        pytest.param({"kid": "nonsense", "kty": "EC"}, id="an odd name"),
        pytest.param({"kid": "https://elsewhere.example/keys/signing/1"}, id="another vault"),
        pytest.param({"kid": f"https://{HOST}/keys/a/{VERSION}", "x": 7, "y": 7}, id="numbers"),
    ],
)
def test_a_vault_that_answers_nonsense_hands_out_no_key(
    key: object, vault: Vault, cleanroom: Here
) -> None:
    vault.lies = {"get": {"key": key, "attributes": {"enabled": True}}}

    ran = seal(cleanroom, vault.key_uri)

    message = f"https://{HOST}:{vault.port}: the vault did not hand out the public key 'signing'"
    assert ran.refusal == (5, message, HINT)


@pytest.mark.parametrize("answer", [[], "text", 7, None], ids=repr)
def test_a_vault_that_answers_no_object_hands_out_no_key(
    answer: object, vault: Vault, cleanroom: Here
) -> None:
    vault.lies = {"get": answer}

    ran = seal(cleanroom, vault.key_uri)

    assert ran.refusal[0] == 5


def test_an_identity_that_is_set_up_wrongly_is_unavailable(
    vault: Vault, cleanroom: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")

    ran = seal(cleanroom, vault.key_uri)

    message = f"https://{HOST}:{vault.port}: the vault did not hand out the public key 'signing'"
    assert ran.refusal == (5, message, HINT)
    assert vault.asked == []


def test_a_key_of_another_curve_does_not_sign(vault: Vault, cleanroom: Here) -> None:
    vault.key = ec.generate_private_key(ec.SECP384R1())

    ran = seal(cleanroom, vault.key_uri)

    assert ran.refusal == (2, f"{vault.key_uri}: expected an ECDSA P-256 public key", "")


def test_nothing_is_left_when_the_vault_cannot_be_reached(cleanroom: Here, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]

    ran = seal(cleanroom, f"azurekms://{HOST}:{port}/keys/signing")

    message = f"https://{HOST}:{port}: the vault did not hand out the public key 'signing'"
    assert ran.refusal == (5, message, HINT)
    assert sorted(folder.iterdir()) == before


def test_a_vault_whose_name_does_not_resolve_is_unavailable(cleanroom: Here) -> None:
    ran = seal(cleanroom, "azurekms://no-such-vault.invalid/keys/signing")

    assert ran.refusal[:2] == (
        5,
        "https://no-such-vault.invalid: the vault did not hand out the public key 'signing'",
    )
