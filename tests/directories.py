"""The stack's directory as a process, and the environment of a program that has an identity."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from devstack.home import HOST, Home
from tests.servers import Server, free_ports, running


@contextmanager
def running_directory(
    home: Home, names: Sequence[str], log: Path, more: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a directory that knows these identities until the block ends."""
    (port,) = free_ports(1)
    options = ["--home", str(home.path), "--port", str(port), *more]
    options += [word for name in names for word in ("--identity", name)]
    with running("devstack.identity", options, (port, None), log) as made:
        yield made


def be(name: str, server: Server, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an app in App Service with one identity, and nothing else that credentials look at."""
    for known in [one for one in os.environ if one.startswith(("AZURE_", "MSI_", "IDENTITY_"))]:
        monkeypatch.delenv(known)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{HOST}:{server.health[0]}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", home.secret(f"identity/{name}"))
