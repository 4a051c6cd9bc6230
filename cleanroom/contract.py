"""The contract: what the parties agreed to compute, on what, for whom (docs/spec/contract.md).

- Its canonical bytes are the document; their SHA-256 is its name. Parties approve that name.
- Parsing checks everything that can be checked without data: a contract that parses can be run.
- Every field must be there. Nothing is assumed, so nothing can be left out unnoticed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cleanroom.canonical import canonical, parse_canonical
from cleanroom.cron import cron
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    boolean,
    exactly,
    instant,
    instant_text,
    integer,
    list_of,
    one_of,
    optional,
    unique,
    visible,
)
from cleanroom.ids import Digest, alias, name
from cleanroom.keys import ReaderKey, SigningKey
from cleanroom.parameters import MOST_PARAMETERS, Parameter
from cleanroom.requirements import RunnerRequirement
from cleanroom.rules import Rule, check_columns, rule
from cleanroom.schema import Column, columns
from cleanroom.urls import authority_url, storage_url, vault_key_url

FORMAT = "cleanroom/contract/v1"
LARGEST = 1 << 20
_MOST = 64  # parties, datasets, readers
_MOST_RUNNERS = 8
_LONGEST_PROGRAM = 256 * 1024  # characters
_LONGEST_PURPOSE = 2000
_DAY = 24 * 60 * 60
_LONGEST_RUN = _DAY
_LONGEST_AGE = 3660 * _DAY
_LEAST_MEMORY = 64 << 20
_MOST_MEMORY = 1 << 44
_MOST_ROWS = 10**9
_MOST_RUNS = 10**6


@dataclass(frozen=True, slots=True)
class RoomKey:
    """The vault key that opens a party's datasets, and the attestation service its vault trusts."""

    url: str
    public: ReaderKey
    authority: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "RoomKey":
        """Accept a room key."""
        f = Fields(raw, where)
        key = cls(
            f.take("url", vault_key_url),
            f.take("public", ReaderKey.parse),
            f.take("authority", authority_url),
        )
        f.end()
        return key

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"url": self.url, "public": self.public.to_json(), "authority": self.authority}


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation; one that brings no data needs no room key."""

    name: str
    signing_key: SigningKey
    room_key: RoomKey | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Party":
        """Accept a party."""
        f = Fields(raw, where)
        party = cls(
            f.take("name", name),
            f.take("signing_key", SigningKey.parse),
            f.take("room_key", optional(RoomKey.parse)),
        )
        f.end()
        return party

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "name": self.name,
            "signing_key": self.signing_key.to_json(),
            "room_key": self.room_key.to_dict() if self.room_key else None,
        }


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of a dataset may be used: never an older one than the minimum."""

    minimum: int
    only: Digest | None
    maximum_age: int | None  # seconds since the manifest's `created`

    @classmethod
    def parse(cls, raw: object, where: str) -> "Versions":
        """Accept a version rule."""
        f = Fields(raw, where)
        versions = cls(
            f.take("minimum", integer(1)),
            f.take("only", optional(Digest.parse)),
            f.take("maximum_age", optional(integer(1, _LONGEST_AGE))),
        )
        f.end()
        return versions

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "minimum": self.minimum,
            "only": self.only.text if self.only else None,
            "maximum_age": self.maximum_age,
        }


