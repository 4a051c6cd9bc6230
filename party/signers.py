"""A signer is a name: a local key file, or `azurekms://` for a key that never leaves its vault."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import ECDSA_SHA2_NISTP256, AzureSigner, CryptoSigner, SSlibKey

from cleanroom import dsse
from cleanroom.errors import Malformed, Unavailable
from cleanroom.keys import SigningKey
from cleanroom.urls import https_url
from party.keyfiles import private_signing_key

_SCHEME = "azurekms://"
_key_url = https_url(
    r"/keys/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?", "azurekms://vault.vault.azure.net/keys/name"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: the signer and the public key that others know it by."""

    signer: dsse.Signer
    key: SigningKey


def identity(uri: str) -> Identity:
    """Find the signer that a person named on the command line."""
    if uri.startswith(_SCHEME):
        return _in_vault(uri)
    if "://" in uri:
        raise Malformed("--sign-with", "a key file or azurekms://...", repr(uri))
    private = private_signing_key(Path(uri))
    key = SigningKey.from_crypto(private.public_key(), uri)
    return Identity(CryptoSigner(private, sslib_key(key)), key)


def sslib_key(key: SigningKey) -> SSlibKey:
    """Describe a key the way securesystemslib's signers want it, under our name for it."""
    return SSlibKey(key.id.text, "ecdsa", ECDSA_SHA2_NISTP256, {"public": key.pem})


def _in_vault(uri: str) -> Identity:
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.keys import KeyClient

    url = _key_url("https://" + uri.removeprefix(_SCHEME), "--sign-with")
    vault, _, path = url.partition("/keys/")
    name, _, version = path.partition("/")
    try:
        found = KeyClient(vault, DefaultAzureCredential(), retry_total=2).get_key(
            name, version or None
        )
    except AzureError as error:
        raise Unavailable(f"{vault}: the vault did not hand out the public key {name!r}").with_hint(
            "is the address right, are you signed in (az login), and may you read this key?"
        ) from error
    key = SigningKey.from_crypto(_public(found.key), uri)
    return Identity(AzureSigner(str(found.id), sslib_key(key)), key)


def _public(found: object) -> ec.EllipticCurvePublicKey | None:
    """Build the P-256 key, or nothing when the vault's key is of another kind."""
    x, y = getattr(found, "x", None), getattr(found, "y", None)
    if x is None or y is None:
        return None
    try:
        return ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
        ).public_key()
    except ValueError:  # a point of another curve
        return None
