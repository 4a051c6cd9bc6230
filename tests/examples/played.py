"""An example as its parties have it: generated tables, keys of their own, a contract between them.

What its program computes without any of the runner's machinery is what a runner's result must be.
"""

import csv
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cleanroom.contract import Contract, InlineSource, RoomKey
from devstack.stack.environment import variable
from examples import synthetic
from examples.places import EXAMPLES, Places, parties, place
from examples.synthetic import Tables
from party import cards, contracts, duck
from party.cards import Card
from runner.gate.entry import gated
from runner.gate.task import Decision, Task
from runner.sql import groups, statement
from runner.sql.groups import Demand
from tests.builders import Keys

_ROOM = re.compile(r"^room: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What the gate let out."""

    decision: Decision
    data: bytes

    @property
    def rows(self) -> list[dict[str, str]]:
        return rows_of(self.data)


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines()))


def tables_of(example: str) -> Tables:
    """Find an example's generator."""
    made: Tables = importlib.import_module(f"examples.{example}.generate").tables
    return made


def azure(owners: Sequence[str]) -> Places:
    """Say where things are in Azure, as the contracts have it."""
    return Places(
        "https://cleanroom.blob.core.windows.net",
        "https://sharedweu.weu.attest.azure.net",
        {variable(party): f"https://{party}.vault.azure.net" for party in owners},
    )


def agreed(
    example: str, folder: Path, keys: Sequence[Keys], places: Places | None = None, room: str = ""
) -> Contract:
    """Have parties with these keys write the contract, for Azure or for other places."""
    places = places or azure(parties(example))
    path = place(example, folder, places, room or None)
    (named,) = _ROOM.findall(path.read_text())
    for name, own in zip(parties(example), keys, strict=False):
        for purpose, key in (("signing", own.signing), ("reader", own.reader)):
            (folder / f"{name}.{purpose}.pub.pem").write_text(key.pem)
        room_key = RoomKey(f"{places.vault(name)}/keys/{named}", own.reader, places.attestation)
        card = Card(name, named, own.signing, own.reader, room_key, None)
        (folder / cards.file_name(name, named)).write_bytes(card.to_bytes())
    return contracts.load(path)


def _written(example: str) -> str:
    return (EXAMPLES / example / "contract.yaml").read_text()


def generated(example: str, folder: Path, rows: int, seed: int = 1) -> Path:
    """Generate an example's tables."""
    synthetic.write(tables_of(example), rows, seed, folder)
    return folder


def program_of(contract: Contract) -> str:
    assert isinstance(contract.program.source, InlineSource)
    return contract.program.source.text


def demands(contract: Contract) -> tuple[Demand, ...]:
    return groups.demands((each.alias, each.rule) for each in contract.datasets)


def checked(contract: Contract, program: str) -> str:
    """Have the runner check a program, and say how large its groups are."""
    inputs = frozenset(each.alias for each in contract.datasets)
    parameters = frozenset(each.name for each in contract.program.parameters)
    with statement.parser() as parser:
        statement.check(parser, program, inputs, parameters)
        return groups.counting(parser, program, demands(contract))


def computed(
    contract: Contract, folder: Path, parameters: Mapping[str, str], program: str | None = None
) -> Result:
    """Run the program, or another, over generated tables in a plain DuckDB; then ask the gate."""
    text = checked(contract, program or program_of(contract))
    with _loaded(contract, folder) as engine:
        table = engine.execute(text, dict(parameters)).to_arrow_table()
    minimums = tuple(demand.minimum for demand in demands(contract))
    return Result(*gated(table, Task.of(contract.result, minimums)))


def asked(contract: Contract, folder: Path, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run the program as it is written, with nobody who withholds anything."""
    with _loaded(contract, folder) as engine:
        answer = engine.execute(program_of(contract), dict(parameters))
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _loaded(contract: Contract, folder: Path) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect()
    for dataset in contract.datasets:
        columns = {column.name: duck.duckdb_type(column.type) for column in dataset.columns}
        source = str(folder / f"{dataset.alias}.csv")
        engine.read_csv(source, header=True, delimiter=",", columns=columns).create(dataset.alias)
    return engine


def identities(contract: Contract, folder: Path) -> set[str]:
    """Name everybody whom a rule protects."""
    found = set()
    for demand in demands(contract):
        with (folder / f"{demand.alias}.csv").open() as file:
            found |= {row[demand.identity] for row in csv.DictReader(file)}
    return found
