"""A contract in words: what it can reveal, to whom, how often."""

from cleanroom.contract import Contract, Dataset, InlineSource, Limits, Triggers
from cleanroom.fields import instant_text
from cleanroom.parameters import Parameter
from cleanroom.requirements import HostData, RunnerRequirement
from cleanroom.rules import AggregationRule, ListRule, Rule
from cleanroom.schema import Column
from party.quantities import duration_text, size_text


def rows(contract: Contract) -> list[tuple[str, object]]:
    """Say everything that a contract holds, part by part."""
    source = contract.program.source
    program = (
        source.text.rstrip()
        if isinstance(source, InlineSource)
        else (f"sealed by {source.owner}: {source.manifest}")
    )
    parts: list[tuple[str, object]] = [
        ("purpose", contract.purpose),
        ("parties", "\n".join(party.name for party in contract.parties)),
    ]
    parts += [(f"data {dataset.alias}", _dataset(dataset)) for dataset in contract.datasets]
    parts.append((f"program ({contract.program.language})", program))
    if contract.program.parameters:
        parts.append(("parameters", "\n".join(map(_parameter, contract.program.parameters))))
    result = contract.result
    parts += [
        (
            "result",
            f"{result.name}, {result.format}, at most {result.maximum_rows:,} rows\n"
            + _columns(result.columns),
        ),
        ("readers", "\n".join(f"{reader.party}  {reader.key.id}" for reader in result.readers)),
        ("runs", _triggers(contract.triggers, contract.limits)),
        (
            "limits",
            duration_text(contract.limits.seconds)
            + f", {size_text(contract.limits.memory)} of memory",
        ),
        ("expires", instant_text(contract.limits.expires)),
        ("runner", "\n".join(map(_runner, contract.runners))),
        ("previous", contract.previous or "none, this is the first"),
        ("digest", contract.digest),
        ("words", contract.digest.words),
    ]
    return parts


def _dataset(dataset: Dataset) -> str:
    versions = dataset.versions
    which = f"only {versions.only}" if versions.only else f"version {versions.minimum} or later"
    if versions.maximum_age is not None:
        which += f", at most {duration_text(versions.maximum_age)} old"
    return (
        f"{dataset.owner}/{dataset.dataset} at {dataset.location}\n{which}\n"
        f"{_columns(dataset.columns)}\n{_rule(dataset.rule)}"
    )


def _columns(columns: tuple[Column, ...]) -> str:
    return "columns: " + ", ".join(
        f"{column.name} {column.type}{'?' if column.nullable else ''}" for column in columns
    )


def _rule(rule: Rule) -> str:
    if isinstance(rule, AggregationRule):
        functions = ", ".join(f"{'/'.join(a.functions)} of {a.column}" for a in rule.aggregates)
        said = (
            f"rule: only {functions}; by {_names(rule.dimensions)}; joined on {_names(rule.joins)};"
            f" at least {rule.threshold.minimum} different {rule.threshold.identity} in every row"
        )
    elif isinstance(rule, ListRule):
        said = f"rule: only {_names(rule.outputs)} of rows that match on {_names(rule.joins)}"
    else:
        said = "rule: whatever the program computes"
        if rule.hidden:
            said += f", without {_names(rule.hidden)}"
        if rule.threshold:
            said += f"; at least {rule.threshold.minimum} different {rule.threshold.identity}"
    return f"{said}; for {_names(rule.readers)}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


def _parameter(parameter: Parameter) -> str:
    said = f"{parameter.name}  {parameter.type}"
    if parameter.choices is not None:
        return f"{said}, one of {', '.join(map(repr, parameter.choices))}"
    if parameter.minimum is not None:
        said += f", at least {parameter.minimum}"
    if parameter.maximum is not None:
        said += f", at most {parameter.maximum}"
    return said


def _triggers(triggers: Triggers, limits: Limits) -> str:
    when = [
        said
        for said, on in (
            ("when all data is there", triggers.on_arrival),
            ("when all have approved", triggers.on_approval),
            ("when a party asks", triggers.on_request),
            (f"by the schedule {triggers.schedule} (UTC)", triggers.schedule is not None),
        )
        if on
    ]
    often = "in all" if limits.period == "lifetime" else f"a {limits.period}"
    return f"{', '.join(when)}; at most {limits.runs} {often}"


def _runner(requirement: RunnerRequirement) -> str:
    code = requirement.code
    if isinstance(code, HostData):
        pinned = f"host data {code.value}, utility VM {code.utility_vm_svn} or later"
    else:
        pinned = ", ".join(f"PCR {index} {digest}" for index, digest in code.values)
    svn = requirement.minimum_svn
    fmc = f"fmc {svn.fmc}, " if svn.product == "Turin" else ""
    return (
        f"{requirement.platform}, no debugging, {pinned}\n"
        f"{svn.product} with firmware of at least: {fmc}bootloader {svn.bootloader},"
        f" tee {svn.tee}, snp {svn.snp}, microcode {svn.microcode}"
    )
