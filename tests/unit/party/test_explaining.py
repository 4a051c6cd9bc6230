"""A contract in words says everything that it allows, and nothing that it does not."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import Malformed
from party import explaining
from tests.builders import (
    DIGEST,
    HEX,
    Keys,
    aggregation_rule,
    contract,
    dataset,
    party,
    triggers,
)

type Build = Callable[[Keys, Keys], dict[str, Any]]

AGGREGATION = (
    "rule: only sum of amount; not grouped; joined on customer, join required; at least 10"
    " different values of customer in every row; for north, south"
)
SVN = {"product": "Turin", "fmc": 1, "bootloader": 1, "tee": 1, "snp": 4, "microcode": 81}


def explained(north: Keys, south: Keys, **changes: Any) -> dict[str, str]:
    agreed = Contract.from_value(contract(north, south, **changes), "contract")
    return {name: str(said) for name, said in explaining.rows(agreed)}


def changed(north: Keys, south: Keys, part: str, **changes: Any) -> dict[str, str]:
    return explained(north, south, **{part: contract(north, south)[part] | changes})


def with_rule(north: Keys, south: Keys, rule: dict[str, Any]) -> str:
    datasets = [dataset("a", "north", rule=rule)]
    return explained(north, south, datasets=datasets)["data a"].splitlines()[-1]


def test_every_part_is_named_in_order(north: Keys, south: Keys) -> None:
    assert list(explained(north, south)) == [
        "purpose",
        "party north",
        "party south",
        "data a",
        "data b",
        "program (sql)",
        "result",
        "readers",
        "runs",
        "limits",
        "expires",
        "runner",
        "previous",
        "digest",
        "words",
    ]


def test_a_first_contract_is_told_in_full(north: Keys, south: Keys) -> None:
    agreed = Contract.from_value(contract(north, south), "contract")

    said = explained(north, south)

    assert said["purpose"] == "Find fraud."
    assert said["party south"] == (
        f"signs with    {south.signing.id}\n"
        f"room key      {south.reader.id}\n"
        "kept at       https://south.vault.azure.net/keys/room-key\n"
        "attested by   https://sharedweu.weu.attest.azure.net"
    )
    assert said["data a"] == (
        "north/customers at https://account.blob.core.windows.net/datasets/room/north-customers\n"
        "version 1 or later\n"
        "columns: customer text, amount decimal(12,2)?\n"
        f"{AGGREGATION}"
    )
    assert said["program (sql)"] == "select 1"
    assert said["result"] == "result, csv, at most 100 rows\ncolumns: total decimal(38,2)"
    assert said["readers"] == f"north  {north.reader.id}"
    assert said["runs"] == "when all data is there; at most 4 a month"
    assert said["limits"] == "10 minutes, 1 GiB of memory"
    assert said["expires"] == "2099-12-31T00:00:00Z"
    assert said["runner"] == (
        f"aci, no debugging, host data {HEX}, utility VM 100 or later\n"
        "Milan with firmware of at least: bootloader 4, tee 0, snp 24, microcode 219\n"
        "walls around the program: none demanded"
    )
    assert said["previous"] == "none, this is the first"
    assert (said["digest"], said["words"]) == (agreed.digest.text, agreed.digest.words)


def test_a_later_contract_names_the_one_before(north: Keys, south: Keys) -> None:
    said = explained(north, south, sequence=2, previous=DIGEST)

    assert said["previous"] == DIGEST


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        pytest.param(
            {"minimum": 7, "only": None, "maximum_age": None}, "version 7 or later", id="minimum"
        ),
        pytest.param(
            {"minimum": 1, "only": DIGEST, "maximum_age": None},
            f"version 1 or later, only {DIGEST}",
            id="only one",
        ),
        pytest.param(
            {"minimum": 2, "only": None, "maximum_age": 30 * 86400},
            "version 2 or later, at most 30 days old",
            id="age",
        ),
        pytest.param(
            {"minimum": 1, "only": DIGEST, "maximum_age": 86400},
            f"version 1 or later, only {DIGEST}, at most 1 day old",
            id="only one, and age",
        ),
        pytest.param(
            {"minimum": 1, "only": None, "maximum_age": 12 * 3600},
            "version 1 or later, at most 12 hours old",
            id="age under a day",
        ),
        pytest.param(
            {"minimum": 1, "only": None, "maximum_age": 36 * 3600 + 1},
            "version 1 or later, at most 129601 seconds old",
            id="odd age",
        ),
    ],
)
def test_which_versions_may_be_used_is_said(
    versions: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    said = explained(north, south, datasets=[dataset("a", "north", versions=versions)])

    assert said["data a"].splitlines()[1] == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        pytest.param(aggregation_rule(), AGGREGATION, id="aggregation"),
        pytest.param(
            aggregation_rule(
                aggregates=[
                    {"column": "amount", "functions": ["sum", "avg"]},
                    {"column": "customer", "functions": ["count_distinct"]},
                ],
                dimensions=["customer", "amount"],
                joins=[],
                join_required=False,
            ),
            "rule: only sum/avg of amount, count_distinct of customer; grouped by customer, amount;"
            " not joined, join optional; at least 10 different values of customer in every row;"
            " for north, south",
            id="aggregation of several",
        ),
        pytest.param(
            {
                "kind": "list",
                "joins": ["customer"],
                "outputs": ["customer", "amount"],
                "readers": ["north"],
            },
            "rule: only customer, amount of rows that match on customer; for north",
            id="list",
        ),
        pytest.param(
            {"kind": "reviewed", "hidden": ["customer"], "threshold": None, "readers": ["north"]},
            "rule: whatever the program computes, without customer; for north",
            id="reviewed",
        ),
        pytest.param(
            {
                "kind": "reviewed",
                "hidden": [],
                "threshold": {"identity": "customer", "minimum": 5},
                "readers": ["north"],
            },
            "rule: whatever the program computes; at least 5 different values of customer;"
            " for north",
            id="reviewed with a threshold",
        ),
        pytest.param(
            {"kind": "reviewed", "hidden": [], "threshold": None, "readers": ["north"]},
            "rule: whatever the program computes; for north",
            id="reviewed with nothing hidden",
        ),
    ],
)
def test_every_rule_is_said_in_words(
    rule: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    assert with_rule(north, south, rule) == words


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        pytest.param({"type": "boolean"}, "boolean", id="free"),
        pytest.param({"type": "integer", "minimum": 1}, "integer, at least 1", id="minimum"),
        pytest.param(
            {"type": "integer", "minimum": 0}, "integer, at least 0", id="minimum of zero"
        ),
        pytest.param({"type": "integer", "maximum": 0}, "integer, at most 0", id="maximum of zero"),
        pytest.param(
            {"type": "date", "minimum": "2026-01-01", "maximum": "2026-12-31"},
            "date, at least 2026-01-01, at most 2026-12-31",
            id="range",
        ),
        pytest.param(
            {"type": "text", "choices": ["a", "b c"]}, "text, one of 'a', 'b c'", id="choices"
        ),
    ],
)
def test_every_parameter_is_said_with_its_limits(
    parameter: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    whole = {"name": "asked", "minimum": None, "maximum": None, "choices": None} | parameter

    program = contract(north, south)["program"]
    program["parameters"] = [whole, whole | {"name": "again"}]

    said = explained(north, south, program=program, triggers=triggers(on_request=True))

    assert said["parameters"] == f"asked  {words}\nagain  {words}"


def test_a_sealed_program_is_said_to_be_one(north: Keys, south: Keys) -> None:
    source = {"kind": "sealed", "owner": "south", "manifest": DIGEST}

    said = changed(north, south, "program", language="onnx", source=source)

    assert said["sealed program (onnx)"] == f"of south: {DIGEST}"


def test_a_program_is_shown_to_its_last_line(north: Keys, south: Keys) -> None:
    source = {"kind": "inline", "text": "select 1\n-- end\n\n"}

    said = changed(north, south, "program", source=source)

    assert said["program (sql)"] == "select 1\n-- end"


def test_every_trigger_is_said(north: Keys, south: Keys) -> None:
    triggers = {
        "on_arrival": True,
        "on_approval": True,
        "on_request": True,
        "schedule": "0 6 * * 1",
    }

    said = explained(north, south, triggers=triggers)

    assert said["runs"] == (
        "when all data is there, when all have approved, when a party asks, by the schedule"
        " 0 6 * * 1 (UTC); at most 4 a month"
    )


@pytest.mark.parametrize(
    ("period", "words"),
    [("day", "a day"), ("week", "a week"), ("month", "a month"), ("lifetime", "in all")],
)
def test_how_often_is_said(period: str, words: str, north: Keys, south: Keys) -> None:
    said = changed(north, south, "limits", period=period)

    assert said["runs"] == f"when all data is there; at most 4 {words}"


def test_every_reader_is_said_with_the_key(north: Keys, south: Keys) -> None:
    readers = [
        {"party": "north", "key": north.reader.to_json()},
        {"party": "south", "key": south.reader.to_json()},
    ]

    said = changed(north, south, "result", readers=readers)

    assert said["readers"] == f"north  {north.reader.id}\nsouth  {south.reader.id}"


def test_every_runner_is_said(north: Keys, south: Keys) -> None:
    pcrs = [{"index": 4, "sha256": HEX}, {"index": 11, "sha256": "ef" * 32}]
    runners = [
        {
            "platform": "azure-cvm",
            "code": {"kind": "pcrs", "values": pcrs},
            "minimum_svn": SVN,
            "walls": ["landlock", "net"],
            "debug": False,
        },
        {
            "platform": "simulated",
            "code": {"kind": "host-data", "value": HEX, "utility_vm_svn": 100},
            "minimum_svn": SVN,
            "walls": [],
            "debug": False,
        },
    ]

    said = explained(north, south, runners=runners)

    real, made_up = said["runner"].splitlines()[::3]
    assert real == f"azure-cvm, no debugging, PCR 4 {HEX}, PCR 11 {'ef' * 32}"
    assert made_up == (
        "simulated (SIMULATED: proves nothing), no debugging,"
        f" host data {HEX}, utility VM 100 or later"
    )
    assert said["runner"].splitlines()[1] == (
        "Turin with firmware of at least: fmc 1, bootloader 1, tee 1, snp 4, microcode 81"
    )
    assert said["runner"].splitlines()[2::3] == [
        "walls around the program: landlock, net",
        "walls around the program: none demanded",
    ]


def test_a_party_without_data_needs_no_room_key(north: Keys, south: Keys) -> None:
    parties = [party("north", north), party("south", south, room_key=None)]

    said = explained(north, south, parties=parties, datasets=[dataset("a", "north")])

    assert said["party south"] == f"signs with    {south.signing.id}\nno room key"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("Customer_2", "Customer_2", id="plain"),
        pytest.param("a text, b", "'a text, b'", id="two columns in one"),
        pytest.param("a; for south", "'a; for south'", id="end of a rule"),
        pytest.param("с", "'с'", id="another script"),  # noqa: RUF001  # that is the point
        pytest.param("it's", '"it\'s"', id="quote"),
    ],
)
def test_a_column_that_could_be_misread_stands_in_quotes(
    name: str, shown: str, north: Keys, south: Keys
) -> None:
    rule = aggregation_rule(
        aggregates=[{"column": name, "functions": ["sum"]}],
        joins=[name],
        dimensions=[name],
        threshold={"identity": name, "minimum": 10},
    )
    columns = [{"name": name, "type": "text", "nullable": False}]

    said = explained(north, south, datasets=[dataset("a", "north", rule=rule, columns=columns)])

    *_, columns_line, rule_line = said["data a"].splitlines()
    assert columns_line == f"columns: {shown} text"
    assert rule_line == (
        f"rule: only sum of {shown}; grouped by {shown}; joined on {shown}, join required;"
        f" at least 10 different values of {shown} in every row; for north, south"
    )


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        pytest.param(3 << 30, "3 GiB", id="whole"),
        pytest.param(1536 << 20, "1.5 GiB (1,610,612,736 bytes)", id="half"),
        pytest.param((1 << 30) + 1, "1 GiB (1,073,741,825 bytes)", id="a byte more"),
    ],
)
def test_memory_is_said_exactly(memory: int, words: str, north: Keys, south: Keys) -> None:
    said = changed(north, south, "limits", memory=memory)

    assert said["limits"] == f"10 minutes, {words} of memory"


@pytest.mark.parametrize(
    ("platforms", "warned"),
    [
        pytest.param(["aci"], [], id="real hardware"),
        pytest.param(
            ["aci", "simulated"],
            [("runner", "simulated: proves nothing, for trying things out")],
            id="simulated too",
        ),
    ],
)
def test_a_simulated_runner_is_warned_of(
    platforms: list[str], warned: list[tuple[str, object]], north: Keys, south: Keys
) -> None:
    (runner,) = contract(north, south)["runners"]
    runners = [runner | {"platform": platform} for platform in platforms]

    agreed = Contract.from_value(contract(north, south, runners=runners), "contract")

    assert explaining.warnings(agreed) == warned


# --- nothing is left out


def everything(north: Keys, south: Keys) -> dict[str, Any]:
    """A contract with something of every kind but parameters, and a party of no other mention."""
    reviewed = {
        "kind": "reviewed",
        "hidden": ["amount"],
        "threshold": {"identity": "customer", "minimum": 5},
        "readers": ["north", "south"],
    }
    listed = {
        "kind": "list",
        "joins": ["customer"],
        "outputs": ["amount"],
        "readers": ["north", "south"],
    }
    whole = contract(
        north,
        south,
        parties=[party("north", north), party("south", south), party("east", Keys.make())],
        datasets=[
            dataset("a", "north", rule=aggregation_rule(dimensions=["amount"])),
            dataset("b", "south", rule=reviewed),
            dataset("c", "south", dataset="more", rule=listed, versions=VERSIONS),
        ],
        sequence=2,
        previous=DIGEST,
        triggers=triggers(on_arrival=True, schedule="0 6 * * 1"),
    )
    pcrs = [{"index": 4, "sha256": HEX}, {"index": 11, "sha256": HEX}]
    measured = {"kind": "pcrs", "values": pcrs}
    turin = SVN | {"fmc": 0}
    whole["runners"] += [
        {
            "platform": "azure-cvm",
            "code": measured,
            "minimum_svn": turin,
            "walls": ["landlock", "net"],
            "debug": False,
        }
    ]
    return whole


def everything_asked(north: Keys, south: Keys) -> dict[str, Any]:
    """The same with parameters, and so with the one trigger that leaves."""
    whole = everything(north, south) | {"triggers": triggers(on_request=True)}
    whole["program"]["parameters"] = [
        {"name": "p", "type": "integer", "minimum": 1, "maximum": 9, "choices": None},
        {"name": "q", "type": "text", "minimum": None, "maximum": None, "choices": ["x", "y"]},
        {"name": "r", "type": "boolean", "minimum": None, "maximum": None, "choices": None},
    ]
    return whole


VERSIONS = {"minimum": 7, "only": DIGEST, "maximum_age": 86400}
OTHER_DIGEST = "sha256:" + "12" * 32
# What a leaf of each type could be instead; the first that makes a contract is taken.
WORDS = (
    *("north", "south", "east", "customer", "amount", "other", "a-2", "a_2"),
    *("decimal", "date", "text", "decimal(9,1)", "python", "parquet", "day", "avg"),
    *("simulated", "aci", "azure-cvm", "Genoa", "1 2 3 4 5", "mount"),
    *("12" * 32, OTHER_DIGEST, "2027-12-30T00:00:00Z"),
    *("https://other.vault.azure.net/keys/k", "https://other.weu.attest.azure.net"),
    "https://other.blob.core.windows.net/datasets/room/x",
)
ONE_VALUE = {  # leaves that nothing else fits: what they say is fixed, or said by what is beside it
    *("format", "runners.0.debug", "runners.1.debug", "program.source.kind"),
    *("runners.0.code.kind", "runners.1.code.kind", "runners.0.minimum_svn.fmc"),
    *(f"datasets.{i}.rule.kind" for i in range(3)),
}
ONE_VALUE_ASKED = {  # besides those, where there are parameters: their kinds, and all triggers
    *(f"triggers.{name}" for name in triggers()),
    *(f"program.parameters.{i}.choices" for i in (0, 2)),
    *(f"program.parameters.{i}.{end}" for i in (1, 2) for end in ("minimum", "maximum")),
    *(f"program.parameters.{i}.type" for i in (0, 1)),
}
LINKED = ("north", "south", "customer", "amount")  # names that cannot change in one place alone


def leaves(value: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Name every place of a document where no object and no list is."""
    if not isinstance(value, dict | list):
        yield path
        return
    for key, below in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(below, *path, str(key))


