"""A room of several parties on a whole stack, from the contract to the reader's table."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.storage.blob.aio import ContainerClient

from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Outcome
from cleanroom.receipt import unchanged
from cleanroom.release.generation import release_policy
from cleanroom.seal.content import CsvTable
from cleanroom.seal.manifest import DatasetOrigin
from devstack import clock
from devstack.hardware.machine import ROOT_FILE
from devstack.runner import policy
from party.proving import Kind, Papers, Verdict, prove
from tests import builders
from tests.builders import Keys, dataset, party
from tests.sealing import open_bytes, seal_bytes
from tests.vaults import keep_room_key
from tests.whole import Whole
from tests.worlds import COLUMNS, DIALECT

_ALIASES = "abcd"

type Amounts = Sequence[int]


@dataclass(frozen=True)
class File:
    """A sealed file, and where its owner drops it."""

    owner: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Journey:
    """A contract that all its parties approved, and files that they have yet to drop."""

    whole: Whole
    contract: Contract
    keys: Mapping[str, Keys]
    files: Sequence[File]

    @property
    def room(self) -> str:
        return self.contract.room

    def job(self) -> Digest:
        """Name the one job that was recorded."""
        (record,) = self._parts("request")
        return Digest(f"sha256:{record.split('/')[2]}")

    def has_ended(self) -> bool:
        return bool(self._parts("outcome"))

    def outcome(self) -> Outcome:
        """Read how the one job ended."""
        (record,) = self._parts("outcome")
        return Outcome.parse(self.whole.get("rooms", record), record)

    def timeline(self) -> list[str]:
        """Name what the room's members see of its jobs."""
        return self.whole.names("control", f"rooms/{self.room}/timeline/")

    def opened(self) -> bytes:
        """Open the result as its reader does, believing the key that the receipt names."""
        own = self.keys[self.contract.result.readers[0].party]
        signer = replace(own, signing=unchanged(self._receipt(), "receipt").runner.key)
        return open_bytes(self._result(), signer, own)

    def verdict(self, folder: Path) -> Verdict:
        """Verify the receipt offline, with every other paper at hand."""
        words = []
        for each in self.contract.parties:
            words.append(folder / f"{each.name}.json")
            words[-1].write_bytes(self.whole.get("rooms", _word(self.contract, each.name)))
        papers = {
            "contract.json": self.contract.to_bytes(),
            "receipt.json": self._receipt(),
            "result.sealed": self._result(),
        }
        for name, data in papers.items():
            (folder / name).write_bytes(data)
        root = self.whole.home.path / "hardware" / ROOT_FILE
        known = Papers(
            *(None, folder / "contract.json", tuple(words)),
            *((folder / "result.sealed",), None, (root,)),
        )
        return prove(folder / "receipt.json", Kind.RECEIPT, known, clock.now())

    def _receipt(self) -> bytes:
        return self.whole.get("rooms", f"{self.room}/jobs/{self.job().hex}/receipt.json")

    def _result(self) -> bytes:
        name = f"{self.room}/{self.job().hex}/{self.contract.result.name}.sealed"
        return self.whole.get("results", name)

    def _parts(self, part: str) -> list[str]:
        names = self.whole.names("rooms", f"{self.room}/jobs/")
        return [name for name in names if name.endswith(f"/{part}.json")]


def agree(
    whole: Whole, program: str, keys: Mapping[str, Keys], tables: Sequence[Amounts]
) -> Journey:
    """Have as many parties as there are tables agree, each with a room key in its own vault."""
    room = f"room-{uuid.uuid4().hex[:12]}"
    owners = dict(zip(_ALIASES, keys, strict=False))
    value = builders.contract(*list(keys.values())[:2]) | {
        "room": room,
        "parties": [_party(whole, name, room, own) for name, own in keys.items()],
        "runners": [policy.requirement()],
        "datasets": [
            _dataset(whole, room, alias, name, list(keys)) for alias, name in owners.items()
        ],
        "program": {
            "language": "sql",
            "source": {"kind": "inline", "text": program},
            "parameters": [],
        },
        "result": _result(next(iter(keys)), next(iter(keys.values()))),
    }
    contract = Contract.from_value(value, "contract")
    files = [
        _sealed(contract, name, keys[name], amounts)
        for name, amounts in zip(keys, tables, strict=True)
    ]
    _keep_room_keys(whole, contract, keys)
    whole.put("rooms", f"{room}/contracts/{contract.digest.hex}.json", contract.to_bytes())
    for name, own in keys.items():
        whole.put("rooms", _word(contract, name), _approval(contract, name, own))
    return Journey(whole, contract, keys, files)