@dataclass(frozen=True, slots=True)
class Dataset:
    """A party's table, as the program sees it."""

    alias: str
    owner: str
    dataset: str
    location: str
    columns: tuple[Column, ...]
    rule: Rule
    versions: Versions

    @classmethod
    def parse(cls, raw: object, where: str) -> "Dataset":
        """Accept a dataset whose rule names only columns that it has."""
        f = Fields(raw, where)
        dataset = cls(
            f.take("alias", alias),
            f.take("owner", name),
            f.take("dataset", name),
            f.take("location", storage_url),
            f.take("columns", columns),
            f.take("rule", rule),
            f.take("versions", Versions.parse),
        )
        f.end()
        known = frozenset(column.name for column in dataset.columns)
        check_columns(dataset.rule, known, f"{where}.rule")
        return dataset

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "alias": self.alias,
            "owner": self.owner,
            "dataset": self.dataset,
            "location": self.location,
            "columns": [column.to_dict() for column in self.columns],
            "rule": self.rule.to_dict(),
            "versions": self.versions.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class InlineSource:
    """A program that every party can read."""

    text: str
    kind: Literal["inline"] = "inline"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_source` reads it."""
        return {"kind": self.kind, "text": self.text}


@dataclass(frozen=True, slots=True)
class SealedSource:
    """A program that only its owner can read, named by the digest of its manifest."""

    owner: str
    manifest: Digest
    kind: Literal["sealed"] = "sealed"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_source` reads it."""
        return {"kind": self.kind, "owner": self.owner, "manifest": self.manifest.text}


@dataclass(frozen=True, slots=True)
class Program:
    """What is computed."""

    language: str
    source: InlineSource | SealedSource
    parameters: tuple[Parameter, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "Program":
        """Accept a program; whether it obeys the rules is checked elsewhere."""
        f = Fields(raw, where)
        program = cls(
            f.take("language", one_of("onnx", "python", "sql")),
            f.take("source", _source),
            f.take("parameters", list_of(Parameter.parse, 0, MOST_PARAMETERS)),
        )
        f.end()
        unique([p.name for p in program.parameters], f"{where}.parameters")
        if program.language == "onnx" and program.source.kind == "inline":
            raise Malformed(f"{where}.source.kind", "'sealed' for a model")
        return program

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "language": self.language,
            "source": self.source.to_dict(),
            "parameters": [parameter.to_dict() for parameter in self.parameters],
        }


@dataclass(frozen=True, slots=True)
class ResultReader:
    """A party that receives the result, and the key it is sealed to."""

    party: str
    key: ReaderKey

    @classmethod
    def parse(cls, raw: object, where: str) -> "ResultReader":
        """Accept a reader."""
        f = Fields(raw, where)
        reader = cls(f.take("party", name), f.take("key", ReaderKey.parse))
        f.end()
        return reader

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"party": self.party, "key": self.key.to_json()}


@dataclass(frozen=True, slots=True)
class Result:
    """The exact shape of what may leave, and who gets it."""

    name: str
    format: str
    columns: tuple[Column, ...]
    maximum_rows: int
    readers: tuple[ResultReader, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "Result":
        """Accept a result's shape."""
        f = Fields(raw, where)
        result = cls(
            f.take("name", name),
            f.take("format", one_of("csv", "parquet")),
            f.take("columns", columns),
            f.take("maximum_rows", integer(1, _MOST_ROWS)),
            f.take("readers", list_of(ResultReader.parse, 1, _MOST)),
        )
        f.end()
        unique([reader.party for reader in result.readers], f"{where}.readers")
        return result

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "name": self.name,
            "format": self.format,
            "columns": [column.to_dict() for column in self.columns],
            "maximum_rows": self.maximum_rows,
            "readers": [reader.to_dict() for reader in self.readers],
        }


