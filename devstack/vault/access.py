"""Who asks, and what of a vault they may touch."""

from datetime import datetime
from http import HTTPStatus

from cleanroom.errors import Malformed, Unattested
from devstack import tokens
from devstack.home import HOST
from devstack.tokens import Caller
from devstack.vault.calls import KEYS, Call
from devstack.vault.vault import Vault
from devstack.vault.wire import Answer, Request, forbidden, refusal

_READS = ("get", "list", "list versions", "list deleted", "get deleted")
_ACTIONS = {"wrapkey": "wrap", "unwrapkey": "unwrap", "set": "setSecret"}
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_GROUP = f"/subscriptions/{_SUBSCRIPTION}/resourcegroups/cleanroom-dev"


def caller_of(vault: Vault, request: Request, now: datetime) -> Caller | Answer:
    """Read who asks in the token, or say where tokens are had."""
    if request.authorization is None:
        return _challenge(vault, "AKV10000: Request is missing a Bearer or PoP token.")
    try:
        token = tokens.bearer(request.authorization)
        return tokens.verify(token, tokens.KEY_VAULT, vault.token_key, now, vault.tenant)
    except (Malformed, Unattested) as error:
        return _challenge(vault, f"Error validating token: {error}")


def _challenge(vault: Vault, message: str) -> Answer:
    """Refuse, and name the resource to ask a token for.

    Clients accept only a resource whose host is a parent of the vault's, as `vault.azure.net` is of
    every vault in Azure. The parent of an address, with its port, is what is left of it.
    """
    resource = vault.url.replace("//127.", "//", 1)
    where = f'Bearer authorization="https://{HOST}/{vault.tenant}", resource="{resource}"'
    found = refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized", message)
    return Answer(found.status, found.body, {"WWW-Authenticate": where})


def forbidden_to(vault: Vault, call: Call, caller: Caller) -> Answer | None:
    """Refuse what no role of the caller allows, in Azure's words."""
    action = action_of(call)
    if vault.roles.allow(caller.name, action, call.path):
        return None
    place = f"{_GROUP}/providers/microsoft.keyvault/vaults/{vault.name}{call.path}".rstrip("/")
    appid, issuer = caller.object_id, f"https://sts.windows.net/{vault.tenant}/"
    message = (
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, please"
        " observe propagation time.\r\n"
        f"Caller: appid={appid};oid={caller.object_id};iss={issuer}\r\n"
        f"Action: 'Microsoft.KeyVault/vaults/{action}'\r\n"
        f"Resource: '{place.lower()}'\r\n"
        "Assignment: (not found)\r\n"
        "DenyAssignmentId: null\r\n"
        "DecisionReason: null \r\n"
        f"Vault: {vault.name};location=loopback\r\n"
    )
    return forbidden(message, "ForbiddenByRbac")


def action_of(call: Call) -> str:
    """Name what a role must allow for a call."""
    if call.operation == "delete":
        return f"{call.collection}/delete"
    if call.operation not in _READS:
        return f"{call.collection}/{_ACTIONS.get(call.operation, call.operation)}/action"
    if call.collection == KEYS:
        return "keys/read"
    return f"secrets/{'getSecret' if call.operation == 'get' else 'readMetadata'}/action"
