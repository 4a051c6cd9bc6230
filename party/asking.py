"""Asking for a run: values for a program's parameters, as a person writes them."""

import secrets
from collections.abc import Mapping, Sequence

from cleanroom.contract import Contract
from cleanroom.errors import Malformed, PolicyRefused
from cleanroom.ids import Digest
from cleanroom.parameters import Parameter, Value, check_values
from party.errors import Usage
from party.online import Online


def run(online: Online, contract: Contract, given: Sequence[str]) -> Digest:
    """Ask for a run of a contract that may be asked for."""
    if not contract.triggers.on_request:
        raise PolicyRefused("this contract does not run when asked: its triggers say when it does")
    return online.api.run(
        contract.room, contract.digest, values(contract, given), secrets.token_hex(16)
    )


def values(contract: Contract, given: Sequence[str]) -> Mapping[str, Value]:
    """Read NAME=VALUE for every parameter, by the parameter's type."""
    known = {one.name: one for one in contract.program.parameters}
    found: dict[str, Value] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals or name not in known or name in found:
            names = ", ".join(known) or "none"
            raise Usage(f"expected NAME=VALUE once for each of {names}, got {word!r}")
        found[name] = _value(known[name], text)
    try:
        check_values(contract.program.parameters, found, "values")
    except Malformed as error:
        raise Usage(str(error)).with_hint("cleanroom explain shows the parameters") from error
    return found


def _value(parameter: Parameter, text: str) -> Value:
    if parameter.type == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if parameter.type == "integer" and text.removeprefix("-").isdecimal():
        return int(text)
    return text
