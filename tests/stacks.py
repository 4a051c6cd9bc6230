"""The dev stack for tests: by its own command, on ports of its own, gone at the end."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dev_commands import dev, dev_here
from tests.servers import free_ports

PARTIES = ("north", "south")
_ALWAYS = ("identity", "attestation", "eventgrid", "storage", "azurite", "bus", "bus-tls")


@dataclass(frozen=True)
class RunningStack:
    """A stack that runs."""

    home: Path

    def env(self, identity: str) -> Mapping[str, str]:
        """Return what an identity needs."""
        found: dict[str, str] = dev_here("env", identity, "--json", "--home", self.home).json
        return found

    def kill(self, server: str) -> None:
        """End one of the servers as a power cut would; the stack starts it again."""
        found = dev_here("status", "--json", "--home", self.home).json
        (pid,) = [each["pid"] for each in found["servers"] if each["name"] == server]
        os.kill(pid, 9)


@contextmanager
def stack(
    folder: Path, servers: Sequence[str], app: Path | None = None, parties: Sequence[str] = PARTIES
) -> Iterator[RunningStack]:
    """Run servers of the stack, and what they need, until the block ends."""
    home = folder / "home"
    names = (*_ALWAYS, "bus-control", "functions", *(f"vault/{party}" for party in parties))
    ports = [
        f"--port={name}={port}" for name, port in zip(names, free_ports(len(names)), strict=True)
    ]
    chosen = [part for party in parties for part in ("--party", party)]
    hosted = ["--functions", app, "--no-runner"] if app else []
    started = dev("up", *servers, "--home", home, *ports, *chosen, *hosted, folder=folder)
    assert (started.code, started.err) == (0, ""), started.err
    try:
        yield RunningStack(home)
    finally:
        dev("reset", "--yes", "--home", home)


@contextmanager
def being(environment: Mapping[str, str]) -> Iterator[None]:
    """Be an identity of a stack in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield
