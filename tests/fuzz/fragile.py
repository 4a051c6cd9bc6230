"""A server with one fault, for the attack to find: python -m tests.fuzz.fragile PORT FAULT."""

import os
import sys

from aiohttp import web as aio_web

from devstack import web

_kept: list[object] = []


async def faultless(request: aio_web.Request) -> aio_web.Response:
    return aio_web.Response(body=await web.body(request, 1 << 20))


async def ending(request: aio_web.Request) -> aio_web.Response:
    if await request.read() != b"genuine":
        os._exit(1)
    return aio_web.Response()


async def raising(request: aio_web.Request) -> aio_web.Response:
    if await request.read() != b"genuine":
        raise RuntimeError("a client's mistake")
    return aio_web.Response()


async def forgetting(request: aio_web.Request) -> aio_web.Response:
    if await request.read() != b"genuine":
        _kept.append(True)
    if _kept:
        raise aio_web.HTTPServiceUnavailable
    return aio_web.Response()


async def hoarding(request: aio_web.Request) -> aio_web.Response:
    if await request.read() != b"genuine":
        _kept.append(bytes([1]) * (8 << 20))
    return aio_web.Response()


async def holding(request: aio_web.Request) -> aio_web.Response:
    if await request.read() != b"genuine":
        _kept.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(20))
    return aio_web.Response()


FAULTS = {one.__name__: one for one in (faultless, ending, raising, forgetting, hoarding, holding)}


def main() -> int:
    port, fault = int(sys.argv[1]), FAULTS[sys.argv[2]]

    async def serve() -> None:
        app = aio_web.Application()
        app.router.add_post("/", fault)
        await web.serve([web.Site(app, port, None)], "fragile")

    return web.run(serve)


if __name__ == "__main__":
    sys.exit(main())
