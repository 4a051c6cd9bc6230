"""What the control plane sends by OTLP, read by a receiver that knows the protocol."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.servicebus import ServiceBusClient
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cleanroom.errors import Unavailable
from functions.reconciling import Wish
from functions.telemetry import Word, hush, say, telemetry
from tests.ports.functions.plane import run
from tests.rooms import Place
from tests.stacks import RunningStack

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = PARENT.split("-")[1]


@dataclass
class Receiver:
    """An OTLP receiver."""

    url: str
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            return
        for each in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for group in each.scope_metrics:
                for metric in group.metrics:
                    kind = metric.WhichOneof("data")
                    points = getattr(metric, str(kind)).data_points
                    self.metrics[metric.name] = sum(p.as_int or p.as_double for p in points)


@contextmanager
def receiving() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def test_a_span_belongs_to_the_trace_that_was_given_and_gives_its_own_on() -> None:
    with receiving() as receiver:
        made, providers = telemetry(receiver.url)
        with made.span("reconcile", PARENT, room="fraud") as onward:
            pass
        for provider in providers:
            provider.shutdown()

    (span,) = receiver.spans
    assert (span.name, span.trace_id.hex()) == ("reconcile", TRACE)
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert onward == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert [(a.key, a.value.string_value) for a in span.attributes] == [("room", "fraud")]


def test_a_span_that_fails_carries_the_code_of_the_error_and_none_of_its_text() -> None:
    with receiving() as receiver:
        made, providers = telemetry(receiver.url)
        with pytest.raises(Unavailable), made.span("outcome", None):
            raise Unavailable("the secret marker")
        for provider in providers:
            provider.shutdown()

    (span,) = receiver.spans
    assert [(a.key, a.value.string_value) for a in span.attributes] == [
        ("error.type", "unavailable")
    ]
    assert b"marker" not in span.SerializeToString()


def test_what_is_counted_arrives() -> None:
    with receiving() as receiver:
        made, providers = telemetry(receiver.url)
        made.queued(3)
        made.queued(0)
        made.ended("completed")
        made.dead_letter()
        made.oldest(12.5)
        for provider in providers:
            provider.shutdown()

    assert receiver.metrics["cleanroom.jobs.queued"] == 3
    assert receiver.metrics["cleanroom.jobs.ended"] == 1
    assert receiver.metrics["cleanroom.jobs.dead_letters"] == 1
    assert receiver.metrics["cleanroom.jobs.oldest_waiting"] == 12.5


def test_without_a_receiver_a_trace_is_passed_on_as_it_came() -> None:
    made, providers = telemetry(None)

    with made.span("reconcile", PARENT) as onward:
        pass

    assert (onward, providers) == (PARENT, ())


def test_a_job_carries_the_trace_of_the_event_that_started_it(
    place: Place, services: RunningStack
) -> None:
    room = place.room()
    room.ready()

    run(
        place,
        dict(services.env("functions")),
        lambda parts: parts.reconciler.reconcile(room.name, Wish(trace=PARENT)),
    )

    with (
        ServiceBusClient.from_connection_string(place.bus) as client,
        client.get_queue_receiver("jobs", max_wait_time=5) as receiver,
    ):
        traces = {
            message.message_id: (message.application_properties or {}).get(b"traceparent")
            for message in receiver.peek_messages(250)
        }
    (job,) = room.records()
    assert traces[job.hex] == PARENT.encode()


def test_a_log_is_a_word_of_the_closed_set_and_what_it_is_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hush()

    with caplog.at_level("INFO"):
        say(Word.JOB_ENDED, "fraud", "completed")

    assert caplog.messages == ["job.ended fraud completed"]
