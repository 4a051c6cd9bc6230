"""Who may do what: shared access keys, identities' tokens, and the claims they give a connection.

- A shared access signature is an HMAC of what it is good for and until when.
- An identity of the stack may do all: roles are what the cloud adds.
- A claim covers the entity it names, and all that is under it.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import CleanroomError
from devstack import tokens
from devstack.bus.config import AccessRule
from devstack.bus.namespace import bare
from devstack.home import Home

SEND, LISTEN, MANAGE = "Send", "Listen", "Manage"
EVERYTHING = frozenset((SEND, LISTEN, MANAGE))
ROOT = "RootManageSharedAccessKey"
_SIGNATURE = "SharedAccessSignature "
_FAR = 1 << 40  # seconds
_LONGEST_TOKEN = 1 << 14
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Claim:
    """A right to one entity and what is under it, until a time in milliseconds."""

    path: str
    rights: frozenset[str]
    until: int

    def covers(self, path: str) -> bool:
        """Say whether an entity is meant."""
        return not self.path or path == self.path or path.startswith(self.path + "/")


@dataclass(frozen=True, slots=True)
class Key:
    """A shared access key."""

    secret: str
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """All keys of the bus, and the key that signs identities' tokens."""

    keys: Mapping[str, Key]
    directory: rsa.RSAPublicKey
    tenant: str

    @classmethod
    def of(cls, home: Home, rules: tuple[AccessRule, ...]) -> "Access":
        """Derive the keys from the stack's."""
        rights = {ROOT: EVERYTHING} | {rule.name: rule.rights for rule in rules}
        keys = {name: Key(home.secret(f"bus/{name}"), of) for name, of in rights.items()}
        return cls(keys, home.token_key().public_key(), home.directory())

    def claim(self, audience: str, token: str, now: int) -> Claim | str:
        """Turn a token into a claim on an audience, or say what is wrong with it."""
        if len(token) > _LONGEST_TOKEN:
            return "MalformedToken: The token is too long."
        if token.startswith(_SIGNATURE):
            return self._by_signature(audience, token.removeprefix(_SIGNATURE), now)
        try:
            at = datetime.fromtimestamp(now / 1000, UTC)
            tokens.verify(token, tokens.SERVICE_BUS, self.directory, at, self.tenant)
        except CleanroomError:
            return "InvalidToken: The token is not one of this directory for this audience now."
        return Claim(_path(audience), EVERYTHING, now + int(tokens.LIFE.total_seconds()) * 1000)

    def by_password(self, response: bytes, now: int) -> Claim | None:
        """Turn a rule's name and key, as SASL PLAIN has them, into a claim on everything."""
        _, name, secret = (*response.split(b"\0", 2), b"", b"")[:3]
        key = self.keys.get(name.decode("utf-8", "replace"))
        if key is None or not hmac.compare_digest(key.secret.encode(), secret):
            return None
        return Claim("", key.rights, now + _FAR)

    def _by_signature(self, audience: str, token: str, now: int) -> Claim | str:
        parts = dict(part.partition("=")[::2] for part in token.split("&"))
        key = self.keys.get(unquote(parts.get("skn", "")))
        resource, until = parts.get("sr", ""), parts.get("se", "")
        signed = f"{resource}\n{until}".encode()  # the resource as it is spelled in the token
        try:
            signature = base64.b64decode(unquote(parts.get("sig", "")), validate=True)
        except ValueError:
            return "MalformedToken: The signature is not base64."
        if key is None or not _NUMBER.fullmatch(until):
            return "InvalidSignature: The token has an invalid signature."
        if not hmac.compare_digest(hmac.digest(key.secret.encode(), signed, "sha256"), signature):
            return "InvalidSignature: The token has an invalid signature."
        if int(until) * 1000 <= now:
            return "ExpiredToken: The token is expired."
        claim = Claim(_path(unquote(resource)), key.rights, min(int(until), _FAR) * 1000)
        if not claim.covers(_path(audience)):
            return "InvalidAudience: The token is good for another resource."
        return Claim(_path(audience), claim.rights, claim.until)


def _path(audience: str) -> str:
    """Name the entity of an audience as nodes are named; who may use it may use its sub-queues."""
    path = bare(audience).lower().removesuffix("/$management")
    return path.removesuffix("/$deadletterqueue").removesuffix("/$transfer")
