"""Tokens of identities, as a directory issues them: signed, for one audience, for a day.

- Issued to whoever knows the identity's secret (devstack/identity), verified by every server here.
- As in Entra ID, one key signs for all directories: a server believes the tokens of one of them.
- The claims are those that Azure's own tokens for managed identities have, as far as any reader
  here needs them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import Fields, integer, text
from cleanroom.jose import Jws, json_object, jwk
from devstack import jws

LIFE = timedelta(hours=24)
LARGEST = 1 << 14
LEEWAY = timedelta(minutes=5)
"""How far the clocks of issuer and reader may differ."""

KEY_VAULT = "https://vault.azure.net"
SERVICE_BUS = "https://servicebus.azure.net"
STORAGE = "https://storage.azure.com"
EVENT_GRID = "https://eventgrid.azure.net"
EXCHANGE = "api://AzureADTokenExchange"
"""The directory itself: what an identity shows there, to be an application in another one."""
API = "api://cleanroom"
"""Our own API, the control plane's: the one audience that is told of roles."""
AUDIENCES = (KEY_VAULT, SERVICE_BUS, STORAGE, EVENT_GRID, EXCHANGE, API)
_VAULT_HERE = re.compile(r"https://0\.0\.1:\d{1,5}", re.ASCII)
"""What a vault of the stack calls itself in its challenge: the SDK demands a parent of its host."""

_name = text(128)
_seconds = integer(0, 1 << 40)


def audience_of(resource: str) -> str | None:
    """Say whom a token for this resource is meant for, or nothing if nobody here reads it."""
    bare = resource.removesuffix("/")
    if _VAULT_HERE.fullmatch(bare):
        return KEY_VAULT
    return bare if bare in AUDIENCES else None


def audience_in(scope: str) -> str | None:
    """Say the same of a scope, as applications ask for it."""
    return audience_of(scope.removesuffix("/.default")) if scope.endswith("/.default") else None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names; the client id, where it is not the object id."""

    name: str
    object_id: str
    application: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A directory: `url` is its name in tokens, and ends in the directory's id."""

    url: str
    tenant: str
    key: rsa.RSAPrivateKey

    def of(self, tenant: str) -> "Issuer":
        """Be another directory of the same server."""
        return replace(self, url=self.url.removesuffix(self.tenant) + tenant, tenant=tenant)

    @property
    def federated(self) -> str:
        """Its name as applications know it that trust its identities."""
        return f"{self.url}/v2.0"

    def issue(self, caller: Caller, audience: str, now: datetime, roles: Sequence[str] = ()) -> str:
        """Say who the caller is, to one audience; its roles, to our own API alone."""
        issued = int(now.timestamp())
        header = {"alg": "RS256", "kid": jwk(self.key.public_key())["kid"], "typ": "JWT"}
        claims: dict[str, object] = {
            "appid": caller.application or caller.object_id,
            "aud": audience,
            "exp": issued + int(LIFE.total_seconds()),
            "iat": issued,
            "idtyp": "app",
            "iss": self.federated if audience == EXCHANGE else self.url,
            "name": caller.name,
            "nbf": issued,
            "oid": caller.object_id,
            "sub": caller.object_id,
            "tid": self.tenant,
            "ver": "1.0",
        } | ({"roles": list(roles)} if audience == API else {})
        return jws.signed(header, claims, self.key)


def verify(token: str, audience: str, key: rsa.RSAPublicKey, now: datetime, tenant: str) -> Caller:
    """Say whom a token names.

    1. This stack's directory signed it.
    2. It is meant for this audience.
    3. It is valid now.
    4. It is of the directory that the service believes.
    """
    f = opened(token, key)  # 1
    meant = f.take("aud", _name)
    if meant.rstrip("/") != audience:
        raise Unattested(f"token: expected the audience {audience}, got {meant!r}")  # 2
    if not is_valid(f, now):
        raise Unattested("token: expected one that is valid now")  # 3
    of = f.take("tid", _name)
    if of != tenant:
        raise Unattested(f"token: expected one of the directory {tenant}, got {of!r}")  # 4
    return Caller(f.take("name", _name), f.take("oid", _name))


def opened(token: str, key: rsa.RSAPublicKey) -> Fields:
    """Take the claims out of a token that this stack's directory signed."""
    payload = Jws.parse(token, "token", LARGEST).payload_by(key)
    if payload is None:
        raise Unattested("token: expected one that this stack's directory signed")
    return Fields(json_object(parse_json(payload, "token", LARGEST), "token"), "token")


def is_valid(claims: Fields, now: datetime) -> bool:
    """Tell whether it is time for a token."""
    from_, until = claims.take("nbf", _seconds), claims.take("exp", _seconds)
    leeway, at = int(LEEWAY.total_seconds()), int(now.timestamp())
    return from_ - leeway <= at < until + leeway


def bearer(header: str | None) -> str:
    """Take the token out of an Authorization header; in ASCII, as all of them are."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise Malformed("Authorization", "'Bearer' and a token")
    return token.strip()
