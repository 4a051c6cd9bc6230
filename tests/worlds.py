"""A room of two parties on the dev stack: every service a job needs, and what the parties put in.

Each service is a process of its own; the runner under test reaches them by the genuine clients.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage
from azure.storage.blob import BlobServiceClient

from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Input, JobRequest, Outcome, Trigger
from cleanroom.receipt import unchanged
from cleanroom.release.generation import release_policy
from cleanroom.schema import Column
from cleanroom.seal.content import CsvTable, Dialect
from cleanroom.seal.manifest import DatasetOrigin
from devstack import clock
from devstack.hardware.machine import ROOT_FILE
from devstack.home import HOST, Home
from party.files import Output
from party.opening import SealedFile
from party.proving import Kind, Papers, Verdict, prove
from runner.settings import PREFIX
from tests import vaults
from tests.abroad import Abroad, parties_abroad
from tests.builders import MILAN, Keys, contract, dataset, party
from tests.buses import Bus, running_bus
from tests.directories import running_directory
from tests.sealing import Parts, data_key, ignore, memory_file, seal_bytes
from tests.servers import Server, free_ports, running, trusting
from tests.simulated import Guest, guest, same_hardware
from tests.storages import Storage, storage
from tests.vaults import Vaults, running_vaults

PARTIES = ("north", "south")
COLUMNS = (Column("customer", "text", nullable=False), Column("amount", "int64", nullable=True))
DIALECT = Dialect(
    delimiter=",", quote='"', escape='"', header=True, null="", date_format="", timestamp_format=""
)
NORTH = b"customer,amount\nann,1\nbob,2\ncid,3\n"
SOUTH = b"customer,amount\nbob,10\ncid,20\ndan,30\n"
PROGRAM = "SELECT sum(a.amount + b.amount) AS total FROM a JOIN b USING (customer)"
TOTAL = b'"total"\n35\n'
REVIEWED = {"kind": "reviewed", "hidden": [], "threshold": None, "readers": ["north", "south"]}
_PATIENCE = 60.0
_DEFAULTS = Path(__file__).parents[1] / "devstack" / "stack" / "defaults" / "bus.json"


def bus_config(**changes: object) -> dict[str, Any]:
    """Have the stack's own queues and topics; the changes are to the jobs queue."""
    config: dict[str, Any] = json.loads(_DEFAULTS.read_text())
    config["UserConfig"]["Namespaces"][0]["Queues"][0]["Properties"] |= changes
    return config


