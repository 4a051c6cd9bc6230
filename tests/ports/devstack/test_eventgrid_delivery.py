"""Delivering: retries, dead letters, batches, and what a killed server still owes."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid import EventGridPublisherClient

from devstack.home import Home
from tests.endpoints import Endpoint, Received, Reply
from tests.grids import RunningGrid, running_grid, webhook

_PATIENCE = 30.0
FAST = ("--speed", "1000", "--patience", "1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("h"))


@pytest.fixture(scope="module")
def grid(home: Home) -> Iterator[RunningGrid]:
    with running_grid(home, FAST) as made:
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


def event(number: int = 1, **attributes: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/x",
        "type": "T",
        "data": {"number": number},
        **attributes,
    }


def send(grid: RunningGrid, *events: dict[str, object]) -> None:
    credential = AzureKeyCredential(grid.key("outcomes"))
    with EventGridPublisherClient(grid.topic_url("outcomes"), credential) as topic:
        topic.send(list(events))


def number_of(received: Received) -> int:
    return int(json.loads(received.body)["data"]["number"])


class Failing:
    """Answers the first requests with these statuses, and all others well."""

    def __init__(self, *statuses: int) -> None:
        self._left = list(statuses)

    def __call__(self, _: Received) -> Reply:
        return Reply(self._left.pop(0) if self._left else 200)


def test_a_failing_endpoint_is_asked_again_until_it_answers(
    grid: RunningGrid, endpoint: Endpoint
) -> None:
    endpoint.reply = Failing(500, 503)
    grid.subscribe("outcomes", "retried", webhook(endpoint.url))

    send(grid, event())

    counts = [endpoint.next().headers["aeg-delivery-count"] for _ in range(3)]
    assert counts == ["0", "1", "2"]
    assert grid.idle()


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_what_no_retry_can_help_is_not_retried(
    grid: RunningGrid, endpoint: Endpoint, status: int
) -> None:
    endpoint.reply = Failing(status)
    grid.subscribe("outcomes", f"refusing-{status}", webhook(endpoint.url))

    send(grid, event())

    endpoint.next()
    assert grid.idle()
    assert endpoint.count() == 0


def test_tries_end_when_the_policy_says_so(grid: RunningGrid, endpoint: Endpoint) -> None:
    endpoint.reply = Failing(*[500] * 100)
    policy = {"maxDeliveryAttempts": 3}
    grid.subscribe("outcomes", "three-tries", webhook(endpoint.url, retryPolicy=policy))

    send(grid, event())

    assert grid.idle()
    assert len(endpoint.all()) == 3


def test_an_event_expires_before_its_next_try(grid: RunningGrid, endpoint: Endpoint) -> None:
    endpoint.reply = Failing(*[500] * 100)
    policy = {"eventTimeToLiveInMinutes": 1}
    grid.subscribe("outcomes", "short-lived", webhook(endpoint.url, retryPolicy=policy))

    send(grid, event())

    assert grid.idle()
    assert 1 < len(endpoint.all()) < 5


def test_a_redirect_is_a_failure(grid: RunningGrid, endpoint: Endpoint) -> None:
    moved = Reply(307, headers={"Location": f"{endpoint.url}/elsewhere"})
    endpoint.reply = lambda received: Reply() if "count" in received.path else moved
    policy = {"maxDeliveryAttempts": 1}
    grid.subscribe("outcomes", "moved", webhook(endpoint.url, retryPolicy=policy))

    send(grid, event())

    assert grid.idle()
    assert [one.path for one in endpoint.all()] == ["/events"]


def test_an_endpoint_that_nobody_serves_is_tried_and_given_up(grid: RunningGrid) -> None:
    with Endpoint() as gone:
        policy = {"maxDeliveryAttempts": 2}
        grid.subscribe("outcomes", "gone", webhook(gone.url, retryPolicy=policy))

    send(grid, event())

    assert grid.idle()


def test_a_slow_endpoint_times_out_and_holds_up_no_other(
    grid: RunningGrid, endpoint: Endpoint
) -> None:
    released = threading.Event()

    def never(_: Received) -> Reply:
        released.wait(_PATIENCE)
        return Reply()

    with Endpoint(never) as slow:
        policy = {"maxDeliveryAttempts": 1}
        grid.subscribe("outcomes", "slow", webhook(slow.url, retryPolicy=policy))
        grid.subscribe("outcomes", "quick", webhook(endpoint.url))

        send(grid, *(event(number) for number in range(20)))

        assert sorted(number_of(endpoint.next()) for _ in range(20)) == list(range(20))
        assert grid.idle()
        released.set()


def test_idle_can_leave_retries_alone(grid: RunningGrid, endpoint: Endpoint) -> None:
    endpoint.reply = Failing(*[408] * 100)
    grid.subscribe("outcomes", "patient", webhook(endpoint.url))

    send(grid, event())

    endpoint.next()
    assert grid.idle(retries="ignore")


def test_only_what_the_filter_wants_arrives(grid: RunningGrid, endpoint: Endpoint) -> None:
    wanted = {
        "includedEventTypes": ["Job.Completed"],
        "subjectBeginsWith": "jobs/",
        "advancedFilters": [
            {"operatorType": "NumberGreaterThan", "key": "data.number", "value": 1.5}
        ],
    }
    grid.subscribe("outcomes", "choosy", webhook(endpoint.url, filter=wanted))

    send(
        grid,
        event(1, type="Job.Completed", subject="jobs/1"),
        event(2, type="Job.Completed", subject="JOBS/2"),
        event(3, type="Job.Completed", subject="x"),
        event(4, type="Job.Failed", subject="jobs/4"),
    )

    assert number_of(endpoint.next()) == 2
    assert grid.idle()
    assert endpoint.count() == 0


def test_batches_come_only_if_asked_for(grid: RunningGrid, endpoint: Endpoint) -> None:
    properties = webhook(endpoint.url)
    properties["destination"] = {
        "endpointType": "WebHook",
        "properties": {"endpointUrl": endpoint.url, "maxEventsPerBatch": 10},
    }
    grid.subscribe("outcomes", "batched", properties)

    send(grid, *(event(number) for number in range(15)))

    assert grid.idle()
    received = endpoint.all()
    assert sorted(len(json.loads(one.body)) for one in received) == [5, 10]
    assert received[0].headers["content-type"].startswith("application/cloudevents-batch+json")


def test_a_batch_is_no_larger_than_preferred(grid: RunningGrid, endpoint: Endpoint) -> None:
    batching = {"maxEventsPerBatch": 10, "preferredBatchSizeInKilobytes": 2}
    properties = webhook(endpoint.url)
    properties["destination"] = {
        "endpointType": "WebHook",
        "properties": {"endpointUrl": endpoint.url, **batching},
    }
    grid.subscribe("outcomes", "small-batches", properties)

    large = {"number": 0, "text": "x" * 800}
    send(grid, *(event(number, data=large) for number in range(3)), event(4, data="x" * 9000))

    assert grid.idle()
    sizes = [len(json.loads(one.body)) for one in endpoint.all()]
    assert sorted(sizes) == [1, 1, 2]


def test_a_long_answer_is_cut_short(grid: RunningGrid, endpoint: Endpoint) -> None:
    endpoint.reply = lambda _: Reply(body=b"x" * (1 << 20))
    grid.subscribe("outcomes", "talkative", webhook(endpoint.url))

    send(grid, event())

    assert grid.idle()
    assert endpoint.count() == 1


def test_headers_are_added_as_mapped(grid: RunningGrid, endpoint: Endpoint) -> None:
    properties = webhook(endpoint.url)
    mappings = [
        {"name": "X-Fixed", "type": "Static", "properties": {"value": "one", "isSecret": True}},
        {"name": "X-Number", "type": "Dynamic", "properties": {"sourceField": "data.number"}},
        {"name": "X-Odd", "type": "Dynamic", "properties": {"sourceField": "data.odd"}},
    ]
    properties["destination"] = {
        "endpointType": "WebHook",
        "properties": {"endpointUrl": endpoint.url, "deliveryAttributeMappings": mappings},
    }
    shown = grid.subscribe("outcomes", "mapped", properties)

    send(grid, event(7, data={"number": 7, "odd": "two\r\nlines: x"}))

    headers = endpoint.next().headers
    assert (headers["x-fixed"], headers["x-number"]) == ("one", "7")
    assert "x-odd" not in headers
    assert "one" not in json.dumps(shown)


def test_a_webhook_with_the_stacks_certificate_is_trusted(grid: RunningGrid, home: Home) -> None:
    with Endpoint(tls=home.tls()) as endpoint:
        grid.subscribe("outcomes", "secure", webhook(endpoint.url))

        send(grid, event())

        assert number_of(endpoint.next()) == 1


def test_what_was_accepted_is_delivered_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path / "h")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))
    with Endpoint(Failing(*[500] * 30)) as endpoint, running_grid(home) as grid:
        grid.topic("outcomes")
        grid.subscribe("outcomes", "owed", webhook(endpoint.url))
        send(grid, *(event(number) for number in range(30)))
        grid.server.kill()
        endpoint.reply = Failing()
        endpoint.all()

        grid.server.restart()

        found = {number_of(endpoint.next()) for _ in range(30)}
        assert found == set(range(30))
        assert grid.idle()
