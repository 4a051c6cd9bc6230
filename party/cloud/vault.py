"""A party's own vault: its signing key, its reader key, and a room key for each room.

- Private halves are made in the vault and stay there, but for a room key: it is released to a
  machine that fulfils its release policy, which names one contract.
- A room key begins with a policy that nothing fulfils, and gets it back when its party revokes.
- Keys that are there are taken as they are, if they are of the kind that is needed.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cleanroom.contract import RoomKey
from cleanroom.errors import CleanroomError, PolicyRefused, Tampered, Unavailable
from cleanroom.keys import ReaderKey, SigningKey
from cleanroom.release import meaning
from cleanroom.release.policy import AllOf, Clause, Leaf, ReleasePolicy
from party.cloud import identity

SIGNING, READER, ROOM = "signing", "reader", "room-"
_BITS = 3072
_STRANGE = (AttributeError, KeyError, TypeError, ValueError)
"""What the clients raise at an answer that is not of the vault's API."""
_CLOSED = Leaf("x-ms-runtime.cleanroom-contract", "equals", "none")


def room_key_name(room: str) -> str:
    """Name the key of a room."""
    return f"{ROOM}{room}"


def closed(authority: str) -> ReleasePolicy:
    """Give the policy of a key that is for no contract: no digest is spelled so."""
    return ReleasePolicy((Clause(authority, AllOf((_CLOSED,))),))


@dataclass(frozen=True, slots=True)
class Made:
    """A key, and whether it was made just now."""

    key: SigningKey | ReaderKey
    url: str
    new: bool


