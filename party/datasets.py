"""Which dataset of a contract a file is, and what the contract expects of it."""

from pathlib import Path

from cleanroom.contract import Contract, Dataset
from cleanroom.errors import PolicyRefused
from cleanroom.seal import document
from cleanroom.seal.layout import MAGIC
from cleanroom.seal.manifest import DatasetOrigin
from party import opening
from party.errors import Usage
from party.sealed_files import Agreed


def is_sealed(file: Path) -> bool:
    """Tell by its end whether a file is sealed."""
    with opening.opened(file) as fd:
        return opening.last_bytes(fd, len(MAGIC), str(file)) == MAGIC


def of_sealed(contract: Contract, file: Path) -> Dataset:
    """Find the dataset that a sealed file says it is; the signature is checked later."""
    with opening.opened(file) as fd:
        envelope, _ = opening.read_envelope(fd, str(file))
    origin = document.unverified(envelope, str(file)).manifest.origin
    for found in contract.datasets:
        if isinstance(origin, DatasetOrigin) and (found.owner, found.dataset) == (
            origin.party,
            origin.dataset,
        ):
            return found
    known = ", ".join(f"{one.owner}/{one.dataset}" for one in contract.datasets)
    raise PolicyRefused(f"{file}: is no dataset of the contract, whose datasets are {known}")


def chosen(contract: Contract, owner: str | None, alias: str | None) -> Dataset:
    """Find the dataset that is meant: the one named, or the only one of its owner."""
    own = [one for one in contract.datasets if owner in (None, one.owner)]
    wanted = [one for one in own if alias in (None, one.alias, one.dataset)]
    if len(wanted) == 1:
        return wanted[0]
    named = [one.dataset if owner else f"{one.owner}/{one.dataset}" for one in own]
    names = ", ".join(named) or "none"
    if alias is None and wanted:
        raise Usage(f"which dataset is it? there are {names}").with_hint(
            f"--dataset {wanted[0].dataset}" if owner else f"--party {wanted[0].owner}"
        )
    whose = f"of {owner} " if owner else ""
    got = f", not {alias!r}" if alias else ""
    raise Usage(f"datasets {whose}in this contract: {names}{got}").with_hint(
        "which party are you? --profile, or --party"
    )


def agreed(contract: Contract, dataset: Dataset) -> Agreed:
    """Say what a file must have, and for which key it is sealed: its owner's for this room."""
    owner = next(one for one in contract.parties if one.name == dataset.owner)
    if owner.room_key is None:
        raise RuntimeError("a contract with an owner without a room key does not parse")
    return Agreed(dataset.columns, owner.room_key.public)