@dataclass(frozen=True)
class World:
    """All services, and who talks to them."""

    home: Home
    storage: Storage
    vaults: Vaults
    attestation: Server
    authority: str
    bus: Bus
    guest: Guest
    directory: Server
    keys: Mapping[str, Keys]
    host_data: str
    abroad: Abroad | None = None

    def environment(self, **changes: str) -> dict[str, str]:
        """Tell a runner everything, as its process's environment."""
        ours = {
            "STORAGE_URL": self.storage.url,
            "SERVICEBUS_CONNECTION_STRING": self.bus.connection_string(),
            "PLATFORM": "simulated",
            "CONTEXT": str(self.guest.folder),
            "SYNTHETIC_ROOTS": str(self.home.path / "hardware" / ROOT_FILE),
            "TRUST": str(self.home.authority_file),
            "VAULT_HOSTS": HOST,
            "ATTESTATION_HOSTS": HOST,
            "STORAGE_HOSTS": HOST,
            "JOBS": "2",
        }
        ours |= (self.abroad.settings() if self.abroad else {}) | changes
        return self.outside() | {f"{PREFIX}{name}": value for name, value in ours.items()}

    def outside(self) -> dict[str, str]:
        """Have clients trust the stack, and be its runner."""
        port = self.directory.health[0]
        return {
            "REQUESTS_CA_BUNDLE": str(self.home.authority_file),
            "SSL_CERT_FILE": str(self.home.authority_file),
            "NO_PROXY": HOST,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"http://{HOST}:{port}/msi/token",
            "IDENTITY_HEADER": self.home.secret("identity/runner"),
        } | (self.abroad.outside() if self.abroad else {})

    def account(self, party: str) -> Storage:
        """Say in which storage a party drops its files."""
        return self.abroad.accounts[party] if self.abroad else self.storage

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """Reach the storage with the account's key; one client for all, for its connections."""
        return self.storage.client()

    def put(self, container: str, name: str, data: bytes) -> None:
        self.blobs.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def get(self, container: str, name: str) -> bytes:
        found: bytes = self.blobs.get_blob_client(container, name).download_blob().readall()
        return found

    def names(self, container: str) -> set[str]:
        return {str(blob.name) for blob in self.blobs.get_container_client(container).list_blobs()}

    def delete(self, container: str, name: str) -> None:
        self.blobs.get_blob_client(container, name).delete_blob()

    def releases(self, party: str) -> list[dict[str, Any]]:
        """Read in a vault's log who asked for keys."""
        _, found = self.vaults.call(party, party, "GET", "/devstack/audit")
        entries: list[dict[str, Any]] = found["value"]
        return entries

    def service_bus(self) -> ServiceBusClient:
        return ServiceBusClient.from_connection_string(self.bus.connection_string())

    def send(self, *requests: JobRequest | bytes) -> None:
        """Put messages into the jobs queue, each with an id of its own."""
        with self.service_bus() as client, client.get_queue_sender("jobs", keep_alive=0) as sender:
            for request in requests:
                body = request if isinstance(request, bytes) else request.to_bytes()
                sender.send_messages(ServiceBusMessage(body, message_id=uuid.uuid4().hex))

    def outcomes(self, count: int, wait: float = _PATIENCE) -> list[Outcome]:
        """Take so many outcomes from the topic as they come."""
        found: list[ServiceBusReceivedMessage] = []
        with (
            self.service_bus() as client,
            client.get_subscription_receiver("outcomes", "watch", keep_alive=0) as receiver,
        ):
            while len(found) < count:
                more = receiver.receive_messages(count - len(found), max_wait_time=wait)
                assert more, f"{len(found)} of {count} outcomes came"
                for message in more:
                    receiver.complete_message(message)
                found += more
        return [Outcome.parse(b"".join(message.body), "outcome") for message in found]

    def outcomes_left(self) -> int:
        """Count the outcomes that nobody has taken."""
        found: int = self.bus.control.get("topics/outcomes/subscriptions/watch")["active"]
        return found

    def clear_jobs(self) -> None:
        """Take away what waits in the jobs queue."""
        with (
            self.service_bus() as client,
            client.get_queue_receiver("jobs", keep_alive=0) as receiver,
        ):
            for message in receiver.receive_messages(10, max_wait_time=10):
                receiver.complete_message(message)


@dataclass(frozen=True)
class Agreed:
    """A contract that both parties approved, with its data in place."""

    world: World
    contract: Contract
    inputs: Mapping[str, Digest]

    def request(self, number: int = 1, **changes: Any) -> JobRequest:
        """Ask for a run; another number is another job."""
        made = JobRequest(
            room=self.contract.room,
            contract=self.contract.digest,
            inputs=tuple(Input(alias, self.inputs[alias]) for alias in sorted(self.inputs)),
            parameters={},
            trigger=Trigger("request", None, f"{number:032x}"),
        )
        return replace(made, **changes)

    def with_input(self, alias: str, digest: Digest) -> "Agreed":
        """Have another version of one input in its place."""
        return replace(self, inputs={**self.inputs, alias: digest})

    def result_name(self, job: Digest) -> str:
        return f"{self.contract.room}/{job.hex}/result.sealed"

    def result(self, job: Digest) -> bytes:
        return self.world.get("results", self.result_name(job))

    def receipt_name(self, job: Digest) -> str:
        return f"{self.contract.room}/jobs/{job.hex}/receipt.json"

    def receipt(self, job: Digest) -> bytes:
        return self.world.get("rooms", self.receipt_name(job))

    def opened(self, job: Digest, reader: str = "north") -> bytes:
        """Open the result as its reader does, believing the key that the receipt names."""
        signer = unchanged(self.receipt(job), "receipt").runner.key
        with TemporaryDirectory() as folder, memory_file(self.result(job)) as fd:
            file = SealedFile(fd, "result", signer)
            with Output(Path(folder) / "opened", force=False) as output:
                file.open_to(data_key(file, self.world.keys[reader]), output, ignore)
            return (Path(folder) / "opened").read_bytes()

    def verdict(self, job: Digest, folder: Path) -> Verdict:
        """Verify the receipt offline as `cleanroom verify` does, with every other paper at hand."""
        room = self.contract.room
        (folder / "contract.json").write_bytes(self.contract.to_bytes())
        (folder / "receipt.json").write_bytes(self.receipt(job))
        words = []
        for name in PARTIES:
            words.append(folder / f"{name}.json")
            kept = f"{room}/approvals/{self.contract.digest.hex}/{name}.json"
            words[-1].write_bytes(self.world.get("rooms", kept))
        results: tuple[Path, ...] = ()
        if self.result_name(job) in self.world.names("results"):
            results = (folder / "result.sealed",)
            results[0].write_bytes(self.result(job))
        synthetic = self.world.home.path / "hardware" / ROOT_FILE
        agreed = folder / "contract.json"
        papers = Papers(None, agreed, tuple(words), results, None, (synthetic,))
        return prove(folder / "receipt.json", Kind.RECEIPT, papers, clock.now())


