"""Who calls, by a token of the directory or by the function's key (docs/spec/http-api.md).

- A token is signed by RS256 with a key of the issuer, for our audience, and valid now.
- Its roles say who it is: `operator` may do all, `party:NAME` is that party, others are nobody.
- Whoever is nobody sees nothing; what somebody may not see is not there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import jwt

from functions.settings import Directory

LEEWAY = timedelta(minutes=5)
"""How far the clocks of issuer and reader may differ."""
LARGEST = 1 << 14
_TOKEN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}", re.ASCII)
_PARTY = re.compile(r"party:([a-z][a-z0-9]*(?:-[a-z0-9]+)*)", re.ASCII)
_CLAIMS = ["aud", "exp", "iat", "iss", "nbf"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody, by what they may do."""

    operator: bool
    party: str | None

    def acts_for(self, party: str) -> bool:
        """Say whether the caller may hand in what is a party's."""
        return self.operator or party == self.party


OPERATOR = Caller(operator=True, party=None)


def bearer(header: str | None) -> str | None:
    """Take a token out of an Authorization header; none in what is no token."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or len(token) > LARGEST or not _TOKEN.fullmatch(token):
        return None
    return token


def key_id(token: str) -> str | None:
    """Read which of the issuer's keys a token claims to be signed with."""
    try:
        found = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        return None
    return found if isinstance(found, str) else None


def verified(token: str, key: jwt.PyJWK, directory: Directory) -> Caller | None:
    """Say who calls; nobody, unless the token is genuine, for us, and valid now."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=directory.issuer,
            audience=directory.audience,
            leeway=LEEWAY,
            options={"require": _CLAIMS, "strict_aud": True},
        )
    except jwt.PyJWTError:
        return None
    return caller(claims)


def caller(claims: Mapping[str, object]) -> Caller:
    """Read the roles of a token that was verified; who is said to be two parties is neither."""
    said = claims.get("roles")
    roles = said if isinstance(said, Sequence) and not isinstance(said, str) else ()
    found = [_PARTY.fullmatch(role) for role in roles if isinstance(role, str)]
    parties = {role[1] for role in found if role}
    return Caller("operator" in roles, parties.pop() if len(parties) == 1 else None)