def at(value: Any, path: tuple[str, ...]) -> Any:
    """Find the object or the list that holds the last step."""
    for step in path:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def others(value: Any, keys: Keys) -> list[Any]:
    """List what could stand in place of a leaf."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value - 1]
        case _:
            known = (keys.signing.to_json(), keys.reader.to_json())
            return [word for word in (None, 5, *WORDS, *known) if word != value]


def put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> Contract | None:
    """Change one leaf, if the document is still a contract then."""
    changed = deepcopy(document)
    holder = at(changed, path[:-1])
    holder[int(path[-1]) if isinstance(holder, list) else path[-1]] = value
    try:
        return Contract.from_value(changed, "contract")
    except Malformed:
        return None


def shown(agreed: Contract) -> tuple[str, ...]:
    """Give what a person reads above the digest, room and number in the headline included."""
    said = {name: str(text) for name, text in explaining.rows(agreed)}
    above: Mapping[str, str] = {k: v for k, v in said.items() if k not in ("digest", "words")}
    return (f"{agreed.room}, contract {agreed.sequence}", *above.keys(), *above.values())


@pytest.mark.parametrize(
    ("whole", "one_value"),
    [
        pytest.param(everything, ONE_VALUE, id="runs by itself"),
        pytest.param(everything_asked, ONE_VALUE | ONE_VALUE_ASKED, id="runs on request"),
    ],
)
def test_whatever_is_changed_in_a_contract_is_shown(
    whole: Build, one_value: set[str], north: Keys, south: Keys
) -> None:
    document, stranger = whole(north, south), Keys.make()
    before = shown(Contract.from_value(document, "contract"))
    fixed, hidden = set(), set()

    for path in leaves(document):
        tried = (put(document, path, other) for other in others(at(document, path), stranger))
        made = [found for found in tried if found is not None]
        if not made:
            fixed.add(".".join(path))
        hidden |= {".".join(path) for found in made if shown(found) == before}

    assert hidden == set()
    assert {
        path for path in fixed if at(document, tuple(path.split("."))) not in LINKED
    } == one_value


@pytest.mark.parametrize("whole", [everything, everything_asked])
@pytest.mark.parametrize("name", LINKED)
def test_a_name_is_shown_wherever_it_stands(
    name: str, whole: Build, north: Keys, south: Keys
) -> None:
    document = whole(north, south)
    places = sum(at(document, path) == name for path in leaves(document))
    spelled = Contract.from_value(document, "contract").to_bytes().decode()

    renamed = Contract.parse(spelled.replace(f'"{name}"', '"renamed"').encode(), "contract")

    assert "\n".join(shown(renamed)).count("renamed") == places
