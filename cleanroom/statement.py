"""In-toto v1 statements: a predicate about things named by digest (docs/spec/statements.md)."""

from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom import dsse
from cleanroom.canonical import canonical, parse_canonical
from cleanroom.fields import Fields, exactly, list_of, unique
from cleanroom.ids import Digest, name

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_TYPE = "https://in-toto.io/Statement/v1"
_MOST_SUBJECTS = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing the statement is about."""

    name: str
    digest: Digest

    @classmethod
    def parse(cls, raw: object, where: str) -> "Subject":
        """Accept a name and exactly one SHA-256 digest."""
        f = Fields(raw, where)
        subject = cls(f.take("name", name), f.take("digest", _sha256))
        f.end()
        return subject

    def to_dict(self) -> dict[str, object]:
        """Spell it as in-toto does."""
        return {"name": self.name, "digest": {"sha256": self.digest.hex}}


def statement(
    subjects: tuple[Subject, ...], predicate_type: str, predicate: Mapping[str, object]
) -> bytes:
    """Write the canonical statement."""
    return canonical(
        {
            "_type": _TYPE,
            "subject": [subject.to_dict() for subject in subjects],
            "predicateType": predicate_type,
            "predicate": predicate,
        },
        "statement",
    )


def parse_statement(
    payload: bytes, predicate_type: str, where: str
) -> tuple[tuple[Subject, ...], object]:
    """Return subjects and the still untyped predicate of a statement of this type."""
    f = Fields(parse_canonical(payload, where, dsse.LARGEST_PAYLOAD), where)
    f.take("_type", exactly(_TYPE))
    subjects = f.take("subject", list_of(Subject.parse, 0, _MOST_SUBJECTS))
    f.take("predicateType", exactly(predicate_type))
    predicate = f.take("predicate", _untyped)
    f.end()
    unique([subject.name for subject in subjects], f"{where}.subject")
    return subjects, predicate


def _sha256(raw: object, where: str) -> Digest:
    f = Fields(raw, where)
    digest = f.take("sha256", Digest.from_hex)
    f.end()
    return digest


def _untyped(raw: object, _where: str) -> object:
    return raw
