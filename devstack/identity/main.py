"""The command: which folder, which ports, which identities, applications and directories."""

import argparse
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devstack import clock, web
from devstack.home import HOST, Home
from devstack.identity.app import application
from devstack.identity.applications import Application
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


type Pairs = Sequence[tuple[str, str]]


def directory_of(
    home: Home,
    port: int,
    named: Sequence[Named],
    elsewhere: Pairs = (),
    trusting: Pairs = (),
    let_in: Pairs = (),
) -> Directory:
    """Derive from the stack's key whom its directory knows, and whom the others know.

    The pairs are of an identity and its directory, of an application and the identity that it
    trusts, and of an application and a directory that has let it in.
    """
    issuer = Issuer(f"http://{HOST}:{port}/{home.directory()}", home.directory(), home.token_key())
    tenants = {name: home.directory(name) for _, name in (*elsewhere, *let_in)}
    at = {name: tenants[directory] for name, directory in elsewhere}
    return Directory(
        issuer,
        tuple(
            Identity(
                Caller(one.name, home.object_id(one.name)),
                home.secret(f"identity/{one.name}"),
                one.roles,
                at.get(one.name),
            )
            for one in {one.name: one for one in named}.values()
        ),
        frozenset(tenants.values()),
        tuple(
            Application(
                name,
                home.object_id(name),
                issuer.federated,
                home.object_id(identity),
                {
                    tenants[directory]: home.object_id(f"{name} in {directory}")
                    for one, directory in let_in
                    if one == name
                },
            )
            for name, identity in trusting
        ),
    )


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)

    async def serve() -> None:
        home = Home.at(options.home)
        others = (options.directory, options.application, options.principal)
        directory = directory_of(home, options.port, options.identity, *others)
        ports: list[tuple[int, ssl.SSLContext | None]] = [(options.port, None)]
        if options.tls_port:
            ports.append((options.tls_port, home.tls()))
        sites = [web.Site(application(directory, clock.now), *port) for port in ports]
        await web.serve(sites, "identity")

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
    parser.add_argument(
        "--tls-port", type=int, help="where applications ask for tokens: their clients demand TLS"
    )
    for option, left, right, help_ in (
        ("directory", "IDENTITY", "DIRECTORY", "an identity of another directory"),
        ("application", "NAME", "IDENTITY", "an application, and the identity that it trusts"),
        ("principal", "APPLICATION", "DIRECTORY", "an application, and who has let it in"),
    ):
        parser.add_argument(
            f"--{option}",
            type=_pair,
            action="append",
            default=[],
            metavar=f"{left}={right}",
            help=f"{help_}; repeat it for each",
        )
    return parser


def _pair(spelled: str) -> tuple[str, str]:
    """Read two names."""
    left, _, right = spelled.partition("=")
    if not _NAME.fullmatch(left) or not _NAME.fullmatch(right):
        raise argparse.ArgumentTypeError(f"expected NAME=NAME, got {spelled!r}")
    return left, right
