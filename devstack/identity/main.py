"""The command: which folder, which port, which identities."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devstack import clock, web
from devstack.home import HOST, Home
from devstack.identity.app import application
from devstack.identity.directory import Directory, Identity
from devstack.tokens import Caller, Issuer

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_ROLE = re.compile(r"[a-z0-9:-]{1,100}")


@dataclass(frozen=True, slots=True)
class Named:
    """An identity as the command names it, with its roles in the control plane's API."""

    name: str
    roles: tuple[str, ...] = ()

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """Read `NAME`, or `NAME=ROLE`."""
        name, equals, role = spelled.partition("=")
        if not _NAME.fullmatch(name) or (equals and not _ROLE.fullmatch(role)):
            raise argparse.ArgumentTypeError(
                f"expected letters a to z, digits and hyphens, or such a name=role, got {spelled!r}"
            )
        return cls(name, (role,) if equals else ())


def directory_of(home: Home, port: int, named: Sequence[Named]) -> Directory:
    """Derive from the stack's key whom its directory knows."""
    tenant = home.object_id("tenant")
    return Directory(
        Issuer(f"http://{HOST}:{port}/{tenant}", tenant, home.token_key()),
        tuple(
            Identity(
                Caller(one.name, home.object_id(one.name)),
                home.secret(f"identity/{one.name}"),
                one.roles,
            )
            for one in {one.name: one for one in named}.values()
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
        type=Named.parse,
        action="append",
        required=True,
        metavar="NAME[=ROLE]",
        help="who may ask for tokens, and its role in the control plane's API; repeat it for each",
    )
    return parser
