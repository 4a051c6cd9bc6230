"""A whole stack with functions and a runner, and examples played on it from contract to result."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.storage.blob import BlobServiceClient

from cleanroom.approval import Approval
from cleanroom.contract import Contract, Dataset
from cleanroom.receipt import unchanged
from cleanroom.release.generation import release_policy
from cleanroom.seal.manifest import DatasetOrigin
from devstack import clock, tokens
from devstack.hardware.machine import ROOT_FILE
from devstack.home import Home
from examples.places import Places, names, parties
from party import tabular
from party.proving import Kind, Papers, Verdict, prove
from party.tabular import DialectWish
from tests.apis import PATIENCE, Client
from tests.builders import Keys
from tests.dev_commands import dev
from tests.examples.played import agreed, generated
from tests.sealing import open_bytes, seal_to
from tests.servers import free_ports
from tests.stacks import being, stack
from tests.vaults import Credential, keep_room_key

_APP = Path(__file__).parents[2]
_POLL = 0.05


@dataclass(frozen=True)
class Stage:
    """A running stack, as its operator sees it."""

    home: Home
    env: Mapping[str, str]
    storage: BlobServiceClient
    api: Client

    def vault(self, url: str, party: str) -> KeyClient:
        """Reach a party's vault as the party."""
        resource = f"https://0.0.1:{url.rpartition(':')[2]}"  # what its challenge asks for
        return KeyClient(url, Credential(self.home, party, resource))


@dataclass(frozen=True)
class Played:
    """An example whose contract all have approved, and whose data all have dropped."""

    stage: Stage
    contract: Contract
    keys: Mapping[str, Keys]
    folder: Path

    @property
    def room(self) -> str:
        return f"rooms/{self.contract.room}"

    def ask(self, parameters: Mapping[str, str]) -> None:
        """Ask for a run with these values, as soon as the data is known to be there."""
        body = {"contract": self.contract.digest.text, "parameters": dict(parameters)}
        _until(lambda: self.stage.api.post(f"{self.room}/jobs", json=body).status_code == 202)

    def outcome(self) -> dict[str, Any]:
        """Wait until the one job has ended."""
        jobs = f"{self.room}/jobs"
        _until(lambda: self._jobs(jobs) not in ([], ["queued"]))
        (job,) = self.stage.api.get(jobs).json()["jobs"]
        found: dict[str, Any] = self.stage.api.get(f"{jobs}/{job['job'][7:]}").json()
        return found

    def receipt(self, job: str) -> bytes:
        return self.stage.api.get(f"{self.room}/jobs/{job[7:]}/receipt").content

    def result(self, job: str) -> bytes:
        name = self.contract.result.name
        link = self.stage.api.get(f"{self.room}/jobs/{job[7:]}/results/{name}").json()["url"]
        return requests.get(link, timeout=PATIENCE).content

    def opened(self, job: str, reader: str) -> bytes:
        """Open the result as its reader does, believing the key that the receipt names."""
        own = self.keys[reader]
        runner = replace(own, signing=unchanged(self.receipt(job), "receipt").runner.key)
        return open_bytes(self.result(job), runner, own)

    def verdict(self, job: str) -> Verdict:
        """Verify the receipt offline, with every other paper at hand."""
        (self.folder / "contract.json").write_bytes(self.contract.to_bytes())
        (self.folder / "receipt.json").write_bytes(self.receipt(job))
        (self.folder / "result.sealed").write_bytes(self.result(job))
        papers = Papers(
            None,
            self.folder / "contract.json",
            tuple(self.folder / f"{party.name}.json" for party in self.contract.parties),
            (self.folder / "result.sealed",),
            None,
            (self.stage.home.path / "hardware" / ROOT_FILE,),
        )
        return prove(self.folder / "receipt.json", Kind.RECEIPT, papers, clock.now())

    def _jobs(self, path: str) -> list[str]:
        return [job["status"] for job in self.stage.api.get(path).json()["jobs"]]


def play(stage: Stage, example: str, folder: Path, keys: Sequence[Keys], rows: int) -> Played:
    """Have an example's parties agree, approve and drop."""
    contract = agreed(example, folder, keys, Places.of(stage.env))
    own = dict(zip(parties(example), keys, strict=False))
    played = Played(stage, contract, own, generated(example, folder, rows))
    _good(stage.api.post(f"{played.room}/contracts", contract.to_bytes()))
    for name in own:
        _approve(played, name)
    for dataset in contract.datasets:
        _drop(played, dataset)
    return played


def _approve(played: Played, name: str) -> None:
    """Put the room key into the party's vault, for this contract alone; then say yes."""
    contract, own = played.contract, played.keys[name]
    room_key = next(party.room_key for party in contract.parties if party.name == name)
    assert room_key is not None
    policy = release_policy(contract.digest, contract.runners, room_key.authority, svns=True)
    url, _, key = room_key.url.partition("/keys/")
    with played.stage.vault(url, name) as vault:
        keep_room_key(vault, key, own.private_reader, policy.to_bytes())
    now = clock.now().replace(microsecond=0) - timedelta(minutes=1)
    word = Approval(contract.digest, name, "approve", now, now + timedelta(days=1)).sign(own.signer)
    (played.folder / f"{name}.json").write_bytes(word)
    path = f"{played.room}/contracts/{contract.digest.hex}/approvals/{name}"
    _good(played.stage.api.ask("PUT", path, word))


def _drop(played: Played, dataset: Dataset) -> None:
    """Seal a table as its owner does, and put it where the contract says."""
    own, plain = played.keys[dataset.owner], played.folder / f"{dataset.alias}.csv"
    types = {column.name: column.type for column in dataset.columns}
    found = tabular.describe(plain, "csv", types, DialectWish(header=True))
    target = plain.with_suffix(".sealed")
    with plain.open("rb") as source:
        seal_to(
            target,
            source.fileno(),
            own,
            (own,),
            origin=DatasetOrigin(dataset.owner, dataset.dataset, 1),
            created=clock.now().replace(microsecond=0),
            media_type=found.media_type,
            content=found.content,
        )
    place = dataset.location.removeprefix(f"{played.stage.storage.url.rstrip('/')}/")
    container, _, folder = place.partition("/")
    blob = played.stage.storage.get_blob_client(container, f"{folder}/1.sealed")
    blob.upload_blob(target.read_bytes())


@contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """Run everything, with all parties of all examples, until the block ends."""
    everybody = sorted({party for example in names() for party in parties(example)})
    with stack(folder, (), app=_APP, parties=everybody) as running:
        (port,) = free_ports(1)
        machine = dev("up", "--runner", f"--port=runner={port}", "--home", running.home)
        assert (machine.code, machine.err) == (0, ""), machine.err
        env = running.env("operator")
        with (
            being(env),
            BlobServiceClient.from_connection_string(
                env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
            ) as storage,
        ):
            token = DefaultAzureCredential().get_token(f"{tokens.API}/.default").token
            url = f"{env['CLEANROOM_DEV_FUNCTIONS_URL']}/api"
            api = Client(url, {"Authorization": f"Bearer {token}"})
            yield Stage(Home.at(running.home), env, storage, api)


def _good(answer: requests.Response) -> None:
    assert answer.status_code in (200, 201), answer.text


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 2 * PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(_POLL)
