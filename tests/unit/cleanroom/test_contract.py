"""A contract that parses is consistent in itself; anything else is refused by name."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.canonical import canonical
from cleanroom.contract import LARGEST, Contract, InlineSource, SealedSource
from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from tests.builders import DIGEST, HEX, Keys, contract, triggers

type Spoil = Callable[[Any], object]

THIRD = Keys.make()
PARAMETER = {"name": "p", "type": "integer", "minimum": None, "maximum": None, "choices": None}

# Every object of the builder's contract, and every field that it must have.
PLACES = {
    "contract": (
        *("format", "room", "sequence", "previous", "purpose", "parties", "runners", "datasets"),
        *("program", "result", "triggers", "limits"),
    ),
    "contract.parties[1]": ("name", "signing_key", "room_key"),
    "contract.parties[1].room_key": ("url", "public", "authority"),
    "contract.runners[0]": ("platform", "code", "minimum_svn", "walls", "debug"),
    "contract.runners[0].code": ("kind", "value", "utility_vm_svn"),
    "contract.runners[0].minimum_svn": ("product", "fmc", "bootloader", "tee", "snp", "microcode"),
    "contract.datasets[0]": (
        *("alias", "owner", "dataset", "location", "columns", "rule", "versions"),
    ),
    "contract.datasets[0].columns[1]": ("name", "type", "nullable"),
    "contract.datasets[0].rule": (
        *("kind", "aggregates", "joins", "join_required", "dimensions", "threshold", "readers"),
    ),
    "contract.datasets[0].rule.aggregates[0]": ("column", "functions"),
    "contract.datasets[0].rule.threshold": ("identity", "minimum"),
    "contract.datasets[1].versions": ("minimum", "only", "maximum_age"),
    "contract.program": ("language", "source", "parameters"),
    "contract.program.source": ("kind", "text"),
    "contract.result": ("name", "format", "columns", "maximum_rows", "readers"),
    "contract.result.columns[0]": ("name", "type", "nullable"),
    "contract.result.readers[0]": ("party", "key"),
    "contract.triggers": ("on_arrival", "on_approval", "on_request", "schedule"),
    "contract.limits": ("seconds", "memory", "runs", "period", "expires"),
}
every_place = pytest.mark.parametrize("place", PLACES)
every_field = pytest.mark.parametrize(
    ("place", "field"), [(place, field) for place, fields in PLACES.items() for field in fields]
)
automatic = pytest.mark.parametrize(
    "given",
    [
        pytest.param({"on_arrival": True}, id="on_arrival"),
        pytest.param({"on_approval": True}, id="on_approval"),
        pytest.param({"schedule": "0 6 * * 1"}, id="schedule"),
    ],
)


def at(value: Any, place: str) -> Any:
    """Find what stands at a place such as `contract.datasets[0].rule`."""
    for step in re.findall(r"\.(\w+)|\[(\d+)]", place):
        value = value[step[0] or int(step[1])]
    return value


def parsed(value: Any) -> Contract:
    return Contract.parse(canonical(value, "test"), "contract")


def refuse(value: Any, message: str) -> None:
    """Assert that a contract is refused, as bytes and as people's YAML, with the same words."""
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        parsed(value)
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Contract.from_value(value, "contract")


# --- what is accepted


def test_a_contract_comes_back_from_its_bytes(north: Keys, south: Keys) -> None:
    data = canonical(contract(north, south), "test")

    found = Contract.parse(data, "contract")

    assert found.to_bytes() == data
    assert Contract.parse(found.to_bytes(), "contract") == found


def test_a_contract_is_the_same_from_bytes_and_from_a_value(north: Keys, south: Keys) -> None:
    value = contract(north, south)

    assert Contract.from_value(value, "contract") == parsed(value)


