"""What every HTTP server of the stack does with clients that are slow, rude, or gone."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web as aio_web

from cleanroom.errors import Malformed, Unavailable
from devstack import web
from devstack.home import HOST, Home
from tests.servers import free_ports, trusting

PATIENCE = 10.0  # seconds, on a machine that others keep busy
LARGEST = 1000
REQUEST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"


type Ask = Callable[[int, bytes], Awaitable[bytes]]


async def echo(request: aio_web.Request) -> aio_web.Response:
    return aio_web.Response(body=await web.body(request, LARGEST, slowest=0.2))


async def bug(_: aio_web.Request) -> aio_web.Response:
    raise RuntimeError("a bug of ours")


async def cut_off(_: aio_web.Request) -> aio_web.Response:
    raise ConnectionResetError("another server hung up, and nobody cared")


@asynccontextmanager
async def site(tls: ssl.SSLContext | None = None, idle: float = web.IDLE) -> AsyncIterator[int]:
    """Serve what is above; gives the port."""
    app = aio_web.Application()
    app.router.add_post("/echo", echo)
    app.router.add_get("/bug", bug)
    app.router.add_get("/cut-off", cut_off)
    (port,) = free_ports(1)
    runner = await web.start(web.Site(app, port, tls, idle))
    try:
        yield port
    finally:
        await runner.cleanup()


async def said(port: int, sent: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes, and read until the server hangs up."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
        try:
            writer.write(sent)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def status(port: int, sent: bytes) -> bytes:
    """Send bytes, and read the status that comes of them."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        line = await reader.readline()
        writer.close()
        return line.split(b" ")[1]


async def health(port: int) -> bytes:
    return await said(
        port, b"GET /devstack/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )


def one(sent: bytes, ask: Ask = said, idle: float = web.IDLE) -> bytes:
    """Give what a server of its own answers; afterwards it is as healthy as before."""

    async def run() -> bytes:
        async with site(idle=idle) as port:
            answer = await ask(port, sent)
            assert (await health(port)).startswith(b"HTTP/1.1 200 OK")
            return answer

    return asyncio.run(run())


def test_every_server_says_that_it_is_ready() -> None:
    answer = one(b"GET /devstack/health HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.0 200 OK")
    assert answer.endswith(b'{"status": "ready"}')


def test_requests_in_one_go_are_answered_in_their_order() -> None:
    first = REQUEST + b"Content-Length: 1\r\n\r\n1"
    last = REQUEST + b"Content-Length: 1\r\nConnection: close\r\n\r\n2"

    answer = one(first * 40 + last)

    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"1"] * 40 + [b"2"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"400", id="a TLS handshake"),
        pytest.param(b"AMQP\x00\x01\x00\x00\r\n\r\n", b"400", id="AMQP"),
        pytest.param(b"GET / HTTP/1.1\r\n: nothing\r\n\r\n", b"400", id="header of no name"),
        pytest.param(
            b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", b"400", id="large header"
        ),
        pytest.param(b"GET /bug\xff HTTP/1.1\r\n\r\n", b"400", id="path of no text"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nA: \xff\r\nContent-Length: 0\r\n\r\n", b"400", id="no UTF-8"
        ),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: a::::\r\nContent-Length: 0\r\n\r\n", b"400", id="no host"
        ),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n", b"400", id="empty host"
        ),
        pytest.param(b"PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n", b"405", id="another method"),
        pytest.param(b"BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", b"400", id="no method"),
        pytest.param(REQUEST + b"Content-Length: -1\r\n\r\n", b"400", id="length below 0"),
        pytest.param(REQUEST + b"Content-Length: 1001\r\n\r\n", b"413", id="too large a body"),
        pytest.param(
            REQUEST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n",
            b"413",
            id="too large in chunks",
        ),
        pytest.param(
            REQUEST + b"Transfer-Encoding: chunked\r\n\r\nnone\r\n", b"400", id="no chunks"
        ),
        pytest.param(REQUEST + b"Content-Length: 10\r\n\r\nabc", b"408", id="slow body"),
    ],
)
def test_a_clients_mistake_is_an_answer_and_no_word_in_the_log(
    sent: bytes, expected: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    found = one(sent, status)

    assert (found, caplog.text) == (expected, "")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"], ids=["nothing", "line", "headers"]
)
def test_a_client_that_falls_silent_loses_its_connection(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = one(sent, idle=0.1)

    assert (answer, caplog.text) == (b"", "")


def test_a_client_that_is_gone_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with site() as port:
            for reset in (True, False):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.write(REQUEST + b"Content-Length: 10\r\n\r\nabc")
                await writer.drain()
                if reset:
                    writer.transport.abort()
                writer.close()
            assert (await health(port)).startswith(b"HTTP/1.1 200 OK")

    asyncio.run(run())

    assert caplog.text == ""


@pytest.mark.parametrize(
    ("path", "error"),
    [
        pytest.param(b"/bug", "RuntimeError: a bug of ours", id="bug"),
        pytest.param(b"/cut-off", "ConnectionResetError: another server", id="another's end"),
    ],
)
def test_an_error_of_ours_is_in_the_log_and_not_in_the_answer(
    path: bytes, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = one(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert error.partition(": ")[2].encode() not in answer
    assert error in caplog.text


def test_a_server_with_tls_speaks_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home.at(tmp_path / "home")

    async def run() -> tuple[bytes, bytes]:
        async with site(home.tls()) as port:
            plain = await said(port, b"GET /devstack/health HTTP/1.0\r\n\r\n")
            request = b"GET /devstack/health HTTP/1.0\r\n\r\n"
            return plain, await said(port, request, tls=trusting(home))

    plain, secret = asyncio.run(run())

    assert b"200" not in plain
    assert secret.startswith(b"HTTP/1.0 200 OK")
    assert caplog.text == ""


def test_a_port_that_is_taken_is_named() -> None:
    async def run() -> None:
        async with site() as port:
            with pytest.raises(Unavailable, match=f"^port {port}: cannot be used: address already"):
                await web.start(web.Site(aio_web.Application(), port, None))

    asyncio.run(run())


def test_a_server_that_cannot_have_all_its_ports_gives_back_the_others() -> None:
    (free,) = free_ports(1)

    async def run() -> None:
        async with site() as taken:
            apps = [web.Site(aio_web.Application(), port, None) for port in (free, taken)]
            with pytest.raises(Unavailable, match=f"^port {taken}: "):
                await web.serve(apps, "test")
            runner = await web.start(web.Site(aio_web.Application(), free, None))
            await runner.cleanup()

    asyncio.run(run())


def test_what_ends_a_server_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse() -> None:
        raise Malformed("config.json", "JSON")

    assert web.run(refuse) == 2
    assert capsys.readouterr().err == "cleanroom-dev: config.json: expected JSON\n"
