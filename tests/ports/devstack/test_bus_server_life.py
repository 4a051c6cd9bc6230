"""The bus in this process: who must prove a right in time, who is too much, and how it ends."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cleanroom.errors import Malformed, Unavailable
from devstack.bus import connection, frames, server
from devstack.bus import encoding as e
from devstack.bus.broker import Broker
from devstack.bus.entities import QueueOptions
from devstack.bus.server import Options
from devstack.home import HOST, Home
from tests.ports.devstack.amqp_peer import (
    AMQP_HEADER,
    attach_frame,
    begin_frame,
    open_frame,
    terminus,
)
from tests.servers import free_ports

SEED = 20

type Scenario = Callable[[Broker, int], Awaitable[None]]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return given(Home.at(tmp_path / "home"))


def given(home: Home, config: Path | None = None, port: int | None = None) -> Options:
    plain, tls, control = free_ports(3)
    return Options(home, port or plain, tls, control, config)


def run(options: Options, scenario: Scenario) -> None:
    async def main() -> None:
        async with server.running(options) as broker:
            await scenario(broker, options.port)

    asyncio.run(main())


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  # there is nothing to wait on
            await asyncio.sleep(0.01)


def test_who_proves_no_right_in_time_is_cut(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.05)

    async def scenario(_: Broker, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(AMQP_HEADER + open_frame(512))
        said = await read_all(reader)
        writer.close()

        assert said == b"" or said.startswith(AMQP_HEADER)

    run(options, scenario)


def test_too_many_connections_are_cut(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)

    async def scenario(broker: Broker, port: int) -> None:
        links = [await asyncio.open_connection(HOST, port) for _ in range(3)]
        assert await read_all(links[2][0]) == b""
        for _, writer in links:
            writer.close()
        await until(lambda: not broker.connections)

    run(options, scenario)


def test_connections_that_are_dropped_leave_nothing(options: Options) -> None:
    async def scenario(broker: Broker, port: int) -> None:
        broker.namespace.put_queue("queue", QueueOptions())
        said = AMQP_HEADER + open_frame(512) + begin_frame()
        said += attach_frame(1, terminus("queue"), terminus("mine"), receives=True)
        for _ in range(200):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(said)
            writer.close()
        await until(lambda: not broker.connections)

        assert not broker.namespace.queues["queue"].consumers
        assert not broker._touched

    run(options, scenario)


def test_bytes_of_any_kind_end_their_connection_and_no_other(
    options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(SEED)  # noqa: S311  # for noise
    opening = AMQP_HEADER + open_frame(512) + begin_frame()

    async def scenario(broker: Broker, port: int) -> None:
        witness, witness_writer = await asyncio.open_connection(HOST, port)
        witness_writer.write(AMQP_HEADER)
        assert await witness.readexactly(8) == AMQP_HEADER
        for number in range(200):
            noise = chance.randbytes(chance.randrange(1, 200))
            frame = (len(noise) + 8).to_bytes(4) + b"\x02\x00\x00\x01" + noise
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write([noise, opening + noise, opening + frame][number % 3])
            writer.write_eof()
            await read_all(reader)
            writer.close()
        witness_writer.write(open_frame(512))
        assert await witness.readexactly(8)
        witness_writer.close()
        await until(lambda: not broker.connections)

    run(options, scenario)

    assert not [one for one in caplog.records if one.exc_info]


def test_an_error_of_our_own_ends_one_connection(
    options: Options, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: bytes) -> int:
        raise RuntimeError("ours")

    monkeypatch.setattr(frames, "read_open", fail)

    async def scenario(_: Broker, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(AMQP_HEADER + open_frame(512))
        assert e.symbol("amqp:internal-error") in await read_all(reader)
        writer.close()

    run(options, scenario)

    assert "a connection failed" in caplog.text


def test_who_does_not_read_is_not_read_from(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MOST_UNSENT", 1 << 10)

    async def scenario(broker: Broker, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 10)
        writer.write(AMQP_HEADER + open_frame(512) + begin_frame())
        await until(lambda: bool(broker.connections))
        (peer,) = broker.connections
        assert isinstance(peer, connection.Connection)
        while peer.line.writable:
            writer.write(attach_frame(1, terminus("nowhere"), terminus("mine"), receives=True) * 50)
            await asyncio.sleep(0.001)
        reading = asyncio.ensure_future(read_all(reader))
        await until(lambda: peer.line.writable)
        writer.close()
        await reading

    run(options, scenario)


def test_a_store_that_cannot_be_written_stops_the_bus_before_it_promises(
    options: Options, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(broker: Broker, _: int) -> None:
        flushed: list[str] = []
        monkeypatch.setattr(broker.store, "commit", fail)
        broker.namespace.put_queue("queue", QueueOptions())
        broker.touch(lambda: flushed.append("promise"))
        await asyncio.wait_for(broker.failed.wait(), 10)
        broker.tick()
        assert flushed == []

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    run(options, scenario)

    assert "cannot be kept" in caplog.text


def test_the_process_ends_when_nothing_can_be_kept(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        serving = asyncio.ensure_future(server.serve(options))
        await until(lambda: bool(brokers))
        brokers[0].failed.set()
        await serving

    def remembered(*arguments: Any) -> Broker:
        brokers.append(make(*arguments))
        return brokers[-1]

    brokers: list[Broker] = []
    make = server._broker
    monkeypatch.setattr(server, "_broker", remembered)

    with pytest.raises(Unavailable):
        asyncio.run(main())


def test_a_port_in_use_is_named(options: Options) -> None:
    async def scenario(_: Broker, port: int) -> None:
        others = given(Home.at(options.home.path.parent / "other"), port=port)
        with pytest.raises(Unavailable, match=f"port {port}"):
            async with server.running(others):
                pass

    run(options, scenario)


def test_a_home_has_one_bus(options: Options) -> None:
    async def scenario(_: Broker, __: int) -> None:
        with pytest.raises(Unavailable, match="cannot be opened"):
            async with server.running(given(options.home)):
                pass

    run(options, scenario)


CONFIGS = {
    "what is not there": (None, Unavailable),
    "what is none": (b"{}", Malformed),
}


@pytest.mark.parametrize(("content", "error"), CONFIGS.values(), ids=CONFIGS)
def test_a_configuration_is_refused(
    options: Options, tmp_path: Path, content: bytes | None, error: type[Exception]
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(error):
        run(given(options.home, path), nothing)


def test_a_configuration_that_contradicts_what_is_there_is_refused(
    options: Options, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    queue = b'{"Name": "queue", "Properties": {"RequiresSession": %s}}'
    whole = b'{"UserConfig": {"Namespaces": [{"Name": "n", "Queues": [%s]}]}}'
    path.write_bytes(whole % (queue % b"true"))
    run(given(options.home, path), nothing)
    path.write_bytes(whole % (queue % b"false"))

    with pytest.raises(Unavailable, match="RequiresSession"):
        run(given(options.home, path), nothing)


async def nothing(_: Broker, __: int) -> None:
    """Do nothing."""
