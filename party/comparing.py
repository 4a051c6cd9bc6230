"""Hold what was proven genuine against a contract: each thing in turn, naming what differs."""

from datetime import datetime

from cleanroom import fitting
from cleanroom.approval import Approval
from cleanroom.contract import Contract, Dataset, InlineSource, Party
from cleanroom.errors import Malformed, PolicyRefused, Tampered, Unattested
from cleanroom.fields import instant_text
from cleanroom.ids import Digest
from cleanroom.keys import SigningKey
from cleanroom.parameters import check_values
from cleanroom.receipt import Receipt
from cleanroom.seal.manifest import DatasetOrigin, Manifest
from cleanroom.walls import names
from party.attesting import Line


def receipt(found: Receipt, contract: Contract, where: str) -> list[Line]:
    """Refuse a receipt that tells of anything but a run of this contract.

    1. The contract and its room. 2. A start before the contract expired. 3. An approval of every
    party. 4. The program and parameters that it takes. 5. The contract's datasets, all of them and
    no others. 6. Of a completed job, the contract's result and no other.
    """
    if found.contract != contract.digest:
        raise Tampered(f"{where}: is about {found.contract}, not {contract.digest}")
    _same(where, "the room", found.room, contract.room)
    expires = contract.limits.expires
    if found.started >= expires:
        started = instant_text(found.started)
        expired = instant_text(expires)
        raise Tampered(f"{where}: started at {started}, and its contract expired at {expired}")
    parties = [party.name for party in contract.parties]
    _same_names(where, "approvals", [ref.party for ref in found.approvals], parties)
    _same(where, "the program", found.program, _program(contract))
    try:
        check_values(contract.program.parameters, found.parameters, f"{where}: parameters")
    except Malformed as error:
        raise Tampered(str(error)) from error
    inputs = [item.alias for item in found.inputs]
    _same_names(where, "inputs", inputs, [dataset.alias for dataset in contract.datasets])
    if found.ending.status == "completed":
        results = [result.name for result in found.results]
        _same_names(where, "results", results, [contract.result.name])
    text = "its room, program, parameters, inputs and results are the contract's"
    return [
        Line(proven=True, text=f"about exactly this contract: {contract.digest}"),
        Line(proven=True, text=text),
        Line(proven=True, text="names an approval of every party"),
    ]


def platform(found: Receipt, accepted: str, where: str) -> None:
    """Refuse a receipt that calls its runner something else than what its evidence shows."""
    if found.runner.platform != accepted:
        said = found.runner.platform
        raise Unattested(f"{where}: names the platform {said!r}, and its evidence is {accepted!r}")


def walls(found: Receipt) -> Line:
    """Say which walls stood: the runner's word, worth what the code is worth that runs there."""
    said = ", ".join(names(found.runner.walls)) or "none"
    return Line(proven=True, text=f"it says which walls stood around the program: {said}")


def standing(word: Approval, started: datetime, where: str) -> None:
    """Refuse a word that no run could rest on at the time when this one started."""
    if word.decision != "approve":
        raise Tampered(f"{where}: is a revocation, and no job rests on one")
    if not word.issued <= started < word.expires:
        raise Tampered(
            f"{where}: stands from {instant_text(word.issued)} until {instant_text(word.expires)},"
            f" and the job started at {instant_text(started)}"
        )


def dataset(
    manifest: Manifest, signer: SigningKey, contract: Contract, at: datetime, where: str
) -> list[Line]:
    """Refuse a sealed file that a run of this contract could not take.

    1. A dataset of the contract, signed by its owner. 2. A version that may be used. 3. Exactly the
    columns. 4. If it has a rule of its own, one that allows every reader of the result. 5. Sealed
    for the owner's room key, for no other is released to a runner.
    """
    wanted = _dataset(manifest, contract, where)
    owner = next(party for party in contract.parties if party.name == wanted.owner)
    if signer != owner.signing_key:
        raise PolicyRefused(
            f"{where}: is signed with {signer.id}, not with {owner.signing_key.id},"
            f" the key of {owner.name!r}"
        )
    fitting.check(manifest, contract, wanted, at, where)
    _check_room_key(manifest, owner, where)
    alias = repr(wanted.alias)
    return [
        Line(proven=True, text=f"dataset {alias} of the contract, with the columns it names"),
        Line(proven=True, text=f"sealed for the room key of {owner.name}"),
    ]


def _same(where: str, what: str, found: str | Digest, wanted: str | Digest) -> None:
    if found != wanted:
        raise Tampered(f"{where}: {what} is {found}, and the contract's is {wanted}")


def _same_names(where: str, what: str, found: list[str], wanted: list[str]) -> None:
    if sorted(found) != sorted(wanted):
        said, others = ", ".join(sorted(found)), ", ".join(sorted(wanted))
        raise Tampered(f"{where}: its {what} are {said}, and the contract's are {others}")


def _program(contract: Contract) -> Digest:
    source = contract.program.source
    if isinstance(source, InlineSource):
        return Digest.of(source.text.encode("utf-8"))
    return source.manifest


def _dataset(manifest: Manifest, contract: Contract, where: str) -> Dataset:
    origin = manifest.origin
    if not isinstance(origin, DatasetOrigin):
        raise PolicyRefused(f"{where}: is a result, not a dataset of the contract").with_hint(
            "verify the job's receipt with --result FILE"
        )
    for found in contract.datasets:
        if (found.owner, found.dataset) == (origin.party, origin.dataset):
            return found
    known = ", ".join(f"{found.owner}/{found.dataset}" for found in contract.datasets)
    said = f"{origin.party}/{origin.dataset}"
    raise PolicyRefused(f"{where}: is {said}, and the contract's datasets are {known}")


def _check_room_key(manifest: Manifest, owner: Party, where: str) -> None:
    room_key = owner.room_key.public.id if owner.room_key else None
    if room_key not in [wrapped.reader for wrapped in manifest.readers]:
        hint = "seal it with --for and the owner's room key, which its vault releases to a runner"
        raise PolicyRefused(
            f"{where}: is not sealed for {room_key}, the room key of {owner.name!r}"
        ).with_hint(hint)
