"""The control API of the stack's Event Grid: resources, handshakes, functions, configuration."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid import EventGridPublisherClient

from devstack.eventgrid.main import main
from devstack.home import HOST, Home
from tests.endpoints import ALLOWED, Endpoint, Received, Reply
from tests.grids import RunningGrid, running_grid, webhook
from tests.servers import trusting

EVENT: dict[str, Any] = {"specversion": "1.0", "id": "e1", "source": "/x", "type": "T", "data": {}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("h"))


@pytest.fixture(scope="module")
def functions() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


@pytest.fixture(scope="module")
def grid(home: Home, functions: Endpoint) -> Iterator[RunningGrid]:
    host = functions.url.removesuffix("/events")
    with running_grid(home, ("--functions", host, "--speed", "100")) as made:
        made.topic("outcomes")
        yield made


@pytest.fixture(autouse=True)
def forgotten(grid: RunningGrid) -> Iterator[None]:
    yield
    grid.forget()


@pytest.fixture(autouse=True)
def trusting_the_stack(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


def send(grid: RunningGrid, topic: str = "outcomes") -> None:
    credential = AzureKeyCredential(grid.key(topic))
    with EventGridPublisherClient(grid.topic_url(topic), credential) as client:
        client.send(EVENT)


def state(grid: RunningGrid, name: str) -> str:
    answer = grid.call("GET", f"/topics/outcomes/subscriptions/{name}")
    return str(answer.json()["properties"]["provisioningState"])


# --- resources


def test_a_topic_is_made_shown_and_deleted(grid: RunningGrid) -> None:
    path = "/topics/short-lived"

    made = grid.call("PUT", path, {"inputSchema": "EventGridSchema"})
    again = grid.call("PUT", path, {"properties": {"inputSchema": "EventGridSchema"}})
    shown = grid.call("GET", path)
    deleted = [grid.call("DELETE", path).status_code for _ in range(2)]

    assert (made.status_code, again.status_code) == (201, 200)
    assert shown.json()["properties"]["endpoint"] == grid.topic_url("short-lived")
    assert shown.json()["properties"]["inputSchema"] == "EventGridSchema"
    assert (deleted, grid.call("GET", path).status_code) == ([200, 204], 404)


def test_a_topic_goes_with_its_subscriptions(grid: RunningGrid, endpoint: Endpoint) -> None:
    grid.topic("doomed")
    endpoint.reply = lambda _: Reply(500)
    grid.subscribe("doomed", "owed", webhook(endpoint.url))
    send(grid, "doomed")

    grid.call("DELETE", "/topics/doomed")

    assert grid.idle()
    assert grid.call("GET", "/topics/doomed/subscriptions/owed").status_code == 404


def test_a_subscription_is_shown_without_what_only_its_maker_knows(
    grid: RunningGrid, endpoint: Endpoint
) -> None:
    wanted = {"subjectEndsWith": ".csv"}
    grid.subscribe("outcomes", "shown", webhook(f"{endpoint.url}?code=hidden", filter=wanted))

    shown = grid.call("GET", "/topics/outcomes/subscriptions/shown")

    destination = shown.json()["properties"]["destination"]
    assert destination["properties"]["endpointBaseUrl"] == endpoint.url
    assert shown.json()["properties"]["filter"] == wanted
    assert "hidden" not in shown.text


def test_a_subscription_put_again_is_replaced(grid: RunningGrid, endpoint: Endpoint) -> None:
    path = "/topics/outcomes/subscriptions/replaced"
    with Endpoint() as former:
        grid.subscribe("outcomes", "replaced", webhook(former.url))

        answer = grid.call("PUT", path, webhook(endpoint.url))
        send(grid)

        assert answer.status_code == 200
        endpoint.next()
        assert former.count() == 0
    assert [grid.call("DELETE", path).status_code for _ in range(2)] == [200, 204]


def test_a_subscription_put_twice_alike_shakes_hands_once(
    grid: RunningGrid, endpoint: Endpoint
) -> None:
    grid.subscribe("outcomes", "same", webhook(endpoint.url))

    answer = grid.call("PUT", "/topics/outcomes/subscriptions/same", webhook(endpoint.url))

    assert answer.status_code == 200
    assert endpoint.asked.qsize() == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("PUT", "/topics/x", {}, 400, id="topic's name"),
        pytest.param("PUT", "/topics/control", {}, 400, id="the control key's name"),
        pytest.param("PUT", "/topics/outcomes", {"inputSchema": "Custom"}, 400, id="schema"),
        pytest.param(
            "PUT", "/topics/outcomes", {"inputSchema": "EventGridSchema"}, 400, id="other schema"
        ),
        pytest.param("PUT", "/topics/keyless", {"disableLocalAuth": True}, 400, id="without keys"),
        pytest.param("DELETE", "/topics/storage", None, 400, id="system topic"),
        pytest.param("PUT", "/topics/nowhere/subscriptions/sub", {}, 404, id="no topic"),
        pytest.param("PUT", "/topics/outcomes/subscriptions/_", {}, 400, id="name"),
        pytest.param("PUT", "/topics/outcomes/subscriptions/sub", {}, 400, id="no destination"),
        pytest.param(
            "PUT",
            "/topics/outcomes/subscriptions/sub",
            webhook("https://example.com/events"),
            403,
            id="not on the loopback",
        ),
        pytest.param(
            "PUT",
            "/topics/outcomes/subscriptions/sub",
            webhook("http://127.0.0.1:1/", eventDeliverySchema="EventGridSchema"),
            400,
            id="a schema the topic cannot be turned into",
        ),
        pytest.param("POST", "/idle?timeout=never", None, 400, id="patience"),
        pytest.param("POST", "/idle?timeout=-1", None, 400, id="negative patience"),
        pytest.param("POST", "/idle?retries=maybe", None, 400, id="retries"),
    ],
)
def test_what_cannot_be_is_refused(
    grid: RunningGrid, method: str, path: str, body: object, status: int
) -> None:
    answer = grid.call(method, path, body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic x"])
def test_only_the_control_key_opens_the_control_api(grid: RunningGrid, header: str) -> None:
    answer = requests.put(
        f"{grid.url}/devstack/topics/mine", headers={"Authorization": header}, timeout=10
    )

    assert answer.status_code == 401


def test_a_body_that_is_no_json_is_refused(grid: RunningGrid) -> None:
    key = grid.home.secret("eventgrid/control")
    answer = requests.put(
        f"{grid.url}/devstack/topics/outcomes",
        data=b"{" * 1000,
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )

    assert answer.status_code == 400


def test_a_server_that_is_told_to_stop_waits_for_nobody(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "h")
    with Endpoint(lambda _: Reply(500)) as endpoint, running_grid(home) as grid:
        grid.subscribe("storage", "never", webhook(endpoint.url))
        key = {"aeg-sas-key": grid.key("storage")}
        ca = str(home.authority_file)
        requests.post(grid.topic_url("storage"), json=EVENT, headers=key, verify=ca, timeout=10)
        endpoint.next()

        with closing(HTTPSConnection(HOST, grid.port, context=trusting(home))) as waiting:
            bearer = {"Authorization": f"Bearer {home.secret('eventgrid/control')}"}
            waiting.request("POST", "/devstack/idle?timeout=60", headers=bearer)
            assert not grid.idle(timeout=0)
            grid.server.stop()

            assert json.loads(waiting.getresponse().read()) == {"idle": False}


# --- handshakes


def test_cloud_events_ask_for_permission(grid: RunningGrid, endpoint: Endpoint) -> None:
    grid.subscribe("outcomes", "permitted", webhook(endpoint.url))

    asked = endpoint.asked.get_nowait().headers
    assert asked["webhook-request-origin"] == "eventgrid.azure.net"
    assert asked["webhook-request-rate"] == "120"
    assert state(grid, "permitted") == "Succeeded"


@pytest.mark.parametrize(
    "permission",
    [
        pytest.param(Reply(405), id="no OPTIONS"),
        pytest.param(Reply(headers={"WebHook-Allowed-Origin": "example.com"}), id="other origin"),
        pytest.param(
            Reply(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "many"}),
            id="no rate",
        ),
    ],
)
def test_an_endpoint_without_permission_is_not_subscribed(
    grid: RunningGrid, endpoint: Endpoint, permission: Reply
) -> None:
    endpoint.permission = permission

    answer = grid.call("PUT", "/topics/outcomes/subscriptions/refused", webhook(endpoint.url))

    assert answer.status_code == 400
    assert "The attempt to validate the provided endpoint" in answer.json()["error"]["message"]
    assert state(grid, "refused") == "Failed"
    grid.call("DELETE", "/topics/outcomes/subscriptions/refused")


def test_an_endpoint_that_fails_to_prove_itself_does_not_replace_one_that_did(
    grid: RunningGrid, endpoint: Endpoint
) -> None:
    grid.subscribe("outcomes", "kept", webhook(endpoint.url))

    answer = grid.call("PUT", "/topics/outcomes/subscriptions/kept", webhook("http://127.0.0.1:1/"))
    send(grid)

    assert answer.status_code == 400
    endpoint.next()


def test_permission_can_be_given_later(grid: RunningGrid, endpoint: Endpoint) -> None:
    endpoint.permission = Reply()
    shown = grid.subscribe("outcomes", "later", webhook(endpoint.url))
    send(grid)

    callback = endpoint.asked.get_nowait().headers["webhook-request-callback"]
    answer = requests.get(callback, timeout=10)
    send(grid)

    assert shown["provisioningState"] == "AwaitingManualAction"
    assert (answer.status_code, state(grid, "later")) == (200, "Succeeded")
    endpoint.next()
    assert grid.idle()
    assert endpoint.count() == 0


def test_a_code_that_nobody_was_sent_proves_nothing(grid: RunningGrid) -> None:
    answer = requests.get(f"{grid.url}/eventsubscriptions/later/validate?id=x", timeout=10)

    assert answer.status_code == 400


def validation(received: Received) -> Any:
    (event,) = json.loads(received.body)
    return event


def giving_the_code_back(received: Received) -> Reply:
    code = validation(received)["data"].get("validationCode")
    return Reply(body=json.dumps({"validationResponse": code}).encode())


def opening_the_url(received: Received) -> Reply:
    url = validation(received)["data"].get("validationUrl")
    return Reply(requests.get(url, timeout=10).status_code)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        pytest.param(giving_the_code_back, "Succeeded", id="code"),
        pytest.param(opening_the_url, "Succeeded", id="url"),
        pytest.param(lambda _: Reply(), "AwaitingManualAction", id="nothing"),
        pytest.param(lambda _: Reply(body=b"[]"), "AwaitingManualAction", id="other JSON"),
        pytest.param(
            lambda _: Reply(body=b'{"validationResponse":"x"}'), "Failed", id="another code"
        ),
        pytest.param(lambda _: Reply(202), "Failed", id="202"),
    ],
)
def test_event_grids_own_handshake(
    grid: RunningGrid, endpoint: Endpoint, reply: Any, found: str
) -> None:
    endpoint.reply = reply
    classic = webhook(endpoint.url, eventDeliverySchema="EventGridSchema")
    path = "/topics/storage/subscriptions/classic"

    grid.call("PUT", path, classic)

    received = endpoint.next()
    shown = grid.call("GET", path).json()["properties"]
    assert received.headers["aeg-event-type"] == "SubscriptionValidation"
    assert validation(received)["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert shown["provisioningState"] == found
    grid.call("DELETE", path)


# --- functions


def test_a_function_gets_events_with_the_hosts_key(
    grid: RunningGrid, home: Home, functions: Endpoint
) -> None:
    resource = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/app/functions/made"
    destination = {"endpointType": "AzureFunction", "properties": {"resourceId": resource}}
    shown = grid.subscribe("storage", "function", webhook("", destination=destination))

    send(grid, "storage")

    received = functions.next()
    path, _, query = received.path.partition("?")
    key = home.secret("functions/eventgrid_extension")
    assert path == "/runtime/webhooks/EventGrid"
    assert parse_qs(query) == {"functionName": ["made"], "code": [key]}
    assert json.loads(received.body)["id"] == "e1"
    assert shown["destination"]["properties"]["resourceId"] == resource


# --- configuration


def configured(endpoint: Endpoint, **properties: object) -> str:
    subscription = {"name": "from-file", "properties": webhook(endpoint.url, **properties)}
    topic = {"name": "configured", "properties": {}, "eventSubscriptions": [subscription]}
    return json.dumps({"topics": [topic]})


def test_what_a_file_configures_is_there_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    home = Home.at(tmp_path / "h")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))
    config = tmp_path / "eventgrid.json"
    config.write_text(configured(endpoint))
    endpoint.permission = Reply(503)  # not ready yet
    with running_grid(home, ("--config", str(config), "--speed", "50")) as grid:
        endpoint.asked.get(timeout=10)
        endpoint.permission = ALLOWED

        endpoint.asked.get(timeout=10)
        grid.server.restart()
        path = "/topics/configured/subscriptions/from-file"
        shown = grid.call("GET", path).json()["properties"]
        send(grid, "configured")

        endpoint.next()
        assert shown["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("{", 2, id="no JSON"),
        pytest.param('{"topics": [{"name": "x"}]}', 2, id="a topic's name"),
        pytest.param(
            '{"topics": [{"name": "storage", "eventSubscriptions": [{"name": "sub",'
            ' "properties": {"destination": {"endpointType": "WebHook", "properties":'
            ' {"endpointUrl": "https://example.com"}}}}]}]}',
            3,
            id="a webhook elsewhere",
        ),
        pytest.param(None, 5, id="no file"),
    ],
)
def test_a_file_that_cannot_be_is_refused_at_start(
    tmp_path: Path, text: str | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "eventgrid.json"
    if text is not None:
        config.write_text(text)

    found = main(["--home", str(tmp_path / "h"), "--config", str(config)])

    assert found == code
    assert capsys.readouterr().err.startswith("cleanroom-dev: ")


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "quick"])
def test_time_goes_forward(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--home", "x", "--speed", speed])

    assert "above 0" in capsys.readouterr().err
