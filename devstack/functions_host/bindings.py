"""From an index to functions: every binding is understood and resolved, or refused by name.

Refused are: kinds of triggers and bindings that this host cannot run, settings and connections that
are not there, schedules and routes that mean nothing, two triggers, two functions of one name or of
one route. So an app that starts here has nothing left that fails for want of a setting.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanroom.errors import Malformed
from cleanroom.fields import kind, shown
from devstack.functions_host.data import Index, Indexed
from devstack.functions_host.functions import (
    BlobInput,
    BlobOutput,
    Connection,
    Entity,
    EventGridOutput,
    EventGridTrigger,
    Function,
    HttpOutput,
    HttpTrigger,
    Level,
    Output,
    ServiceBusOutput,
    ServiceBusTrigger,
    Template,
    TimerTrigger,
    Trigger,
)
from devstack.functions_host.host_json import HostJson
from devstack.functions_host.routes import compiled
from devstack.functions_host.schedule import schedule
from devstack.functions_host.settings import Settings

RESERVED = frozenset({"master", "default", "eventgrid_extension", "blobs_extension"})
"""Names of keys that are not of a function; a function so named would have the key of all."""

_TRIGGERS = "httpTrigger, timerTrigger, eventGridTrigger or serviceBusTrigger"


@dataclass(frozen=True, slots=True)
class Reader:
    """What is needed to understand bindings."""

    settings: Settings
    host: HostJson
    now: datetime

    def functions(self, index: Index) -> tuple[Function, ...]:
        """Understand all functions of an app."""
        if index.streaming:
            raise Malformed("function_app.py", "no HTTP streaming (azurefunctions-extensions-http)")
        if not index.functions:
            raise Malformed("function_app.py", "at least one function")
        read = tuple(self._function(one) for one in index.functions)
        _once("a name", [(one.name.lower(), one.name) for one in read])
        _once("a route and method", _doors(read))
        return read

    def _function(self, one: Indexed) -> Function:
        where = f"function {one.name}"
        if one.name.lower() in RESERVED:
            raise Malformed(where, f"a name other than those of keys ({', '.join(RESERVED)})")
        bindings = tuple(_Binding.parse(raw, where, self.settings) for raw in one.bindings)
        triggers = [each for each in bindings if each.kind.lower().endswith("trigger")]
        if len(triggers) != 1:
            raise Malformed(where, "one trigger", str(len(triggers)))
        trigger = self._trigger(triggers[0], one.name)
        others = [each for each in bindings if each is not triggers[0]]
        return Function(
            one.name,
            one.id,
            trigger,
            tuple(_input(each) for each in others if not each.is_output),
            tuple(_output(each) for each in others if each.is_output),
            one.retry,
            self._is_disabled(one.name),
            tuple(each.raw for each in bindings),
        )

    def _is_disabled(self, name: str) -> bool:
        only = self.host.only
        return self.settings.disabled(name) or (only is not None and name not in only)

    def _trigger(self, binding: "_Binding", name: str) -> Trigger:
        match binding.kind:
            case "httpTrigger":
                return self._http(binding, name)
            case "timerTrigger":
                return self._timer(binding)
            case "eventGridTrigger":
                return EventGridTrigger(binding.name)
            case "serviceBusTrigger":
                return _service_bus(binding)
            case _:
                raise Malformed(binding.where, f"a trigger that this host can run ({_TRIGGERS})")

    def _http(self, binding: "_Binding", name: str) -> HttpTrigger:
        template = binding.text("route", otherwise=name)
        methods = binding.raw.get("methods") or ()
        if not isinstance(methods, Sequence) or not all(isinstance(one, str) for one in methods):
            raise Malformed(binding.where, "methods to be a list of names")
        return HttpTrigger(
            binding.name,
            compiled(self.host.http.prefix, template, binding.where),
            frozenset(str(one).upper() for one in methods),
            Level(binding.word("authLevel", [one.value for one in Level], "function")),
        )

    def _timer(self, binding: "_Binding") -> TimerTrigger:
        due = schedule(binding.text("schedule"), binding.where, self.now)
        # A status every few seconds would be noise: the genuine host keeps none either.
        monitored = binding.flag("useMonitor", otherwise=True) and not due.is_brief(self.now)
        return TimerTrigger(
            binding.name, due, binding.flag("runOnStartup", otherwise=False), monitored
        )


@dataclass(frozen=True, slots=True)
class _Binding:
    """One binding as the worker library gives it: JSON, settings not yet resolved."""

    where: str
    name: str
    kind: str
    raw: Mapping[str, object]
    settings: Settings

    @classmethod
    def parse(cls, content: str, where: str, settings: Settings) -> "_Binding":
        raw = json.loads(content)
        if not isinstance(raw, dict):
            raise Malformed(where, "bindings that are objects", kind(raw))
        name, of = raw.get("name"), raw.get("type")
        if not isinstance(name, str) or not isinstance(of, str):
            raise Malformed(where, "bindings with name and type")
        properties = raw.get("properties")
        if isinstance(properties, dict) and "SupportsDeferredBinding" in properties:
            raise Malformed(f"{where}, binding {name} ({of})", "no type of an SDK")
        return cls(f"{where}, binding {name} ({of})", name, of, raw, settings)

    @property
    def is_output(self) -> bool:
        return str(self.raw.get("direction", "in")).lower() == "out"

    def text(self, field: str, otherwise: str | None = None) -> str:
        """Return a field with its settings in place."""
        raw = self.raw.get(field)
        if raw is None and otherwise is not None:
            return otherwise
        if not isinstance(raw, str):
            raise Malformed(self.where, f"a text {field!r}", kind(raw))
        return self.settings.resolve(raw, self.where)

    def flag(self, field: str, *, otherwise: bool) -> bool:
        raw = self.raw.get(field)
        if raw is None:
            return otherwise
        if not isinstance(raw, bool):
            raise Malformed(self.where, f"true or false in {field!r}", kind(raw))
        return raw

    def word(self, field: str, allowed: Sequence[str], otherwise: str) -> str:
        """Return a word of a closed set, which Microsoft's library writes in capitals."""
        found = str(self.raw.get(field) or otherwise).lower()
        if found not in allowed:
            raise Malformed(self.where, f"{field} {' or '.join(allowed)}", shown(found))
        return found

    def connection(self, address: Sequence[str]) -> Connection:
        """Resolve a connection; `address` names what may say where the service is."""
        setting = self.text("connection")
        string, parts = self.settings.connection(setting)
        if string is not None:
            return Connection(setting, string, None)
        found = next((parts[name] for name in address if name in parts), None)
        if found is None:
            names = " or ".join(f"{setting}__{name}" for name in address)
            raise Malformed(self.where, f"a setting named {setting}, or {names}")
        return Connection(setting, None, found, parts.get("clientId"))


