"""User delegation keys: what an identity of the account signs with in the account's stead.

- A key is derived from a secret, whom it is for and when it holds. Nothing is kept: a signature
  tells all of these, so that its key is derived again.
- Specification: "Get User Delegation Key" of Azure Storage.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from devstack.storage.refusals import (
    INVALID_HEADER,
    INVALID_XML,
    INVALID_XML_VALUE,
    NOT_IMPLEMENTED,
    Refusal,
)

LARGEST = 1 << 12
LONGEST = timedelta(days=7)
"""How far from now a key may begin and end."""
SERVICE = "b"

_VERSION = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ASKED = re.compile(
    r"(?:\ufeff)?(?:<\?xml[^<>]*\?>)?\s*<KeyInfo>\s*(?:<Start>([^<]*)</Start>\s*)?"
    r"<Expiry>([^<]*)</Expiry>\s*(<DelegatedUserTid>[^<]*</DelegatedUserTid>\s*)?</KeyInfo>\s*"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """Whom a key is for and when it holds, each as signatures spell it."""

    object_id: str
    tenant: str
    start: str
    expiry: str
    version: str


@dataclass(frozen=True, slots=True)
class Delegation:
    """Whose keys there are, by object id, and what they are derived from."""

    tenant: str
    names: Mapping[str, str]
    secret: bytes = field(repr=False)

    def key(self, terms: Terms) -> bytes:
        """Derive the key; no two terms are spelled alike, as there are as many lines in all."""
        lines = (terms.object_id, terms.tenant, terms.start, terms.expiry, SERVICE, terms.version)
        return hmac.digest(self.secret, "\n".join(lines).encode(), "sha256")

    def answer(self, terms: Terms) -> bytes:
        """Hand out a key, as XML."""
        told = {
            "SignedOid": terms.object_id,
            "SignedTid": terms.tenant,
            "SignedStart": terms.start,
            "SignedExpiry": terms.expiry,
            "SignedService": SERVICE,
            "SignedVersion": terms.version,
            "Value": base64.b64encode(self.key(terms)).decode(),
        }
        lines = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
        head = '<?xml version="1.0" encoding="utf-8"?>'
        return f"{head}<UserDelegationKey>{lines}</UserDelegationKey>".encode()

    def granted(self, object_id: str, version: str, body: bytes, now: datetime) -> Terms | Refusal:
        """Read for when somebody asks for a key.

        1. The version is one, and the body is what is documented.
        2. The key ends after it begins and after now, both within a week.
        """
        if not _VERSION.fullmatch(version):
            return INVALID_HEADER  # 1
        found = _ASKED.fullmatch(body.decode("utf-8", "replace"))
        if found is None:
            return INVALID_XML  # 1
        if found[3]:
            return NOT_IMPLEMENTED  # there is one tenant
        start, expiry = moment(found[1]) if found[1] else now, moment(found[2])
        if start is None or expiry is None:
            return INVALID_XML_VALUE  # 2
        if not max(start, now) < expiry <= now + LONGEST or start < now - LONGEST:
            return INVALID_XML_VALUE  # 2
        return Terms(object_id, self.tenant, _spelled(start), _spelled(expiry), version)


def moment(text: str) -> datetime | None:
    """Read a time of ISO 8601, which is UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _spelled(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
