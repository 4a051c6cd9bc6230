"""Which runs are due: a pure function of what lies in the room, what was decided before, and now.

- Arrival: once for each complete set of newest versions, as soon as the contract is in force.
- Approval: once, when the contract is first in force and complete; an arrival says the same, so
  where both are wanted, the arrival is it.
- Schedule: the last time that has passed. Times that were missed are not made up for.
- Request: when somebody asks, with the values that were given.
- Never more than the contract allows in a period; what was refused for that waits for the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from croniter import croniter  # type: ignore[import-untyped]  # it ships no types

from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Input, JobRequest, Trigger
from cleanroom.parameters import Value
from functions.arrivals import Version, Wait, waits
from functions.state import Open, State, Watch


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that somebody asks for."""

    contract: Digest
    parameters: Mapping[str, Value]
    id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The versions that a run would take, in the order of their aliases."""

    versions: Mapping[str, Version]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Name them as a job does."""
        return tuple(Input(key, self.versions[key].manifest) for key in sorted(self.versions))


def waiting(contract: Contract, watches: Mapping[str, Watch], now: datetime) -> dict[str, Wait]:
    """Name the datasets that keep a run from starting, and why each does."""
    found: dict[str, Wait] = {}
    for dataset in contract.datasets:
        watch = watches[dataset.alias]
        wait = waits(watch.head, dataset.versions, now) if watch.listed else Wait.COUNTING
        if wait is not None:
            found[dataset.alias] = wait
    return found


def ready(contract: Contract, watches: Mapping[str, Watch], now: datetime) -> Ready | None:
    """Return the newest versions if a run could take them all."""
    if waiting(contract, watches, now):
        return None
    return Ready({alias: watch.head for alias, watch in watches.items() if watch.head})


def due(
    contract: Contract, digest: Digest, state: State, found: Ready, since: datetime, now: datetime
) -> list[JobRequest]:
    """Name the runs that nobody has to ask for, of a contract in force since some time."""
    triggers = contract.triggers
    runs: list[JobRequest] = []
    if triggers.on_arrival or triggers.on_approval:
        kind = "arrival" if triggers.on_arrival else "approval"
        run = _run(contract, digest, found, Trigger(kind, None, None))
        before = state.arrival if triggers.on_arrival else state.approval
        if run.id != before and (triggers.on_arrival or before is None):
            runs.append(run)
    if triggers.schedule:
        slot = last_slot(triggers.schedule, now)
        if slot > max(since, state.slot or since):
            runs.append(_run(contract, digest, found, Trigger("schedule", slot, None)))
    return runs


def asked_for(contract: Contract, found: Ready, asked: Asked) -> JobRequest:
    """Name the run that somebody asks for."""
    trigger = Trigger("request", None, asked.id)
    return replace(
        _run(contract, asked.contract, found, trigger), parameters=dict(asked.parameters)
    )


def allowed(state: State, contract: Contract, now: datetime) -> bool:
    """Say whether the contract allows another run in this period."""
    return _runs(state, contract, now) < contract.limits.runs


def over(contract: Contract) -> str:
    """Say that it does not."""
    return f"{contract.limits.runs} runs a {contract.limits.period} are allowed, and were made"


def admitted(state: State, run: JobRequest, contract: Contract, now: datetime) -> State:
    """Count a run against the limit, and put it on the list of what is to be done."""
    return replace(
        state,
        **_latest(state, run),
        period=period_of(contract.limits.period, now),
        runs=_runs(state, contract, now) + 1,
        open=(*state.open, Open(run.id, now, now, run)),
    )


def was_made(state: State, run: JobRequest) -> State:
    """Remember of a run that it was made before, and has ended: it does not count again."""
    return replace(state, **_latest(state, run))


def _latest(state: State, run: JobRequest) -> dict[str, Any]:
    trigger = run.trigger
    return {
        "arrival": run.id if trigger.kind == "arrival" else state.arrival,
        "approval": run.id if trigger.kind == "approval" else state.approval,
        "slot": trigger.at or state.slot,
    }


def _runs(state: State, contract: Contract, now: datetime) -> int:
    return state.runs if period_of(contract.limits.period, now) == state.period else 0


def period_of(kind: str, now: datetime) -> str:
    """Name the day, week or month (in UTC) that a moment is in."""
    match kind:
        case "day":
            return f"{now:%Y-%m-%d}"
        case "week":
            return f"{now:%G-W%V}"
        case "month":
            return f"{now:%Y-%m}"
        case _:
            return "lifetime"


def last_slot(schedule: str, now: datetime) -> datetime:
    """Return the last time of a schedule that is not after now."""
    if croniter.match(schedule, now):
        return now.replace(second=0)
    slot: datetime = croniter(schedule, now).get_prev(datetime)
    return slot.astimezone(UTC)


def _run(contract: Contract, digest: Digest, found: Ready, trigger: Trigger) -> JobRequest:
    return JobRequest(contract.room, digest, found.inputs, {}, trigger)