def _service_bus(binding: _Binding) -> ServiceBusTrigger:
    if binding.flag("isSessionsEnabled", otherwise=False):
        raise Malformed(binding.where, "no sessions: this host takes none")
    if binding.flag("autoCompleteMessages", otherwise=True) is False:
        raise Malformed(binding.where, "autoCompleteMessages to be true")
    return ServiceBusTrigger(
        binding.name,
        _entity(binding, reads=True),
        binding.connection(("fullyQualifiedNamespace",)),
        binding.word("cardinality", ["one", "many"], "one") == "many",
        _data_type(binding) == "binary",
    )


def _input(binding: _Binding) -> BlobInput:
    if binding.kind != "blob":
        raise Malformed(binding.where, "an input that this host can read (blob)")
    as_text = _data_type(binding) == "string"
    return BlobInput(binding.name, _path(binding), _storage(binding), as_text)


def _output(binding: _Binding) -> Output:
    match binding.kind:
        case "http":
            return HttpOutput(binding.name)
        case "serviceBus":
            connection = binding.connection(("fullyQualifiedNamespace",))
            return ServiceBusOutput(binding.name, _entity(binding, reads=False), connection)
        case "eventGrid":
            return _event_grid(binding)
        case "blob":
            return BlobOutput(binding.name, _path(binding), _storage(binding))
        case _:
            expected = "an output that this host can write (http, serviceBus, eventGrid or blob)"
            raise Malformed(binding.where, expected)


def _event_grid(binding: _Binding) -> EventGridOutput:
    if binding.raw.get("connection") is None:
        endpoint = binding.settings.take(binding.text("topicEndpointUri"), binding.where)
        key = binding.settings.take(binding.text("topicKeySetting"), binding.where)
        return EventGridOutput(binding.name, endpoint, key, None)
    connection = binding.connection(("topicEndpointUri",))
    if connection.address is None:
        raise Malformed(binding.where, f"a setting named {connection.setting}__topicEndpointUri")
    return EventGridOutput(binding.name, connection.address, None, connection.client_id)


def _entity(binding: _Binding, *, reads: bool) -> Entity:
    if binding.raw.get("queueName") is not None:
        return Entity(binding.text("queueName"))
    topic = binding.text("topicName")
    return Entity(topic, binding.text("subscriptionName") if reads else None)


def _storage(binding: _Binding) -> Connection:
    return binding.connection(("serviceUri", "blobServiceUri"))


def _path(binding: _Binding) -> Template:
    template = Template(binding.text("path"))
    container, slash, blob = template.text.partition("/")
    if not container or not slash or not blob:
        raise Malformed(binding.where, "a path of container and blob", shown(template.text))
    return template


def _data_type(binding: _Binding) -> str:
    return str(binding.raw.get("dataType") or "undefined").lower()


def _doors(functions: Sequence[Function]) -> list[tuple[str, str]]:
    """Name each pair of route and method, in a form that does not depend on parameters' names."""
    return [
        (f"{method} {trigger.route.shape}", function.name)
        for function in functions
        if isinstance(trigger := function.trigger, HttpTrigger)
        for method in sorted(trigger.methods or {"any method"})
    ]


def _once(what: str, named: Sequence[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for key, function in named:
        if key in seen:
            others = f"functions {seen[key]} and {function} share {key!r}"
            raise Malformed("function_app.py", f"{what} for one function only", others)
        seen[key] = function
