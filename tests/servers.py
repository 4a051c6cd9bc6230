"""Servers of the dev stack as processes of their own, for tests: started, ready, stopped."""

import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from devstack.home import HOST, Home
from devstack.web import HEALTH

_PORTS = range(12_000, 32_000)  # below those that systems give to outgoing connections
_CANDIDATES = cycle(random.sample(_PORTS, len(_PORTS)))  # tests that run beside us have others
_PATIENCE = 30.0
_POLL = 0.02


@dataclass
class Server:
    """A running server; `health` is where it says that it is ready."""

    command: Sequence[str]
    environment: Mapping[str, str]
    health: tuple[int, ssl.SSLContext | None]
    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_PATIENCE)

    def restart(self) -> None:
        """Start it again, on the same ports and the same data."""
        if self.process.poll() is None:
            self.stop()
        self.process = _process(self.command, self.environment, self.log)
        _wait(self)

    def stop(self) -> None:
        """Ask it to stop, and expect that it does so cleanly."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_PATIENCE)
        finally:
            self.process.kill()  # if it does not stop, the test fails and nothing stays behind
        assert code == 0, f"exit {code}: {self.log.read_text()[-2000:]}"


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, and that no outgoing connection will take meanwhile."""
    return list(islice(filter(_is_free, _CANDIDATES), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def trusting(home: Home) -> ssl.SSLContext:
    """Trust the stack's authority, and nobody else."""
    return ssl.create_default_context(cafile=str(home.authority_file))


@contextmanager
def running(
    module: str,
    options: Sequence[str],
    health: tuple[int, ssl.SSLContext | None],
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run `python -m MODULE OPTIONS` until the block ends."""
    command = [sys.executable, "-m", module, *options]
    process = _process(command, environment or {}, log)
    server = Server(command, environment or {}, health, log, process)
    try:
        _wait(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def _process(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    # To load the world's authorities takes a sixth of the start; ours are named where they count.
    trust = {"SSL_CERT_FILE": os.devnull}
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**trust, **os.environ, **environment},
        )


def _wait(server: Server) -> None:
    port, tls = server.health
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        if _healthy(port, tls):
            return
        time.sleep(_POLL)
    server.process.kill()
    raise AssertionError(f"{server.command}: not ready: {server.log.read_text()[-2000:]}")


def _healthy(port: int, tls: ssl.SSLContext | None) -> bool:
    link = (
        http.client.HTTPSConnection(HOST, port, timeout=2, context=tls)
        if tls
        else http.client.HTTPConnection(HOST, port, timeout=2)
    )
    try:
        link.request("GET", HEALTH)
        return link.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
