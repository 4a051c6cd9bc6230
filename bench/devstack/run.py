"""Measure the dev stack: print a verdict for each bar, and write docs/benchmarks-dev-stack.md.

1. Bring a stack up in a folder of its own, on ports that nobody has, with a small app.
2. Let every module of this folder that has one `measure` it.
3. Judge and write; exit 1 if a bar is not kept.
"""

import argparse
import importlib
import inspect
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.devstack import stack
from bench.devstack.figures import Figure
from devstack.home import HOST, Home
from devstack.stack import ports

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks-dev-stack.md"
FIRST, LAST = ("stack",), ("figures", "run", "__init__")
PARTIES = ("north-bank", "south-bank")
APP = """\
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")
"""
INTRODUCTION = """\
# Benchmarks of the dev stack

The dev stack is there so that every test is a real one; it must not be what a test waits for. Each
figure is measured through the genuine SDKs, with servers and clients on the same machine;
[the guide](guides/dev-stack.md) says what the servers are. `make bench` writes this page, and ends
with exit code 1 if a bar is not kept.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the dev stack.")
    parser.add_argument("only", nargs="*", help="modules to run, such as bus; all if none")
    parser.add_argument("--quiet-page", action="store_true", help="print only, write no page")
    given = parser.parse_args()
    chosen = [name for name in modules() if not given.only or name in given.only]
    with tempfile.TemporaryDirectory(prefix="cleanroom-bench-") as folder:
        figures = measured(Path(folder), chosen)
    print(f"\n{table(figures)}")
    if not given.only and not given.quiet_page:
        PAGE.write_text(f"{INTRODUCTION}\n{machine()}\n\n{table(figures)}\n", "utf-8")
    return 0 if all(figure.passed for figure in figures) else 1


def modules() -> list[str]:
    """Name what can measure: the stack itself first, while nothing has used it."""
    found = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in (*FIRST, *LAST))
    return [*FIRST, *found]


def measured(folder: Path, names: Sequence[str]) -> list[Figure]:
    """Bring the stack up, and have it measured."""
    home, numbers = Home.at(folder / "home"), free(ports.names(PARTIES))
    app = folder / "app"
    app.mkdir()
    (app / "function_app.py").write_text(APP, "utf-8")
    (app / "host.json").write_text('{"version": "2.0"}', "utf-8")
    trust(home)
    options = [f"--port={name}={number}" for name, number in numbers.items()]
    print("stack: up", flush=True)
    stack.command(home, "up", "--functions", str(app), *options)
    try:
        return [figure for name in names for figure in figures_of(name, home, numbers)]
    finally:
        stack.command(home, "reset", "--yes")


def figures_of(name: str, home: Home, numbers: Mapping[str, int]) -> Sequence[Figure]:
    """Let one module measure; it is given the ports that it has parameters for."""
    print(f"{name}", flush=True)
    measure = importlib.import_module(f"bench.devstack.{name}").measure
    known = {
        "port": numbers.get(name, numbers[ports.vault(PARTIES[0])]),
        "control_port": numbers["bus-control"],
        "ports": numbers,
    }
    wanted = {key: known[key] for key in inspect.signature(measure).parameters if key in known}
    found: Sequence[Figure] = measure(home, **wanted)
    for figure in found:
        print(f"  {figure.name}: {shown(figure.found)} {figure.unit}", flush=True)
    return found


def free(names: Sequence[str]) -> dict[str, int]:
    """Find ports that nobody listens on."""
    sockets = [socket.create_server((HOST, 0)) for _ in names]
    found = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return found


def trust(home: Home) -> None:
    """Have the clients of this process trust the stack's authority, and ask no proxy."""
    authority = str(home.authority_file)
    os.environ |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), authority)
    os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), HOST)


def table(figures: Sequence[Figure]) -> str:
    """Write figures beside their limits, in Markdown."""
    rows = [
        (one.name, demand(one), f"{shown(one.found)} {one.unit}", verdict(one)) for one in figures
    ]
    head = [("", "limit", "found", ""), ("---", "---:", "---:", "---:")]
    return "\n".join("| " + " | ".join(row) + " |" for row in (*head, *rows))


def demand(figure: Figure) -> str:
    """The limit in words."""
    return f"{'≥' if figure.at_least else '≤'} {figure.limit:,g} {figure.unit}"


def verdict(figure: Figure) -> str:
    """PASS, or FAIL so that it is seen."""
    return "PASS" if figure.passed else "**FAIL**"


def shown(value: float) -> str:
    """A number with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> str:
    """Say where and when this was measured."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cpu}, {len(os.sched_getaffinity(0))} cores,"
        f" {platform.system()} {platform.release()}; Python {platform.python_version()}."
    )


if __name__ == "__main__":
    sys.exit(main())
