import pytest

from cleanroom.errors import Malformed
from devstack.bus import durations
from devstack.bus.entities import (
    QueueOptions,
    Rule,
    SubscriptionOptions,
    TopicOptions,
    default_rule,
    entity_name,
    rule_name,
    subscription_name,
)
from devstack.bus.filters import MessageView, SqlFilter, TrueFilter
from devstack.bus.sql import Action

DURATIONS = {
    "PT0S": 0,
    "PT0.25S": 250,
    "PT1.5S": 1500,
    "PT20S": 20_000,
    "PT1M": 60_000,
    "PT1M30S": 90_000,
    "PT1H": 3_600_000,
    "P1D": 86_400_000,
    "P14DT3H2M1.001S": 14 * 86_400_000 + 3 * 3_600_000 + 2 * 60_000 + 1001,
}


@pytest.mark.parametrize(("text", "expected"), DURATIONS.items(), ids=DURATIONS)
def test_a_duration_is_read_and_spelled(text: str, expected: int) -> None:
    assert durations.milliseconds(text, "d") == expected
    assert durations.spelled(expected) == text


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "1H", "P1Y", "P1M", "P1W", "PT1.S", "-PT1S", "pt1s", "PT1S ", 5]
)
def test_what_is_not_a_duration_is_refused(text: object) -> None:
    with pytest.raises(Malformed, match="an ISO 8601 duration"):
        durations.milliseconds(text, "d")


def test_a_duration_finer_than_a_millisecond_is_cut() -> None:
    assert durations.milliseconds("PT48M5.4775807S", "d") == 2_885_477


def test_options_have_the_defaults_of_the_service() -> None:
    assert QueueOptions.parse({}, "queue") == QueueOptions(60_000, 10)
    assert TopicOptions.parse({}, "topic") == TopicOptions(None, None)
    assert SubscriptionOptions.parse({}, "subscription") == SubscriptionOptions(60_000, 10)


def test_the_emulators_own_example_of_a_queue_is_read() -> None:
    properties = {
        "DeadLetteringOnMessageExpiration": False,
        "DefaultMessageTimeToLive": "PT1H",
        "DuplicateDetectionHistoryTimeWindow": "PT20S",
        "ForwardDeadLetteredMessagesTo": "",
        "ForwardTo": "",
        "LockDuration": "PT1M",
        "MaxDeliveryCount": 3,
        "RequiresDuplicateDetection": False,
        "RequiresSession": False,
    }

    found = QueueOptions.parse(properties, "queue")

    assert found == QueueOptions(60_000, 3, default_ttl_ms=3_600_000)


QUEUES = {
    "defaults": QueueOptions(),
    "everything": QueueOptions(300_000, 2000, True, True, 1000, 20_000, None, "dead-letters"),
    "forwarding": QueueOptions(5000, 1, forward_to="Other/queue"),
}


@pytest.mark.parametrize("options", QUEUES.values(), ids=QUEUES)
def test_options_of_a_queue_are_read_as_they_were_written(options: QueueOptions) -> None:
    assert QueueOptions.parse(options.to_dict(), "queue") == options


def test_options_of_topics_are_read_as_they_were_written() -> None:
    topic, subscription = (
        TopicOptions(60_000, 30_000),
        SubscriptionOptions(1000, 5, True, True, 9000),
    )

    assert TopicOptions.parse(topic.to_dict(), "topic") == topic
    assert SubscriptionOptions.parse(subscription.to_dict(), "s") == subscription


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "an unknown field": ({"Status": "Active"}, "queue: expected no other field, got 'Status'"),
    "a lock too long": (
        {"LockDuration": "PT5M1S"},
        "LockDuration: expected PT0.001S to PT5M",
    ),
    "no lock": ({"LockDuration": "PT0S"}, "queue.LockDuration"),
    "a lock that is a number": ({"LockDuration": 30}, "queue.LockDuration: expected an ISO 8601"),
    "no deliveries": ({"MaxDeliveryCount": 0}, "queue.MaxDeliveryCount"),
    "too many deliveries": ({"MaxDeliveryCount": 2001}, "a whole number 1 to 2000"),
    "deliveries as text": ({"MaxDeliveryCount": "10"}, "queue.MaxDeliveryCount"),
    "sessions as text": ({"RequiresSession": "true"}, "expected true or false"),
    "a life too short": ({"DefaultMessageTimeToLive": "PT0.5S"}, "expected at least PT1S"),
    "a window too short": (
        {"RequiresDuplicateDetection": True, "DuplicateDetectionHistoryTimeWindow": "PT4S"},
        "expected PT5S to P7D",
    ),
    "a window too long": (
        {"RequiresDuplicateDetection": True, "DuplicateDetectionHistoryTimeWindow": "P8D"},
        "expected PT5S to P7D",
    ),
    "a target with a strange name": ({"ForwardTo": "a b"}, "queue.ForwardTo"),
    "sessions that are forwarded": (
        {"RequiresSession": True, "ForwardTo": "other"},
        "no forwarding where sessions are required",
    ),
}