def test_a_contract_is_named_by_the_digest_of_its_bytes(north: Keys, south: Keys) -> None:
    data = canonical(contract(north, south), "test")

    assert Contract.parse(data, "contract").digest == Digest.of(data)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: c.update(purpose="Find friends."), id="purpose"),
        pytest.param(lambda c: c.update(room="room2"), id="room"),
        pytest.param(lambda c: c["limits"].update(runs=5), id="limit"),
        pytest.param(lambda c: c["parties"].reverse(), id="order of the parties"),
        pytest.param(lambda c: c["program"]["source"].update(text="select 1 "), id="program"),
    ],
)
def test_any_change_makes_another_contract(change: Spoil, north: Keys, south: Keys) -> None:
    changed = contract(north, south)
    change(changed)

    assert parsed(changed).digest != parsed(contract(north, south)).digest


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: c.update(sequence=2, previous=DIGEST), id="a second contract"),
        pytest.param(lambda c: c.update(purpose="\u00dcber\tall\nlines \u4e2d"), id="any purpose"),
        pytest.param(
            lambda c: c["parties"][1].update(room_key=None) or c["datasets"].pop(),
            id="a party that brings no data",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["versions"].update(minimum=3, only=DIGEST, maximum_age=60),
            id="one version only",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(
                rule={
                    "kind": "list",
                    "joins": ["customer"],
                    "outputs": ["amount"],
                    "readers": ["north"],
                }
            ),
            id="a list rule",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(
                rule={"kind": "reviewed", "hidden": [], "threshold": None, "readers": ["north"]}
            ),
            id="a reviewed rule",
        ),
        pytest.param(
            lambda c: c["program"].update(
                language="python", source={"kind": "sealed", "owner": "south", "manifest": DIGEST}
            ),
            id="a sealed program",
        ),
        pytest.param(
            lambda c: c["program"].update(
                language="onnx", source={"kind": "sealed", "owner": "north", "manifest": DIGEST}
            ),
            id="a model",
        ),
        pytest.param(
            lambda c: (
                c.update(triggers=triggers(on_request=True)),
                c["program"].update(
                    parameters=[
                        {
                            "name": "day",
                            "type": "date",
                            "minimum": "2026-01-01",
                            "maximum": None,
                            "choices": None,
                        },
                        {
                            "name": "kind",
                            "type": "text",
                            "minimum": None,
                            "maximum": None,
                            "choices": ["a", "b"],
                        },
                    ]
                ),
            ),
            id="parameters",
        ),
        pytest.param(
            lambda c: c["program"]["source"].update(
                text="select\t'\u4e2d\u6587', '\u05d0\u05d1', '\U0001f600'\n"
            ),
            id="a program in any script",
        ),
        pytest.param(lambda c: c["result"].update(format="parquet"), id="a result in Parquet"),
        pytest.param(
            lambda c: c["triggers"].update(on_arrival=False, schedule="0 6 * * 1"), id="a schedule"
        ),
        pytest.param(
            lambda c: c["triggers"].update(on_approval=True, on_request=True), id="all triggers"
        ),
        *(
            pytest.param(lambda c, period=period: c["limits"].update(period=period), id=period)
            for period in ("day", "week", "lifetime")
        ),
        pytest.param(
            lambda c: c["limits"].update(expires="0999-12-31T23:59:59Z"), id="expired long ago"
        ),
        pytest.param(
            lambda c: c["limits"].update(seconds=1, memory=1 << 26, runs=1), id="least limits"
        ),
        pytest.param(
            lambda c: c["limits"].update(seconds=86_400, memory=1 << 44, runs=10**6),
            id="most limits",
        ),
    ],
)
def test_a_contract_of_another_shape_comes_back_from_its_bytes(
    change: Spoil, north: Keys, south: Keys
) -> None:
    changed = contract(north, south)
    change(changed)

    found = parsed(changed)

    assert found.to_bytes() == canonical(changed, "test")
    assert Contract.parse(found.to_bytes(), "contract") == found


def test_a_party_is_found_by_its_key(north: Keys, south: Keys) -> None:
    found = parsed(contract(north, south))

    assert found.party_of_key(south.signing.id) == found.parties[1]
    assert found.party_of_key(south.reader.id) is None


def test_both_kinds_of_source_name_themselves(north: Keys, south: Keys) -> None:
    sealed = {"kind": "sealed", "owner": "north", "manifest": DIGEST}
    changed = contract(north, south)
    changed["program"]["source"] = sealed

    assert parsed(contract(north, south)).program.source == InlineSource("select 1")
    assert parsed(changed).program.source == SealedSource("north", Digest(DIGEST))


# --- shape


