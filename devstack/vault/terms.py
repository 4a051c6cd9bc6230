"""Under which terms a key may leave the vault: its release policy, and whether that can change.

The numbered errors (AKV.SKR) are Azure's. Texts of 1003, 1006 and 1016 are not on record, so ours.
"""

from dataclasses import dataclass
from typing import Self

from cleanroom.fields import boolean, text
from cleanroom.ids import Digest
from cleanroom.jose import base64url_text
from cleanroom.release.policy import ReleasePolicy
from devstack.vault.material import Material
from devstack.vault.wire import Answer, Json, bad_parameter, base64url, part

CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy as the vault spells it."""

    policy: bytes
    content_type: str
    immutable: bool

    @classmethod
    def parse(cls, raw: Json) -> Self:
        """Accept a policy that `cleanroom` can evaluate; the vault gives back its own spelling."""
        data = base64url(raw.get("data"), "release_policy.data")
        policy = ReleasePolicy.parse(data, "release_policy")
        kind = raw.get("contentType")
        immutable = raw.get("immutable")
        return cls(
            policy.to_bytes(),
            CONTENT_TYPE if kind is None else text(128)(kind, "release_policy.contentType"),
            False if immutable is None else boolean(immutable, "release_policy.immutable"),
        )

    def to_dict(self) -> dict[str, object]:
        """Spell them as the wire does."""
        return {
            "contentType": self.content_type,
            "data": base64url_text(self.policy),
            "immutable": self.immutable,
        }

    @property
    def digest(self) -> str:
        """Name the policy."""
        return Digest.of(self.policy).text

    def read(self) -> ReleasePolicy:
        """Give the policy, to evaluate it."""
        return ReleasePolicy.parse(self.policy, "release_policy")


def of_new(
    body: Json, before: Terms | None, made: Material, *, is_first: bool
) -> Terms | Answer | None:
    """Read the terms of a new version; nothing if the key is never to leave.

    All versions of a key are exportable, or none is; the first one decides. Terms are the key's:
    those of a new version hold for the older ones, too, and immutable ones must come again.
    """
    exportable = _exportable(body) or False
    given = part(body, "release_policy")
    if not is_first and exportable is not (before is not None):
        return bad_parameter(
            "AKV.SKR.1003: The exportable attribute of an existing key cannot be changed."
        )
    if not exportable:
        return _not_exportable() if given else None
    if not made.in_hardware:
        return bad_parameter("AKV.SKR.1006: Exportable keys must be HSM-protected keys.")
    if not given:
        return bad_parameter("AKV.SKR.1004: Exportable keys must have release policy.")
    terms = Terms.parse(given)
    return _immutable() if before is not None and before.immutable and terms != before else terms


def of_changed(body: Json, before: Terms | None, version: str | None) -> Terms | Answer | None:
    """Read the terms after a change."""
    if _exportable(body) not in (None, before is not None):
        return bad_parameter("AKV.SKR.1014: Cannot modify the exportable state of a key.")
    given = part(body, "release_policy")
    refused = _refused_change(before, version) if given else None
    return refused or (Terms.parse(given) if given else before)


def _refused_change(before: Terms | None, version: str | None) -> Answer | None:
    if before is None:
        return _not_exportable()
    if version is not None:
        return bad_parameter("AKV.SKR.1016: Key Release Policy can only be set on versionless key.")
    return _immutable() if before.immutable else None


def _exportable(body: Json) -> bool | None:
    said = part(body, "attributes").get("exportable")
    return None if said is None else boolean(said, "attributes.exportable")


def _immutable() -> Answer:
    return bad_parameter("AKV.SKR.1020: Immutable Key Release Policy cannot be modified.")


def _not_exportable() -> Answer:
    return bad_parameter("AKV.SKR.1005: Non-exportable keys must not have release policy.")
