"""The command: which folder, which vaults, on which ports."""

import argparse
import re
import secrets
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devstack import clock, web
from devstack.home import Home
from devstack.vault.app import application
from devstack.vault.authorities import Authorities
from devstack.vault.vault import Vault

_VAULT = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)=([1-9][0-9]{0,4})")
_IN = re.compile(r"([a-z0-9-]{1,64})=([a-z0-9-]{1,64})")
_THREADS = 8


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if len(dict(options.vault)) < len(options.vault):
        parser.error("expected each vault once")
    if unknown := dict(options.directory).keys() - dict(options.vault):
        parser.error(f"--directory: no vault {min(unknown)!r}")
    return web.run(lambda: _serve(options.home, dict(options.vault), dict(options.directory)))


async def _serve(path: Path, ports: dict[str, int], directories: dict[str, str]) -> None:
    home = Home.at(path)
    now, tls, token_key = clock.now(), home.tls(), home.token_key().public_key()
    vaults = [
        Vault.open(
            *(home, name, port, token_key, now, secrets.token_bytes, directories.get(name, ""))
        )
        for name, port in ports.items()
    ]
    trust = ssl.create_default_context(cafile=str(home.authority_file))
    try:
        with ThreadPoolExecutor(_THREADS, "vault") as pool:
            async with Authorities(trust) as authorities:
                sites = [
                    web.Site(application(vault, authorities, pool, clock.now), vault.port, tls)
                    for vault in vaults
                ]
                await web.serve(sites, "vault")
    finally:
        for vault in vaults:
            vault.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.vault", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument(
        "--vault",
        type=_vault,
        action="append",
        required=True,
        metavar="NAME=PORT",
        help="a vault, owned by the identity of its name, and where it listens; repeat it for each",
    )
    parser.add_argument(
        "--directory",
        type=_in,
        action="append",
        default=[],
        metavar="NAME=DIRECTORY",
        help="a vault that believes another directory than the operator's; repeat it for each",
    )
    return parser


def _in(text: str) -> tuple[str, str]:
    found = _IN.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected NAME=DIRECTORY, got {text!r}")
    return found[1], found[2]


def _vault(text: str) -> tuple[str, int]:
    found = _VAULT.fullmatch(text)
    if not found or int(found[2]) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"expected NAME=PORT such as north=8451, got {text!r}")
    return found[1], int(found[2])
