"""Rooms for tests: contracts, approvals and sealed files, as parties put them into real storage."""

import itertools
import json
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.servicebus import ServiceBusClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Input, JobRequest, Trigger
from cleanroom.schema import Column
from cleanroom.seal.content import Table
from cleanroom.seal.manifest import DatasetOrigin
from tests import builders
from tests.builders import Keys
from tests.sealing import Parts, seal_bytes

COLUMNS = (
    Column("customer", "text", nullable=False),
    Column("amount", "decimal(12,2)", nullable=True),
)
_numbers = itertools.count()
_BATCH, _IDLE = 50, 0.5  # messages, seconds
_kept: dict[tuple[str, str], list[JobRequest]] = defaultdict(list)
"""By bus and room: jobs that were taken off the queue on the way to another room's."""


def second() -> datetime:
    """Tell the time as documents do."""
    return datetime.now(UTC).replace(microsecond=0)  # tests of what asks the time


@dataclass(frozen=True)
class Event:
    """What storage says of a blob."""

    type: str
    subject: str
    data: dict[str, Any]


@dataclass
class Place:
    """A storage account with rooms, and the bus."""

    storage: BlobServiceClient
    url: str
    bus: str
    north: Keys
    south: Keys

    def room(self, **changes: Any) -> "PlayedRoom":
        """Make a room with a contract that nobody has approved yet."""
        name = f"room-{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        return PlayedRoom(self, name, self.contract(name, **changes))

    def room_of(self, name: str, **changes: Any) -> "PlayedRoom":
        """Write another contract for a room that there is."""
        return PlayedRoom(self, name, self.contract(name, **changes))

    def contract(self, room: str, **changes: Any) -> Contract:
        """Write a contract between north and south."""
        datasets = [
            builders.dataset(alias, owner, location=f"{self.url}/datasets/{room}/{alias}")
            for alias, owner in (("a", "north"), ("b", "south"))
        ]
        value = builders.contract(self.north, self.south, room=room, datasets=datasets) | changes
        return Contract.from_value(value, "contract")

    def queued(self) -> dict[str, list[JobRequest]]:
        """Take all jobs off the queue, by their rooms."""
        found: dict[str, list[JobRequest]] = {}
        with (
            ServiceBusClient.from_connection_string(self.bus) as client,
            client.get_queue_receiver(
                "jobs", max_wait_time=_IDLE, prefetch_count=100, keep_alive=0
            ) as receiver,
        ):
            for message in receiver:
                job = JobRequest.parse(b"".join(message.body), "message")
                assert message.message_id == job.id.hex
                found.setdefault(job.room, []).append(job)
                receiver.complete_message(message)
        return found

    def messages(self, room: str, wanted: int | None = None) -> list[JobRequest]:
        """Take a room's jobs off the queue; those of others are kept for whoever asks for them."""
        found = _kept.pop((self.bus, room), [])
        with (
            ServiceBusClient.from_connection_string(self.bus) as client,
            client.get_queue_receiver("jobs", keep_alive=0) as receiver,
        ):
            while wanted is None or len(found) < wanted:
                batch = receiver.receive_messages(_BATCH, max_wait_time=_IDLE)
                if not batch:
                    break
                for message in batch:
                    job = JobRequest.parse(b"".join(message.body), "message")
                    assert message.message_id == job.id.hex
                    mine = found if job.room == room else _kept[self.bus, job.room]
                    mine.append(job)
                    receiver.complete_message(message)
        return found