class Vault:
    """A vault of one's own."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self.url = url
        self._credential = credential
        self._keys = KeyClient(url, credential, retry_total=2)

    def signing(self) -> SigningKey:
        """Return the key that the party is known by."""
        with self._speaking(SIGNING):
            return _signing(self._keys.get_key(SIGNING), self._named(SIGNING))

    def reader(self) -> ReaderKey:
        """Return the key that results are sealed to."""
        with self._speaking(READER):
            return _reader(self._keys.get_key(READER), self._named(READER))

    def begin_signing(self) -> Made:
        """Make the signing key, unless there is one."""

        def make() -> KeyVaultKey:
            usable = ["sign", "verify"]
            return self._keys.create_ec_key(
                SIGNING, curve="P-256", hardware_protected=True, key_operations=usable
            )

        found, new = self._begun(SIGNING, make)
        return Made(_signing(found, self._named(SIGNING)), self._named(SIGNING), new)

    def begin_reader(self) -> Made:
        """Make the reader key, unless there is one."""

        def make() -> KeyVaultKey:
            usable = ["unwrapKey", "wrapKey"]
            return self._keys.create_rsa_key(
                READER, size=_BITS, hardware_protected=True, key_operations=usable
            )

        found, new = self._begun(READER, make)
        return Made(_reader(found, self._named(READER)), self._named(READER), new)

    def begin_room(self, room: str, authority: str) -> Made:
        """Make a room's key, which no machine gets yet, unless there is one."""
        name = room_key_name(room)

        def make() -> KeyVaultKey:
            return self._keys.create_rsa_key(
                name,
                size=_BITS,
                hardware_protected=True,
                exportable=True,
                release_policy=KeyReleasePolicy(closed(authority).to_bytes()),
            )

        found, new = self._begun(name, make)
        if not found.properties.exportable:
            raise PolicyRefused(
                f"{self._named(name)}: can never be released, so no machine could open your data"
            ).with_hint("it was made by somebody else; name the room otherwise")
        return Made(_reader(found, self._named(name)), self._named(name), new)

    def check_room_key(self, expected: RoomKey) -> None:
        """Refuse a contract that names another key than this vault would release."""
        name = self._own(expected.url)
        with self._speaking(name):
            found = _reader(self._keys.get_key(name), expected.url)
        if found != expected.public:
            raise PolicyRefused(
                f"{expected.url}: is {found.id} in your vault, and {expected.public.id} in the"
                " contract"
            ).with_hint("whoever wrote the contract has an old card of yours, or no genuine one")

    def policy(self, room_key: str) -> ReleasePolicy:
        """Read a room key's release policy back."""
        name = self._own(room_key)
        with self._speaking(name):
            said = self._keys.get_key(name).properties.release_policy
        if said is None:
            raise PolicyRefused(f"{room_key}: has no release policy, so no machine can have it")
        data = said.encoded_policy
        return ReleasePolicy.parse(bytes(data), f"{room_key}: release policy")

    def set_policy(self, room_key: str, policy: ReleasePolicy) -> None:
        """Set a room key's release policy, and believe the vault only what it gives back."""
        name = self._own(room_key)
        with self._speaking(name):
            self._keys.update_key_properties(
                name, release_policy=KeyReleasePolicy(policy.to_bytes())
            )
        if not meaning.equal(self.policy(room_key), policy):
            raise Tampered(f"{room_key}: the vault gave back another release policy than was set")

    def unwrap(self, wrapped: bytes) -> bytes:
        """Open a wrapped data key with the reader key, inside the vault."""
        with self._speaking(READER):
            key = self._keys.get_key(READER)
            client = CryptographyClient(key.id, self._credential, retry_total=2)
            try:
                opened = client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key
            except HttpResponseError as error:
                if error.status_code == HTTPStatus.BAD_REQUEST:
                    raise Tampered("the wrapped data key does not open with your key") from error
                raise
        return bytes(opened)

    def _begun(self, name: str, make: Callable[[], KeyVaultKey]) -> tuple[KeyVaultKey, bool]:
        with self._speaking(name):
            try:
                return self._keys.get_key(name), False
            except ResourceNotFoundError:
                return make(), True

    def _own(self, url: str) -> str:
        """Name a key of this vault; another vault gets no token of ours."""
        vault, _, name = url.partition("/keys/")
        if vault != self.url:
            raise PolicyRefused(f"{url}: is no key of your vault {self.url}").with_hint(
                "the contract names another vault as yours; is it the right profile?"
            )
        return name

    def _named(self, name: str) -> str:
        return f"{self.url}/keys/{name}"

    @contextlib.contextmanager
    def _speaking(self, name: str) -> Iterator[None]:
        """Turn what the clients raise into what a person can act on."""
        try:
            yield
        except CleanroomError:
            raise
        except ResourceNotFoundError as error:
            raise Unavailable(f"{self._named(name)}: there is no such key").with_hint(
                "cleanroom init makes it; --room ROOM that of a room"
            ) from error
        except ClientAuthenticationError as error:
            raise identity.not_signed_in(self.url) from error
        except ServiceRequestError as error:
            raise Unavailable(f"{self.url}: the vault does not answer").with_hint(
                "is the address right, and is there a network? on the dev stack: cleanroom-dev"
                " status"
            ) from error
        except HttpResponseError as error:
            raise _refused(error, self._named(name)) from error
        except (AzureError, *_STRANGE) as error:
            raise Unavailable(f"{self._named(name)}: the vault did not do it").with_hint(
                identity.HINT
            ) from error


def _refused(error: HttpResponseError, where: str) -> CleanroomError:
    """Say what a vault refused."""
    match error.status_code:
        case 401 | 403:
            return PolicyRefused(f"{where}: your vault does not let you").with_hint(
                "you need Key Vault Crypto Officer there; are you signed in as the right party?"
            )
        case 400 | 409:
            return PolicyRefused(f"{where}: the vault refuses it").with_hint(
                "a room key needs a premium vault, whose release policies compare numbers, and a"
                " name that no deleted key has"
            )
        case _:
            return Unavailable(f"{where}: the vault did not do it").with_hint("try again")


def _signing(found: KeyVaultKey, where: str) -> SigningKey:
    jwk: JsonWebKey = found.key
    x, y = getattr(jwk, "x", None), getattr(jwk, "y", None)
    if x is None or y is None:
        raise PolicyRefused(f"{where}: is not an ECDSA P-256 key")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    return SigningKey.from_crypto(numbers.public_key(), where)


def _reader(found: KeyVaultKey, where: str) -> ReaderKey:
    jwk: JsonWebKey = found.key
    n, e = getattr(jwk, "n", None), getattr(jwk, "e", None)
    if n is None or e is None:
        raise PolicyRefused(f"{where}: is not an RSA key")
    numbers = rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big"))
    return ReaderKey.from_crypto(numbers.public_key(), where)