def drop(journeys: Sequence[Journey]) -> None:
    """Upload all files of all rooms at once, each as its owner."""
    asyncio.run(_uploaded(journeys[0].whole, [file for each in journeys for file in each.files]))


async def _uploaded(whole: Whole, files: Sequence[File]) -> None:
    trust = whole.env["SSL_CERT_FILE"]
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(
                ContainerClient.from_container_url(whole.datasets(name), connection_verify=trust)
            )
            for name in {file.owner for file in files}
        }
        await asyncio.gather(
            *(clients[file.owner].upload_blob(file.name, file.data) for file in files)
        )


def table(amounts: Amounts) -> bytes:
    """Spell a table of customers, the n-th with the n-th amount."""
    rows = "".join(f"customer-{number},{amount}\n" for number, amount in enumerate(amounts))
    return f"customer,amount\n{rows}".encode()


def _party(whole: Whole, name: str, room: str, keys: Keys) -> dict[str, Any]:
    url = f"{whole.env[f'CLEANROOM_DEV_VAULT_URL_{name.upper()}']}/keys/{room}"
    authority = whole.env["CLEANROOM_DEV_ATTESTATION_URL"]
    room_key = {"url": url, "public": keys.reader.to_json(), "authority": authority}
    return party(name, keys, room_key=room_key)


def _dataset(whole: Whole, room: str, alias: str, owner: str, parties: list[str]) -> dict[str, Any]:
    return dataset(
        alias,
        owner,
        location=f"{whole.env['CLEANROOM_DEV_STORAGE_URL']}/datasets-{owner}/{room}/customers",
        columns=[column.to_dict() for column in COLUMNS],
        rule={"kind": "reviewed", "hidden": [], "threshold": None, "readers": sorted(parties)},
    )


def _result(reader: str, keys: Keys) -> dict[str, Any]:
    return {
        "name": "result",
        "format": "csv",
        "columns": [{"name": "total", "type": "int128", "nullable": True}],
        "maximum_rows": 100,
        "readers": [{"party": reader, "key": keys.reader.to_json()}],
    }


def _sealed(contract: Contract, owner: str, keys: Keys, amounts: Amounts) -> File:
    data = seal_bytes(
        table(amounts),
        keys,
        origin=DatasetOrigin(owner, "customers", 1),
        created=clock.now().replace(microsecond=0),
        media_type="text/csv",
        content=CsvTable(COLUMNS, len(amounts), DIALECT),
    )
    return File(owner, f"{contract.room}/customers/1.sealed", data)


def _keep_room_keys(whole: Whole, contract: Contract, keys: Mapping[str, Keys]) -> None:
    authority = whole.env["CLEANROOM_DEV_ATTESTATION_URL"]
    wanted = release_policy(contract.digest, contract.runners, authority, svns=True).to_bytes()
    for name, own in keys.items():
        with whole.vault(name) as vault:
            keep_room_key(vault, contract.room, own.private_reader, wanted)


def _word(contract: Contract, name: str) -> str:
    return f"{contract.room}/approvals/{contract.digest.hex}/{name}.json"


def _approval(contract: Contract, name: str, keys: Keys) -> bytes:
    now = clock.now().replace(microsecond=0) - timedelta(minutes=1)
    word = Approval(contract.digest, name, "approve", now, now + timedelta(days=1))
    return word.sign(keys.signer)