@pytest.mark.parametrize(("properties", "message"), REFUSED.values(), ids=REFUSED)
def test_options_that_the_service_does_not_have_are_refused(
    properties: dict[str, object], message: str
) -> None:
    with pytest.raises(Malformed) as refused:
        QueueOptions.parse(properties, "queue")

    assert message in str(refused.value)


def test_options_must_be_an_object() -> None:
    with pytest.raises(Malformed, match="topic: expected an object with named fields, got a list"):
        TopicOptions.parse([], "topic")


def test_a_window_without_detection_means_no_detection() -> None:
    found = TopicOptions.parse({"DuplicateDetectionHistoryTimeWindow": "PT20S"}, "topic")

    assert found.duplicate_window_ms is None


NAMES = {
    "a": True,
    "jobs": True,
    "a/b.c-d_e": True,
    "a" * 260: True,
    "a" * 261: False,
    "": False,
    "/a": False,
    "a/": False,
    ".a": False,
    "a b": False,
    "$a": False,
    "é": False,
}


@pytest.mark.parametrize(("name", "good"), NAMES.items(), ids=[name[:12] for name in NAMES])
def test_an_entity_has_a_name_as_the_service_allows_it(name: str, good: bool) -> None:
    assert accepted(name) is good


def accepted(name: str) -> bool:
    try:
        return entity_name(name, "name") == name
    except Malformed:
        return False


@pytest.mark.parametrize("name", ["", "a" * 51, "a/b", "-a", "a-"])
def test_a_subscription_has_a_short_name(name: str) -> None:
    with pytest.raises(Malformed, match="1 to 50 letters"):
        subscription_name(name, "name")


@pytest.mark.parametrize("name", ["", "a" * 51, "a/b", "a$", "$"])
def test_a_rule_has_a_short_name(name: str) -> None:
    with pytest.raises(Malformed, match="1 to 50 letters"):
        rule_name(name, "name")


def test_the_default_rule_takes_everything() -> None:
    rule = default_rule()

    assert rule.name == "$Default"
    assert rule.filter.matches(MessageView({}, {}))
    assert Rule.parse("$Default", rule.to_dict(), "rule") == rule


def test_a_rule_with_an_action_is_read_as_it_was_written() -> None:
    properties = {
        "FilterType": "Sql",
        "SqlFilter": {"SqlExpression": "colour = 'red'"},
        "Action": {"SqlExpression": "SET quantity = quantity / 2"},
    }

    rule = Rule.parse("half", properties, "rule")

    assert rule == Rule(
        "half",
        SqlFilter.parse("colour = 'red'", "f"),
        Action.parse("SET quantity = quantity / 2", "a"),
    )
    assert rule.to_dict() == properties


@pytest.mark.parametrize("action", [None, {}], ids=["null", "empty"])
def test_a_rule_may_have_an_empty_action(action: object) -> None:
    rule = Rule.parse("all", {"FilterType": "True", "Action": action}, "rule")

    assert rule == Rule("all", TrueFilter())


REFUSED_RULES: dict[str, tuple[object, str]] = {
    "a list": ([], "rule: expected an object"),
    "no filter": ({}, "a field 'FilterType'"),
    "another filter": ({"FilterType": "Jms"}, "rule.FilterType"),
    "no SQL": ({"FilterType": "Sql"}, "a field 'SqlFilter'"),
    "bad SQL": (
        {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "colour"}},
        "rule.SqlFilter.SqlExpression: expected a comparison",
    ),
    "parameters of SQL": (
        {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a=1", "Parameters": {}}},
        "no other field, got 'Parameters'",
    ),
    "both filters": (
        {"FilterType": "True", "SqlFilter": {"SqlExpression": "a=1"}},
        "no other field, got 'SqlFilter'",
    ),
    "a bad action": (
        {"FilterType": "True", "Action": {"SqlExpression": "DELETE a"}},
        "rule.Action.SqlExpression: expected SET or REMOVE",
    ),
}


@pytest.mark.parametrize(("properties", "message"), REFUSED_RULES.values(), ids=REFUSED_RULES)
def test_what_is_not_a_rule_is_refused(properties: object, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        Rule.parse("r", properties, "rule")

    assert message in str(refused.value)