@every_field
def test_a_contract_with_a_missing_field_is_refused(
    place: str, field: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    del at(spoiled, place)[field]

    refuse(spoiled, f"{place}: expected a field '{field}'")


@every_place
def test_a_contract_with_an_unknown_field_is_refused(place: str, north: Keys, south: Keys) -> None:
    spoiled = contract(north, south)
    at(spoiled, place)["surprise"] = 1

    refuse(spoiled, f"{place}: expected no other field, got 'surprise'")


@pytest.mark.parametrize("place", [place for place in PLACES if place.count(".")])
@pytest.mark.parametrize(
    ("other", "kind"), [([], "a list"), ("x", "text"), (1, "a number"), (False, "true or false")]
)
def test_a_contract_with_something_else_for_an_object_is_refused(
    place: str, other: object, kind: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    above, last = re.fullmatch(r"(.*?)(\.\w+|\[\d+])", place).groups()  # type: ignore[union-attr]
    at(spoiled, above)[last[1:] if last[0] == "." else int(last[1:-1])] = other

    refuse(spoiled, f"{place}: expected an object with named fields, got {kind}")


@pytest.mark.parametrize(
    "place",
    [
        *("parties", "runners", "datasets", "datasets[0].columns", "datasets[0].rule.aggregates"),
        *("datasets[0].rule.aggregates[0].functions", "datasets[0].rule.joins"),
        *("datasets[0].rule.dimensions", "datasets[0].rule.readers", "program.parameters"),
        *("result.columns", "result.readers"),
    ],
)
@pytest.mark.parametrize(("other", "kind"), [({}, "an object"), ("x", "text"), (None, "nothing")])
def test_a_contract_with_something_else_for_a_list_is_refused(
    place: str, other: object, kind: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    above, _, last = f"contract.{place}".rpartition(".")
    at(spoiled, above)[last] = other

    refuse(spoiled, f"contract.{place}: expected a list, got {kind}")


@pytest.mark.parametrize(
    ("place", "lowest", "highest"),
    [
        pytest.param("contract.datasets[1].rule.threshold.minimum", 2, 100_000, id="threshold"),
        pytest.param("contract.result.maximum_rows", 1, 10**9, id="rows"),
        pytest.param("contract.limits.seconds", 1, 86_400, id="seconds"),
        pytest.param("contract.limits.memory", 1 << 26, 1 << 44, id="memory"),
        pytest.param("contract.limits.runs", 1, 10**6, id="runs"),
        pytest.param("contract.runners[0].minimum_svn.snp", 0, 255, id="firmware"),
        pytest.param("contract.datasets[0].versions.maximum_age", 1, 3660 * 86_400, id="age"),
    ],
)
def test_a_contract_with_a_number_out_of_range_is_refused(
    place: str, lowest: int, highest: int, north: Keys, south: Keys
) -> None:
    above, _, last = place.rpartition(".")
    low, high, text, true, fraction = (contract(north, south) for _ in range(5))
    at(low, above)[last] = lowest - 1
    at(high, above)[last] = highest + 1
    at(text, above)[last] = str(lowest)
    at(true, above)[last] = True
    at(fraction, above)[last] = 2.5
    expected = f"{place}: expected a whole number {lowest} to {highest}, got"

    refuse(low, f"{expected} {lowest - 1}")
    refuse(high, f"{expected} {highest + 1}")
    refuse(text, f"{expected} '{lowest}'")
    refuse(true, f"{expected} True")
    with pytest.raises(Malformed, match=f"^{re.escape(expected)} float$"):
        Contract.from_value(fraction, "contract")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param("contract.datasets[0].columns[0].nullable", "true or false", id="nullable"),
        pytest.param("contract.datasets[0].rule.join_required", "true or false", id="join"),
        pytest.param("contract.triggers.on_arrival", "true or false", id="arrival"),
        pytest.param("contract.triggers.on_approval", "true or false", id="approval"),
        pytest.param("contract.triggers.on_request", "true or false", id="request"),
        pytest.param("contract.runners[0].debug", "False", id="debug"),
    ],
)
@pytest.mark.parametrize(
    ("other", "got"), [(0, "0"), (1, "1"), ("true", "'true'"), (None, "nothing")]
)
def test_a_contract_with_something_else_for_a_boolean_is_refused(
    place: str, expected: str, other: object, got: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    above, _, last = place.rpartition(".")
    at(spoiled, above)[last] = other

    refuse(spoiled, f"{place}: expected {expected}, got {got}")


# --- values


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda c: c.update(format="cleanroom/contract/v2"),
            "contract.format: expected 'cleanroom/contract/v1', got 'cleanroom/contract/v2'",
            id="another format",
        ),
        pytest.param(
            lambda c: c.update(room="Room"), "contract.room: expected a name", id="upper case room"
        ),
        pytest.param(
            lambda c: c.update(room="../other"), "contract.room: expected a name", id="room above"
        ),
        pytest.param(
            lambda c: c.update(sequence=0),
            "contract.sequence: expected a whole number of at least 1, got 0",
            id="sequence 0",
        ),
        pytest.param(
            lambda c: c.update(sequence=True),
            "contract.sequence: expected a whole number of at least 1, got True",
            id="true as sequence 1",
        ),
        pytest.param(
            lambda c: c.update(previous=DIGEST),
            "contract.previous: expected null for sequence 1 and a digest after it",
            id="predecessor of the first",
        ),
        pytest.param(
            lambda c: c.update(sequence=2),
            "contract.previous: expected null for sequence 1 and a digest after it",
            id="no predecessor of the second",
        ),
        pytest.param(
            lambda c: c.update(sequence=2, previous=HEX),
            "contract.previous: expected 'sha256:' and 64 lower-case hexadecimal digits",
            id="predecessor without algorithm",
        ),
        pytest.param(
            lambda c: c.update(purpose=""),
            "contract.purpose: expected 1 to 2000 characters, got 0",
            id="no purpose",
        ),
        pytest.param(
            lambda c: c.update(purpose="x" * 2001),
            "contract.purpose: expected 1 to 2000 characters, got 2001",
            id="purpose too long",
        ),
        pytest.param(
            lambda c: c.update(purpose="a\x1b[2J"),
            "contract.purpose: expected only characters that can be seen, got U+00",
            id="purpose that clears the screen",
        ),
        pytest.param(
            lambda c: c.update(purpose="a\x9b2J"),
            "contract.purpose: expected only characters that can be seen, got U+00",
            id="purpose that clears the screen, C1",
        ),
        pytest.param(
            lambda c: c.update(purpose="ab\u202ec"),
            "contract.purpose: expected only characters that can be seen, got U+202E",
            id="purpose that turns direction",
        ),
        pytest.param(
            lambda c: c["program"]["source"].update(text="x" * 262_145),
            "contract.program.source.text: expected 1 to 262144 characters, got 262145",
            id="program too long",
        ),
        pytest.param(
            lambda c: c["datasets"].append(c["datasets"][0] | {"alias": "c"}),
            "contract.datasets: expected each name once, got 'north/customers'",
            id="one dataset under two rules",
        ),
        pytest.param(
            lambda c: c["parties"][1].update(room_key=c["parties"][0]["room_key"]),
            "contract.parties (room keys): expected each name once, got 'https://north.vault",
            id="one room key for two parties",
        ),
        pytest.param(
            lambda c: c["parties"][1]["room_key"].update(
                public=c["parties"][0]["room_key"]["public"]
            ),
            "contract.parties (room keys): expected each name once, got 'sha256:",
            id="one room key at two places",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["rule"].update(joins=[]),
            "contract.datasets[0].rule.joins: expected at least one column, as a join is required",
            id="a join by nothing",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["rule"].update(readers=["north", "west"]),
            "contract.datasets[1].rule.readers[1]: expected one of the parties, got 'west'",
            id="rule for a stranger",
        ),
        # parties
        pytest.param(
            lambda c: c["parties"].pop(),
            "contract.parties: expected 2 to 64 entries, got 1",
            id="one party",
        ),
        pytest.param(
            lambda c: c.update(parties=c["parties"] * 33),
            "contract.parties: expected 2 to 64 entries, got 66",
            id="too many parties",
        ),
        pytest.param(
            lambda c: c["parties"][1].update(name="south bank"),
            "contract.parties[1].name: expected a name",
            id="party with a space",
        ),
        pytest.param(
            lambda c: c["parties"][1].update(name="north"),
            "contract.parties: expected each name once, got 'north'",
            id="party twice",
        ),
        pytest.param(
            lambda c: c["parties"][1].update(signing_key=c["parties"][0]["signing_key"]),
            "contract.parties (signing keys): expected each name once, got 'sha256:",
            id="one key for two parties",
        ),
        pytest.param(
            lambda c: c["parties"][0].update(signing_key=c["parties"][0]["room_key"]["public"]),
            "contract.parties[0].signing_key: expected an ECDSA P-256 public key",
            id="reader key to sign",
        ),
        pytest.param(
            lambda c: c["parties"][0].update(signing_key="AAB="),
            "contract.parties[0].signing_key: expected canonical base64",
            id="stray bits in a key",
        ),
        pytest.param(
            lambda c: c["parties"][0].update(signing_key=None),
            "contract.parties[0].signing_key: expected base64 of at most 1024 bytes",
            id="no signing key",
        ),
        pytest.param(
            lambda c: c["parties"][0]["room_key"].update(public=c["parties"][0]["signing_key"]),
            "contract.parties[0].room_key.public: expected an RSA public key of 2048, 3072 or 4096",
            id="signing key to read",
        ),
        pytest.param(
            lambda c: c["parties"][0]["room_key"].update(url="https://169.254.169.254/keys/a"),
            "contract.parties[0].room_key.url: expected a Key Vault key",
            id="room key at the identity endpoint",
        ),
        pytest.param(
            lambda c: c["parties"][0]["room_key"].update(url="https://0xa9.254.169.254/keys/a"),
            "contract.parties[0].room_key.url: expected a Key Vault key",
            id="room key at the identity endpoint, half in hexadecimal",
        ),
        pytest.param(
            lambda c: c["parties"][0]["room_key"].update(url="https://n.vault.azure.net/secrets/a"),
            "contract.parties[0].room_key.url: expected a Key Vault key",
            id="secret for a room key",
        ),
        pytest.param(
            lambda c: c["parties"][0]["room_key"].update(authority="http://attest.example"),
            "contract.parties[0].room_key.authority: expected an https URL without path",
            id="authority without TLS",
        ),
        # runners
        pytest.param(
            lambda c: c.update(runners=[]),
            "contract.runners: expected 1 to 8 entries, got 0",
            id="no runner",
        ),
        pytest.param(
            lambda c: c.update(runners=c["runners"] * 9),
            "contract.runners: expected 1 to 8 entries, got 9",
            id="too many runners",
        ),
        pytest.param(
            lambda c: c["runners"][0].update(debug=True),
            "contract.runners[0].debug: expected False, got True",
            id="runner that can be debugged",
        ),
        # datasets
        pytest.param(
            lambda c: c.update(datasets=[]),
            "contract.datasets: expected 1 to 64 entries, got 0",
            id="no dataset",
        ),
        pytest.param(
            lambda c: c.update(datasets=c["datasets"] * 33),
            "contract.datasets: expected 1 to 64 entries, got 66",
            id="too many datasets",
        ),
        pytest.param(
            lambda c: c["datasets"][1].update(alias="a"),
            "contract.datasets: expected each name once, got 'a'",
            id="alias twice",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(alias="a-b"),
            "contract.datasets[0].alias: expected 1 to 63 lower-case letters",
            id="alias with a hyphen",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(owner="west"),
            "contract.datasets[0].owner: expected one of the parties, got 'west'",
            id="owner unknown",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(owner="North"),
            "contract.datasets[0].owner: expected a name",
            id="owner in upper case",
        ),
        pytest.param(
            lambda c: c["parties"][1].update(room_key=None),
            "contract.datasets[1].owner: expected a party with a room key, got 'south'",
            id="owner without room key",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(dataset=""),
            "contract.datasets[0].dataset: expected a name",
            id="dataset without name",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(location="https://a.example/a/../b"),
            "contract.datasets[0].location: expected a storage location",
            id="location that goes up",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(location="https://a.example/a?sig=secret"),
            "contract.datasets[0].location: expected a storage location",
            id="location with a signature",
        ),
        pytest.param(
            lambda c: c["datasets"][0].update(columns=[]),
            "contract.datasets[0].columns: expected 1 to 2048 entries, got 0",
            id="no columns",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["columns"][1].update(name="CUSTOMER"),
            "contract.datasets[0].columns: expected each column once",
            id="column twice",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["columns"][0].update(name="cust\u200bomer"),
            "contract.datasets[0].columns[0].name: expected a column name without invisible",
            id="invisible character in a column",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["columns"][0].update(type="decimal(39,0)"),
            "contract.datasets[0].columns[0].type: expected a column type",
            id="type of a column",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["rule"].update(kind="open"),
            "contract.datasets[0].rule.kind: expected 'aggregation' or 'list' or 'reviewed'",
            id="rule of no kind",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["rule"]["threshold"].update(minimum=1),
            "contract.datasets[0].rule.threshold.minimum: expected a whole number 2 to 100000, got",
            id="groups of one",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["rule"]["threshold"].update(identity="other"),
            "contract.datasets[0].rule.threshold.identity: expected a column of the dataset",
            id="threshold over no column",
        ),
        pytest.param(
            lambda c: c["datasets"][0]["columns"].pop(),
            "contract.datasets[0].rule.aggregates: expected a column of the dataset, got 'amount'",
            id="aggregate over no column",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["rule"].update(joins=["other"]),
            "contract.datasets[1].rule.joins: expected a column of the dataset, got 'other'",
            id="join on no column",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["versions"].update(minimum=0),
            "contract.datasets[1].versions.minimum: expected a whole number of at least 1, got 0",
            id="version 0",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["versions"].update(only="latest"),
            "contract.datasets[1].versions.only: expected 'sha256:' and 64",
            id="version by name",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["versions"].update(maximum_age=0),
            "contract.datasets[1].versions.maximum_age: expected a whole number 1 to 316224000",
            id="no age",
        ),
        # program
        pytest.param(
            lambda c: c["program"].update(language="bash"),
            "contract.program.language: expected 'onnx' or 'python' or 'sql', got 'bash'",
            id="another language",
        ),
        pytest.param(
            lambda c: c["program"].update(language="onnx"),
            "contract.program.source.kind: expected 'sealed' for a model",
            id="model in the open",
        ),
        pytest.param(
            lambda c: c["program"]["source"].update(kind="file"),
            "contract.program.source.kind: expected 'inline' or 'sealed', got 'file'",
            id="source of another kind",
        ),
        pytest.param(
            lambda c: c["program"]["source"].update(text=""),
            "contract.program.source.text: expected 1 to 262144 characters, got 0",
            id="empty program",
        ),
        pytest.param(
            lambda c: c["program"].update(
                source={"kind": "sealed", "owner": "west", "manifest": DIGEST}
            ),
            "contract.program.source.owner: expected one of the parties, got 'west'",
            id="program of a stranger",
        ),
        pytest.param(
            lambda c: (
                c["parties"].append(c["parties"][1] | {"name": "west", "room_key": None}),
                c["parties"][2].update(signing_key=THIRD.signing.to_json()),
                c["program"].update(source={"kind": "sealed", "owner": "west", "manifest": DIGEST}),
            ),
            "contract.program.source.owner: expected a party with a room key, got 'west'",
            id="sealed program of a party without room key",
        ),
        pytest.param(
            lambda c: c["program"].update(source={"kind": "sealed", "owner": "north"}),
            "contract.program.source: expected a field 'manifest'",
            id="sealed program without digest",
        ),
        pytest.param(
            lambda c: c["program"].update(
                source={"kind": "sealed", "owner": "north", "manifest": DIGEST, "text": "x"}
            ),
            "contract.program.source: expected no other field, got 'text'",
            id="sealed program with text",
        ),
        pytest.param(
            lambda c: c["program"].update(parameters=[PARAMETER, PARAMETER]),
            "contract.program.parameters: expected each name once, got 'p'",
            id="parameter twice",
        ),
        pytest.param(
            lambda c: c["program"].update(parameters=[PARAMETER] * 65),
            "contract.program.parameters: expected 0 to 64 entries, got 65",
            id="too many parameters",
        ),
        pytest.param(
            lambda c: c["program"].update(parameters=[PARAMETER | {"minimum": "1"}]),
            "contract.program.parameters[0].minimum: expected a whole number",
            id="limit of another type",
        ),
        # result
        pytest.param(
            lambda c: c["result"].update(name="re/sult"),
            "contract.result.name: expected a name",
            id="result with a slash",
        ),
        pytest.param(
            lambda c: c["result"].update(format="xlsx"),
            "contract.result.format: expected 'csv' or 'parquet', got 'xlsx'",
            id="result of another format",
        ),
        pytest.param(
            lambda c: c["result"].update(columns=[]),
            "contract.result.columns: expected 1 to 2048 entries, got 0",
            id="result without columns",
        ),
        pytest.param(
            lambda c: c["result"].update(columns=c["result"]["columns"] * 2),
            "contract.result.columns: expected each column once",
            id="column of the result twice",
        ),
        pytest.param(
            lambda c: c["result"].update(readers=[]),
            "contract.result.readers: expected 1 to 64 entries, got 0",
            id="result for nobody",
        ),
        pytest.param(
            lambda c: c["result"].update(readers=c["result"]["readers"] * 2),
            "contract.result.readers: expected each name once, got 'north'",
            id="reader twice",
        ),
        pytest.param(
            lambda c: c["result"]["readers"][0].update(party="west"),
            "contract.result.readers[0].party: expected one of the parties, got 'west'",
            id="result for a stranger",
        ),
        pytest.param(
            lambda c: c["result"]["readers"][0].update(key=c["parties"][0]["signing_key"]),
            "contract.result.readers[0].key: expected an RSA public key",
            id="result sealed to a signing key",
        ),
        pytest.param(
            lambda c: c["datasets"][1]["rule"].update(readers=["south"]),
            "contract.result.readers: expected only readers that contract.datasets[1].rule allows,"
            " got north",
            id="reader that a rule does not allow",
        ),
        # triggers and limits
        pytest.param(
            lambda c: c["triggers"].update(on_arrival=False),
            "contract.triggers: expected at least one trigger",
            id="no trigger",
        ),
        pytest.param(
            lambda c: c["triggers"].update(schedule="hourly"),
            "contract.triggers.schedule: expected five cron fields",
            id="schedule in words",
        ),
        pytest.param(
            lambda c: c["triggers"].update(schedule=""),
            "contract.triggers.schedule: expected five cron fields",
            id="empty schedule",
        ),
        pytest.param(
            lambda c: c["limits"].update(period="year"),
            "contract.limits.period: expected 'day' or 'week' or 'month' or 'lifetime', got 'year'",
            id="another period",
        ),
        pytest.param(
            lambda c: c["limits"].update(expires="2027-12-31"),
            "contract.limits.expires: expected a UTC time such as 2026-11-21T09:30:00Z",
            id="end without time",
        ),
        pytest.param(
            lambda c: c["limits"].update(expires="2027-02-29T00:00:00Z"),
            "contract.limits.expires: expected a date and time that exist",
            id="end that does not exist",
        ),
        pytest.param(
            lambda c: c["limits"].update(expires=None),
            "contract.limits.expires: expected a UTC time such as 2026-11-21T09:30:00Z",
            id="no end",
        ),
    ],
)
def test_a_contract_with_one_thing_wrong_is_refused(
    spoil: Spoil, message: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    spoil(spoiled)

    refuse(spoiled, message)


# --- triggers that nobody could give parameters for


@pytest.mark.parametrize(
    "on_request", [pytest.param(False, id="alone"), pytest.param(True, id="beside on_request")]
)
@automatic
def test_a_program_with_parameters_may_not_start_by_itself(
    given: dict[str, Any], on_request: bool, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south, triggers=triggers(on_request=on_request, **given))
    spoiled["program"]["parameters"] = [PARAMETER]

    refuse(spoiled, "contract.triggers: expected only 'on_request' for a program with parameters")


@automatic
def test_a_program_without_parameters_may_start_by_itself(
    given: dict[str, Any], north: Keys, south: Keys
) -> None:
    found = parsed(contract(north, south, triggers=triggers(**given)))

    assert found.triggers.to_dict() == triggers(**given)
    assert found.triggers.automatic


@pytest.mark.parametrize(
    "parameters", [pytest.param([], id="none"), pytest.param([PARAMETER], id="one")]
)
def test_any_program_may_start_on_request_alone(
    parameters: list[dict[str, Any]], north: Keys, south: Keys
) -> None:
    asked = contract(north, south, triggers=triggers(on_request=True))
    asked["program"]["parameters"] = parameters

    found = parsed(asked)

    assert len(found.program.parameters) == len(parameters)
    assert not found.triggers.automatic


# --- programs that would not run as they read


@pytest.mark.parametrize(
    ("character", "code"),
    [
        pytest.param("\u202e", "U+202E", id="right-to-left override"),
        pytest.param("\u202a", "U+202A", id="left-to-right embedding"),
        pytest.param("\u2066", "U+2066", id="left-to-right isolate"),
        pytest.param("\u2069", "U+2069", id="end of isolate"),
        pytest.param("\u200f", "U+200F", id="right-to-left mark"),
        pytest.param("\u061c", "U+061C", id="Arabic letter mark"),
        pytest.param("\u200b", "U+200B", id="zero width space"),
        pytest.param("\u200d", "U+200D", id="zero width joiner"),
        pytest.param("\u2060", "U+2060", id="word joiner"),
        pytest.param("\ufeff", "U+FEFF", id="byte order mark"),
        pytest.param("\u00ad", "U+00AD", id="soft hyphen"),
        pytest.param("\U000e0020", "U+E0020", id="tag"),
        pytest.param("\ue000", "U+E000", id="private use"),
        pytest.param("\U00100000", "U+100000", id="private use, last plane"),
        pytest.param("\u0378", "U+0378", id="not assigned"),
        pytest.param("\uffff", "U+FFFF", id="no character"),
        pytest.param("\u2028", "U+2028", id="line separator"),
        pytest.param("\u2029", "U+2029", id="paragraph separator"),
    ],
)
def test_a_program_with_what_cannot_be_seen_is_refused(
    character: str, code: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    spoiled["program"]["source"]["text"] = f"select 1,\n  2 --{character} all\n"

    refuse(
        spoiled,
        "contract.program.source.text, line 2: expected only characters that can be seen,"
        f" got {code}",
    )


@pytest.mark.parametrize(
    "character",
    [
        pytest.param("\0", id="zero byte"),
        pytest.param("\r", id="carriage return"),
        pytest.param("\x08", id="backspace"),
        pytest.param("\x1b", id="escape"),
        pytest.param("\x7f", id="delete"),
        pytest.param("\x85", id="next line"),
        pytest.param("\x9b", id="C1 control"),
    ],
)
def test_a_program_with_a_control_character_is_refused(
    character: str, north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    spoiled["program"]["source"]["text"] = f"select 1{character}"

    refuse(
        spoiled,
        "contract.program.source.text: expected only characters that can be seen,"
        f" got U+{ord(character):04X}",
    )


def test_a_lone_surrogate_never_gets_into_the_bytes_of_a_contract(north: Keys, south: Keys) -> None:
    made = Contract.from_value(contract(north, south), "contract")

    with pytest.raises(Malformed, match=r"^contract: expected values that canonical JSON can hold"):
        replace(made, purpose="\ud800").to_bytes()


def test_half_a_character_from_yaml_is_refused_with_its_place(north: Keys, south: Keys) -> None:
    spoiled = contract(north, south, purpose="\ud800")

    with pytest.raises(Malformed, match=r"^x\.purpose: .* can be seen, got U\+D800$"):
        Contract.from_value(spoiled, "x")


def test_a_contract_whose_bytes_nobody_would_read_again_is_refused(
    north: Keys, south: Keys
) -> None:
    spoiled = contract(north, south)
    spoiled["program"]["source"]["text"] = "\U0001f512" * 262_144

    with pytest.raises(Malformed, match=r"^x: expected a contract of at most 1048576 bytes, got 1"):
        Contract.from_value(spoiled, "x")


# --- bytes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "JSON in UTF-8", id="nothing"),
        pytest.param(b"room: room\n", "JSON in UTF-8", id="YAML"),
        pytest.param(b"[]", "an object with named fields, got a list", id="list"),
        pytest.param(b"{}", "a field 'format'", id="empty object"),
        pytest.param(b'{"format":"a","format":"b"}', "each field once", id="field twice"),
        pytest.param(b'{"\\ud800":1}', "values that canonical JSON can hold", id="surrogate"),
        pytest.param(b"[" * 100, "at most 32 levels of nesting", id="too deep"),
        pytest.param(bytes(LARGEST + 1), "at most 1048576 bytes, got 1048577", id="too large"),
    ],
)
def test_bytes_that_are_no_contract_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^contract: expected {message}"):
        Contract.parse(data, "contract")


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda data: data + b"\n", id="line feed after"),
        pytest.param(lambda data: b" " + data, id="space before"),
        pytest.param(lambda data: json.dumps(json.loads(data)).encode(), id="spaces between"),
        pytest.param(lambda data: data.replace(b"room", b"r\\u006fom", 1), id="escape"),
        pytest.param(lambda data: data.replace(b"https://", b"https:\\/\\/", 1), id="slashes"),
    ],
)
def test_a_contract_in_another_spelling_is_refused(
    spell: Callable[[bytes], bytes], north: Keys, south: Keys
) -> None:
    data = spell(canonical(contract(north, south), "test"))

    with pytest.raises(Malformed, match=r"^contract: expected canonical JSON"):
        Contract.parse(data, "contract")


