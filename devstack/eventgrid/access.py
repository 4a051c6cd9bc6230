"""Who may publish to a topic: its key, a signature made with the key, or an identity with the role.

- A key comes as a header or in the query, a signature in either of two headers, as documented.
- A signature covers a resource and an expiry as they were sent; the resource is this topic, with
  or without its query.
- An identity needs the role of a sender, which this server gives by name, for one topic or for all.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import unquote, unquote_plus, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import Malformed, PolicyRefused, Unattested
from devstack import tokens

KEY = "aeg-sas-key"
SIGNATURE = "aeg-sas-token"
_SCHEME = "sharedaccesssignature"
_AMERICAN = "%m/%d/%Y %I:%M:%S %p"  # as .NET writes times where Microsoft's samples are from

NOTHING = (
    "Request must contain one of the following authorization signature: aeg-sas-token, aeg-sas-key."
)


def same(given: str, expected: str) -> bool:
    """Compare secrets, one of which came in a header and may be any bytes."""
    return hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(header: str) -> bytes:
    return header.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who may publish with a token: to one topic, or to all of them."""

    identity: str
    topic: str | None = None

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """Read `IDENTITY`, or `IDENTITY:TOPIC`."""
        identity, colon, topic = spelled.partition(":")
        if not identity or (colon and not topic):
            raise Malformed("--sender", "IDENTITY[:TOPIC]", repr(spelled))
        return cls(identity, topic or None)

    def covers(self, topic: str) -> bool:
        """Say whether a topic is one of those."""
        return self.topic is None or self.topic == topic


@dataclass(frozen=True, slots=True)
class Publishing:
    """What one topic demands of publishers."""

    name: str
    path: str
    key: str
    senders: Collection[str]
    token_key: rsa.RSAPublicKey
    tenant: str

    def check(self, headers: Mapping[str, str], query: Mapping[str, str], now: datetime) -> None:
        """Refuse whoever may not publish; the first credential that is there decides."""
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        key = headers.get(KEY) or query.get(KEY)
        signature = headers.get(SIGNATURE) or (rest if scheme.lower() == _SCHEME else None)
        if key is not None:
            self._check_key(key)
        elif signature is not None:
            self._check_signature(signature.strip(), now)
        elif scheme:
            self._check_identity(headers["Authorization"], now)
        else:
            raise Unattested(NOTHING)

    def _check_key(self, key: str) -> None:
        if not same(key, self.key):
            raise Unattested(self._refusal("it is not a key of this topic"))

    def _check_signature(self, token: str, now: datetime) -> None:
        """Check a shared access signature.

        1. It has a resource, an expiry and a signature.
        2. The signature covers the other two, as they were sent.
        3. The resource is this topic, or a path above it.
        4. It has not expired.
        """
        signed, mark, signature = token.rpartition("&s=")
        fields = dict(part.partition("=")[::2] for part in signed.split("&"))
        if not mark or fields.keys() != {"r", "e"}:
            raise Unattested(self._refusal("the signature is not r=...&e=...&s=..."))  # 1
        mac = hmac.digest(base64.b64decode(self.key), _bytes(signed), hashlib.sha256)
        given = unquote(signature)  # in base64 a plus is a plus
        if not same(given, base64.b64encode(mac).decode("ascii")):
            raise Unattested(self._refusal("the signature does not match"))  # 2
        if not self._covers(unquote_plus(fields["r"])):
            raise Unattested(self._refusal("the signature is for another resource"))  # 3
        if _expiry(unquote_plus(fields["e"])) <= now:
            raise Unattested(self._refusal("the signature has expired"))  # 4

    def _covers(self, resource: str) -> bool:
        path = urlsplit(resource).path.rstrip("/")
        return self.path == path or self.path.startswith(f"{path}/")

    def _check_identity(self, header: str, now: datetime) -> None:
        try:
            token = tokens.bearer(header)
            caller = tokens.verify(token, tokens.EVENT_GRID, self.token_key, now, self.tenant)
        except (Malformed, Unattested) as error:
            raise Unattested(self._refusal("the token is not acceptable")) from error
        if caller.name not in self.senders:
            raise PolicyRefused(
                f"The principal does not have permission to send data to {self.name.upper()}."
            )

    def _refusal(self, reason: str) -> str:
        return (
            f"The request authorization key is not authorized for {self.name.upper()}. "
            f"This is due to the reason: {reason}."
        )


def _expiry(text: str) -> datetime:
    """Read a time as the publisher's language writes it; without a zone it is UTC."""
    for read in (datetime.fromisoformat, _american):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    raise Unattested("The expiry of the signature is not a time.")


def _american(text: str) -> datetime:
    return datetime.strptime(text, _AMERICAN).replace(tzinfo=UTC)