def agree(
    world: World,
    sql: str = PROGRAM,
    *,
    approvals: Sequence[str] = PARTIES,
    released_for: Callable[[Contract], Digest] = lambda made: made.digest,
    drops: bool = True,
    **changes: Any,
) -> Agreed:
    """Have two parties agree on a contract of a new room, and put everything in its place."""
    room = f"room-{uuid.uuid4().hex[:12]}"
    source = {"kind": "inline", "text": sql}
    value: dict[str, Any] = contract(world.keys["north"], world.keys["south"]) | {
        "room": room,
        "parties": agreed_parties(world, room),
        "runners": [runner_of(world)],
        "datasets": [table(world, room, *pair) for pair in zip("ab", PARTIES, strict=True)],
        "program": {"language": "sql", "source": source, "parameters": []},
        "result": {
            "name": "result",
            "format": "csv",
            "columns": [{"name": "total", "type": "int128", "nullable": True}],
            "maximum_rows": 100,
            "readers": [{"party": "north", "key": world.keys["north"].reader.to_json()}],
        },
    }
    more = {name: part(room) if callable(part) else part for name, part in changes.items()}
    made = Contract.from_value(value | more, "contract")
    world.put("rooms", f"{room}/contracts/{made.digest.hex}.json", made.to_bytes())
    for name in approvals:
        approve(world, made, name)
    for name in PARTIES:
        keep_room_key(world, made, name, released_for(made))
    plain = {"a": NORTH, "b": SOUTH}
    inputs = {each: drop(world, made, each, plain[each]) for each in plain} if drops else {}
    return Agreed(world, made, inputs)


def approve(world: World, made: Contract, name: str, **changes: Any) -> None:
    """Have a party say its word."""
    now = clock.now().replace(microsecond=0) - timedelta(minutes=1)
    word = Approval(made.digest, name, "approve", now, now + timedelta(days=1))
    signed = replace(word, **changes).sign(world.keys[name].signer)
    world.put("rooms", f"{made.room}/approvals/{made.digest.hex}/{name}.json", signed)


def keep_room_key(
    world: World, made: Contract, name: str, released_for: Digest, keys: Keys | None = None
) -> None:
    """Have a party put its room key into its vault, to be released for one contract."""
    room_key = next(each.room_key for each in made.parties if each.name == name)
    assert room_key is not None
    policy = release_policy(released_for, made.runners, world.authority, svns=True)
    private = (keys or world.keys[name]).private_reader
    with world.vaults.keys(name, name) as client:
        vaults.keep_room_key(client, room_key.url.rpartition("/")[2], private, policy.to_bytes())


def sealed(world: World, made: Contract, alias: str, plain: bytes, **changes: Any) -> bytes:
    """Seal a CSV table as its owner does; `owner` and `reader` name others in its place."""
    item = next(each for each in made.datasets if each.alias == alias)
    owner = changes.pop("owner", world.keys[item.owner])
    reader = changes.pop("reader", world.keys[item.owner])
    known: dict[str, Any] = {
        "origin": DatasetOrigin(item.owner, item.dataset, 1),
        "created": clock.now().replace(microsecond=0),
        "media_type": "text/csv",
        "content": CsvTable(COLUMNS, max(0, plain.count(b"\n") - 1), DIALECT),
    }
    return seal_bytes(plain, owner, reader, **known | changes)


