"""What Azure's control plane would do: the owner gives and takes roles, and reads the log."""

from http import HTTPStatus

from cleanroom.errors import Malformed
from devstack.vault.calls import split
from devstack.vault.roles import ASSIGNMENT_ID, Assignment
from devstack.vault.vault import Vault
from devstack.vault.wire import Answer, Json, Request, body_of, forbidden, good, refusal

PREFIX = "/devstack/"
_ROLES, _AUDIT = f"{PREFIX}roles", f"{PREFIX}audit"
_DIGITS = 18


def answer(vault: Vault, request: Request, caller: str) -> Answer:
    """Answer the owner; others learn nothing here."""
    if caller != vault.owner:
        return forbidden("Only the vault's owner may do this.")
    path, query = split(request.target)
    if (request.method, path) == ("GET", _AUDIT):
        entries, more = vault.audit.read(_number(query.get("after", "0")))
        return good({"value": entries, "next": more})
    if (request.method, path) == ("GET", _ROLES):
        return good({"value": [_named(name, each) for name, each in vault.roles.all()]})
    if path.startswith(f"{_ROLES}/"):
        return _role(vault, request, path.removeprefix(f"{_ROLES}/"))
    return _nothing()


def _role(vault: Vault, request: Request, name: str) -> Answer:
    match request.method:
        case "GET":
            found = vault.roles.get(name)
            return good(_named(name, found)) if found else _nothing()
        case "PUT":
            given = Assignment.parse(body_of(request.body), "body")
            vault.roles.put(ASSIGNMENT_ID(name, "name"), given)
            return good(_named(name, given))
        case "DELETE":
            vault.roles.remove(name)
            return Answer(HTTPStatus.NO_CONTENT, None)
        case _:
            return _nothing()


def _named(name: str, assignment: Assignment) -> Json:
    return {"name": name} | assignment.to_dict()


def _nothing() -> Answer:
    return refusal(HTTPStatus.NOT_FOUND, "NotFound", "There is nothing here.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Malformed("after", "the number of an entry")
    return int(text)
