"""Who may do what with a token of an identity: roles, and what stands for them towards Azurite.

Azurite knows the account's key, and signatures made with it. So a request with a token goes on with
an account SAS in the token's place, which has the permissions of the identity's roles: what they do
not allow, Azurite refuses, with the real service's error. In the same way a signature that was made
with a user delegation key goes on as one made with the account's key, for the same container or
blob, with those of its permissions that the identity has itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import CleanroomError, Malformed
from devstack import tokens
from devstack.storage import ACCOUNT, delegated
from devstack.storage.changes import Target
from devstack.storage.delegated import Delegated
from devstack.storage.delegation import Delegation
from devstack.storage.refusals import (
    INVALID_TOKEN,
    NO_CREDENTIALS,
    NOT_AUTHENTIC,
    NOT_PERMITTED,
    NOT_PUBLIC,
    Refusal,
)
from devstack.storage.signatures import account_sas, service_sas

ROLES = {
    "reader": "rl",  # read, list
    "contributor": "racwdl",  # and add, create, write, delete
}
_ORDER = "racwdl"  # as signatures have them
DEFAULT_ROLES = ("functions=contributor", "runner=contributor")
_LIFE = timedelta(days=2)
_RENEWED = timedelta(days=1)
_BELIEVED = timedelta(seconds=5)
"""For how long a token that was verified is not verified again."""
_MOST_TOKENS = 1000  # that are believed at a time


@dataclass(frozen=True, slots=True)
class Role:
    """What an identity may do: in one container, or in all of them."""

    identity: str
    name: str
    container: str | None

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """Read `IDENTITY=ROLE`, or `IDENTITY=ROLE:CONTAINER`."""
        identity, _, rest = spelled.partition("=")
        name, colon, container = rest.partition(":")
        if not identity or name not in ROLES or (colon and not container):
            raise Malformed("--role", f"IDENTITY={'|'.join(ROLES)}[:CONTAINER]", repr(spelled))
        return cls(identity, name, container or None)

    def covers(self, container: str) -> bool:
        """Say whether the role is about a container; that without a name is the whole account."""
        return self.container is None or self.container == container


@dataclass(frozen=True, slots=True)
class Admitted:
    """What to ask Azurite for, and with what kind of credentials the client came."""

    raw: str
    by_key: bool = False
    by_token: bool = False


class Access:
    """The account's key, and the roles of identities."""

    def __init__(
        self,
        token_key: rsa.RSAPublicKey,
        tenant: str,
        account_key: str,
        roles: Sequence[Role],
        delegation: Delegation,
        clock: Callable[[], datetime],
    ) -> None:
        self._token_key = token_key
        self._tenant = tenant
        self._account_key = account_key
        self._roles = roles
        self._delegation = delegation
        self._clock = clock
        self._signatures: dict[str, tuple[datetime, str]] = {}
        self._callers: dict[str, tuple[datetime, tokens.Caller]] = {}

    def admit(self, method: str, target: Target, headers: Mapping[str, str]) -> Admitted | Refusal:
        """Decide how a request goes on to Azurite.

        1. Containers are never public.
        2. What is signed with a user delegation key, or so it says, is checked here: the one key
           that Azurite believes in is public.
        3. What is signed with the account's key, Azurite checks.
        4. A token names an identity, whose role covers what is asked for.
        """
        if "x-ms-blob-public-access" in headers:
            return NOT_PUBLIC  # 1
        authorization = headers.get("Authorization")
        if "sig" in target.query:
            return self._by_signature(target, alone=authorization is None)
        if authorization is None:
            return NO_CREDENTIALS  # 1
        if authorization.lower().startswith("sharedkey "):
            return Admitted(target.raw, by_key=True)  # 3
        return self._by_token(method, target, authorization)  # 4

    def delegate(self, headers: Mapping[str, str], body: bytes) -> bytes | Refusal:
        """Answer who asks for a user delegation key: an identity with a role in all containers."""
        authorization = headers.get("Authorization")
        if authorization is None:
            return NO_CREDENTIALS
        if authorization.lower().startswith("sharedkey "):
            return NOT_AUTHENTIC
        caller = self._caller(authorization)
        if caller is None:
            return INVALID_TOKEN
        if not self._permitted(caller.name, ""):
            return NOT_PERMITTED
        version = headers.get("x-ms-version", "")
        terms = self._delegation.granted(caller.object_id, version, body, self._clock())
        return terms if isinstance(terms, Refusal) else self._delegation.answer(terms)

    def signed(self, raw: str, permissions: str = ROLES["contributor"]) -> str:
        """Sign a request target, for whatever it names."""
        now = self._clock()
        made, signature = self._signatures.get(permissions, (None, ""))
        if made is None or now - made > _RENEWED:
            signature = account_sas(ACCOUNT, self._account_key, permissions, now + _LIFE)
            self._signatures[permissions] = (now, signature)
        return _with_query(raw, signature)

    def _by_signature(self, target: Target, *, alone: bool) -> Admitted | Refusal:
        if not alone:
            return NOT_AUTHENTIC
        if "skoid" in target.query:
            return self._by_delegation(target)  # 2
        return Admitted(target.raw)  # 3

    def _by_delegation(self, target: Target) -> Admitted | Refusal:
        found = delegated.verified(target, self._delegation, self._clock())
        if isinstance(found, Refusal):
            return found
        own = self._permitted(found.identity, target.container)
        permissions = "".join(one for one in own if one in found.permissions)
        if not permissions:
            return NOT_PERMITTED
        return Admitted(self._signed_for(target, found, permissions))

    def _signed_for(self, target: Target, found: Delegated, permissions: str) -> str:
        signature = service_sas(
            self._account_key,
            delegated.resource(target, found.kind),
            found.kind,
            permissions,
            found.until,
            found.overrides,
        )
        return _with_query(delegated.without_signature(target.raw), signature)

    def _permitted(self, identity: str, container: str) -> str:
        """Name what an identity's roles together allow in a container."""
        own = [one for one in self._roles if one.identity == identity and one.covers(container)]
        return "".join(may for may in _ORDER if any(may in ROLES[one.name] for one in own))

    def _by_token(self, method: str, target: Target, authorization: str) -> Admitted | Refusal:
        caller = self._caller(authorization)
        if caller is None:
            return INVALID_TOKEN
        settings = target.query.get("restype") == "service" and method == "PUT"
        permissions = "" if settings else self._permitted(caller.name, target.container)
        if not permissions:
            return NOT_PERMITTED
        return Admitted(self.signed(target.raw, permissions), by_token=True)

    def _caller(self, authorization: str) -> tokens.Caller | None:
        now = self._clock()
        at, known = self._callers.get(authorization, (None, None))
        if at is not None and timedelta() <= now - at < _BELIEVED:
            return known
        try:
            token = tokens.bearer(authorization)
            caller = tokens.verify(token, tokens.STORAGE, self._token_key, now, self._tenant)
        except CleanroomError:
            return None
        if len(self._callers) >= _MOST_TOKENS:
            self._callers.clear()
        self._callers[authorization] = (now, caller)
        return caller


def _with_query(raw: str, more: str) -> str:
    return f"{raw}{'&' if '?' in raw else '?'}{more}"
