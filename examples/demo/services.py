"""The dev stack of the demo: up with all parties of all examples, and what an identity knows."""

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from examples.demo.shell import COMMANDS, Failed
from examples.places import EXAMPLES, names, parties

ROOT = EXAMPLES.parent
_BASES = range(28_000, 32_000, 50)
_WIDTH = 40  # ports that a stack may take
_PATIENCE = 120


class Services:
    """A dev stack in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def up(self) -> tuple[int, float]:
        """Start what does not run, and say how many servers run, and how long that took."""
        began = time.monotonic()
        everybody = sorted({party for example in names() for party in parties(example)})
        chosen = [word for party in everybody for word in ("--party", party)]
        ports = [] if self.home.exists() else ["--port-base", str(_free())]
        started = self._dev("up", *chosen, *ports, "--functions", str(ROOT), "--json")
        return len(json.loads(started)["servers"]), time.monotonic() - began

    def gone(self) -> None:
        """Stop all servers, and delete what they kept."""
        if self.home.exists():
            self._dev("reset", "--yes")

    @cache  # noqa: B019  # there is one, for as long as the demo runs
    def env(self, identity: str) -> Mapping[str, str]:
        """Say what a terminal of an identity must know."""
        found: dict[str, str] = json.loads(self._dev("env", identity, "--json"))
        return found

    @property
    def synthetic_root(self) -> Path:
        """Where the certificate stands by which simulated hardware is known."""
        return self.home / "hardware" / "synthetic-root.pem"

    def _dev(self, *words: str) -> str:
        done = subprocess.run(
            [COMMANDS / "cleanroom-dev", *words, "--home", self.home],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"cleanroom-dev {words[0]}\n{done.stderr.strip()}")
        return done.stdout


def _free() -> int:
    """Find ports in a row that nobody has."""
    for base in _BASES:
        if all(_is_free(port) for port in range(base, base + _WIDTH)):
            return base
    raise Failed("no forty ports in a row are free")


def _is_free(port: int) -> bool:
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
