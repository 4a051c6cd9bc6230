"""An example's contract for where it shall run: its addresses, and no others, made yours.

Each `contract.yaml` is whole as it stands, with addresses as they are in Azure. Here they become
those of a dev stack (what `cleanroom-dev env` says), or of your own vaults and storage:

    python -m examples.places fraud --out DIR

writes DIR/contract.yaml and the program beside it. The parties' public keys go there too, by the
names that the contract gives them.
"""

import argparse
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from cleanroom.errors import Malformed

EXAMPLES = Path(__file__).parent
_VARIABLE = "CLEANROOM_DEV_"
_VAULT = re.compile(r"https://([a-z0-9-]+)\.vault\.azure\.net(?=/)")
_STORAGE = re.compile(r"https://[a-z0-9]+\.blob\.core\.windows\.net(?=/)")
_ATTESTATION = re.compile(r"https://[a-z0-9.]+\.attest\.azure\.net\b")
_ROOM = re.compile(r"^room: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are."""

    storage: str
    attestation: str
    vaults: Mapping[str, str]  # by the party's name, as a variable spells it

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables of any identity of a dev stack."""
        ours = {
            name.removeprefix(_VARIABLE): value
            for name, value in environment.items()
            if name.startswith(_VARIABLE)
        }
        vaults = "VAULT_URL_"
        return cls(
            _known(ours, "STORAGE_URL"),
            _known(ours, "ATTESTATION_URL"),
            {n.removeprefix(vaults): v for n, v in ours.items() if n.startswith(vaults)},
        )

    def vault(self, party: str) -> str:
        """Say where a party's vault is."""
        return _known(self.vaults, party.upper().replace("-", "_"))


def names() -> list[str]:
    """Name all examples."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/contract.yaml"))


def parties(example: str) -> list[str]:
    """Name an example's parties, by their cards, in the contract's order."""
    contract = yaml.safe_load((EXAMPLES / example / "contract.yaml").read_text("utf-8"))
    return [card.partition(".")[0] for card in contract["parties"]]


def moved(contract: str, places: Places, room: str | None = None) -> str:
    """Write other addresses into a contract, and another room if there is one already."""
    text = _VAULT.sub(lambda found: places.vault(found[1]), contract)
    text = _STORAGE.sub(lambda _: places.storage, text)
    text = _ATTESTATION.sub(lambda _: places.attestation, text)
    found = _ROOM.search(text)
    if room is None or found is None:
        return text
    return re.sub(rf"(?<![\w-]){re.escape(found[1])}(?![\w-])", room, text)


def place(example: str, folder: Path, places: Places, room: str | None = None) -> Path:
    """Write an example's contract into a folder, and its program beside it."""
    source = EXAMPLES / example
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "program.sql", folder)
    target = folder / "contract.yaml"
    target.write_text(moved((source / "contract.yaml").read_text(), places, room))
    return target


def _known(values: Mapping[str, str], name: str) -> str:
    if name not in values:
        raise Malformed("environment", f"what `cleanroom-dev env` says, with {name}")
    return values[name]


def main() -> None:
    """Write what the command line asks for, and say where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", choices=names())
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder")
    parser.add_argument("--room", help="another name than the example's, for another try")
    given = parser.parse_args()
    try:
        found = Places.of(os.environ)  # noqa: TID251  # the place that may
        print(place(given.example, given.out, found, given.room))
    except Malformed as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
