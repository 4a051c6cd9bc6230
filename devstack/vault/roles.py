"""Who may do what: Azure's built-in data roles, given to identities for all or part of a vault.

- An assignment is for `/` (the whole vault), or for one key or secret (`/keys/NAME`).
- Assignments are the owner's to change, by the vault's control calls; they are kept in one file.
- What the owner may do as the owner (assignments, the log of releases) no role gives or takes.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, matching, one_of
from cleanroom.jose import json_object
from devstack import files

_KEY_KEEPING = ("create", "import", "update", "rotate", "recover", "purge", "release")
_KEY_USE = ("encrypt", "decrypt", "wrap", "unwrap", "sign", "verify")
_ALL_KEYS = frozenset(
    {"keys/read", "keys/delete"}
    | {f"keys/{action}/action" for action in (*_KEY_USE, *_KEY_KEEPING)}
)
_READ_SECRETS = frozenset({"secrets/getSecret/action", "secrets/readMetadata/action"})
_ALL_SECRETS = _READ_SECRETS | {
    "secrets/setSecret/action",
    "secrets/update/action",
    "secrets/delete",
    "secrets/recover/action",
    "secrets/purge/action",
}

ADMINISTRATOR = "Key Vault Administrator"
RELEASE_USER = "Key Vault Crypto Service Release User"
SECRETS_USER = "Key Vault Secrets User"
ROLES: Mapping[str, frozenset[str]] = {
    ADMINISTRATOR: _ALL_KEYS | _ALL_SECRETS,
    "Key Vault Crypto Officer": _ALL_KEYS,
    "Key Vault Crypto User": frozenset(
        {"keys/read", "keys/update/action", *(f"keys/{use}/action" for use in _KEY_USE)}
    ),
    "Key Vault Crypto Service Encryption User": frozenset(
        {"keys/read", "keys/wrap/action", "keys/unwrap/action"}
    ),
    RELEASE_USER: frozenset({"keys/release/action"}),
    "Key Vault Reader": frozenset({"keys/read", "secrets/readMetadata/action"}),
    "Key Vault Secrets Officer": _ALL_SECRETS,
    SECRETS_USER: _READ_SECRETS,
}

ASSIGNMENT_ID = matching(r"[A-Za-z0-9-]{1,64}", "1 to 64 letters, digits and hyphens")
_identity = matching(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", "the name of an identity")
_scope = matching(r"/|/(keys|secrets)/[0-9a-zA-Z-]{1,127}", "'/', '/keys/NAME' or '/secrets/NAME'")
_LARGEST_FILE = 1 << 22
MOST = 4000
"""Assignments of one vault, as of one subscription in Azure; they fit into the file."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role for one identity, in one place."""

    identity: str
    role: str
    scope: str

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Accept the three fields, and no other."""
        f = Fields(raw, where)
        found = cls(
            f.take("identity", _identity),
            f.take("role", one_of(*ROLES)),
            f.take("scope", _scope) if "scope" in json_object(raw, where) else "/",
        )
        f.end()
        return found

    def to_dict(self) -> dict[str, str]:
        """Spell it as `parse` reads it."""
        return {"identity": self.identity, "role": self.role, "scope": self.scope}

    def allows(self, identity: str, action: str, path: str) -> bool:
        """Tell whether it lets somebody do something; names of keys are alike in any case."""
        return (
            self.identity == identity
            and action in ROLES[self.role]
            and self.scope.lower() in ("/", path.lower())
        )


def first_assignments(owner: str, runner: str) -> dict[str, Assignment]:
    """Give what a new vault starts with: nobody but its owner sees a secret."""
    return {
        "owner": Assignment(owner, ADMINISTRATOR, "/"),
        "runner": Assignment(runner, RELEASE_USER, "/"),
    }


class Roles:
    """The assignments of one vault, and the file that keeps them."""

    def __init__(self, path: Path, first: Mapping[str, Assignment]) -> None:
        self._path = path
        self._lock = threading.Lock()
        kept = files.first(path, lambda: _spelled(first))
        found = json_object(parse_json(kept, path.name, _LARGEST_FILE), path.name)
        self._found = {name: Assignment.parse(raw, name) for name, raw in found.items()}

    def allow(self, identity: str, action: str, path: str) -> bool:
        """Tell whether somebody may do something."""
        return any(each.allows(identity, action, path) for each in self._found.values())

    def all(self) -> Iterable[tuple[str, Assignment]]:
        """List them by name."""
        return sorted(self._found.items())

    def get(self, name: str) -> Assignment | None:
        """Find one by its name."""
        return self._found.get(name)

    def put(self, name: str, assignment: Assignment) -> None:
        """Give a role, or another one under the same name."""
        with self._lock:
            found = {**self._found, name: assignment}
            if len(found) > MOST:
                raise Malformed("roles", f"at most {MOST} assignments")
            self._keep(found)

    def remove(self, name: str) -> None:
        """Take a role away, if it was given."""
        with self._lock:
            self._keep({each: found for each, found in self._found.items() if each != name})

    def _keep(self, found: dict[str, Assignment]) -> None:
        files.replace(self._path, _spelled(found))
        self._found = found


def _spelled(found: Mapping[str, Assignment]) -> bytes:
    return json.dumps({name: each.to_dict() for name, each in found.items()}, indent=1).encode()
