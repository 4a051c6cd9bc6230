"""A contract to begin with: made of cards, tables and a program, for people to read and to change.

- Columns are those of the tables, as sealing would record them; a table without rows will do, so a
  party can send the other one its header.
- The result's columns are what the program gives for tables of these columns without rows.
- What a rule allows is a decision of the data's owner. The draft's rule withholds groups that are
  small if the owner names the column that tells persons apart; without it, it says so in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from cleanroom import ids
from cleanroom.contract import Contract
from cleanroom.errors import Malformed
from cleanroom.fields import instant_text
from cleanroom.requirements import RunnerRequirement
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes
from party import contracts, duck, profiles, tabular
from party.cards import SUFFIX, Card
from party.errors import Usage, option
from party.files import read_document

_LARGEST = 1 << 16
_MINIMUM = 10
_LIFE = timedelta(days=365)
_HEAD = (
    "# Drafted by cleanroom contract new. Read every line, change what is not what you mean,\n"
    "# then: cleanroom propose {name}\n"
)
_BARE = (
    "# Nothing but the program limits what a row of the result tells of one person. To withhold\n"
    "# rows that few stand behind, write in the rule of a dataset, with a column of yours:\n"
    "#   threshold: {identity: customer, minimum: 10}\n"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset to be: whose, how the program calls it, and its columns."""

    owner: str
    alias: str
    columns: tuple[Column, ...]
    identity: str | None

    @property
    def dataset(self) -> str:
        """Name it as storage does."""
        return self.alias.replace("_", "-").strip("-")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person says of a contract."""

    cards: Sequence[tuple[Card, str]]  # each with the name of its file
    tables: Sequence[Table]
    program: Path
    readers: Sequence[str]
    purpose: str
    runners: Sequence[RunnerRequirement]
    before: Contract | None  # which it follows
    name: str  # of the file that is made


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was given."""

    cards: tuple[Path, ...]
    tables: tuple[str, ...]
    persons: tuple[str, ...]
    program: Path
    readers: tuple[str, ...]
    purpose: str
    runners: Path | None
    after: Path | None
    output: Path
    profile: str | None


def draft(wish: Wish, now: datetime) -> str:
    """Read what was named, and write the contract's YAML."""
    for path in (*wish.cards, wish.program):
        if path.resolve().parent != wish.output.resolve().parent:
            raise Usage(
                f"{path}: does not lie beside {wish.output}, and a contract names only such"
            )
    identities = {}
    for given in wish.persons:
        alias, equals, column = given.partition("=")
        if not equals:
            raise Usage(f"--person: expected ALIAS=COLUMN, got {given!r}")
        identities[alias] = column
    tables = [table(given, identities) for given in wish.tables]
    if strange := set(identities) - {one.alias for one in tables}:
        raise Usage(f"--person: no table is called {min(strange)!r}")
    found = [(Card.parse(read_document(path), str(path)), path.name) for path in wish.cards]
    before = contracts.load(wish.after) if wish.after else None
    made = Draft(
        cards=found,
        tables=tables,
        program=wish.program,
        readers=wish.readers,
        purpose=wish.purpose,
        runners=_runners(wish),
        before=before,
        name=wish.output.name,
    )
    return write(made, now)


def _runners(wish: Wish) -> tuple[RunnerRequirement, ...]:
    """Take the runners that were named, or those of the profile."""
    if wish.runners is not None:
        return contracts.load_runners(wish.runners)
    known = profiles.perhaps(wish.profile)
    if known is None or not known.runners:
        raise Usage("which machines may run it? neither --runners nor a profile says so").with_hint(
            "the operator publishes what its runner is; on the dev stack, cleanroom-dev env says it"
        )
    return known.runners


