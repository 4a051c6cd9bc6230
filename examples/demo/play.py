"""An example in a room of its own: who takes part, with which data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from examples.places import EXAMPLES, Places, parties, place


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset of the contract: whose it is, and the table that its owner has."""

    owner: str
    dataset: str
    table: Path


@dataclass(frozen=True, slots=True)
class Play:
    """An example, its room, and what is in it."""

    example: str
    room: str
    parties: Sequence[str]
    data: Mapping[str, Data]  # by alias
    reader: str
    asked_with: Mapping[str, str]  # values of the program's parameters

    @classmethod
    def of(cls, example: str, folder: Path, places: Places) -> "Play":
        """Take the next room, and write the contract for where this runs."""
        room = _next_room(example, folder)
        contract = yaml.safe_load(place(example, folder / room, places, room).read_text("utf-8"))
        data = {
            one["alias"]: Data(
                one["owner"],
                one["dataset"],
                folder / room / one["owner"] / f"{one['alias']}.csv",
            )
            for one in contract["datasets"]
        }
        reader = contract["result"]["readers"][0].partition(".")[0]
        given = contract["program"].get("parameters", [])
        values = {one["name"]: one["choices"][0] for one in given}
        return cls(example, room, parties(example), data, reader, values)

    def dropping(self, data: Data) -> Sequence[str]:
        """Spell how a party drops a dataset."""
        table = f"{data.owner}/{data.table.name}"
        return ("cleanroom", "drop", table, self.room, "--dataset", data.dataset)

    def asking(self) -> Sequence[str]:
        """Spell how a run is asked for, if none begins by itself."""
        values = [f"{name}={value}" for name, value in self.asked_with.items()]
        return ("cleanroom", "contract", "run", self.room, *values) if values else ()


def _next_room(example: str, folder: Path) -> str:
    """Name the example's room, with a number if there were demos before."""
    contract = yaml.safe_load((EXAMPLES / example / "contract.yaml").read_text("utf-8"))
    room, number = str(contract["room"]), 1
    while (folder / (found := room if number == 1 else f"{room}-{number}")).exists():
        number += 1
    return found
