"""A contract says which runner it trusts, down to its firmware."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from cleanroom.errors import Malformed
from cleanroom.requirements import HostData, MinimumSvn, Pcrs, RunnerRequirement
from cleanroom.walls import Wall
from tests.builders import HEX

WALLS = frozenset({Wall.LANDLOCK, Wall.NET})
HOST_DATA = {"kind": "host-data", "value": HEX, "utility_vm_svn": 100}
PCRS = {
    "kind": "pcrs",
    "values": [{"index": 4, "sha256": HEX}, {"index": 11, "sha256": "ab" * 32}],
}


def container() -> Any:
    return {
        "platform": "aci",
        "code": dict(HOST_DATA),
        "minimum_svn": {
            "product": "Milan",
            "fmc": 0,
            "bootloader": 4,
            "tee": 0,
            "snp": 24,
            "microcode": 219,
        },
        "walls": ["landlock", "net"],
        "debug": False,
    }


def machine() -> Any:
    values = [{"index": 4, "sha256": HEX}, {"index": 11, "sha256": "ab" * 32}]
    return container() | {"platform": "azure-cvm", "code": {"kind": "pcrs", "values": values}}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(container(), HostData(HEX, 100), id="container"),
        pytest.param(machine(), Pcrs(((4, HEX), (11, "ab" * 32))), id="virtual machine"),
        pytest.param(
            container() | {"platform": "simulated"}, HostData(HEX, 100), id="simulated container"
        ),
        pytest.param(
            machine() | {"platform": "simulated"},
            Pcrs(((4, HEX), (11, "ab" * 32))),
            id="simulated machine",
        ),
    ],
)
def test_a_requirement_comes_back_from_its_value(value: Any, code: HostData | Pcrs) -> None:
    requirement = RunnerRequirement.parse(value, "x")

    assert requirement == RunnerRequirement(
        value["platform"], code, MinimumSvn("Milan", 0, 4, 0, 24, 219), WALLS
    )
    assert requirement.to_dict() == value


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        *(
            pytest.param(
                lambda r, name=name: r.pop(name),
                f"x: expected a field '{name}'",
                id=f"no {name}",
            )
            for name in ("platform", "code", "minimum_svn", "walls", "debug")
        ),
        *(
            pytest.param(
                lambda r, name=name: r["minimum_svn"].pop(name),
                f"x.minimum_svn: expected a field '{name}'",
                id=f"no {name} version",
            )
            for name in ("product", "fmc", "bootloader", "tee", "snp", "microcode")
        ),
        pytest.param(
            lambda r: r["minimum_svn"].update(product="milan"),
            "x.minimum_svn.product: expected 'Genoa' or 'Milan' or 'Turin', got 'milan'",
            id="another processor",
        ),
        pytest.param(
            lambda r: r["minimum_svn"].update(product="Turin", fmc=256),
            "x.minimum_svn.fmc: expected a whole number 0 to 255, got 256",
            id="fmc of a Turin",
        ),
        pytest.param(
            lambda r: r["code"].pop("utility_vm_svn"),
            "x.code: expected a field 'utility_vm_svn'",
            id="any utility VM",
        ),
        pytest.param(
            lambda r: r["code"].update(utility_vm_svn="100"),
            "x.code.utility_vm_svn: expected a whole number 0 to 999999999, got '100'",
            id="utility VM as text",
        ),
        *(
            pytest.param(
                lambda r, name=name, number=number: r["minimum_svn"].update({name: number}),
                f"x.minimum_svn.{name}: expected a whole number 0 to 255, got {number}",
                id=f"{name} version {number}",
            )
            for name in ("bootloader", "tee", "snp", "microcode")
            for number in (-1, 256, True)
        ),
        pytest.param(
            lambda r: r.update(more=1), "x: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            lambda r: r.update(platform="sgx"),
            "x.platform: expected 'aci' or 'azure-cvm' or 'simulated', got 'sgx'",
            id="another platform",
        ),
        pytest.param(
            lambda r: r.update(platform=None), "x.platform: expected 'aci' or", id="no platform"
        ),
        pytest.param(
            lambda r: r.update(debug=True), "x.debug: expected False, got True", id="debugging"
        ),
        pytest.param(
            lambda r: r.update(debug=0), "x.debug: expected False, got 0", id="0 for false"
        ),
        pytest.param(
            lambda r: r.update(debug=None), "x.debug: expected False, got nothing", id="null debug"
        ),
        pytest.param(
            lambda r: r.update(minimum_svn=[4, 0, 24, 219]),
            "x.minimum_svn: expected an object with named fields, got a list",
            id="versions as a list",
        ),
        pytest.param(
            lambda r: r.update(walls=["net", "landlock"]),
            "x.walls: expected each wall once, in alphabetical order",
            id="walls out of order",
        ),
        pytest.param(
            lambda r: r.update(walls="net"),
            "x.walls: expected a list, got text",
            id="walls as text",
        ),
        pytest.param(
            lambda r: r.update(walls=None), "x.walls: expected a list, got nothing", id="no walls"
        ),
        pytest.param(
            lambda r: r["minimum_svn"].update(fmc=1),
            "x.minimum_svn.fmc: expected a whole number 0 to 0, got 1",
            id="fmc of a Milan",
        ),
        pytest.param(
            lambda r: r.update(code=HEX),
            "x.code: expected an object with named fields, got text",
            id="code as text",
        ),
        pytest.param(
            lambda r: r["code"].pop("kind"), "x.code: expected a field 'kind'", id="no kind of code"
        ),
        pytest.param(
            lambda r: r["code"].update(kind="signer"),
            "x.code.kind: expected 'host-data' or 'pcrs', got 'signer'",
            id="another kind of code",
        ),
        pytest.param(
            lambda r: r["code"].pop("value"),
            "x.code: expected a field 'value'",
            id="no host data",
        ),
        pytest.param(
            lambda r: r["code"].update(value=HEX.upper()),
            "x.code.value: expected 64 lower-case hexadecimal digits",
            id="host data in upper case",
        ),
        pytest.param(
            lambda r: r["code"].update(value=HEX[2:]),
            "x.code.value: expected 64 lower-case hexadecimal digits",
            id="host data too short",
        ),
        pytest.param(
            lambda r: r["code"].update(value=HEX + "\n"),
            "x.code.value: expected 64 lower-case hexadecimal digits",
            id="line feed after the host data",
        ),
        pytest.param(
            lambda r: r["code"].update(values=[]),
            "x.code: expected no other field, got 'values'",
            id="registers beside host data",
        ),
        pytest.param(
            lambda r: r.update(platform="azure-cvm"),
            "x.code.kind: expected 'pcrs' on azure-cvm",
            id="host data on a virtual machine",
        ),
        pytest.param(
            lambda r: r.update(code=PCRS),
            "x.code.kind: expected 'host-data' on aci",
            id="registers on a container",
        ),
    ],
)
def test_a_requirement_with_one_thing_wrong_is_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    spoiled = container()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        RunnerRequirement.parse(spoiled, "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda c: c.pop("values"), "x.code: expected a field 'values'", id="no registers"
        ),
        pytest.param(
            lambda c: c.update(values=[]),
            "x.code.values: expected 1 to 24 entries, got 0",
            id="empty registers",
        ),
        pytest.param(
            lambda c: c.update(values=c["values"] * 13),
            "x.code.values: expected 1 to 24 entries, got 26",
            id="too many registers",
        ),
        pytest.param(
            lambda c: c.update(values={"4": HEX}),
            "x.code.values: expected a list, got an object",
            id="registers as an object",
        ),
        pytest.param(
            lambda c: c["values"][1].update(index=4),
            "x.code.values: expected each register once, in rising order",
            id="register twice",
        ),
        pytest.param(
            lambda c: c["values"][0].update(index=24),
            "x.code.values[0].index: expected a whole number 0 to 23, got 24",
            id="register 24",
        ),
        pytest.param(
            lambda c: c["values"][0].update(index=-1),
            "x.code.values[0].index: expected a whole number 0 to 23, got -1",
            id="negative register",
        ),
        pytest.param(
            lambda c: c["values"][0].update(index=True),
            "x.code.values[0].index: expected a whole number 0 to 23, got True",
            id="true as a register",
        ),
        pytest.param(
            lambda c: c["values"][0].update(sha256="ab"),
            "x.code.values[0].sha256: expected 64 lower-case hexadecimal digits",
            id="short digest",
        ),
        pytest.param(
            lambda c: c["values"][0].pop("index"),
            "x.code.values[0]: expected a field 'index'",
            id="no index",
        ),
        pytest.param(
            lambda c: c["values"][0].pop("sha256"),
            "x.code.values[0]: expected a field 'sha256'",
            id="no digest",
        ),
        pytest.param(
            lambda c: c["values"][0].update(sha384="ab" * 48),
            "x.code.values[0]: expected no other field, got 'sha384'",
            id="another bank",
        ),
        pytest.param(
            lambda c: c.update(value=HEX),
            "x.code: expected no other field, got 'value'",
            id="host data beside registers",
        ),
    ],
)
def test_registers_with_one_thing_wrong_are_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    spoiled = machine()
    spoil(spoiled["code"])

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        RunnerRequirement.parse(spoiled, "x")
