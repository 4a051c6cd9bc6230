"""The servers of a stack as processes to be: commands, ports, how to ask whether they are ready."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from cleanroom.errors import Malformed
from devstack.home import HOST
from devstack.stack import app_settings, environment, ports
from devstack.stack.environment import Stack
from devstack.stack.records import Health, Server
from devstack.storage import azurite

NEEDS = {
    "storage": ("azurite",),
    "functions": ("identity", "azurite", "storage", "bus", "eventgrid"),
    "runner": ("identity", "azurite", "storage", "bus", "attestation", "vault"),
}
"""What is of no use without other servers."""
DEFAULTS = Path(__file__).with_name("defaults")
HEALTH = "/devstack/health"
RETRY_SPEED = 60
"""How much faster than the service's are Event Grid's waits between two tries of a delivery."""


def servers(stack: Stack) -> list[str]:
    """Name the servers that this stack can have."""
    absent = {"functions": not stack.settings.functions, "runner": not stack.settings.runner}
    return [name for name in PLANNED if not absent.get(name)]


def selected(stack: Stack, names: Sequence[str]) -> list[str]:
    """Choose servers by name, with those that they need; all, if none is named."""
    known(names)
    possible = servers(stack)
    if "functions" in names and "functions" not in possible:
        raise Malformed("functions", "a folder to host: --functions DIR")
    if "runner" in names and "runner" not in possible:
        raise Malformed("runner", "to be wanted: --runner")
    wanted = {*names, *(other for name in names for other in NEEDS.get(name, ()))}
    return [name for name in possible if name in (wanted or possible)]


def known(names: Iterable[str]) -> None:
    """Refuse names that no server has."""
    for name in names:
        if name not in PLANNED:
            raise Malformed("server", f"one of {', '.join(sorted(PLANNED))}", repr(name))


def planned(stack: Stack, names: Iterable[str]) -> tuple[Server, ...]:
    """Plan these servers."""
    return tuple(PLANNED[name](stack) for name in names)


def bus(stack: Stack) -> Server:
    """The Service Bus."""
    numbers = {name: stack.settings.ports[name] for name in ("bus", "bus-tls", "bus-control")}
    config = stack.settings.bus_config or str(DEFAULTS / "bus.json")
    options = {
        "--port": numbers["bus"],
        "--tls-port": numbers["bus-tls"],
        "--control-port": numbers["bus-control"],
        "--config": config,
    }
    return _python(
        stack,
        "bus",
        options,
        Health(numbers["bus-control"], HEALTH, tls=False),
        opened=tuple(numbers),
        addresses=(
            f"sb://{HOST}:{numbers['bus']}",
            f"sb://{HOST}:{numbers['bus-tls']}",
            stack.url("bus-control", tls=False),
        ),
    )


def _identity(stack: Stack) -> Server:
    roles = environment.app_roles(stack.settings.parties)
    named = [f"{one}={roles[one]}" if one in roles else one for one in stack.settings.identities]
    return _web(stack, "identity", {}, tls=False, more=_each("--identity", named))


def _attestation(stack: Stack) -> Server:
    return _web(stack, "attestation", {})


def _eventgrid(stack: Stack) -> Server:
    options = {
        "--bus": f"{HOST}:{stack.settings.ports['bus']}",
        "--storage": stack.storage,
        "--functions": stack.url("functions", tls=False),
        "--speed": RETRY_SPEED,
        "--config": stack.settings.eventgrid_config or str(DEFAULTS / _topics(stack)),
    }
    senders = [f"{party}:{environment.INBOX}" for party in stack.settings.parties]
    return _web(stack, "eventgrid", options, more=_each("--sender", senders))


def _topics(stack: Stack) -> str:
    """Name the file of topics; subscribed to them are the functions, where there are any."""
    return "eventgrid-functions.json" if stack.settings.functions else "eventgrid.json"


def _vault(stack: Stack) -> Server:
    names = [ports.vault(party) for party in stack.settings.parties]
    at = stack.settings.ports
    vaults = [f"{party}={at[ports.vault(party)]}" for party in stack.settings.parties]
    return _python(
        stack,
        "vault",
        {},
        Health(at[names[-1]], HEALTH, tls=True),
        opened=tuple(names),
        addresses=tuple(map(stack.url, names)),
        more=_each("--vault", vaults),
    )


def _storage(stack: Stack) -> Server:
    options = {
        "--azurite-port": stack.settings.ports["azurite"],
        "--eventgrid": stack.url("eventgrid"),
        "--authority": stack.authority,
    }
    roles = ["operator=contributor", *map(":".join, environment.roles(stack.settings.parties))]
    return _web(stack, "storage", options, more=_each("--role", roles))


def _functions(stack: Stack) -> Server:
    options = {
        "--app": stack.settings.functions,
        "--settings": str(app_settings.file(stack.home.path)),
    }
    more = ["--watch"] if stack.settings.watch else []
    return _web(stack, "functions", options, tls=False, more=more, module="functions_host")


def _runner(stack: Stack) -> Server:
    made = _web(stack, "runner", {}, tls=False)
    return replace(made, environment={**made.environment, **stack.runner()})


def _azurite(stack: Stack) -> Server:
    port = stack.settings.ports["azurite"]
    start = azurite.start(stack.home, port)
    return Server(
        name="azurite",
        command=tuple(start.command),
        environment=start.environment,
        ports={"azurite": port},
        health=Health(port, "/", tls=False, status=HTTPStatus.BAD_REQUEST),  # anonymous
        addresses=(f"http://{HOST}:{port}",),
    )


def _web(
    stack: Stack,
    name: str,
    options: Mapping[str, object],
    *,
    tls: bool = True,
    more: Sequence[str] = (),
    module: str = "",
) -> Server:
    port = stack.settings.ports[name]
    return _python(
        stack,
        name,
        {"--port": port, **options},
        Health(port, HEALTH, tls),
        opened=(name,),
        addresses=(stack.url(name, tls=tls),),
        more=more,
        module=module,
    )


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _python(
    stack: Stack,
    name: str,
    options: Mapping[str, object],
    health: Health,
    *,
    opened: Sequence[str],
    addresses: tuple[str, ...],
    more: Sequence[str] = (),
    module: str = "",
) -> Server:
    words = [str(word) for pair in options.items() for word in pair]
    start = (sys.executable, "-P", "-m", f"devstack.{module or name}")
    return Server(
        name=name,
        command=(*start, "--home", str(stack.home.path), *words, *more),
        environment=stack.trust(),
        ports={name: stack.settings.ports[name] for name in opened},
        health=health,
        addresses=addresses,
    )


PLANNED: Mapping[str, Callable[[Stack], Server]] = {
    "azurite": _azurite,
    "runner": _runner,
    "functions": _functions,
    "storage": _storage,
    "eventgrid": _eventgrid,
    "vault": _vault,
    "bus": bus,
    "attestation": _attestation,
    "identity": _identity,
}
"""Every server there is; they start in this order, and those first that take longest."""