@dataclass(frozen=True, slots=True)
class Triggers:
    """What starts a run."""

    on_arrival: bool
    on_approval: bool
    on_request: bool
    schedule: str | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Triggers":
        """Accept at least one trigger."""
        f = Fields(raw, where)
        triggers = cls(
            f.take("on_arrival", boolean),
            f.take("on_approval", boolean),
            f.take("on_request", boolean),
            f.take("schedule", optional(cron)),
        )
        f.end()
        if not triggers.automatic and not triggers.on_request:
            raise Malformed(where, "at least one trigger")
        return triggers

    @property
    def automatic(self) -> bool:
        """Tell whether runs start that nobody asks for, and so with no values for parameters."""
        return self.on_arrival or self.on_approval or self.schedule is not None

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "on_arrival": self.on_arrival,
            "on_approval": self.on_approval,
            "on_request": self.on_request,
            "schedule": self.schedule,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, how large, how often, and until when."""

    seconds: int
    memory: int  # bytes
    runs: int
    period: str
    expires: datetime

    @classmethod
    def parse(cls, raw: object, where: str) -> "Limits":
        """Accept limits; none can be left open."""
        f = Fields(raw, where)
        limits = cls(
            f.take("seconds", integer(1, _LONGEST_RUN)),
            f.take("memory", integer(_LEAST_MEMORY, _MOST_MEMORY)),
            f.take("runs", integer(1, _MOST_RUNS)),
            f.take("period", one_of("day", "week", "month", "lifetime")),
            f.take("expires", instant),
        )
        f.end()
        return limits

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "seconds": self.seconds,
            "memory": self.memory,
            "runs": self.runs,
            "period": self.period,
            "expires": instant_text(self.expires),
        }


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything the parties agreed to."""

    room: str
    sequence: int
    previous: Digest | None
    purpose: str
    parties: tuple[Party, ...]
    runners: tuple[RunnerRequirement, ...]
    datasets: tuple[Dataset, ...]
    program: Program
    result: Result
    triggers: Triggers
    limits: Limits
    digest: Digest = field(init=False, repr=False, compare=False)
    """The name of the contract: asked for often, and as constant as the rest."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", Digest.of(self.to_bytes()))

    @classmethod
    def parse(cls, data: bytes, where: str) -> "Contract":
        """Accept the canonical bytes of a contract that is consistent in itself."""
        return cls.from_value(parse_canonical(data, where, LARGEST), where)

    @classmethod
    def from_value(cls, raw: object, where: str) -> "Contract":
        """Accept a contract as parsed JSON, such as people's YAML becomes."""
        f = Fields(raw, where)
        f.take("format", exactly(FORMAT))
        contract = cls(
            f.take("room", name),
            f.take("sequence", integer(1)),
            f.take("previous", optional(Digest.parse)),
            f.take("purpose", visible(_LONGEST_PURPOSE)),
            f.take("parties", list_of(Party.parse, 2, _MOST)),
            f.take("runners", list_of(RunnerRequirement.parse, 1, _MOST_RUNNERS)),
            f.take("datasets", list_of(Dataset.parse, 1, _MOST)),
            f.take("program", Program.parse),
            f.take("result", Result.parse),
            f.take("triggers", Triggers.parse),
            f.take("limits", Limits.parse),
        )
        f.end()
        _check_whole(contract, where)
        return contract

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it: the document whose digest the parties approve."""
        return canonical(
            {
                "format": FORMAT,
                "room": self.room,
                "sequence": self.sequence,
                "previous": self.previous.text if self.previous else None,
                "purpose": self.purpose,
                "parties": [party.to_dict() for party in self.parties],
                "runners": [runner.to_dict() for runner in self.runners],
                "datasets": [dataset.to_dict() for dataset in self.datasets],
                "program": self.program.to_dict(),
                "result": self.result.to_dict(),
                "triggers": self.triggers.to_dict(),
                "limits": self.limits.to_dict(),
            },
            "contract",
        )

    def party_of_key(self, key: Digest) -> Party | None:
        """Find whose signing key this is."""
        return next((party for party in self.parties if party.signing_key.id == key), None)


def _check_whole(contract: Contract, where: str) -> None:
    """Check what no single part can: that all names lead somewhere, and mean one thing."""
    if (size := len(contract.to_bytes())) > LARGEST:
        raise Malformed(where, f"a contract of at most {LARGEST} bytes", f"{size}")
    if (contract.sequence == 1) != (contract.previous is None):
        raise Malformed(f"{where}.previous", "null for sequence 1 and a digest after it")
    if contract.program.parameters and contract.triggers.automatic:
        raise Malformed(f"{where}.triggers", "only 'on_request' for a program with parameters")
    parties = {party.name: party for party in contract.parties}
    unique([party.name for party in contract.parties], f"{where}.parties")
    unique([p.signing_key.id.text for p in contract.parties], f"{where}.parties (signing keys)")
    unique([dataset.alias for dataset in contract.datasets], f"{where}.datasets")
    unique([f"{d.owner}/{d.dataset}" for d in contract.datasets], f"{where}.datasets")
    rooms = [party.room_key for party in contract.parties if party.room_key is not None]
    unique([key.url for key in rooms], f"{where}.parties (room keys)")
    unique([key.public.id.text for key in rooms], f"{where}.parties (room keys)")
    receivers = [reader.party for reader in contract.result.readers]
    for i, party in enumerate(receivers):
        _known(party, parties, f"{where}.result.readers[{i}].party")
    if isinstance(contract.program.source, SealedSource):
        _brings_key(contract.program.source.owner, parties, f"{where}.program.source.owner")
    for i, dataset in enumerate(contract.datasets):
        place = f"{where}.datasets[{i}]"
        _brings_key(dataset.owner, parties, f"{place}.owner")
        for j, party in enumerate(dataset.rule.readers):
            _known(party, parties, f"{place}.rule.readers[{j}]")
        for receiver in receivers:
            if receiver not in dataset.rule.readers:
                raise Malformed(
                    f"{where}.result.readers", f"only readers that {place}.rule allows", receiver
                )


def _known(party: str, parties: dict[str, Party], where: str) -> None:
    if party not in parties:
        raise Malformed(where, "one of the parties", repr(party))


def _brings_key(party: str, parties: dict[str, Party], where: str) -> None:
    _known(party, parties, where)
    if parties[party].room_key is None:
        raise Malformed(where, "a party with a room key", repr(party))


def _source(raw: object, where: str) -> InlineSource | SealedSource:
    f = Fields(raw, where)
    found: InlineSource | SealedSource
    if f.take("kind", one_of("inline", "sealed")) == "inline":
        found = InlineSource(f.take("text", visible(_LONGEST_PROGRAM)))
    else:
        found = SealedSource(f.take("owner", name), f.take("manifest", Digest.parse))
    f.end()
    return found
