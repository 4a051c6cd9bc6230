"""A signer is a name: a local key file, or `azurekms://` for a key that never leaves its vault.

Keys in files sign with `cryptography`. The package securesystemslib loads the clients of every
cloud, so it is imported only for keys in vaults (docs/adr/0005).
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom import dsse
from cleanroom.errors import Malformed, Tampered, Unavailable
from cleanroom.keys import SigningKey
from cleanroom.urls import https_url
from party.keyfiles import private_signing_key

_SCHEME = "azurekms://"
_ECDSA = ec.ECDSA(SHA256())
# What the clients raise at an answer that is not of the vault's API.
_STRANGE = (AttributeError, KeyError, TypeError, ValueError)
_key_url = https_url(
    r"/keys/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?", "azurekms://vault.vault.azure.net/keys/name"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: the signer and the public key that others know it by."""

    signer: dsse.Signer
    key: SigningKey


@dataclass(frozen=True, slots=True)
class _Signature:
    keyid: str
    signature: str


class FileSigner:
    """Signs with a private key that was read from a file."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, key: SigningKey) -> None:
        self._private = private
        self._id = key.id.text

    def sign(self, payload: bytes) -> _Signature:
        """Sign bytes."""
        return _Signature(self._id, self._private.sign(payload, _ECDSA).hex())


class _CheckedSigner:
    """Hands on only signatures that hold: a vault may sign with another key, or answer anything."""

    def __init__(self, signer: dsse.Signer, key: SigningKey, name: str) -> None:
        self._signer = signer
        self._key = key
        self._name = name

    def sign(self, payload: bytes) -> dsse.Signature:
        """Sign bytes, and check the signature under the public key that others will check with."""
        made = self._signer.sign(payload)
        try:
            self._key.public.verify(bytes.fromhex(made.signature), payload, _ECDSA)
        except InvalidSignature as error:
            raise Tampered(
                f"{self._name}: what it signed does not hold under its public key {self._key.id}"
            ) from error
        return made


def identity(uri: str) -> Identity:
    """Find the signer that a person named on the command line."""
    if uri.startswith(_SCHEME):
        return _in_vault(uri)
    if "://" in uri:
        raise Malformed("--sign-with", "a key file or azurekms://...", repr(uri))
    private = private_signing_key(Path(uri))
    key = SigningKey.from_crypto(private.public_key(), uri)
    return Identity(_CheckedSigner(FileSigner(private, key), key, uri), key)


def _in_vault(uri: str) -> Identity:
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.keys import KeyClient
    from securesystemslib.signer import ECDSA_SHA2_NISTP256, AzureSigner, SSlibKey

    url = _key_url("https://" + uri.removeprefix(_SCHEME), "--sign-with")
    vault, _, path = url.partition("/keys/")
    name, _, version = path.partition("/")
    try:
        found = KeyClient(vault, DefaultAzureCredential(), retry_total=2).get_key(
            name, version or None
        )
        public, key_url = _public(found.key), _of_vault(vault, found.id)
    except (AzureError, *_STRANGE) as error:  # ValueError: settings of the identity, too
        raise Unavailable(f"{vault}: the vault did not hand out the public key {name!r}").with_hint(
            "is the address right, are you signed in (az login), and may you read this key?"
        ) from error
    key = SigningKey.from_crypto(public, uri)
    named = SSlibKey(key.id.text, "ecdsa", ECDSA_SHA2_NISTP256, {"public": key.pem})
    signer = _VaultSigner(AzureSigner(key_url, named), key_url)
    return Identity(_CheckedSigner(signer, key, key_url), key)


def _of_vault(vault: str, key_url: object) -> str:
    """Take the full address of the key only where it is in that vault: it gets our token."""
    if not isinstance(key_url, str) or not key_url.startswith(f"{vault}/keys/"):
        raise ValueError("a key of another place")
    return key_url


class _VaultSigner:
    """Signs inside the vault, and says so when the vault does not."""

    def __init__(self, signer: dsse.Signer, key_url: str) -> None:
        self._signer = signer
        self._key_url = key_url

    def sign(self, payload: bytes) -> dsse.Signature:
        """Sign bytes."""
        from azure.core.exceptions import AzureError

        try:
            return self._signer.sign(payload)
        except (AzureError, *_STRANGE) as error:
            raise Unavailable(f"{self._key_url}: the vault did not sign").with_hint(
                "may you sign with this key?"
            ) from error


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
