"""The command: which folder, which port, which identities."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from devstack import clock, web
from devstack.home import HOST, Home
from devstack.identity.app import application
from devstack.identity.directory import Directory, Identity
from devstack.tokens import Caller, Issuer

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def directory_of(home: Home, port: int, names: Sequence[str]) -> Directory:
    """Derive from the stack's key whom its directory knows."""
    tenant = home.object_id("tenant")
    return Directory(
        Issuer(f"http://{HOST}:{port}/{tenant}", tenant, home.token_key()),
        tuple(
            Identity(Caller(name, home.object_id(name)), home.secret(f"identity/{name}"))
            for name in dict.fromkeys(names)
        ),
    )


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)

    async def serve() -> None:
        directory = directory_of(Home.at(options.home), options.port, options.identity)
        site = web.Site(application(directory, clock.now), options.port, None)
        await web.serve([site], "identity")

    return web.run(serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.identity", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument("--port", type=int, default=8440, help="where to listen (%(default)s)")
    parser.add_argument(
        "--identity",
        type=_name,
        action="append",
        required=True,
        metavar="NAME",
        help="who may ask for tokens; repeat it for each",
    )
    return parser


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"expected letters a to z, digits and hyphens, got {text!r}"
        )
    return text
