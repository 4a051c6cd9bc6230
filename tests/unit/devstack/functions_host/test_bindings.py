"""From raw bindings to functions, or a refusal that names function and binding."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host.bindings import Reader
from devstack.functions_host.data import Index, Indexed
from devstack.functions_host.functions import (
    BlobInput,
    BlobOutput,
    Connection,
    Entity,
    EventGridOutput,
    Function,
    HttpTrigger,
    Level,
    ServiceBusOutput,
    ServiceBusTrigger,
    Template,
    TimerTrigger,
)
from devstack.functions_host.host_json import HostJson, Http, ServiceBus
from devstack.functions_host.settings import Settings

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SETTINGS = {
    "QUEUE": "jobs",
    "NIGHTLY": "0 0 2 * * *",
    "OFTEN": "00:05:00",
    "BUS": "Endpoint=sb://x/;SharedAccessKey=secret",
    "IDENTITY__fullyQualifiedNamespace": "ns.example",
    "IDENTITY__clientId": "me",
    "STORE__serviceUri": "https://s.example",
    "TOPIC": "https://t.example/api/events",
    "TOPIC_KEY": "secret",
    "GRID__topicEndpointUri": "https://g.example/api/events",
    "AzureWebJobs.off.Disabled": "1",
}
HTTP: dict[str, object] = {
    "type": "httpTrigger",
    "name": "req",
    "direction": "IN",
    "authLevel": "ANONYMOUS",
}
ANSWER: dict[str, object] = {"type": "http", "name": "$return", "direction": "OUT"}
TIMER: dict[str, object] = {
    "type": "timerTrigger",
    "name": "t",
    "direction": "IN",
    "schedule": "0 0 * * * *",
}
QUEUE: dict[str, object] = {
    "type": "serviceBusTrigger",
    "name": "m",
    "direction": "IN",
    "connection": "BUS",
}


def read(*functions: tuple[str, list[dict[str, object]]]) -> tuple[Function, ...]:
    host = HostJson(Http("api", None, None), ServiceBus(1, 0, timedelta(), 1), None, None, ())
    indexed = tuple(
        Indexed(name, f"id of {name}", tuple(map(json.dumps, bindings)), None)
        for name, bindings in functions
    )
    return Reader(Settings(SETTINGS), host, NOW).functions(Index(indexed, (), streaming=False))


def one(*bindings: dict[str, object]) -> Function:
    (found,) = read(("f", list(bindings)))
    return found


def test_an_http_trigger() -> None:
    found = one(HTTP | {"methods": ["get"], "route": "a/{b}"}, ANSWER)

    assert isinstance(found.trigger, HttpTrigger)
    assert found.trigger.route.template == "api/a/{b}"
    assert (found.trigger.methods, found.trigger.level) == (frozenset({"GET"}), Level.ANONYMOUS)
    assert (found.kind, found.disabled) == ("httpTrigger", False)
    assert found.trigger.url("http://h") == "http://h/api/a/{b}"


def test_a_timer() -> None:
    trigger = one(TIMER | {"runOnStartup": True}).trigger
    brief = one(TIMER | {"schedule": "* * * * * *"}).trigger

    assert isinstance(trigger, TimerTrigger)
    assert isinstance(brief, TimerTrigger)
    assert (trigger.on_startup, trigger.monitored, brief.monitored) == (True, True, False)


@pytest.mark.parametrize(("name", "due"), [("%NIGHTLY%", 2 * 3600), ("%OFTEN%", 5 * 60)])
def test_a_timer_s_schedule_may_be_a_setting(name: str, due: int) -> None:
    trigger = one(TIMER | {"schedule": name}).trigger

    assert isinstance(trigger, TimerTrigger)
    assert trigger.schedule.after(NOW) == NOW + timedelta(seconds=due)


@pytest.mark.parametrize("suffix", ["/$DeadLetterQueue", "/$deadletterqueue"])
def test_messages_may_be_dead_letters(suffix: str) -> None:
    queue = one(QUEUE | {"queueName": f"%QUEUE%{suffix}"}).trigger

    assert isinstance(queue, ServiceBusTrigger)
    assert queue.entity == Entity(f"jobs{suffix}")


def test_messages_by_connection_string_or_identity() -> None:
    queue = one(QUEUE | {"queueName": "%QUEUE%", "dataType": "BINARY", "cardinality": "MANY"})
    topic = one(QUEUE | {"topicName": "t", "subscriptionName": "s", "connection": "IDENTITY"})

    assert queue.trigger == ServiceBusTrigger(
        "m", Entity("jobs"), Connection("BUS", SETTINGS["BUS"], None), many=True, binary=True
    )
    assert topic.trigger == ServiceBusTrigger(
        "m",
        Entity("t", "s"),
        Connection("IDENTITY", None, "ns.example", "me"),
        many=False,
        binary=False,
    )
    assert str(Entity("t", "s")) == "t/s"


def test_inputs_and_outputs() -> None:
    out: dict[str, object] = {"direction": "OUT"}
    blob: dict[str, object] = {"type": "blob", "path": "c/{id}.json", "connection": "STORE"}
    found = one(
        HTTP,
        ANSWER,
        blob | {"name": "i", "direction": "IN", "dataType": "STRING"},
        blob | out | {"name": "o"},
        out | {"type": "serviceBus", "name": "q", "connection": "BUS", "topicName": "t"},
        out
        | {"type": "eventGrid", "name": "g"}
        | {"topicEndpointUri": "TOPIC", "topicKeySetting": "TOPIC_KEY"},
        out | {"type": "eventGrid", "name": "h", "connection": "GRID"},
    )

    store = Connection("STORE", None, "https://s.example")
    path = Template("c/{id}.json")
    assert found.inputs == (BlobInput("i", path, store, as_text=True),)
    assert found.outputs[1:] == (
        BlobOutput("o", path, store),
        ServiceBusOutput("q", Entity("t"), Connection("BUS", SETTINGS["BUS"], None)),
        EventGridOutput("g", SETTINGS["TOPIC"], "secret", None),
        EventGridOutput("h", SETTINGS["GRID__topicEndpointUri"], None, None),
    )
    assert "secret" not in repr(found.outputs)


def test_a_path_is_filled_with_what_the_trigger_knows() -> None:
    path = Template("c/{a}/{Query.b}.json")

    assert path.filled({"a": "1", "Query.b": "2"}) == ("c", "1/2.json")
    with pytest.raises(Malformed, match=r"Query\.b"):
        path.filled({"a": "1"})


def test_a_function_that_is_switched_off_is_known_and_disabled() -> None:
    (found,) = read(("off", [TIMER]))

    assert found.disabled


@pytest.mark.parametrize(
    ("bindings", "words"),
    [
        pytest.param([], "function f: expected one trigger, got 0", id="no trigger"),
        pytest.param([HTTP, TIMER], "function f: expected one trigger, got 2", id="two triggers"),
        pytest.param(
            [{"type": "queueTrigger", "name": "m"}], r"binding m \(queueTrigger\)", id="trigger"
        ),
        pytest.param(
            [{"type": "blobTrigger", "name": "m"}], r"binding m \(blobTrigger\)", id="blob trigger"
        ),
        pytest.param(
            [HTTP, {"type": "table", "name": "x", "direction": "IN"}], "an input that", id="input"
        ),
        pytest.param(
            [HTTP, {"type": "queue", "name": "x", "direction": "OUT"}],
            "an output that",
            id="output",
        ),
        pytest.param([TIMER | {"schedule": "%GONE%"}], "a setting named GONE", id="setting"),
        pytest.param([TIMER | {"schedule": "often"}], "a schedule", id="schedule"),
        pytest.param([TIMER | {"schedule": 5}], "a text 'schedule'", id="no text"),
        pytest.param([TIMER | {"runOnStartup": "yes"}], "true or false", id="no flag"),
        pytest.param([HTTP | {"route": "{"}], "a route template", id="route"),
        pytest.param([HTTP | {"authLevel": "user"}], "authLevel", id="level"),
        pytest.param([HTTP | {"methods": [1]}], "methods", id="methods"),
        pytest.param([QUEUE], "a text 'topicName'", id="no entity"),
        pytest.param(
            [QUEUE | {"queueName": "q", "connection": "NO"}], "NO__fully", id="connection"
        ),
        pytest.param(
            [QUEUE | {"queueName": "q", "isSessionsEnabled": True}], "sessions", id="session"
        ),
        pytest.param(
            [QUEUE | {"queueName": "q", "autoCompleteMessages": False}], "autoComplete", id="settle"
        ),
        pytest.param(
            [QUEUE | {"queueName": "q", "cardinality": "few"}], "cardinality", id="number"
        ),
        pytest.param(
            [HTTP, {"type": "eventGrid", "name": "g", "direction": "OUT", "connection": "BUS"}],
            "topicEndpointUri",
            id="a topic by a string",
        ),
        pytest.param(
            [
                HTTP,
                {"type": "eventGrid", "name": "g", "direction": "OUT"}
                | {"topicEndpointUri": "NO", "topicKeySetting": "TOPIC_KEY"},
            ],
            "a setting named NO",
            id="topic",
        ),
        pytest.param(
            [HTTP, {"type": "blob", "name": "b", "path": "x", "connection": "STORE"}],
            "a path of container and blob",
            id="path",
        ),
        pytest.param(
            [HTTP | {"properties": {"SupportsDeferredBinding": "True"}}],
            "no type of an SDK",
            id="sdk",
        ),
        pytest.param([{"type": "httpTrigger"}], "name and type", id="no name"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(
    bindings: list[dict[str, object]], words: str
) -> None:
    with pytest.raises(Malformed, match=words) as refused:
        one(*bindings)

    assert str(refused.value).startswith("function f")


@pytest.mark.parametrize("name", ["master", "Default", "eventgrid_extension"])
def test_names_of_keys_are_taken(name: str) -> None:
    with pytest.raises(Malformed, match="a name other than those of keys"):
        read((name, [TIMER]))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        pytest.param(("F", HTTP | {"route": "other"}), "a name for one", id="name"),
        pytest.param(("g", HTTP | {"route": "X/{b}"}), "a route and method", id="route"),
    ],
)
def test_no_two_functions_share(second: tuple[str, dict[str, object]], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(("f", [HTTP | {"route": "x/{a}"}]), (second[0], [second[1]]))


def test_an_app_of_nothing_or_of_streams_is_refused() -> None:
    host = HostJson(Http("", None, None), ServiceBus(1, 0, timedelta(), 1), None, None, ())
    reader = Reader(Settings({}), host, NOW)

    with pytest.raises(Malformed, match="at least one function"):
        reader.functions(Index((), (), streaming=False))
    with pytest.raises(Malformed, match="streaming"):
        reader.functions(Index((), (), streaming=True))


def test_bindings_are_objects() -> None:
    with pytest.raises(Malformed, match="bindings that are objects"):
        one([])  # type: ignore[arg-type]  # what no library gives