@pytest.mark.parametrize(
    ("spell", "message"),
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, "JSON in UTF-8", id="byte order mark"),
        pytest.param(
            lambda data: data.replace(b"Find fraud.", b"Find \xff"), "JSON in UTF-8", id="no UTF-8"
        ),
        pytest.param(
            lambda data: data.replace(b'"runs":4', b'"runs":4.0'), "integers only", id="fraction"
        ),
        pytest.param(
            lambda data: data.replace(b'"runs":4', b'"runs":4e0'), "integers only", id="exponent"
        ),
        pytest.param(
            lambda data: data.replace(b'"runs":4', b'"runs":9007199254740992'),
            "integers within",
            id="integer too large",
        ),
        pytest.param(
            lambda data: data.replace(b'"runs":4', b'"runs":4,"runs":4'),
            "each field once",
            id="field twice",
        ),
    ],
)
def test_a_contract_that_two_readers_could_read_differently_is_refused(
    spell: Callable[[bytes], bytes], message: str, north: Keys, south: Keys
) -> None:
    data = spell(canonical(contract(north, south), "test"))

    with pytest.raises(Malformed, match=f"^contract: expected {message}"):
        Contract.parse(data, "contract")


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(2**53, id="too large for JSON"),
        pytest.param(16**5000, id="too large to print"),
        pytest.param(-(16**5000), id="too small to print"),
    ],
)
def test_a_value_with_a_number_too_large_is_refused(number: int, north: Keys, south: Keys) -> None:
    value = contract(north, south, sequence=number)

    with pytest.raises(Malformed, match=r"^contract.sequence: expected a whole number"):
        Contract.from_value(value, "contract")
