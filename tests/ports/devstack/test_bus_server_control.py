"""The control API: entities made, shown, changed and removed."""

import http.client
from collections.abc import Iterator

import pytest

from devstack.home import HOST
from tests.buses import Bus, running_bus

RULE = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a = 1"}}


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with running_bus(tmp_path_factory.mktemp("bus")) as bus:
        bus.control.put("topics/topic", {})
        bus.control.put("topics/topic/subscriptions/one", {})
        yield bus


def test_a_queue_is_made_changed_shown_and_removed(bus: Bus) -> None:
    control = bus.control

    made = control.ask("PUT", "queues/some/queue", {"MaxDeliveryCount": 3})
    changed = control.ask("PUT", "queues/some/queue", {"MaxDeliveryCount": 4})
    shown = control.get("queues/SOME/queue")
    control.delete("queues/some/queue")

    assert (made["Name"], made["Properties"]["MaxDeliveryCount"]) == ("some/queue", 3)
    assert shown["Properties"] == changed["Properties"]
    counts = ("active", "deadLetter", "deferred", "scheduled", "sizeInBytes", "transferDeadLetter")
    assert [shown[name] for name in counts] == [0] * 6
    assert control.answer("GET", "queues/some/queue", None)[0] == 404


def test_a_topic_has_subscriptions_and_they_have_rules(bus: Bus) -> None:
    control = bus.control

    control.put("topics/topic/subscriptions/two", {})
    control.put("topics/topic/subscriptions/two/rules/r", RULE)
    control.delete("topics/topic/subscriptions/two/rules/$Default")
    two = control.get("topics/topic/subscriptions/TWO")
    topic = control.get("topics/Topic")
    control.delete("topics/topic/subscriptions/two")

    assert two["Rules"] == [{"Name": "r", "Properties": RULE}]
    assert topic["Subscriptions"] == ["one", "two"]
    assert control.get("topics/topic")["Subscriptions"] == ["one"]


def test_entities_are_listed(bus: Bus) -> None:
    bus.control.put("queues/listed", {})
    bus.control.put("topics/gone", {})
    bus.control.delete("topics/gone")

    assert bus.control.get("entities") == {"queues": ["listed"], "topics": ["topic"]}


def test_entities_outlive_a_kill(bus: Bus) -> None:
    bus.control.put("topics/topic/subscriptions/three", {"MaxDeliveryCount": 7})
    bus.control.put("topics/topic/subscriptions/three/rules/r", RULE)

    bus.server.kill()
    bus.server.restart()

    three = bus.control.get("topics/topic/subscriptions/three")
    assert three["Properties"]["MaxDeliveryCount"] == 7
    assert [rule["Name"] for rule in three["Rules"]] == ["$Default", "r"]


REFUSED = {
    "a queue that is not there": ("GET", "queues/x", None, 404),
    "a topic that is not there": ("GET", "topics/x", None, 404),
    "a subscription that is not there": ("GET", "topics/topic/subscriptions/x", None, 404),
    "to remove a queue that is not there": ("DELETE", "queues/x", None, 404),
    "to remove a topic that is not there": ("DELETE", "topics/x", None, 404),
    "to remove such a subscription": ("DELETE", "topics/topic/subscriptions/x", None, 404),
    "to remove a rule of nothing": ("DELETE", "topics/x/subscriptions/x/rules/x", None, 404),
    "to remove such a rule": ("DELETE", "topics/topic/subscriptions/one/rules/x", None, 404),
    "a rule of nothing": ("PUT", "topics/x/subscriptions/x/rules/x1", RULE, 404),
    "a subscription of nothing": ("PUT", "topics/x/subscriptions/x", {}, 404),
    "a name that is none": ("PUT", "queues/-", {}, 400),
    "a property that is none": ("PUT", "queues/q", {"Colour": "red"}, 400),
    "a queue with a topic's name": ("PUT", "queues/topic", {}, 409),
    "another method": ("POST", "queues/q", {}, 405),
    "another path": ("GET", "something", None, 404),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(
    bus: Bus, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    code, answer = bus.control.answer(method, path, body)

    assert code == status
    assert b'"error"' in answer


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}, {"Authorization": "x"}])
def test_nobody_gets_in_without_the_secret(bus: Bus, header: dict[str, str]) -> None:
    link = http.client.HTTPConnection(HOST, bus.control.port, timeout=10)

    link.request("GET", "/devstack/entities", headers=header)
    answer = link.getresponse()
    answer.read()
    link.close()

    assert answer.status == 401


def test_a_body_that_is_no_json_is_refused(bus: Bus) -> None:
    link = http.client.HTTPConnection(HOST, bus.control.port, timeout=10)
    secret = bus.home.secret("bus/control")

    link.request("PUT", "/devstack/queues/q", b"{", {"Authorization": f"Bearer {secret}"})
    answer = link.getresponse()
    answer.read()
    link.close()

    assert answer.status == 400
