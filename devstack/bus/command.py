"""The command line of the bus."""

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path

from devstack import web
from devstack.bus.server import LARGEST_MESSAGE, Options, serve
from devstack.home import Home

_MIB = 1 << 20
_RARELY = (50_000, 20, 1000)
"""How often the collector looks for cycles: messages are in none, and to look through a full queue
takes longer than a message may."""


def main(arguments: Sequence[str]) -> int:
    """Run the bus."""
    given = _parser().parse_args(arguments)
    options = Options(
        Home.at(given.home),
        given.port,
        given.tls_port,
        given.control_port,
        given.config,
        given.largest_message,
        given.quota * _MIB,
    )
    gc.freeze()
    gc.set_threshold(*_RARELY)
    return web.run(lambda: serve(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.bus", description=__doc__)
    add = parser.add_argument
    add("--home", type=Path, required=True, help="the stack's folder")
    add("--port", type=int, default=5672, help="AMQP")
    add("--tls-port", type=int, default=5671, help="AMQP over TLS")
    add("--control-port", type=int, default=5300, help="the control API, over HTTP")
    add("--config", type=Path, help="a config.json of Microsoft's emulator")
    add("--largest-message", type=int, default=LARGEST_MESSAGE, help="in bytes")
    add("--quota", type=int, default=1024, help="MiB that one entity may hold")
    return parser
