"""host.json: what of it this host heeds, checked; the rest is told.

- A section that nobody knows is warned of; a known one with a wrong type is refused.
- What only the cloud heeds (bundles, logging, telemetry, scale) is accepted and passed over.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cleanroom.errors import Malformed
from cleanroom.fields import Parser, boolean, integer, kind, text
from devstack.functions_host.timespan import timespan

_MOST = (1 << 31) - 1
_PASSED_OVER = {
    *("aggregator", "applicationInsights", "concurrency", "customHandler", "extensionBundle"),
    *("healthMonitor", "logging", "managedDependency", "retry", "scaleAndConcurrency"),
    *("singleton", "telemetryMode", "watchDirectories", "watchFiles", "sendCanceledInvocations"),
}
_HEEDED = {"version", "functionTimeout", "extensions", "functions"}
_SERVICE_BUS_PASSED_OVER = {
    *("clientRetryOptions", "transportType", "webProxy", "enableCrossEntityTransactions"),
    *("maxConcurrentSessions", "maxConcurrentCallsPerSession", "sessionIdleTimeout"),
    *("minMessageBatchSize", "maxBatchWaitTime"),
}
_HTTP_PASSED_OVER = {"customHeaders", "hsts", "dynamicThrottlesEnabled"}
_CALLS_EACH_CORE = 16


@dataclass(frozen=True, slots=True)
class Http:
    """How functions are reached over HTTP; no limit where there is nothing."""

    prefix: str
    most_outstanding: int | None
    most_concurrent: int | None


@dataclass(frozen=True, slots=True)
class ServiceBus:
    """How messages are taken."""

    most_concurrent: int
    prefetch: int
    longest_renewal: timedelta
    largest_batch: int


@dataclass(frozen=True, slots=True)
class HostJson:
    """The parts of host.json that are heeded here; without a time limit if that is nothing."""

    http: Http
    service_bus: ServiceBus
    time_limit: timedelta | None
    only: frozenset[str] | None
    warnings: tuple[str, ...]


def parse(content: bytes, cores: int) -> HostJson:
    """Read host.json."""
    raw = _object(document(content, "host.json"), "host.json")
    if raw.get("version") != "2.0":
        raise Malformed("host.json.version", "'2.0'")
    extensions = _object(raw.get("extensions", {}), "host.json.extensions")
    warnings = [*_strange(raw, _HEEDED | _PASSED_OVER, "host.json")]
    warnings += _strange(extensions, {"http", "serviceBus", *_EXTENSIONS}, "host.json.extensions")
    for name in sorted(_PASSED_OVER & raw.keys() - {"telemetryMode", "sendCanceledInvocations"}):
        if name not in {"watchDirectories", "watchFiles"}:
            _object(raw[name], f"host.json.{name}")
    http = _Section(extensions, "http")
    bus = _Section(extensions, "serviceBus")
    return HostJson(
        _http(http),
        _service_bus(bus, cores),
        _time_limit(raw.get("functionTimeout")),
        _only(raw.get("functions")),
        (*warnings, *http.left(_HTTP_PASSED_OVER), *bus.left(_SERVICE_BUS_PASSED_OVER)),
    )


_EXTENSIONS = {
    *("blobs", "cosmosDB", "durableTask", "eventHubs", "kafka", "queues", "sendGrid", "signalR"),
    *("eventGrid", "warmup", "mysql", "sql", "mcp"),
}


class _Section:
    """One extension's object: fields are taken with their types, the rest can be told."""

    def __init__(self, extensions: Mapping[str, object], name: str) -> None:
        self._where = f"host.json.extensions.{name}"
        self._left = dict(_object(extensions.get(name, {}), self._where))

    def take[T](self, name: str, parse: Parser[T], otherwise: T) -> T:
        """Take a field, or its default."""
        if name not in self._left:
            return otherwise
        return parse(self._left.pop(name), f"{self._where}.{name}")

    def left(self, known: set[str]) -> Iterator[str]:
        """Tell of fields that nobody knows."""
        return _strange(self._left, known, self._where)


def _http(section: _Section) -> Http:
    prefix = section.take("routePrefix", text(128, shortest=0), "api").strip("/")
    outstanding = section.take("maxOutstandingRequests", integer(-1, _MOST), -1)
    concurrent = section.take("maxConcurrentRequests", integer(-1, _MOST), -1)
    return Http(prefix, _limit(outstanding), _limit(concurrent))


def _service_bus(section: _Section, cores: int) -> ServiceBus:
    if not section.take("autoCompleteMessages", boolean, otherwise=True):
        # Python functions have no way to settle a message, so each would come again and again.
        raise Malformed("host.json.extensions.serviceBus.autoCompleteMessages", "true")
    calls = section.take("maxConcurrentCalls", integer(1, _MOST), _CALLS_EACH_CORE * cores)
    prefetch = section.take("prefetchCount", integer(0, _MOST), 0)
    renewal = section.take("maxAutoLockRenewalDuration", timespan, timedelta(minutes=5))
    batch = section.take("maxMessageBatchSize", integer(1, _MOST), 1000)
    return ServiceBus(calls, prefetch, renewal, batch)


def document(content: bytes, where: str) -> object:
    """Read JSON as people write it: fractions too, and a mark of its encoding."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise Malformed(where, "JSON in UTF-8") from error


def _limit(number: int) -> int | None:
    return None if number < 0 else number


def _time_limit(raw: object) -> timedelta | None:
    where = "host.json.functionTimeout"
    match raw:
        case None:
            return timedelta(minutes=30)  # what every plan but Consumption has
        case "-1":
            return None
        case _:
            limit = timespan(raw, where)
            if not limit:
                raise Malformed(where, "more than nothing, or -1 for no limit")
            return limit


def _only(raw: object) -> frozenset[str] | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise Malformed("host.json.functions", "a list of names")
    return frozenset(raw)


def _object(raw: object, where: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(where, "an object with named fields", kind(raw))
    return raw


def _strange(raw: Mapping[str, object], known: set[str], where: str) -> Iterator[str]:
    for name in raw:
        if name not in known:
            yield f"{where}: nobody here knows {name!r}; it is passed over"
