"""Which identities there are, and what a request brings: a token, or a refusal in Azure's words.

- Who asks is told by the secret in the header, and by nothing else.
- A client may name itself, too (a user-assigned identity): a name that is not its own is refused.
- Tokens are for the services of the stack: an audience that nobody here reads is refused.
"""

import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from cleanroom.jose import jwk
from devstack import tokens
from devstack.identity import applications
from devstack.identity.answers import Answer
from devstack.identity.applications import Application
from devstack.tokens import Caller, Issuer

VERSION = "2019-08-01"
_NAMES = ("client_id", "object_id", "principal_id", "mi_res_id")
"""How a client may name an identity. The last would be a path in Azure's resource manager, which no
identity of a stack has."""
_NO_SUCH = (
    "No User Assigned or Delegated Managed Identity found for specified"
    " ClientId/ResourceId/PrincipalId."
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who can ask, the secret by which it does, and its roles in our own API.

    It is in the operator's directory, unless another is named.
    """

    caller: Caller
    secret: str = field(repr=False)
    roles: tuple[str, ...] = ()
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """The identities of one stack, the issuer of their tokens, and the other directories."""

    issuer: Issuer
    identities: Sequence[Identity]
    others: frozenset[str] = frozenset()
    applications: tuple[Application, ...] = ()

    def token(self, secret: str | None, asked: Sequence[tuple[str, str]], now: datetime) -> Answer:
        """Answer a request for a token.

        1. The secret is that of an identity.
        2. The request is of the one known version, and says nothing twice.
        3. Whom it names, if anybody, is whose secret it is.
        4. It names an audience that there is.
        """
        identity = self._identity(secret)  # 1
        if identity is None:
            return refusal(HTTPStatus.UNAUTHORIZED, "expected an identity's X-IDENTITY-HEADER")
        said = dict(asked)
        if len(said) != len(asked) or said.get("api-version") != VERSION:  # 2
            return refusal(HTTPStatus.BAD_REQUEST, f"expected api-version={VERSION}, nothing twice")
        own = identity.caller.object_id
        if any(said.get(name, own) != own for name in _NAMES):  # 3
            return refusal(HTTPStatus.BAD_REQUEST, _NO_SUCH)
        resource = said.get("resource", "")
        audience = tokens.audience_of(resource)
        if audience is None:  # 4
            known = ", ".join(tokens.AUDIENCES)
            return refusal(HTTPStatus.BAD_REQUEST, f"resource: expected one of {known}")
        return Answer(HTTPStatus.OK, self._granted(identity, resource, audience, now))

    def exchanged(self, tenant: str, form: Sequence[tuple[str, str]], now: datetime) -> Answer:
        """Answer an application that asks for a token in one of the directories."""
        if tenant not in self.others | {self.issuer.tenant}:
            return applications.refusal(
                90002, "invalid_request", f"Tenant '{tenant[:64]}' not found."
            )
        return applications.token(self.applications, self.issuer.of(tenant), form, now)

    def _identity(self, secret: str | None) -> Identity | None:
        """Find whose secret it is, in a time that does not tell how nearly it was one."""
        given = (secret or "").encode("utf-8", "surrogateescape")
        found = None
        for identity in self.identities:
            if hmac.compare_digest(identity.secret.encode(), given):
                found = identity
        return found

    def _granted(
        self, identity: Identity, resource: str, audience: str, now: datetime
    ) -> dict[str, object]:
        issuer = self.issuer.of(identity.tenant) if identity.tenant else self.issuer
        return {
            "access_token": issuer.issue(identity.caller, audience, now, identity.roles),
            "client_id": identity.caller.object_id,
            "expires_on": str(int((now + tokens.LIFE).timestamp())),
            "resource": resource,
            "token_type": "Bearer",
        }

    def configuration(self) -> dict[str, object]:
        """Say what this issuer is, as OpenID Connect Discovery has it."""
        return {
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.issuer.url,
            "jwks_uri": f"{self.issuer.url}/discovery/keys",
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def keys(self) -> dict[str, list[dict[str, str]]]:
        """Publish the key that signs tokens."""
        return {"keys": [{"alg": "RS256", "use": "sig"} | jwk(self.issuer.key.public_key())]}


def refusal(status: HTTPStatus, message: str) -> Answer:
    """Spell an error as App Service does."""
    return Answer(
        status,
        {
            "correlationId": str(uuid.uuid4()),  # known to nobody else: clients show it
            "message": message,
            "statusCode": int(status),
        },
    )
