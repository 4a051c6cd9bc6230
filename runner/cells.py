"""SQL in cells: one that holds the data keys computes, another without keys lets the result leave.

- What the first cell writes is never read in this process: it goes, sealed, to the second.
- A cell says of a failure no more than which limit it hit; that is all a job's outcome tells.
- The rules of the data are not the gate's alone: a dataset whose rule needs more than the gate
  checks is refused before any key is asked for.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cleanroom.contract import Contract, InlineSource
from cleanroom.errors import PolicyRefused, ProgramFailed
from cleanroom.parameters import Value
from cleanroom.receipt import RuleDecision
from cleanroom.rules import ReviewedRule, Rule
from cleanroom.walls import Walls
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.protocol import Failure
from runner.cell.zygote import Zygote
from runner.compute import Computed, OpenInput
from runner.gate import task as gate
from runner.regions import Regions
from runner.room.datasets import VerifiedInput
from runner.sql import groups, statement
from runner.sql import task as sql
from runner.sql.engine import Budget, Spill
from runner.sql.groups import Demand

GATED = "result_shape"
"""The decision that says: the result passed the gate, as the contract has it."""
GROUPS = "threshold"
"""The decision that says: rows with fewer identities than the rule asks for were withheld."""
_MOST_ROWS = 10**9  # as of any result
_LARGEST_OUTPUT = 1 << 30  # bytes of a result, before and after the gate
_MOST_PLANS = 64  # that are remembered


@dataclass(frozen=True, slots=True)
class Share:
    """What one job may use of the machine."""

    threads: int
    spill: int  # bytes; none without a folder for it


@dataclass(frozen=True, slots=True)
class _Plan:
    """A program that may run: what it became, which parameters it uses, what the gate asks."""

    program: str
    used: frozenset[str]
    demands: tuple[Demand, ...]


class Cells:
    """Warm zygotes for programs and for the gate; a `Compute`."""

    def __init__(self, programs: Zygote, gates: Zygote, share: Share) -> None:
        self._programs, self._gates, self._share = programs, gates, share
        self._parser = statement.parser()
        self._plans: dict[tuple[object, ...], _Plan] = {}

    @classmethod
    @contextmanager
    def started(cls, required: Walls, spill: Path | None, share: Share) -> Iterator[Self]:
        """Warm up, and find out which walls stand; end the zygotes with the block."""
        with ExitStack() as stack:
            programs = Zygote.start("runner.sql.entry:run", required, spill)
            stack.callback(programs.close)
            gates = Zygote.start("runner.gate.entry:run", required)
            stack.callback(gates.close)
            made = cls(programs, gates, share)
            stack.callback(made._parser.close)
            yield made

    @property
    def walls(self) -> Walls:
        """Name the walls that stand around every cell."""
        return self._programs.walls & self._gates.walls

    def check(
        self,
        agreed: Contract,
        parameters: Mapping[str, Value],
        inputs: Sequence[VerifiedInput],
    ) -> None:
        """Refuse what is not one SELECT that obeys the rules of all data."""
        self._plan(agreed, parameters, inputs)

    @contextmanager
    def run(
        self, agreed: Contract, parameters: Mapping[str, Value], inputs: tuple[OpenInput, ...]
    ) -> Iterator[Computed]:
        """Compute in one cell, decide in another, and lend the bytes that may leave."""
        limits = Limits(
            agreed.limits.memory, agreed.limits.seconds, _LARGEST_OUTPUT, self._share.spill
        )
        plan = self._plan(agreed, parameters, [each.verified for each in inputs])
        with Regions.of(inputs) as regions, self._programs.cell(limits) as program:
            task = self._task(agreed, parameters, inputs, plan, regions)
            answer = program.run(task.to_bytes(), regions.descriptors, regions.server())
            if isinstance(answer, Failure):
                regions.check()
            rows = _done(answer)
            with self._gates.cell(Limits(limits.memory, limits.seconds, _LARGEST_OUTPUT)) as cell:
                minimums = tuple(each.minimum for each in plan.demands)
                asked = gate.Task.of(agreed.result, minimums)
                passed = _done(cell.run(asked.to_bytes(), (rows.descriptor,)))
                yield from _computed(passed, agreed, plan.demands)

    def _plan(
        self,
        agreed: Contract,
        parameters: Mapping[str, Value],
        inputs: Sequence[VerifiedInput],
    ) -> _Plan:
        """Check the program against the rules of all data, those of contract and files."""
        text, rules = _program(agreed), []
        for each in inputs:
            for rule in (each.dataset.rule, each.manifest.rule):
                if rule is not None and not _is_enforced(rule):
                    alias = each.dataset.alias
                    raise PolicyRefused(f"this runner cannot enforce the rule of {alias}")
                if rule is not None:
                    rules.append((each.dataset.alias, rule))
        tables = frozenset(dataset.alias for dataset in agreed.datasets)
        return self._checked(text, tables, frozenset(parameters), groups.demands(rules))

    def _checked(
        self, text: str, tables: frozenset[str], names: frozenset[str], demands: tuple[Demand, ...]
    ) -> _Plan:
        """Check a program as it is written; what was found before of the very same still holds."""
        asked = text, tables, names, demands
        found = self._plans.get(asked)
        if found is None:
            with self._parser.cursor() as parser:  # of its own: jobs are in several threads
                used = statement.check(parser, text, tables, names)
                counting = groups.counting(parser, text, demands)
                if demands:
                    statement.check(parser, counting, tables, names)
                found = _Plan(counting, used, demands)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[asked] = found
        return found

    def _task(
        self,
        agreed: Contract,
        parameters: Mapping[str, Value],
        inputs: tuple[OpenInput, ...],
        plan: _Plan,
        regions: Regions,
    ) -> sql.Task:
        kinds = {parameter.name: parameter.type for parameter in agreed.program.parameters}
        spill = Spill(".", self._share.spill) if self._share.spill else None
        return sql.Task(
            plan.program,
            tuple(sql.Bound(name, kinds[name], parameters[name]) for name in sorted(plan.used)),
            tuple(_input(regions.sources[number], each) for number, each in enumerate(inputs)),
            # of rows some may be withheld, and only then do they count
            _MOST_ROWS if plan.demands else agreed.result.maximum_rows,
            Budget(agreed.limits.memory, self._share.threads, spill),
        )


def _is_enforced(rule: Rule) -> bool:
    """Tell whether nothing more is asked than what the gate checks; the rest is refused."""
    return isinstance(rule, ReviewedRule) and not rule.hidden


def _program(agreed: Contract) -> str:
    source = agreed.program.source
    if agreed.program.language != "sql" or not isinstance(source, InlineSource):
        raise PolicyRefused(
            f"this runner runs no {agreed.program.language} of a {source.kind} source"
        )
    return source.text


def _input(source: sql.Source, opened: OpenInput) -> sql.Input:
    found = opened.verified
    manifest = found.manifest
    return sql.Input(
        found.dataset.alias,
        manifest.content,
        manifest.layout,
        manifest.file_id,
        found.table,
        opened.key,
        source,
    )


def _done(answer: Done | Failure) -> Done:
    if isinstance(answer, Failure):
        raise ProgramFailed(f"the program ended in its cell: {answer}")
    return answer


def _computed(passed: Done, agreed: Contract, demands: tuple[Demand, ...]) -> Iterator[Computed]:
    """Split what a gate wrote, a line and then the bytes that leave, without copying them."""
    if passed.length == 0:
        raise ProgramFailed("the gate said nothing")
    with mmap.mmap(passed.descriptor, passed.length, prot=mmap.PROT_READ) as written:
        end = written.find(b"\n", 0, gate.LONGEST_DECISION)
        if end < 0:
            raise ProgramFailed("the gate said nothing")
        decision = gate.Decision.parse(written[:end])
        if not decision.passed:
            raise PolicyRefused("the result is not what the contract lets leave")
        decisions = tuple(
            RuleDecision(dataset.alias, GATED, passed=True) for dataset in agreed.datasets
        ) + tuple(
            RuleDecision(alias, GROUPS, passed=True)
            for alias in sorted({each.alias for each in demands})
        )
        with memoryview(written) as whole, whole[end + 1 :] as data:
            yield Computed(data, decision.rows, decisions)
