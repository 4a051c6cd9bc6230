"""The directory: how long a program waits for its first token, by the genuine credential."""

import os
import statistics
import time

from azure.identity import ManagedIdentityCredential

from bench.devstack.figures import Figure
from devstack.home import HOST, Home

_ROUNDS, _WARM = 100, 5
_PORT = 8440
_IDENTITY = "runner"
_SCOPE = "https://vault.azure.net/.default"


def measure(home: Home, port: int = _PORT) -> list[Figure]:
    """Measure a running directory."""
    own = {
        "IDENTITY_ENDPOINT": f"http://{HOST}:{port}/msi/token",
        "IDENTITY_HEADER": home.secret(f"identity/{_IDENTITY}"),
    }
    os.environ |= own
    try:
        taken = [_token() for _ in range(_WARM + _ROUNDS)][_WARM:]
    finally:
        for name in own:  # whoever measures next is somebody else
            del os.environ[name]
    return [Figure("first token of a program, median", statistics.median(taken), "ms", 15)]


def _token() -> float:
    """Ask as a program that has just started: nothing is cached, no connection is open."""
    with ManagedIdentityCredential() as credential:
        started = time.perf_counter()
        credential.get_token(_SCOPE)
        return (time.perf_counter() - started) * 1e3
