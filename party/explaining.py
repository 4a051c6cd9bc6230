"""A contract in words: what it can reveal, to whom, how often, and who gets the keys.

Every field that can differ between two contracts is said, so that nobody approves what is not
shown; a name that could be taken for something else stands in quotes.
"""

import re

from cleanroom.contract import Contract, Dataset, InlineSource, Limits, Party, Triggers
from cleanroom.fields import instant_text
from cleanroom.parameters import Parameter
from cleanroom.requirements import HostData, RunnerRequirement
from cleanroom.rules import AggregationRule, ListRule, Rule, Threshold
from cleanroom.schema import Column
from cleanroom.walls import names
from party.quantities import duration_text, size_text

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SIMULATED = "simulated: proves nothing, for trying things out"


def warnings(contract: Contract) -> list[tuple[str, object]]:
    """Say what nobody may overlook before approving."""
    simulated = any(runner.platform == "simulated" for runner in contract.runners)
    return [("runner", SIMULATED)] if simulated else []


def rows(contract: Contract) -> list[tuple[str, object]]:
    """Say everything that a contract holds, part by part."""
    parts: list[tuple[str, object]] = [("purpose", contract.purpose)]
    parts += [(f"party {party.name}", _party(party)) for party in contract.parties]
    parts += [(f"data {dataset.alias}", _dataset(dataset)) for dataset in contract.datasets]
    language, source = contract.program.language, contract.program.source
    if isinstance(source, InlineSource):
        parts.append((f"program ({language})", source.text.rstrip()))
    else:
        parts.append((f"sealed program ({language})", f"of {source.owner}: {source.manifest}"))
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
            + f", {_memory(contract.limits.memory)} of memory",
        ),
        ("expires", instant_text(contract.limits.expires)),
        ("runner", "\n".join(map(_runner, contract.runners))),
        ("previous", contract.previous or "none, this is the first"),
        ("digest", contract.digest),
        ("words", contract.digest.words),
    ]
    return parts


def _party(party: Party) -> str:
    signing = f"signs with    {party.signing_key.id}"
    if party.room_key is None:
        return f"{signing}\nno room key"
    return (
        f"{signing}\nroom key      {party.room_key.public.id}\n"
        f"kept at       {party.room_key.url}\n"
        f"attested by   {party.room_key.authority}"
    )


def _memory(count: int) -> str:
    text = size_text(count)
    return text if count % (1 << 30) == 0 else f"{text} ({count:,} bytes)"


def _dataset(dataset: Dataset) -> str:
    versions = dataset.versions
    which = f"version {versions.minimum} or later"
    if versions.only is not None:
        which += f", only {versions.only}"
    if versions.maximum_age is not None:
        which += f", at most {duration_text(versions.maximum_age)} old"
    return (
        f"{dataset.owner}/{dataset.dataset} at {dataset.location}\n{which}\n"
        f"{_columns(dataset.columns)}\n{rule_text(dataset.rule)}"
    )


def _columns(columns: tuple[Column, ...]) -> str:
    return "columns: " + ", ".join(
        f"{_name(column.name)} {column.type}{'?' if column.nullable else ''}" for column in columns
    )


def rule_text(rule: Rule) -> str:
    """Say what a rule allows, and to whom."""
    if isinstance(rule, AggregationRule):
        functions = ", ".join(
            f"{'/'.join(a.functions)} of {_name(a.column)}" for a in rule.aggregates
        )
        grouped = f"grouped by {_names(rule.dimensions)}" if rule.dimensions else "not grouped"
        joined = f"joined on {_names(rule.joins)}" if rule.joins else "not joined"
        required = "required" if rule.join_required else "optional"
        said = (
            f"rule: only {functions}; {grouped}; {joined}, join {required};"
            f" {_threshold(rule.threshold)} in every row"
        )
    elif isinstance(rule, ListRule):
        said = f"rule: only {_names(rule.outputs)} of rows that match on {_names(rule.joins)}"
    else:
        said = "rule: whatever the program computes"
        if rule.hidden:
            said += f", without {_names(rule.hidden)}"
        if rule.threshold:
            said += f"; {_threshold(rule.threshold)}"
    return f"{said}; for {', '.join(rule.readers)}"


def _threshold(threshold: Threshold) -> str:
    return f"at least {threshold.minimum} different values of {_name(threshold.identity)}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(_name, names))


def _name(name: str) -> str:
    """Quote a column whose name could be read as more than a name."""
    return name if _PLAIN.fullmatch(name) else repr(name)


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
    proves = " (SIMULATED: proves nothing)" if requirement.platform == "simulated" else ""
    return (
        f"{requirement.platform}{proves}, no debugging, {pinned}\n"
        f"{svn.product} with firmware of at least: {fmc}bootloader {svn.bootloader},"
        f" tee {svn.tee}, snp {svn.snp}, microcode {svn.microcode}\n"
        f"walls around the program: {', '.join(names(requirement.walls)) or 'none demanded'}"
    )
