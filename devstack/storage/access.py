"""Who may do what with a token of an identity: roles, and what stands for them towards Azurite.

Azurite knows the account's key, and signatures made with it. So a request with a token goes on with
an account SAS in the token's place, which has the permissions of the identity's role: what a role
does not allow, Azurite refuses, with the real service's error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import CleanroomError, Malformed
from devstack import tokens
from devstack.storage import ACCOUNT
from devstack.storage.changes import Target
from devstack.storage.refusals import (
    INVALID_TOKEN,
    NO_CREDENTIALS,
    NOT_AUTHENTIC,
    NOT_IMPLEMENTED,
    NOT_PERMITTED,
    NOT_PUBLIC,
    Refusal,
)
from devstack.storage.signatures import account_sas

ROLES = {
    "reader": "rl",  # read, list
    "contributor": "rwdlac",  # and write, delete, add, create
}
DEFAULT_ROLES = ("functions=contributor", "runner=contributor")
_LIFE = timedelta(days=2)
_RENEWED = timedelta(days=1)


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
        account_key: str,
        roles: Sequence[Role],
        clock: Callable[[], datetime],
    ) -> None:
        self._token_key = token_key
        self._account_key = account_key
        self._roles = roles
        self._clock = clock
        self._signatures: dict[str, tuple[datetime, str]] = {}

    def admit(self, method: str, target: Target, headers: Mapping[str, str]) -> Admitted | Refusal:
        """Decide how a request goes on to Azurite.

        1. Containers are never public.
        2. There are no user delegation keys here, and the one that Azurite believes in is public.
        3. What is signed with the account's key, Azurite checks.
        4. A token names an identity, whose role covers what is asked for.
        """
        if "x-ms-blob-public-access" in headers:
            return NOT_PUBLIC  # 1
        authorization = headers.get("Authorization")
        if "sig" in target.query:
            if "skoid" in target.query or authorization is not None:
                return NOT_AUTHENTIC  # 2
            return Admitted(target.raw)  # 3
        if authorization is None:
            return NO_CREDENTIALS  # 1
        if authorization.lower().startswith("sharedkey "):
            return Admitted(target.raw, by_key=True)  # 3
        return self._by_token(method, target, authorization)  # 4

    def signed(self, raw: str, role: str = "contributor") -> str:
        """Sign a request target with the permissions of a role."""
        now = self._clock()
        made, signature = self._signatures.get(role, (None, ""))
        if made is None or now - made > _RENEWED:
            signature = account_sas(ACCOUNT, self._account_key, ROLES[role], now + _LIFE)
            self._signatures[role] = (now, signature)
        return f"{raw}{'&' if '?' in raw else '?'}{signature}"

    def _by_token(self, method: str, target: Target, authorization: str) -> Admitted | Refusal:
        try:
            token = tokens.bearer(authorization)
            caller = tokens.verify(token, tokens.STORAGE, self._token_key, self._clock())
        except CleanroomError:
            return INVALID_TOKEN
        if target.query.get("comp") == "userdelegationkey":
            return NOT_IMPLEMENTED
        settings = target.query.get("restype") == "service" and method == "PUT"
        for role in () if settings else self._roles:
            if role.identity == caller.name and role.covers(target.container):
                return Admitted(self.signed(target.raw, role.name), by_token=True)
        return NOT_PERMITTED
