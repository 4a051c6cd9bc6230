"""From the upload call's return to the job on the queue: one by one, and fifty a second.

The uploads go into many rooms, so that few can be answered by one look. Where one is, because a
newer version came before the look, the first job that takes that or a later version counts. The
queue is read by a consumer of its own, which takes the time when it has a job.
"""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from azure.servicebus import ServiceBusClient
from azure.storage.blob.aio import BlobServiceClient

from bench.devstack.figures import Figure
from bench.plane.rooms import Drop, drops, in_force
from cleanroom.job import JobRequest
from tests.rooms import Place

_WARM, _SINGLE = 20, 150
_ROOMS = 5
_A_SECOND, _SECONDS = 50, 12
_PAUSE = 0.05
_PATIENCE = 60.0
_POLL = 0.002


class Queue:
    """What comes onto the queue, and when."""

    def __init__(self, bus: str) -> None:
        self._bus = bus
        self._over = threading.Event()
        self.came: dict[str, float] = {}

    @contextmanager
    def read(self) -> Iterator["Queue"]:
        """Read it until the block ends."""
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def wait(self, wanted: Sequence[Drop]) -> list[float]:
        """Wait until there is a job for each version or a later one, and say when each came."""
        last = {drop.room: drop.manifest.text for drop in wanted}  # in the order of their numbers
        until = time.monotonic() + _PATIENCE
        while not all(name in self.came for name in last.values()):
            if time.monotonic() > until:
                raise TimeoutError("the last upload into some room made no job")
            time.sleep(_POLL)
        first: dict[str, float] = {}
        found: list[float] = []
        for drop in reversed(wanted):
            at = self.came.get(drop.manifest.text, first.get(drop.room, float("inf")))
            first[drop.room] = min(at, first.get(drop.room, at))
            found.append(first[drop.room])
        return found[::-1]

    def _read(self) -> None:
        with (
            ServiceBusClient.from_connection_string(self._bus) as client,
            client.get_queue_receiver("jobs", prefetch_count=50, max_wait_time=1) as receiver,
        ):
            while not self._over.is_set():
                for message in receiver:  # one by one: a batch would wait until it is full
                    at = time.perf_counter()
                    job = JobRequest.parse(b"".join(message.body), "message")
                    for one in job.inputs:
                        self.came.setdefault(one.manifest.text, at)
                    receiver.complete_message(message)


def measure(place: Place, env: Mapping[str, str]) -> list[Figure]:
    """Measure a stack that hosts the app."""
    connection = env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    trust = env["SSL_CERT_FILE"]
    rooms = in_force(place, _ROOMS)
    with Queue(place.bus).read() as queue:
        time.sleep(3)  # for the first runs of all rooms
        singly = drops(rooms[0], range(2, 2 + _WARM + _SINGLE))
        alone = asyncio.run(_one_by_one(connection, trust, singly, queue))[_WARM:]
        each = _A_SECOND * _SECONDS // _ROOMS
        many = [drops(room, range(1000, 1000 + each)) for room in rooms]
        mixed = [drop for round_ in zip(*many, strict=True) for drop in round_]
        together = asyncio.run(_at_a_rate(connection, trust, mixed, queue))
    return [
        Figure("upload to job queued, p50", statistics.median(alone), "ms", 50),
        Figure("upload to job queued, p95", _p95(alone), "ms", 150),
        Figure(f"the same at {_A_SECOND} uploads/s, p50", statistics.median(together), "ms", 50),
        Figure(f"the same at {_A_SECOND} uploads/s, p95", _p95(together), "ms", 150),
    ]


async def _one_by_one(
    connection: str, trust: str, files: Sequence[Drop], queue: Queue
) -> list[float]:
    found = []
    async with BlobServiceClient.from_connection_string(
        connection, connection_verify=trust
    ) as storage:
        container = storage.get_container_client("datasets")
        for drop in files:
            await container.upload_blob(drop.blob, drop.data)
            returned = time.perf_counter()
            (came,) = await asyncio.to_thread(queue.wait, [drop])
            found.append((came - returned) * 1000)
            await asyncio.sleep(_PAUSE)
    return found


async def _at_a_rate(
    connection: str, trust: str, files: Sequence[Drop], queue: Queue
) -> list[float]:
    """Begin an upload every so often, whatever has become of those before."""
    returned: dict[str, float] = {}
    async with BlobServiceClient.from_connection_string(
        connection, connection_verify=trust
    ) as storage:
        container = storage.get_container_client("datasets")

        async def upload(drop: Drop) -> None:
            await container.upload_blob(drop.blob, drop.data)
            returned[drop.manifest.text] = time.perf_counter()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, drop in enumerate(files):
                await asyncio.sleep(max(0.0, began + number / _A_SECOND - time.perf_counter()))
                group.create_task(upload(drop))
    came = await asyncio.to_thread(queue.wait, files)
    return [
        (at - returned[drop.manifest.text]) * 1000 for drop, at in zip(files, came, strict=True)
    ]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
