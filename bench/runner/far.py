"""The same queries with every file in a local storage server: what fetching adds on both sides.

The sealed side is the runner's whole way: the storage's SDK fetches regions, a ring hands them to a
cell, the cell opens them and computes. Its processor time is that of this process and the cell's.
The plain side is DuckDB with its own client for HTTP, httpfs. The server's time counts for neither.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace

import psutil
import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from bench.runner.reading import QUERIES, Compared, Query, Took, alternated, set_alike
from bench.runner.tables import Tables
from bench.space import GIB, MIB
from cleanroom.seal.content import Content
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.ring import RegionServer
from runner.cell.zygote import Zygote
from runner.room.storage import Account, Listed
from runner.sql import engine
from runner.sql import tables as sql
from runner.sql.engine import Budget
from runner.sql.sealed import Sealed
from runner.sql.task import Input, Source, Task
from tests.stacks import being
from tests.storages import Identity, Storage, storage

_CONTAINER = "tables"
_MOST = 100  # blobs
_LIMITS = Limits(memory=4 * GIB, seconds=600, output=64 * MIB)
_BUDGET = Budget(_LIMITS.memory, 2, None)
_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Far:
    """Tables in a storage server, and both ways to them."""

    tables: Tables
    server: Storage
    account: Account
    blobs: Mapping[str, Listed]
    cells: Zygote

    def sealed_side(self, query: Query) -> tuple[Took, pa.Table]:
        """Run in a cell on sealed tables, fetched as the runner does."""
        with ExitStack() as stack:
            inputs = tuple(
                _input(alias, self.tables.contents[alias], self.tables.sealed(alias, stack), number)
                for number, alias in enumerate(query.inputs)
            )
            blobs = [self.blobs[self.tables.sealed_path(alias).name] for alias in query.inputs]

            def fill(file: int, first: int, into: Sequence[memoryview]) -> Iterator[int]:
                spans = [inputs[file].layout.stored(first + n) for n in range(len(into))]
                views = [view[: span.length] for view, span in zip(into, spans, strict=True)]
                return self.account.fill(_CONTAINER, blobs[file], spans[0].offset, views)

            task = Task(query.text, (), inputs, _ROWS, _BUDGET)
            return self._in_cell(task.to_bytes(), RegionServer(fill))

    def _in_cell(self, task: bytes, ring: RegionServer) -> tuple[Took, pa.Table]:
        before, start = self._spent(), time.perf_counter()
        with self.cells.cell(_LIMITS) as cell:
            answer = cell.run(task, (), ring)
            if not isinstance(answer, Done):
                raise RuntimeError(f"a cell failed: {answer}")  # noqa: TRY004  # of a measurement
            rows = answer.read()
        elapsed = time.perf_counter() - start
        with self.cells.cell(_LIMITS):
            pass  # a zygote buries the dead when it bears
        return Took(self._spent() - before, elapsed), pa.ipc.open_stream(rows).read_all()

    @staticmethod
    def _spent() -> float:
        """Count the processor time of this process and of the cells that ended."""
        found = time.process_time()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have ended
                if "runner.sql.entry:run" in process.cmdline():
                    times = process.cpu_times()
                    found += times.children_user + times.children_system
        return found

    def plain_side(self, query: Query) -> tuple[Took, pa.Table]:
        """Run in this process on plain tables, fetched by DuckDB."""
        with engine.connected() as connection:
            set_alike(connection)
            trust = sql.text_literal(self.server.trust)
            connection.execute(
                f"SET ca_cert_file = {trust}; SET enable_server_cert_verification = true"
            )
            access = self.server.sas(_CONTAINER, permission="r")
            for alias in query.inputs:
                name = self.tables.plain(alias).name
                url = f"{self.server.url}/{_CONTAINER}/{name}?{access}"
                connection.execute(sql.view(alias, self.tables.contents[alias], url))
            before, start = time.process_time(), time.perf_counter()
            found = engine.answer(connection, query.text, {}).read_all()
            return Took(time.process_time() - before, time.perf_counter() - start), found


def compared(tables: Tables, rounds: int) -> Iterator[Compared]:
    """Put the tables into a server of their own, and compare every query."""
    with stored(tables) as far:
        for query in QUERIES:
            named = replace(query, name=f"{query.name}, from storage")
            yield alternated(named, far.sealed_side, far.plain_side, rounds)


@contextmanager
def stored(tables: Tables) -> Iterator[Far]:
    """Run a storage server with the tables in it, plain and sealed."""
    folder = tables.folder / "storage"
    folder.mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(storage(folder, ["--role", "bench=reader"]))
        stack.enter_context(being({"REQUESTS_CA_BUNDLE": server.trust, "NO_PROXY": "127.0.0.1"}))
        container = server.container(_CONTAINER)
        wanted = dict.fromkeys("".join(query.inputs for query in QUERIES))
        for alias in wanted:
            for path in (tables.plain(alias), tables.sealed_path(alias)):
                with path.open("rb") as file:
                    container.upload_blob(path.name, file)
        account = stack.enter_context(closing(Account(server.url, Identity(server.home, "bench"))))
        blobs = {blob.name: blob for blob in account.listed(_CONTAINER, "", _MOST)}
        cells = stack.enter_context(Zygote.start("runner.sql.entry:run", spares=0))
        yield Far(tables, server, account, blobs, cells)


def _input(alias: str, content: Content, found: Sealed, number: int) -> Input:
    source = Source("ring", number)
    return Input(alias, content, found.layout, found.file_id, found.table, found.key, source)