@dataclass
class PlayedRoom:
    """One room, and what its parties do."""

    place: Place
    name: str
    contract: Contract
    dropped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def rooms(self) -> ContainerClient:
        """Where the papers lie."""
        return self.place.storage.get_container_client("rooms")

    def propose(self) -> None:
        """Put the contract into the room."""
        name = f"{self.name}/contracts/{self.contract.digest.hex}.json"
        self.rooms.upload_blob(name, self.contract.to_bytes())

    def say(self, party: str, decision: str = "approve", age: int = 0, **changes: Any) -> None:
        """Put a party's word into the room."""
        name = f"{self.name}/approvals/{self.contract.digest.hex}/{party}.json"
        envelope = self.word(party, decision, age, **changes)
        self.rooms.upload_blob(name, envelope, overwrite=True)

    def word(self, party: str, decision: str = "approve", age: int = 0, **changes: Any) -> bytes:
        """Sign a party's word."""
        issued = second() - timedelta(seconds=age)
        said: dict[str, Any] = {
            "contract": self.contract.digest,
            "party": party,
            "decision": decision,
            "issued": issued,
            "expires": issued + timedelta(days=30),
        }
        keys = self.place.north if party == "north" else self.place.south
        return Approval(**(said | changes)).sign(keys.signer)

    def sealed(self, alias: str, number: int, **changes: Any) -> bytes:
        """Seal a version of a dataset."""
        owner, keys = ("north", self.place.north) if alias == "a" else ("south", self.place.south)
        label: dict[str, Any] = {
            "origin": DatasetOrigin(owner, "customers", number),
            "created": second(),
            "content": Table("parquet", COLUMNS, 1),
        }
        return seal_bytes(b"rows", keys, keys, **(label | changes))

    def drop(self, alias: str, number: int = 1, name: str | None = None, **changes: Any) -> Digest:
        """Seal a version and drop it where the contract says; return its name."""
        data = self.sealed(alias, number, **changes)
        blob = f"{self.name}/{alias}/{name or f'{number:04d}.sealed'}"
        self.place.storage.get_blob_client("datasets", blob).upload_blob(data, overwrite=True)
        self.dropped.append(("datasets", blob))
        return Digest.of(Parts.of(data).payload)

    def upload(self, container: str, name: str, data: bytes) -> None:
        """Put any bytes anywhere."""
        self.place.storage.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def take(self, alias: str, number: int) -> None:
        """Take a version away."""
        name = f"{self.name}/{alias}/{number:04d}.sealed"
        self.place.storage.get_blob_client("datasets", name).delete_blob()

    def ready(self) -> None:
        """Do all that a first run needs."""
        self.propose()
        self.say("north")
        self.say("south")
        self.drop("a")
        self.drop("b")

    def records(self) -> set[Digest]:
        """Name the jobs that were recorded."""
        return {
            JobRequest.parse(self.rooms.download_blob(blob.name).readall(), blob.name).id
            for blob in self.rooms.list_blobs(f"{self.name}/jobs/")
            if blob.name.endswith("/request.json")
        }

    def timeline(self) -> list[str]:
        """Name the places of the room's jobs in its timeline."""
        control = self.place.storage.get_container_client("control")
        return [blob.name for blob in control.list_blobs(f"rooms/{self.name}/timeline/")]

    def state(self) -> dict[str, Any]:
        """Read what the control plane remembers of the contract."""
        control = self.place.storage.get_container_client("control")
        name = f"rooms/{self.name}/state/{self.contract.digest.hex}.json"
        found: dict[str, Any] = json.loads(control.download_blob(name).readall())
        return found

    def events(self) -> list[Event]:
        """Say of every blob of the room what storage says when it is written."""
        return [
            self.event(container, blob.name, blob.etag.strip('"'), blob.size)
            for container in ("rooms", "datasets")
            for blob in self.place.storage.get_container_client(container).list_blobs(
                f"{self.name}/"
            )
        ]

    def event(self, container: str, name: str, etag: str, size: int) -> Event:
        """Say that a blob was written."""
        subject = f"/blobServices/default/containers/{container}/blobs/{name}"
        data = {
            "api": "PutBlob",
            "blobType": "BlockBlob",
            "url": f"{self.place.url}/{container}/{name}",
            "eTag": etag,
            "contentLength": size,
        }
        return Event("Microsoft.Storage.BlobCreated", subject, data)

    def job(self, a: Digest, b: Digest, kind: str = "arrival") -> Digest:
        """Name the run of two versions."""
        inputs = (Input("a", a), Input("b", b))
        trigger = Trigger(kind, None, None)
        return JobRequest(self.name, self.contract.digest, inputs, {}, trigger).id