def put_sealed(world: World, made: Contract, alias: str, data: bytes, name: str = "") -> Digest:
    """Drop a sealed file where its dataset is, and return the name of the version."""
    item = next(each for each in made.datasets if each.alias == alias)
    account = world.account(item.owner)
    container, _, folder = item.location.removeprefix(f"{account.url}/").partition("/")
    file = f"{folder}/{name or uuid.uuid4().hex}.sealed"
    blobs = world.blobs if account is world.storage else account.client()
    blobs.get_blob_client(container, file).upload_blob(data, overwrite=True)
    return Digest.of(Parts.of(data).payload)


def drop(world: World, made: Contract, alias: str, plain: bytes, **changes: Any) -> Digest:
    """Seal a table, drop it, and return the name of the version."""
    return put_sealed(world, made, alias, sealed(world, made, alias, plain, **changes))


def table(world: World, room: str, alias: str, owner: str, **changes: Any) -> dict[str, Any]:
    """Describe a party's dataset as the contract does."""
    known = {
        "location": f"{world.account(owner).url}/datasets-{owner}/{room}/customers",
        "columns": [column.to_dict() for column in COLUMNS],
        "rule": REVIEWED,
    }
    return dataset(alias, owner, **known | changes)


def runner_of(
    world: World, host_data: str | None = None, walls: Sequence[str] = ()
) -> dict[str, Any]:
    """Demand the world's simulated machine and walls, or one that runs something else."""
    value = host_data or world.host_data
    return {
        "platform": "simulated",
        "code": {"kind": "host-data", "value": value, "utility_vm_svn": 100},
        "minimum_svn": MILAN,
        "walls": list(walls),
        "debug": False,
    }


def agreed_parties(world: World, room: str) -> list[dict[str, Any]]:
    """Describe the parties as the contract does, each with a room key for this room alone."""
    return [_party(world, name, room) for name in PARTIES]


def _party(world: World, name: str, room: str) -> dict[str, Any]:
    keys = world.keys[name]
    url = f"{world.vaults.url(name)}/keys/{room}"
    room_key = {"url": url, "public": keys.reader.to_json(), "authority": world.authority}
    return party(name, keys, room_key=room_key)


@contextmanager
def running_world(
    folder: Path, *, gated: bool = False, abroad: bool = False, **queue: object
) -> Iterator[World]:
    """Start every service; the changes are to the jobs queue.

    Parties that are abroad have a directory each, with a vault and a storage account of their own.
    """
    with ExitStack() as stack:
        stored = stack.enter_context(storage(folder, gated=gated))
        home = stored.home
        same_hardware(home)
        for container in ("rooms", "results", *(f"datasets-{name}" for name in PARTIES)):
            stored.container(container)
        at = {name: name for name in PARTIES} if abroad else {}
        vaults = stack.enter_context(running_vaults(home, *PARTIES, directories=at))
        (port,) = free_ports(1)
        attestation = stack.enter_context(
            running(
                "devstack.attestation",
                ["--home", str(home.path), "--port", str(port)],
                (port, trusting(home)),
                folder / "attestation.log",
            )
        )
        policy = folder / "policy"
        policy.write_bytes(b"the runner's container\n")
        made = stack.enter_context(guest(home, policy, folder / "guest.log"))
        bus = stack.enter_context(running_bus(folder, bus_config(**queue)))
        elsewhere = stack.enter_context(parties_abroad(home, folder, PARTIES)) if abroad else None
        more = elsewhere.options if elsewhere else ()
        directory = stack.enter_context(
            running_directory(home, ["runner", *PARTIES], folder / "identity.log", more)
        )
        yield World(
            home,
            stored,
            vaults,
            attestation,
            f"https://{HOST}:{port}",
            bus,
            made,
            directory,
            {name: Keys.make() for name in PARTIES},
            Digest.of(policy.read_bytes()).hex,
            elsewhere,
        )
