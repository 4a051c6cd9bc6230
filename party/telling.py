"""A contract in plain sentences: what it can reveal, to whom, how often, and what guards it.

These come before the whole contract in `explain` and `approve`. They say nothing that stands not in
it, and leave out what only machines compare.
"""

from collections.abc import Sequence

from cleanroom.contract import Contract, Dataset, InlineSource, Limits, Triggers
from cleanroom.fields import instant_text
from cleanroom.requirements import HostData, RunnerRequirement
from cleanroom.rules import AggregationRule, ListRule, ReviewedRule
from party.quantities import duration_text

_TIMES = {"day": "a day", "week": "a week", "month": "a month", "lifetime": "ever"}


def sentences(contract: Contract, party: str | None = None) -> list[tuple[str, str]]:
    """Tell what a contract does, as `party` should know it if that is one of its parties."""
    said = [
        ("computes", _computes(contract)),
        *((f"from {one.alias}", _reveals(one, party)) for one in contract.datasets),
        ("comes out", _comes_out(contract)),
        ("to whom", _to_whom(contract, party)),
        ("how often", _how_often(contract.triggers, contract.limits, contract.result.maximum_rows)),
        ("keys", "\n".join(_keys(one) for one in contract.runners)),
        ("others", _OTHERS),
    ]
    said += [("beware", text) for text in _beware(contract, party)]
    return said


_OTHERS = (
    "whoever runs storage, functions and machines sees names, sizes, times and sealed files,"
    " never a row"
)


def _computes(contract: Contract) -> str:
    data = _joined([f"{one.owner}'s {one.dataset}" for one in contract.datasets])
    source = contract.program.source
    if isinstance(source, InlineSource):
        how = f"the {contract.program.language.upper()} program below, and no other,"
    else:
        how = f"a program that only {source.owner} can read"
    return f"{how} runs on {data}"


def _reveals(dataset: Dataset, party: str | None) -> str:
    whose = "your" if dataset.owner == party else f"{dataset.owner}'s"
    rule = dataset.rule
    match rule:
        case AggregationRule():
            functions = sorted({name for one in rule.aggregates for name in one.functions})
            said = f"of {whose} rows only {_joined(functions)} leave, each over at least"
            return f"{said} {rule.threshold.minimum} different values of {rule.threshold.identity}"
        case ListRule():
            said = f"of {whose} rows that match another party's on {_joined(rule.joins)},"
            return f"{said} the columns {_joined(rule.outputs)} leave as they are"
        case ReviewedRule():
            said = f"whatever the program makes of {whose} rows may leave"
            if rule.hidden:
                said += f", but never {_joined(rule.hidden)}"
            if rule.threshold:
                least, identity = rule.threshold.minimum, rule.threshold.identity
                said += f"; a row that fewer than {least} different values of {identity} stand"
                said += " behind is withheld"
            return said


def _comes_out(contract: Contract) -> str:
    result = contract.result
    names = _joined([column.name for column in result.columns])
    return f"a table of {names}: at most {result.maximum_rows:,} rows in each run"


def _to_whom(contract: Contract, party: str | None) -> str:
    names = ["you" if reader.party == party else reader.party for reader in contract.result.readers]
    return f"{_joined(names)} can open it, and nobody else"


def _how_often(triggers: Triggers, limits: Limits, rows: int) -> str:
    when = [
        said
        for said, on in (
            ("whenever new data has arrived", triggers.on_arrival),
            ("once all have approved and all data is there", triggers.on_approval),
            ("when a party asks for it", triggers.on_request),
            (f"by the schedule {triggers.schedule} (UTC)", triggers.schedule is not None),
        )
        if on
    ]
    times = "once" if limits.runs == 1 else f"{limits.runs:,} times"
    often = _TIMES[limits.period]
    return (
        f"{_joined(when)}; at most {times} {often}, so at most {limits.runs * rows:,} rows {often};"
        f" until {instant_text(limits.expires)}, each run within {duration_text(limits.seconds)}"
    )


def _keys(runner: RunnerRequirement) -> str:
    code = runner.code
    if isinstance(code, HostData):
        what = f"a container with the policy {code.value[:12]}..."
    else:
        what = "a virtual machine with the measured image"
    if runner.platform == "simulated":
        return f"your vault releases your room's key to {what} on SIMULATED hardware"
    return (
        f"your vault releases your room's key only to {what} that AMD's hardware vouches for,"
        " and only for this contract"
    )


def _beware(contract: Contract, party: str | None) -> list[str]:
    """Say what nobody may overlook."""
    said = []
    if any(runner.platform == "simulated" for runner in contract.runners):
        said.append("simulated hardware proves nothing: for data that is made up, only")
    if not isinstance(contract.program.source, InlineSource):
        said.append("you cannot read the program: only the rules and the result's shape limit it")
    bare = [
        one.alias
        for one in contract.datasets
        if isinstance(one.rule, ReviewedRule)
        and one.rule.threshold is None
        and party in (None, one.owner)
    ]
    if bare:
        said.append(
            f"nothing but the program limits what a row of the result tells of {_joined(bare)}:"
            " read it"
        )
    return said


def _joined(names: Sequence[str]) -> str:
    """List names as people do."""
    if len(names) < 2:  # noqa: PLR2004  # of which a list is made
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
