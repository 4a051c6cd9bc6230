"""Applications of several directories: an identity's token for the application's in another one.

An application is registered in the operator's directory and trusts one identity there (a federated
credential). Where a party has let it in, it has a service principal, and gets tokens as that. The
errors are Entra ID's, by code and by the first line of their text.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import text
from devstack import tokens
from devstack.identity.answers import Answer
from devstack.tokens import Caller, Issuer

GRANT = "client_credentials"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CLIENT = "invalid_client"
_REQUEST = "invalid_request"
_FIXED = {
    "grant_type": (GRANT, 70003, "unsupported_grant_type"),
    "client_assertion_type": (ASSERTION, 700030, _CLIENT),
}
_NEEDED = ("client_id", "scope", "client_assertion", *_FIXED)
_NO_RECORD = "No matching federated identity record found for presented assertion"
_claim = text(512)


@dataclass(frozen=True, slots=True)
class Application:
    """An application, the one identity that it trusts, and its principals by directory."""

    name: str
    client_id: str
    issuer: str
    subject: str
    principals: Mapping[str, str]


def token(
    known: Collection[Application],
    issuer: Issuer,
    form: Sequence[tuple[str, str]],
    now: datetime,
) -> Answer:
    """Answer who asks `issuer`, one directory of the server, for an application's token.

    1. The request has what a token for an application takes, and nothing twice.
    2. There is such an application, and it has been let into this directory.
    3. What it shows is a token that the application's own directory made for the exchange, of the
       one identity that the application trusts, valid now.
    4. The scope is of an audience that there is.
    """
    unlike = _unlike(form)
    if unlike is not None:
        return unlike  # 1
    said = dict(form)
    found = _let_in(known, issuer.tenant, said["client_id"])
    if isinstance(found, Answer):
        return found  # 2
    wrong = _mistrusted(found, issuer, said["client_assertion"], now)
    if wrong is not None:
        return wrong  # 3
    audience = tokens.audience_in(said["scope"])
    if audience is None or audience == tokens.EXCHANGE:
        about = f"The resource principal named {said['scope'][:64]} was not found in the tenant"
        return refusal(500011, "invalid_resource", f"{about} named {issuer.tenant}.")  # 4
    caller = Caller(found.name, found.principals[issuer.tenant], found.client_id)
    life = int(tokens.LIFE.total_seconds())
    made = issuer.issue(caller, audience, now)
    body = {"access_token": made, "expires_in": life, "ext_expires_in": life}
    return Answer(HTTPStatus.OK, {**body, "token_type": "Bearer"})


def _unlike(form: Sequence[tuple[str, str]]) -> Answer | None:
    """Say what a request lacks."""
    said = dict(form)
    if len(said) != len(form):
        return refusal(900144, _REQUEST, "The request body must contain each parameter once.")
    for name in _NEEDED:
        if not said.get(name):
            about = "The request body must contain the following parameter"
            return refusal(900144, _REQUEST, f"{about}: '{name}'.")
    for name, (value, code, error) in _FIXED.items():
        if said[name] != value:
            return refusal(code, error, f"The app requested an unsupported {name}.")
    return None


def _let_in(known: Collection[Application], tenant: str, client_id: str) -> Application | Answer:
    """Find the application, if this directory has let it in."""
    found = next((one for one in known if one.client_id == client_id), None)
    if found is None:
        about = f"Application with identifier '{client_id[:64]}' was not found in the directory"
        return refusal(700016, "unauthorized_client", f"{about} '{tenant}'.")
    if tenant not in found.principals:
        about = f"The client application {client_id} is missing service principal in the tenant"
        return refusal(7000229, "unauthorized_client", f"{about} {tenant}.")
    return found


def _mistrusted(found: Application, issuer: Issuer, assertion: str, now: datetime) -> Answer | None:
    """Say why an assertion is not one that the application trusts."""
    try:
        claims = tokens.opened(assertion, issuer.key.public_key())
        valid = tokens.is_valid(claims, now)
        said = [claims.take(name, _claim) for name in ("iss", "sub", "aud")]
    except (Malformed, Unattested):
        return refusal(50027, _CLIENT, "JWT token is invalid or malformed.")
    if not valid:
        return refusal(700024, _CLIENT, "Client assertion is not within its valid time range.")
    wanted = (
        ("issuer", found.issuer, 700211),
        ("subject", found.subject, 700213),
        ("audience", tokens.EXCHANGE, 700212),
    )
    for (name, value, code), shown in zip(wanted, said, strict=True):
        if shown != value:
            return refusal(code, _CLIENT, f"{_NO_RECORD} {name} '{shown}'.")
    return None


def refusal(code: int, error: str, message: str) -> Answer:
    """Spell an error as Entra ID does."""
    return Answer(
        HTTPStatus.UNAUTHORIZED if error == _CLIENT else HTTPStatus.BAD_REQUEST,
        {
            "error": error,
            "error_description": f"AADSTS{code}: {message}",
            "error_codes": [code],
        },
    )
