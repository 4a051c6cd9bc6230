"""What a look at a room costs: an empty room beside one with a long past, turn by turn."""

import asyncio
import statistics
import time
from collections.abc import Mapping

from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from bench.devstack.figures import Figure
from bench.plane.rooms import drops, in_force
from functions.parts import Parts
from tests.ports.functions.plane import plane
from tests.rooms import Place, PlayedRoom

_JOBS, _VERSIONS = 10_000, 1_000
_ROUNDS, _WARM = 200, 20
_AT_ONCE = 16


def measure(place: Place, env: Mapping[str, str]) -> tuple[list[Figure], str]:
    """Measure a running stack; the looks are made in this process."""
    return asyncio.run(_measure(place, env)), ""


async def _measure(place: Place, env: Mapping[str, str]) -> list[Figure]:
    young, old = in_force(place, 2)
    connection = env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    trust = env["SSL_CERT_FILE"]
    async with BlobServiceClient.from_connection_string(
        connection, connection_verify=trust
    ) as storage:
        await _grow_old(storage, old)
    endpoint = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
    key = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"]
    async with plane(place, endpoint, key) as parts:
        for room in (young, old):
            for _ in range(_WARM):
                await parts.reconciler.reconcile(room.name)
        times: dict[str, list[float]] = {young.name: [], old.name: []}
        own: list[float] = []
        for _ in range(_ROUNDS):
            for room in (young, old):
                wall, processor = await _look(parts, room)
                times[room.name].append(wall)
                own.append(processor)
    ratio = statistics.median(times[old.name]) / statistics.median(times[young.name])
    return [
        Figure(
            f"a look with {_JOBS:,} jobs and {_VERSIONS:,} versions, to one with none",
            ratio,
            "x",
            1.2,
        ),
        Figure("our own time of a look, median", statistics.median(own) * 1000, "ms", 100),
        Figure("our own time of a look, longest", max(own) * 1000, "ms", 100),
    ]


async def _look(parts: Parts, room: PlayedRoom) -> tuple[float, float]:
    began, processor = time.perf_counter(), time.process_time()
    await parts.reconciler.reconcile(room.name)
    return time.perf_counter() - began, time.process_time() - processor


async def _grow_old(storage: BlobServiceClient, room: PlayedRoom) -> None:
    """Give a room finished jobs, a blob of each, and many versions of a dataset."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def write(container: ContainerClient, name: str, data: bytes) -> None:
        async with turns:
            await container.upload_blob(name, data)

    rooms = storage.get_container_client("rooms")
    datasets = storage.get_container_client("datasets")
    async with asyncio.TaskGroup() as group:
        for number in range(_JOBS):
            name = f"{room.name}/jobs/{number:064x}/outcome.json"
            group.create_task(write(rooms, name, b"{}"))
        for drop in drops(room, range(2, 2 + _VERSIONS)):
            group.create_task(write(datasets, drop.blob, drop.data))