def table(given: str, identities: Mapping[str, str]) -> Table:
    """Read OWNER:FILE, or OWNER:ALIAS=FILE, and find the file's columns."""
    owner, colon, rest = given.partition(":")
    alias, equals, path = rest.partition("=")
    if not equals:
        alias, path = Path(rest).stem.split(".")[0].lower().replace("-", "_"), rest
    if not colon or not path:
        raise Usage(f"--table: expected OWNER:FILE or OWNER:ALIAS=FILE, got {given!r}")
    option(ids.name, owner, "--table")
    option(ids.alias, alias, f"--table {given}: the alias")
    file = Path(path)
    wish = tabular.DialectWish(header=True) if tabular.is_csv(file, None) else tabular.DialectWish()
    content = tabular.describe(file, None, {}, wish).content
    if isinstance(content, Bytes):
        raise Malformed(path, "a table: CSV, Parquet or JSON lines", "a file of another kind")
    identity = identities.get(alias)
    if identity is not None and identity not in [column.name for column in content.columns]:
        raise Usage(f"--person: {alias} has no column {identity!r}")
    return Table(owner, alias, content.columns, identity)


def write(draft: Draft, now: datetime) -> str:
    """Write the YAML."""
    parties = {card.party: card for card, _ in draft.cards}
    (room, *others) = {card.room for card in parties.values()}
    if others:
        raise Usage("--card: expected cards of one room")
    if len(parties) < len(draft.cards):  # which of them is genuine, only the party can say
        raise Usage("--card: expected one card of each party")
    for _, name in draft.cards:
        if not name.endswith(SUFFIX):
            raise Usage(f"--card: expected a file whose name ends in {SUFFIX}, got {name!r}")
    for owner in [one.owner for one in draft.tables] + list(draft.readers):
        if owner not in parties:
            known = ", ".join(parties)
            raise Usage(f"{owner!r}: expected a party with a card, one of {known}")
    text = read_document(draft.program, _LARGEST).decode("utf-8", "replace")
    follows: dict[str, object] = {}
    if draft.before is not None:
        follows["sequence"] = draft.before.sequence + 1
        follows["previous"] = draft.before.digest.text
    value = {
        "room": room,
        **follows,
        "purpose": draft.purpose,
        "parties": [name for _, name in draft.cards],
        "runners": [_runner(one) for one in draft.runners],
        "datasets": [_dataset(one, parties[one.owner], draft, room) for one in draft.tables],
        "program": {"language": "sql", "source": {"file": draft.program.name}},
        "result": {
            "name": "result",
            "format": "csv",
            "columns": _columns(_outcome(draft, text)),
            "maximum_rows": 1000,
            "readers": [name for card, name in draft.cards if card.party in draft.readers],
        },
        "triggers": {"on_arrival": True},
        "limits": {
            "seconds": "5 minutes",
            "memory": "1 GiB",
            "runs": 100,
            "period": "day",
            "expires": instant_text(now + _LIFE),
        },
    }
    bare = "" if all(one.identity for one in draft.tables) else _BARE
    spelled = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD.format(name=draft.name) + bare + spelled


def _dataset(one: Table, card: Card, draft: Draft, room: str) -> Mapping[str, object]:
    if card.room_key is None or card.datasets is None:
        raise Usage(
            f"{card.party}: its card names no room key, or no place for its data"
        ).with_hint(f"cleanroom init {card.party} --room {room} --datasets URL")
    threshold = {"identity": one.identity, "minimum": _MINIMUM} if one.identity else None
    return {
        "alias": one.alias,
        "owner": one.owner,
        "dataset": one.dataset,
        "location": f"{card.datasets}/{room}/{one.dataset}",
        "columns": _columns(one.columns),
        "rule": {
            "kind": "reviewed",
            "hidden": [],
            "threshold": threshold,
            "readers": list(draft.readers),
        },
        "versions": {"minimum": 1},
    }


def _runner(one: RunnerRequirement) -> Mapping[str, object]:
    return {name: part for name, part in one.to_dict().items() if name not in ("debug", "walls")}


def _columns(columns: Sequence[Column]) -> Mapping[str, str]:
    return {one.name: one.type + ("?" if one.nullable else "") for one in columns}


def _outcome(draft: Draft, sql: str) -> tuple[Column, ...]:
    """Ask DuckDB which columns the program gives, over tables of these columns without rows."""
    found = duck.described(sql, {one.alias: one.columns for one in draft.tables})
    columns = []
    for name, theirs in found:
        ours = duck.our_type(theirs)
        if ours is None:
            raise Malformed(str(draft.program), f"plain types; its column {name!r} is {theirs}")
        columns.append(Column(name, ours, nullable=True))
    return tuple(columns)


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: no aliases; a list of names on one line."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # as the base class has it
        return True
