"""Tokens of identities, as a directory issues them: signed, for one audience, for a day.

- Issued to whoever knows the identity's secret (devstack/identity), verified by every server here.
- The claims are those that Azure's own tokens for managed identities have, as far as any reader
  here needs them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
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
API = "api://cleanroom"
"""Our own API, the control plane's: the one audience that is told of roles."""
AUDIENCES = (KEY_VAULT, SERVICE_BUS, STORAGE, EVENT_GRID, API)
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


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names."""

    name: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """The directory of one stack: `url` is its name in tokens."""

    url: str
    tenant: str
    key: rsa.RSAPrivateKey

    def issue(self, caller: Caller, audience: str, now: datetime, roles: Sequence[str] = ()) -> str:
        """Say who the caller is, to one audience; its roles, to our own API alone."""
        issued = int(now.timestamp())
        header = {"alg": "RS256", "kid": jwk(self.key.public_key())["kid"], "typ": "JWT"}
        claims: dict[str, object] = {
            "appid": caller.object_id,
            "aud": audience,
            "exp": issued + int(LIFE.total_seconds()),
            "iat": issued,
            "idtyp": "app",
            "iss": self.url,
            "name": caller.name,
            "nbf": issued,
            "oid": caller.object_id,
            "sub": caller.object_id,
            "tid": self.tenant,
            "ver": "1.0",
        } | ({"roles": list(roles)} if audience == API else {})
        return jws.signed(header, claims, self.key)


def verify(token: str, audience: str, key: rsa.RSAPublicKey, now: datetime) -> Caller:
    """Say whom a token names.

    1. This stack's directory signed it.
    2. It is meant for this audience.
    3. It is valid now.
    """
    payload = Jws.parse(token, "token", LARGEST).payload_by(key)
    if payload is None:
        raise Unattested("token: expected one that this stack's directory signed")  # 1
    f = Fields(json_object(parse_json(payload, "token", LARGEST), "token"), "token")
    meant = f.take("aud", _name)
    if meant.rstrip("/") != audience:
        raise Unattested(f"token: expected the audience {audience}, got {meant!r}")  # 2
    from_, until = f.take("nbf", _seconds), f.take("exp", _seconds)
    leeway, at = int(LEEWAY.total_seconds()), int(now.timestamp())
    if not from_ - leeway <= at < until + leeway:
        raise Unattested("token: expected one that is valid now")  # 3
    return Caller(f.take("name", _name), f.take("oid", _name))


def bearer(header: str | None) -> str:
    """Take the token out of an Authorization header; in ASCII, as all of them are."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise Malformed("Authorization", "'Bearer' and a token")
    return token.strip()
