"""A signer is a name: a file that only its owner can read, or a key in a vault."""

from pathlib import Path

import pytest
from azure.keyvault.keys import JsonWebKey, KeyCurveName, KeyType
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cleanroom import dsse
from cleanroom.errors import Malformed
from party import signers
from party.errors import Usage
from tests.builders import Keys

TYPE = "application/test"


@pytest.fixture
def folder(tmp_path: Path, north: Keys) -> Path:
    """A folder with north's four files."""
    north.write(tmp_path, "north")
    return tmp_path


def web_key(key: ec.EllipticCurvePublicKey, curve: KeyCurveName) -> JsonWebKey:
    numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
    x, y = (number.to_bytes(size, "big") for number in (numbers.x, numbers.y))
    return JsonWebKey(kty=KeyType.ec, crv=curve, x=x, y=y)


# --- files


def test_a_key_in_a_file_signs(folder: Path, north: Keys) -> None:
    identity = signers.identity(str(folder / "north.signing.pem"))

    envelope = dsse.sign(b"payload", TYPE, identity.signer)

    assert identity.key == north.signing
    assert dsse.verify(envelope, TYPE, north.signing, "envelope") == b"payload"


def test_a_signature_bears_the_name_of_its_key(folder: Path, north: Keys) -> None:
    signature = signers.identity(str(folder / "north.signing.pem")).signer.sign(b"payload")

    assert signature.keyid == north.signing.id.text
    assert bytes.fromhex(signature.signature)[0] == 0x30  # DER


def test_a_signer_does_not_show_its_key(folder: Path, north: Keys) -> None:
    identity = signers.identity(str(folder / "north.signing.pem"))

    shown = f"{identity!r} {identity.signer!r} {vars(identity.signer)!r}"

    private = north.private_signing.private_numbers().private_value
    assert str(private) not in shown
    assert f"{private:x}" not in shown


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        pytest.param("missing", Usage, r"^missing: there is no such file", id="missing"),
        pytest.param("", Usage, r"^\.: expected a file, got a folder$", id="empty"),
        pytest.param(
            "north.reader.pem", Malformed, r"expected an ECDSA P-256 private key", id="reader key"
        ),
        pytest.param(
            "north.signing.pub.pem", Usage, r"a private key that others may read", id="public key"
        ),
        pytest.param(
            "file://north.signing.pem", Malformed, r"^--sign-with: expected a key file", id="URL"
        ),
        pytest.param("gcpkms://a", Malformed, r"^--sign-with: expected a key file", id="Google"),
        pytest.param("AZUREKMS://a", Malformed, r"^--sign-with: expected a key file", id="case"),
    ],
)
def test_what_is_no_signer_is_refused(
    uri: str,
    kind: type[Exception],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "north.signing.pub.pem").chmod(0o644)

    with pytest.raises(kind, match=message):
        signers.identity(uri)


# --- vaults, without asking them


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("azurekms://", id="nothing"),
        pytest.param("azurekms://north.vault.azure.net", id="no key"),
        pytest.param("azurekms://north.vault.azure.net/keys/", id="no name"),
        pytest.param("azurekms://north.vault.azure.net/secrets/a", id="a secret"),
        pytest.param("azurekms://north.vault.azure.net/keys/a/b/c", id="more than a version"),
        pytest.param("azurekms://north.vault.azure.net/keys/a/latest", id="odd version"),
        pytest.param("azurekms://north.vault.azure.net/keys/a?b", id="query"),
        pytest.param("azurekms://north.vault.azure.net/keys/a_b", id="odd name"),
        pytest.param("azurekms://user@north.vault.azure.net/keys/a", id="user"),
        pytest.param("azurekms://North.vault.azure.net/keys/a", id="upper case"),
        pytest.param("azurekms://169.254.169.254/keys/a", id="metadata service"),
        pytest.param("azurekms://10.0.0.1/keys/a", id="private address"),
    ],
)
def test_what_is_no_key_in_a_vault_is_refused_unasked(uri: str) -> None:
    with pytest.raises(
        Malformed, match=r"^--sign-with: expected azurekms://vault\.vault\.azure\.net/keys/name"
    ):
        signers.identity(uri)


def test_the_public_key_of_a_vault_is_built(north: Keys) -> None:
    found = signers._public(web_key(north.signing.public, KeyCurveName.p_256))

    assert found
    assert found.public_numbers() == north.signing.public.public_numbers()


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="nothing"),
        pytest.param(
            web_key(ec.generate_private_key(ec.SECP384R1()).public_key(), KeyCurveName.p_384),
            id="another curve",
        ),
        pytest.param(
            web_key(ec.generate_private_key(ec.SECP256K1()).public_key(), KeyCurveName.p_256_k),
            id="another curve of that size",
        ),
        pytest.param(
            JsonWebKey(
                kty=KeyType.rsa,
                n=rsa.generate_private_key(65537, 2048)
                .public_key()
                .public_numbers()
                .n.to_bytes(256, "big"),
                e=b"\1\0\1",
            ),
            id="RSA",
        ),
        pytest.param(JsonWebKey(kty=KeyType.ec, x=bytes(32)), id="half a point"),
        pytest.param(JsonWebKey(kty=KeyType.ec, x=bytes(32), y=bytes(32)), id="no point"),
    ],
)
def test_a_key_of_another_kind_is_none(found: object) -> None:
    assert signers._public(found) is None
