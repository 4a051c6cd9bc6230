"""What keys and secrets have alike: whether they may be used, since when and until when; tags."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, boolean, integer, text
from cleanroom.jose import json_object
from devstack.vault.wire import Json, part

RECOVERABLE_DAYS = 90
SECONDS_A_DAY = 86_400
_MOST_TAGS = 15
_LONGEST_TAG = 256

_seconds = integer(0, 253_402_300_799)  # the end of the year 9999, the last that clients can show
_tag = text(_LONGEST_TAG, shortest=0)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Times are Unix seconds; `begins` and `ends` are what the wire calls nbf and exp."""

    enabled: bool
    begins: int | None
    ends: int | None
    created: int
    updated: int

    @classmethod
    def asked(cls, body: Json, now: int) -> Self:
        """Read what a body asks for something new."""
        return cls(enabled=True, begins=None, ends=None, created=now, updated=now).changed(
            body, now
        )

    def changed(self, body: Json, now: int) -> Self:
        """Read what a body asks to change, and leave the rest."""
        said = part(body, "attributes")
        enabled = _given(said, "enabled", boolean)
        changed = replace(
            self,
            enabled=self.enabled if enabled is None else enabled,
            begins=_given(said, "nbf", _seconds) if "nbf" in said else self.begins,
            ends=_given(said, "exp", _seconds) if "exp" in said else self.ends,
            updated=now,
        )
        if changed.ends is not None and (changed.begins or 0) >= changed.ends:
            raise Malformed("attributes", "nbf to be before exp")
        return changed

    def is_current(self, now: int) -> bool:
        """Tell whether now lies between beginning and end."""
        return (self.begins or 0) <= now and (self.ends is None or now < self.ends)

    def to_dict(self) -> dict[str, object]:
        """Spell them as the wire does, without what the vault adds."""
        times = {"nbf": self.begins, "exp": self.ends}
        return {
            "enabled": self.enabled,
            **{name: time for name, time in times.items() if time is not None},
            "created": self.created,
            "updated": self.updated,
        }

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read what `to_dict` spelled."""
        said = json_object(raw, where)
        f = Fields(said, where)
        return cls(
            f.take("enabled", boolean),
            _given(said, "nbf", _seconds),
            _given(said, "exp", _seconds),
            f.take("created", _seconds),
            f.take("updated", _seconds),
        )


def shown(attributes: Attributes) -> dict[str, object]:
    """Spell them with what the vault says of everything in it."""
    return attributes.to_dict() | {
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": RECOVERABLE_DAYS,
    }


def tags_of(body: Json) -> Mapping[str, str] | None:
    """Read tags; nothing if the body does not speak of them."""
    if body.get("tags") is None:
        return None
    tags = {
        _tag(name, "tags"): _tag(value, f"tags.{name}")
        for name, value in part(body, "tags").items()
    }
    if len(tags) > _MOST_TAGS:
        raise Malformed("tags", f"at most {_MOST_TAGS}", f"{len(tags)}")
    return tags


def _given[T](said: Json, name: str, parse: Parser[T]) -> T | None:
    return None if said.get(name) is None else parse(said[name], f"attributes.{name}")
