"""Traces, metrics and logs of the control plane: names, codes and numbers, never content.

- A trace follows one event from the blob to the outcome: each step takes the `traceparent` that it
  was given, and gives its own on, in CloudEvents and in messages.
- Sent by OTLP over HTTP where OTEL_EXPORTER_OTLP_ENDPOINT says; without that nothing is made, and
  a `traceparent` is passed on as it came.
- Logs are words of a closed set (`Word`) with names and codes. Clients' own logs, which hold
  addresses, are left out below warnings.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cleanroom import __version__
from cleanroom.errors import CleanroomError

_SERVICE = "cleanroom-functions"
_NAME = "cleanroom.functions"
_HEADER = "traceparent"
_log = logging.getLogger(_NAME)


class Word(StrEnum):
    """What may be said in a log."""

    EVENT_REFUSED = "event.refused"
    APPROVAL_REFUSED = "approval.refused"
    OUTCOME_REFUSED = "outcome.refused"
    JOB_QUEUED = "job.queued"
    JOB_ENDED = "job.ended"
    JOB_UNDELIVERABLE = "job.undeliverable"
    DIRECTORY_REFUSED = "directory.refused"
    ROOM_FAILED = "room.failed"
    SWEPT = "rooms.swept"


def say(word: Word, *said: object, level: int = logging.INFO) -> None:
    """Log a word with names, codes or numbers."""
    _log.log(level, " ".join(("%s",) * (len(said) + 1)), word.value, *said)


def hush() -> None:
    """Keep clients of services from logging what they send."""
    for name in ("azure", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Telemetry:
    """Spans and counts."""

    def __init__(self, tracer: Tracer, meter: metrics.Meter) -> None:
        self._tracer = tracer
        self._traces = TraceContextTextMapPropagator()
        self._ended = meter.create_counter(
            "cleanroom.jobs.ended", unit="{job}", description="jobs that ended, by outcome"
        )
        self._queued = meter.create_counter(
            "cleanroom.jobs.queued", unit="{job}", description="jobs that were put on the queue"
        )
        self._dead = meter.create_counter(
            "cleanroom.jobs.dead_letters", unit="{message}", description="messages nobody took"
        )
        self._oldest = meter.create_gauge(
            "cleanroom.jobs.oldest_waiting",
            unit="s",
            description="age of the oldest job that has not ended",
        )

    @contextmanager
    def span(self, name: str, parent: str | None, **said: str) -> Iterator[str | None]:
        """Be a part of a trace; yields what the next part is to be given."""
        carrier = {_HEADER: parent} if parent else {}
        context = self._traces.extract(carrier)
        with self._tracer.start_as_current_span(
            name,
            context,
            SpanKind.CONSUMER,
            said,
            record_exception=False,  # an error is told by its code only
            set_status_on_exception=False,
        ) as span:
            given: dict[str, str] = {}
            if span.get_span_context().is_valid:
                self._traces.inject(given, trace.set_span_in_context(span))
            try:
                yield given.get(_HEADER, parent)
            except CleanroomError as error:
                span.set_attribute("error.type", error.code)
                span.set_status(StatusCode.ERROR)
                raise

    def queued(self, count: int) -> None:
        """Count jobs that were put on the queue."""
        if count:
            self._queued.add(count)

    def ended(self, status: str) -> None:
        """Count a job that ended."""
        self._ended.add(1, {"status": status})

    def dead_letter(self) -> None:
        """Count a message that nobody could take."""
        self._dead.add(1)

    def oldest(self, seconds: float) -> None:
        """Say how long the oldest job that has not ended is under way."""
        self._oldest.set(seconds)


class Provider(Protocol):
    """What must be told when the process ends, so that nothing is held back."""

    def shutdown(self) -> None:
        """Send what is held, and stop."""


def telemetry(endpoint: str | None) -> tuple[Telemetry, tuple[Provider, ...]]:
    """Send to an endpoint, or nowhere."""
    if endpoint is None:
        return Telemetry(trace.NoOpTracer(), metrics.NoOpMeter(_NAME)), ()
    return _sending(endpoint.rstrip("/"), {"service.name": _SERVICE})


def _sending(endpoint: str, about: Mapping[str, str]) -> tuple[Telemetry, tuple[Provider, ...]]:
    # Imported here: a process that sends nothing need not wait for all this when it starts.
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({**about, "service.version": __version__})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))
    meters = MeterProvider([reader], resource=resource)
    made = Telemetry(traces.get_tracer(_NAME, __version__), meters.get_meter(_NAME, __version__))
    return made, (traces, meters)
