"""All that `cleanroom-dev up` starts in a checkout: what a test does to it, and what it sees."""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from azure.keyvault.keys import KeyClient
from azure.servicebus import ServiceBusClient
from azure.storage.blob import BlobServiceClient

from cleanroom.job import Outcome
from devstack import clock
from devstack.home import Home
from devstack.stack import settings, signing
from devstack.stack.environment import Stack
from devstack.stack.folder import Folder
from devstack.stack.plan import DEFAULTS
from devstack.storage import EVENT_TOPIC
from tests.dev_commands import dev
from tests.endpoints import Endpoint
from tests.grids import webhook
from tests.parties import ROOT, stack_ports
from tests.ports.functions.told import Told, telling
from tests.stacks import RunningStack, being
from tests.storages import quick_retries
from tests.vaults import Credential
from tests.worlds import bus_config

PARTIES = ("north", "south", "east", "west")
PATIENCE = 120.0  # seconds, on a machine that others keep busy
_LOCK = "PT5S"  # until a message comes again whose receiver was killed
_POLL = 0.02
_ANSWER = 40.0  # seconds
_RETRIES = 300  # of 0.2 s each: as long as a server that was killed may be away


@dataclass(frozen=True)
class Whole:
    """A running stack with the app and a runner, as its operator sees it."""

    running: RunningStack
    env: Mapping[str, str]
    storage: BlobServiceClient
    told: Told
    _heard: list[Outcome] = field(default_factory=list)

    @property
    def home(self) -> Home:
        return Home.at(self.running.home)

    # --- servers

    def servers(self) -> dict[str, dict[str, Any]]:
        """Look how all servers are, by their names."""
        ran = dev("status", "--json", "--home", self.running.home)  # not all may be ready
        return {one["name"]: one for one in json.loads(ran.out)["servers"]}

    def are_back(self, killed: Collection[Mapping[str, Any]]) -> bool:
        """Tell whether servers were started again, and are ready."""
        now = Folder(self.running.home).state().by_name
        return all(
            now[one["name"]].phase == "ready" and now[one["name"]].restarts > one["restarts"]
            for one in killed
        )

    def datasets(self, party: str) -> str:
        """Say where a party drops its files, with its right to do so."""
        stack = Stack(self.home, settings.remembered(Folder(self.running.home).settings))
        sign = signing.signer(self.home.secret("storage/account"), clock.now())
        return stack.of(party, sign)["CLEANROOM_DEV_DATASETS_URL"]

    def vault(self, party: str) -> KeyClient:
        """Reach a party's vault as the party."""
        url = self.env[f"CLEANROOM_DEV_VAULT_URL_{party.upper()}"]
        resource = f"https://0.0.1:{url.rpartition(':')[2]}"  # what its challenge asks for
        return KeyClient(url, Credential(self.home, party, resource))

    # --- jobs

    def jobs(self, event: str) -> list[str]:
        """Name the jobs of which the runner has said so, as often as it has."""
        log = Folder(self.running.home).log("runner").read_text()
        said = [json.loads(line) for line in log.splitlines() if line.startswith('{"event"')]
        return [line["job"] for line in said if line["event"] == event]

    def is_at_rest(self) -> bool:
        """Tell whether no message is left, not even one under lock."""
        lines = ("queues/jobs", "topics/outcomes/subscriptions/functions")
        return not any(self._counted(line)["active"] for line in lines)

    def put_aside(self) -> int:
        """Count the messages that nobody could take."""
        lines = ("queues/jobs", "topics/outcomes/subscriptions/functions")
        return sum(self._counted(line)["deadLetter"] for line in lines)

    def outcomes(self, room: str) -> list[Outcome]:
        """Name every outcome of a room that was sent, as often as it was."""
        while left := self._counted("topics/outcomes/subscriptions/watch")["active"]:
            self._heard.extend(self._received(left))
        return [outcome for outcome in self._heard if outcome.room == room]

    def _received(self, most: int) -> Iterator[Outcome]:
        string = self.env["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"]
        with (
            ServiceBusClient.from_connection_string(string) as client,
            client.get_subscription_receiver("outcomes", "watch", keep_alive=0) as receiver,
        ):
            for message in receiver.receive_messages(most, max_wait_time=_ANSWER):
                receiver.complete_message(message)
                yield Outcome.parse(b"".join(message.body), "outcome")

    def _counted(self, entity: str) -> Any:
        answer = requests.get(
            f"{self.env['CLEANROOM_DEV_SERVICEBUS_CONTROL_URL']}/devstack/{entity}",
            headers={"Authorization": f"Bearer {self.env['CLEANROOM_DEV_SERVICEBUS_CONTROL_KEY']}"},
            timeout=_ANSWER,
        )
        answer.raise_for_status()
        return answer.json()

    # --- rooms

    def put(self, container: str, name: str, data: bytes) -> None:
        self.storage.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def get(self, container: str, name: str) -> bytes:
        found: bytes = self.storage.get_blob_client(container, name).download_blob().readall()
        return found

    def names(self, container: str, folder: str) -> list[str]:
        listed = self.storage.get_container_client(container).list_blobs(folder)
        return [str(blob.name) for blob in listed]

    # --- functions

    def deliver(self, event: Mapping[str, Any]) -> None:
        """Give the functions an event of storage, as Event Grid does."""
        answer = requests.post(
            f"{self.env['CLEANROOM_DEV_FUNCTIONS_URL']}/runtime/webhooks/EventGrid",
            params={"functionName": "blob_created", "code": self._key},
            headers={"aeg-event-type": "Notification"},
            json=event,
            timeout=_ANSWER,
        )
        assert answer.status_code == 202, answer.text

    def sweep(self) -> None:
        """Have the functions look at all rooms now, and wait until they have."""
        before = self._swept()
        answer = requests.post(
            f"{self.env['CLEANROOM_DEV_FUNCTIONS_URL']}/admin/functions/sweep",
            headers={"x-functions-key": self._key},
            json={},
            timeout=_ANSWER,
        )
        assert answer.status_code == 202, answer.text
        until(lambda: self._swept() > before)

    @property
    def _key(self) -> str:
        return self.env["CLEANROOM_DEV_FUNCTIONS_KEY"]

    def _swept(self) -> int:
        return Folder(self.running.home).log("functions").read_text().count("rooms.swept")

    # --- events

    @contextmanager
    def deaf(self) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Let no event of storage get to the functions; lend what takes all that there are."""
        kept = f"/topics/{EVENT_TOPIC}/subscriptions/functions"
        mine = f"/topics/{EVENT_TOPIC}/subscriptions/test-{uuid.uuid4().hex[:8]}"
        with Endpoint() as endpoint:
            self.told.call("PUT", mine, webhook(endpoint.url))
            assert self.told.call("DELETE", kept).status_code == requests.codes.ok
            try:
                yield lambda: self._taken(endpoint)
            finally:
                self.told.call("PUT", kept, _subscription())
                self.told.call("DELETE", mine)

    def _taken(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        assert self.told.call("POST", "/idle?timeout=20&retries=wait").json()["idle"]
        events = []
        for one in endpoint.all():
            body = json.loads(one.body)
            events += body if isinstance(body, list) else [body]
        return events


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, and not for ever."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(_POLL)


def kill(servers: Iterable[Mapping[str, Any]]) -> None:
    """End servers as a power cut would; the stack starts them again."""
    for one in servers:
        os.kill(one["pid"], signal.SIGKILL)


def _subscription() -> object:
    """Say how the functions are subscribed to what storage tells."""
    topics = json.loads((DEFAULTS / "eventgrid-functions.json").read_bytes())["topics"]
    (storage,) = [topic for topic in topics if topic["name"] == EVENT_TOPIC]
    (found,) = storage["eventSubscriptions"]
    return {"properties": found["properties"]}


@contextmanager
def running_whole(folder: Path, parties: Sequence[str] = PARTIES) -> Iterator[Whole]:
    """Run everything until the block ends; locks are short, so that no test waits long."""
    home, bus = folder / "home", folder / "bus.json"
    bus.write_text(json.dumps(_impatient(bus_config(LockDuration=_LOCK, MaxDeliveryCount=50))))
    chosen = [f"--port={name}={port}" for name, port in stack_ports(parties).items()]
    chosen += [part for party in parties for part in ("--party", party)]
    app = ("--functions", ROOT, "--bus-config", bus)
    started = dev("up", "--home", home, *chosen, *app, folder=folder)
    assert (started.code, started.err) == (0, ""), started.err
    try:
        running = RunningStack(home)
        env = running.env("operator")
        string = env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
        retries = quick_retries(_RETRIES)
        with (
            being(env),
            BlobServiceClient.from_connection_string(string, retry_policy=retries) as storage,
            telling(env) as told,
        ):
            yield Whole(running, env, storage, told)
    finally:
        dev("reset", "--yes", "--home", home)


def _impatient(config: dict[str, Any]) -> dict[str, Any]:
    """Have outcomes, too, come again soon."""
    for subscription in config["UserConfig"]["Namespaces"][0]["Topics"][0]["Subscriptions"]:
        subscription["Properties"]["LockDuration"] = _LOCK
    return config
