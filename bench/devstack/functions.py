"""The functions host: how long a function's answer takes, and how many there are in a second."""

import http.client
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench.devstack.figures import Figure
from devstack.home import HOST, Home

_ROUNDS, _WARM = 300, 20
_LINKS = 4
_PORT = 7071
_PATH = "/api/hello"


def measure(_home: Home, port: int = _PORT) -> list[Figure]:
    """Measure a running host, whose app answers to everybody."""
    alone = _asked(port, _WARM + _ROUNDS)[_WARM:]
    started = time.perf_counter()
    with ThreadPoolExecutor(_LINKS) as pool:
        list(pool.map(lambda _: _asked(port, _ROUNDS), range(_LINKS)))
    rate = _LINKS * _ROUNDS / (time.perf_counter() - started)
    return [
        Figure("answer of a function, median", statistics.median(alone), "ms", 5),
        Figure("answers of functions by four clients", rate, "a second", 500, at_least=True),
    ]


def _asked(port: int, rounds: int) -> list[float]:
    link = http.client.HTTPConnection(HOST, port, timeout=10)
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        link.request("GET", _PATH)
        answer = link.getresponse()
        answer.read()
        taken.append((time.perf_counter() - started) * 1e3)
        if answer.status != http.client.OK:
            raise RuntimeError(f"{_PATH}: {answer.status}")
    link.close()
    return taken
