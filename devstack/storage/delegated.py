"""Shared access signatures that were made with user delegation keys, verified here.

- The parameters are those of "Create a user delegation SAS"; what is signed has grown by version.
- A signature is bound to what it is for: the container or blob that is asked for is signed anew.
- What Azurite does not do, or cannot see from behind the front, is refused by name.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from devstack.storage.changes import Target
from devstack.storage.delegation import SERVICE, Delegation, Terms, moment
from devstack.storage.refusals import NOT_AUTHENTIC, NOT_IMPLEMENTED, Refusal

OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
"""Headers that the answer shall have."""
CONTAINER, BLOB = "c", "b"
_SINCE, _USERS, _REQUESTS = "2020-12-06", "2025-07-05", "2026-04-06"
"""Since when there are 24 lines to sign; two more for users, two more for parts of requests."""
_VERSION = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KEYS = ("skoid", "sktid", "skt", "ske", "sks", "skv")
_NEEDED = ("sv", "sr", "sp", "se", "sig", *_KEYS)
_BEYOND = ("saoid", "suoid", "scid", "skdutid", "sduoid", "sip", "ses", "srh", "srq", "sdd")
_NAMES = frozenset((*_NEEDED, "st", "spr", "si", *_BEYOND, *OVERRIDES))
_PROTOCOLS = ("", "https", "https,http")


@dataclass(frozen=True, slots=True)
class Delegated:
    """What a genuine signature says: who made it, for what and until when."""

    identity: str
    kind: str
    permissions: str
    until: datetime
    overrides: Mapping[str, str]


def verified(target: Target, delegation: Delegation, now: datetime) -> Delegated | Refusal:
    """Say what a signature allows for what is asked for.

    1. It has what each must have, and nothing that is not done here.
    2. It names an identity of this account, and a key for blobs.
    3. It was made with that key, over these parameters and this container or blob.
    4. Key and signature hold now.
    """
    said = target.query
    refused = _unsound(said)  # 1
    if refused is not None:
        return refused
    identity = delegation.names.get(said["skoid"])
    if identity is None or said["sktid"] != delegation.tenant or said["sks"] != SERVICE:
        return NOT_AUTHENTIC  # 2
    key = delegation.key(Terms(*(said[name] for name in _KEYS if name != "sks")))
    made = base64.b64encode(hmac.digest(key, signed(target).encode(), "sha256"))
    if not hmac.compare_digest(made, said["sig"].encode("utf-8", "surrogateescape")):
        return NOT_AUTHENTIC  # 3
    until = _held_until(said, now)
    if until is None:
        return NOT_AUTHENTIC  # 4
    overrides = {name: said[name] for name in OVERRIDES if said.get(name)}
    return Delegated(identity, said["sr"], said["sp"], until, overrides)


def _unsound(said: Mapping[str, str]) -> Refusal | None:
    """Refuse what could be no signature, and what is not done here."""
    if any(not said.get(name) for name in _NEEDED) or "si" in said:
        return NOT_AUTHENTIC
    if not _VERSION.fullmatch(said["sv"]) or said.get("spr", "") not in _PROTOCOLS:
        return NOT_AUTHENTIC
    if said["sr"] == BLOB and "snapshot" in said:
        return NOT_AUTHENTIC  # it is for the blob, not for its snapshots
    beyond = said["sv"] < _SINCE or any(name in said for name in _BEYOND)
    return NOT_IMPLEMENTED if beyond or said["sr"] not in (CONTAINER, BLOB) else None


def signed(target: Target) -> str:
    """Write the lines that are signed."""
    said = target.query
    users = [""] * (2 if said["sv"] >= _USERS else 0)
    requests = [""] * (2 if said["sv"] >= _REQUESTS else 0)
    authorized, address, snapshot, scope = [""] * 3, "", "", ""
    lines = (
        *(said["sp"], said.get("st", ""), said["se"], resource(target, said["sr"])),
        *(said[name] for name in _KEYS),
        *(*authorized, *users, address, said.get("spr", ""), said["sv"], said["sr"]),
        *(snapshot, scope, *requests),
        *(said.get(name, "") for name in OVERRIDES),
    )
    return "\n".join(lines)


def resource(target: Target, kind: str) -> str:
    """Name what a signature is for, as signatures do."""
    container = f"/blob/{target.account}/{target.container}"
    return container if kind == CONTAINER else f"{container}/{target.name}"


def without_signature(raw: str) -> str:
    """Take a signature out of a request target, however its names are spelled."""
    path, _, query = raw.partition("?")
    parts = [part for part in query.split("&") if _name(part) not in _NAMES]
    return f"{path}?{'&'.join(parts)}" if any(parts) else path


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0]).lower()


def _held_until(said: Mapping[str, str], now: datetime) -> datetime | None:
    """Say until when key and signature hold; nothing, if they do not hold now."""
    starts = [moment(said[name]) for name in ("skt", "st") if said.get(name)]
    ends = [moment(said[name]) for name in ("ske", "se")]
    begun = all(start is not None and start <= now for start in starts)
    until = min((end for end in ends if end is not None), default=now)
    return until if begun and None not in ends and now < until else None
