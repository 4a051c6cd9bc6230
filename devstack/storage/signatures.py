"""Shared access signatures: the front's own for Azurite, and those that the stack gives away.

Written here because each is ten lines, and the library that could do it costs 14 MiB and as long as
all the rest of a command.
Specification: "Create an account SAS" of Azure Storage, version 2020-12-06 and later.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

_VERSION = "2021-12-02"
_BLOB, _ALL_RESOURCES = "b", "sco"


def account_sas(account: str, key: str, permissions: str, until: datetime) -> str:
    """Allow what the permissions say, of every resource of an account's blob service."""
    expiry = _spelled(until)
    start, addresses, scope = "", "", ""
    signed = (
        *(account, permissions, _BLOB, _ALL_RESOURCES, start, expiry, addresses, "https"),
        *(_VERSION, scope, ""),
    )
    fields = {
        "sv": _VERSION,
        "ss": _BLOB,
        "srt": _ALL_RESOURCES,
        "sp": permissions,
        "se": expiry,
        "spr": "https",
        "sig": _signature(key, signed),
    }
    return urlencode(fields)


def service_sas(
    key: str,
    resource: str,
    kind: str,
    permissions: str,
    until: datetime,
    overrides: Mapping[str, str],
    protocol: str = "",
) -> str:
    """Allow what the permissions say, of one container or blob; answers get these headers."""
    expiry = _spelled(until)
    start, policy, addresses, snapshot, scope = ("",) * 5
    signed = (
        *(permissions, start, expiry, resource, policy, addresses, protocol),
        *(_VERSION, kind, snapshot, scope),
        *(overrides.get(name, "") for name in ("rscc", "rscd", "rsce", "rscl", "rsct")),
    )
    fields = {"sv": _VERSION, "sr": kind, "sp": permissions, "se": expiry, **overrides}
    demanded = {"spr": protocol} if protocol else {}
    return urlencode(fields | demanded | {"sig": _signature(key, signed)})


def _spelled(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signature(key: str, lines: Sequence[str]) -> str:
    digest = hmac.digest(base64.b64decode(key), "\n".join(lines).encode(), "sha256")
    return base64.b64encode(digest).decode()
