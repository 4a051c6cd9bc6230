"""Measure the control plane: print a verdict for each bar, and write docs/benchmarks-plane.md.

1. Bring a stack up that hosts the app as it is in this checkout.
2. Measure from upload to queue, and what a look at a room costs.
3. Judge and write; exit 1 if a bar is not kept.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from bench.devstack.figures import Figure
from bench.devstack.run import machine, shown, table
from bench.plane import cost, latency
from tests.builders import Keys
from tests.rooms import Place
from tests.stacks import being, stack

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks-plane.md"
_PARTS = {"latency": latency.measure, "cost": cost.measure}
INTRODUCTION = """\
# Benchmarks of the control plane

The functions, hosted by the [dev stack](guides/dev-stack.md), storage, Event Grid and Service Bus
share the machine with the clients that measure. A look at a room is `reconcile`; its own time is
the processor time of the process that looks. At a rate, uploads begin every so often, whatever has
become of those before; where the processors are full, they wait for their turn. Who uploads stands
for machines elsewhere: the requests are those of the storage client, with all their headers, made
by it beforehand, and sent over TLS to the same front; only their bytes are sent while the time is
taken. The queue is read by the client of Service Bus. `make bench` writes this page, and ends with
exit code 1 if a bar is not kept.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the control plane.")
    parser.add_argument("only", nargs="*", choices=[[], *_PARTS], help="what to run; all if none")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cleanroom-bench-") as folder:
        figures, remarks = measured(Path(folder), given.only or list(_PARTS))
    page = "\n\n".join([machine(), table(figures), *remarks])
    print(f"\n{page}")
    if not given.only:
        PAGE.write_text(f"{INTRODUCTION}\n{page}\n", "utf-8")
    return 0 if all(figure.passed for figure in figures) else 1


def measured(folder: Path, names: list[str]) -> tuple[list[Figure], list[str]]:
    """Bring the stack up, and have it measured."""
    found: list[Figure] = []
    remarks: list[str] = []
    with stack(folder, (), app=ROOT) as running:
        env = running.env("functions")
        with being(env):
            for name in names:
                print(name, flush=True)
                figures, remark = _PARTS[name](place_of(env), env)
                for figure in figures:
                    print(f"  {figure.name}: {shown(figure.found)} {figure.unit}", flush=True)
                found += figures
                remarks += [remark] if remark else []
    return found, remarks


def place_of(env: Mapping[str, str]) -> Place:
    """Return the stack's storage and bus, with keys for two parties."""
    connection = env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    return Place(
        BlobServiceClient.from_connection_string(connection),
        env["CLEANROOM_DEV_STORAGE_URL"],
        env["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"],
        Keys.make(),
        Keys.make(),
    )


if __name__ == "__main__":
    sys.exit(main())
