"""Event Grid and the functions host of the stack: events that run functions."""

from collections.abc import Iterator

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid import EventGridPublisherClient

from devstack.home import HOST
from devstack.stack import plan
from tests.grids import RunningGrid, running_grid, webhook
from tests.ports.devstack.functions_apps import Hosted, hosted, write_app

CODE = """
import json, os

def record(**said):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(said) + "\\n")

@app.event_grid_trigger(arg_name="event")
def as_cloud_event(event: func.CloudEvent) -> None:
    record(kind="cloud", id=event.id, subject=event.subject)

@app.event_grid_trigger(arg_name="event")
def as_grid_event(event: func.EventGridEvent) -> None:
    record(kind="grid", id=event.id, subject=event.subject)

@app.event_grid_trigger(arg_name="event")
def blob_created(event: func.CloudEvent, context: func.Context) -> None:
    record(kind="blob", type=event.type, subject=event.subject)

@app.event_grid_trigger(arg_name="event")
def party_event(event: func.CloudEvent, context: func.Context) -> None:
    record(kind="party", type=event.type, id=event.id)

@app.event_grid_trigger(arg_name="event")
def at_second_sight(event: func.CloudEvent) -> None:
    record(kind="tried", id=event.id)
    with open(os.environ["RECORD"]) as file:
        if file.read().count('"tried"') < 2:
            raise ValueError
"""
EVENT = {"specversion": "1.0", "source": "/x", "type": "T", "subject": "s", "data": {}}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("f")
    with hosted(write_app(folder / "app", CODE), folder, {}) as made:
        yield made


@pytest.fixture(scope="module")
def grid(host: Hosted) -> Iterator[RunningGrid]:
    config = plan.DEFAULTS / "eventgrid-functions.json"
    options = ("--functions", f"http://{HOST}:{host.port}", "--speed", "100")
    with running_grid(host.home, (*options, "--config", str(config))) as made:
        yield made


@pytest.fixture(autouse=True)
def forgotten(grid: RunningGrid) -> Iterator[None]:
    yield
    grid.forget()


@pytest.fixture(autouse=True)
def trusting_the_stack(host: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(host.home.authority_file))


def send(grid: RunningGrid, name: str, topic: str = "storage", type_: str = "T") -> None:
    credential = AzureKeyCredential(grid.key(topic))
    with EventGridPublisherClient(grid.topic_url(topic), credential) as client:
        client.send({**EVENT, "id": name, "type": type_})


def function(name: str) -> dict[str, object]:
    resource = f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/a/functions/{name}"
    return webhook(
        "", destination={"endpointType": "AzureFunction", "properties": {"resourceId": resource}}
    )


def test_a_function_runs_for_an_event(grid: RunningGrid, host: Hosted) -> None:
    grid.subscribe("storage", "by-resource", function("as_cloud_event"))

    send(grid, "e1")

    assert host.wait_for("cloud", 1) == [{"kind": "cloud", "id": "e1", "subject": "s"}]


@pytest.mark.parametrize(
    ("name", "schema", "kind"),
    [
        ("as_cloud_event", "CloudEventSchemaV1_0", "cloud"),
        ("as_grid_event", "EventGridSchema", "grid"),
    ],
)
def test_the_host_shakes_hands_both_ways(
    grid: RunningGrid, host: Hosted, name: str, schema: str, kind: str
) -> None:
    url = f"http://{HOST}:{host.port}{host.webhook(name)}"
    before = len(host.recorded(kind))

    shown = grid.subscribe("storage", "by-url", webhook(url, eventDeliverySchema=schema))
    send(grid, f"shaken-{kind}")

    assert shown["provisioningState"] == "Succeeded"
    assert host.wait_for(kind, before + 1)[-1]["id"] == f"shaken-{kind}"


def test_a_function_that_fails_runs_again(grid: RunningGrid, host: Hosted) -> None:
    grid.subscribe("storage", "again", function("at_second_sight"))

    send(grid, "e2")

    assert len(host.wait_for("tried", 2)) == 2
    assert grid.idle()


def test_a_stack_that_hosts_an_app_tells_it_of_new_blobs_and_nothing_else(
    grid: RunningGrid, host: Hosted
) -> None:
    for type_ in ("BlobDeleted", "BlobCreated"):
        send(grid, f"of {type_}", type_=f"Microsoft.Storage.{type_}")

    assert host.wait_for("blob", 1) == [
        {"kind": "blob", "type": "Microsoft.Storage.BlobCreated", "subject": "s"}
    ]
    assert grid.idle()
    assert len(host.recorded("blob")) == 1


def test_a_stack_that_hosts_an_app_tells_it_what_parties_say(
    grid: RunningGrid, host: Hosted
) -> None:
    send(grid, "said", "parties")

    assert host.wait_for("party", 1) == [{"kind": "party", "type": "T", "id": "said"}]


def test_an_event_waits_for_a_function_that_is_not_there(grid: RunningGrid, host: Hosted) -> None:
    grid.subscribe("parties", "early", function("not_yet_written"))

    send(grid, "waits", "parties")

    assert {"kind": "party", "type": "T", "id": "waits"} in host.wait_for("party", 2)
    assert not grid.idle(0.5)  # it is tried again, as its time to live says
    assert grid.idle(retries="ignore")
