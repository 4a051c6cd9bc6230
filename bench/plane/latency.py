"""From the upload call's return to the job on the queue: one by one, and many a second.

The uploads go into many rooms, so that few can be answered by one look. Where one is, because a
newer version came before the look, the first job that takes that or a later version counts. The
queue is read by a consumer of its own, which takes the time when it has a job.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from azure.servicebus import ServiceBusClient

from bench.devstack.figures import Figure
from bench.messages import noted, until
from bench.plane.rooms import Drop, drops, in_force
from bench.plane.uploading import Connections, Requests
from bench.shares import UPLOADS, Shares, of_stack, of_uploads
from cleanroom.job import JobRequest
from tests.rooms import Place

_WARM, _SINGLE = 20, 150
_ROOMS = 5
_RATES, _SECONDS = (10, 25, 50), 12
_FIRST = 1000  # the number of the first version that is one of many
_PAUSE = 0.05
_PATIENCE = 60.0


class Queue:
    """What came onto the queue, and when."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    def note(self, body: bytes, at: float) -> None:
        """Note the versions that a job takes."""
        for one in JobRequest.parse(body, "message").inputs:
            self.came.setdefault(one.manifest.text, at)

    def wait(self, wanted: Sequence[Drop]) -> list[float]:
        """Wait until there is a job for each version or a later one, and say when each came."""
        last = {drop.room: drop.manifest.text for drop in wanted}  # in the order of their numbers
        until(
            lambda: all(name in self.came for name in last.values()),
            _PATIENCE,
            "the last upload into some room made no job",
        )
        first: dict[str, float] = {}
        found: list[float] = []
        for drop in reversed(wanted):
            at = self.came.get(drop.manifest.text, first.get(drop.room, float("inf")))
            first[drop.room] = min(at, first.get(drop.room, at))
            found.append(first[drop.room])
        return found[::-1]


def measure(place: Place, env: Mapping[str, str]) -> tuple[list[Figure], str]:
    """Measure a stack that hosts the app, and say whose processor time the highest rate took."""
    connection = env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    trust = env["SSL_CERT_FILE"]
    home = str(Path(trust).parent)
    rooms = in_force(place, _ROOMS)
    queue, connect = Queue(), partial(ServiceBusClient.from_connection_string, place.bus)
    with noted(connect, queue.note, "jobs"):
        time.sleep(3)  # for the first runs of all rooms
        singly = drops(rooms[0], range(2, 2 + _WARM + _SINGLE))
        alone = asyncio.run(_one_by_one(connection, trust, singly, queue))[_WARM:]
        figures = _figures("upload to job queued", alone)
        first, remark = _FIRST, ""
        for rate in _RATES:
            each = rate * _SECONDS // _ROOMS
            many = [drops(room, range(first, first + each)) for room in rooms]
            mixed = [drop for round_ in zip(*many, strict=True) for drop in round_]
            requests = Requests(connection)
            files = {drop.manifest.text: requests.of(drop) for drop in mixed}
            before = UPLOADS.spent(of_stack(home))
            returned = asyncio.run(_at_a_rate(requests.place, trust, files, rate))
            came = queue.wait(mixed)
            after = UPLOADS.spent(of_stack(home))
            together = [
                (at - returned[drop.manifest.text]) * 1000
                for drop, at in zip(mixed, came, strict=True)
            ]
            remark = of_uploads(Shares.between(before, after, len(mixed)), rate)
            figures += _figures(f"the same at {rate} uploads/s", together)
            first += each
    return figures, remark


def _figures(name: str, found: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}, p50", statistics.median(found), "ms", 50),
        Figure(f"{name}, p95", sorted(found)[int(len(found) * 0.95)], "ms", 150),
    ]


async def _one_by_one(
    connection: str, trust: str, files: Sequence[Drop], queue: Queue
) -> list[float]:
    found = []
    requests = Requests(connection)
    async with Connections(requests.place, trust) as front:
        for drop in files:
            await front.send(requests.of(drop))
            returned = time.perf_counter()
            (came,) = await asyncio.to_thread(queue.wait, [drop])
            found.append((came - returned) * 1000)
            await asyncio.sleep(_PAUSE)
    return found


async def _at_a_rate(
    place: tuple[str, int],
    trust: str,
    files: Mapping[str, bytes],
    rate: int,
) -> Mapping[str, float]:
    """Begin an upload every so often, whatever has become of those before; say when each ended."""
    returned: dict[str, float] = {}
    async with Connections(place, trust) as front:

        async def upload(name: str, request: bytes) -> None:
            await front.send(request)
            returned[name] = time.perf_counter()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, (name, request) in enumerate(files.items()):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                group.create_task(upload(name, request))
    return returned
