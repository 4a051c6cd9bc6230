import json
from typing import Any

import pytest

from cleanroom.errors import Malformed
from devstack.bus.config import (
    LARGEST,
    AccessRule,
    Namespace,
    Queue,
    Subscription,
    Topic,
    parse_config,
)
from devstack.bus.entities import (
    QueueOptions,
    Rule,
    SubscriptionOptions,
    TopicOptions,
    default_rule,
)
from devstack.bus.filters import CorrelationFilter, SqlFilter
from devstack.bus.sql import Action


def config(**namespace: Any) -> bytes:
    whole = {"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", **namespace}]}}
    return json.dumps(whole).encode()


def queue(name: str, **properties: object) -> dict[str, object]:
    return {"Name": name, "Properties": properties}


def topic(name: str, *subscriptions: dict[str, object]) -> dict[str, object]:
    return {"Name": name, "Subscriptions": list(subscriptions)}


def test_an_emulators_file_is_read() -> None:
    raw = {
        "UserConfig": {
            "Namespaces": [
                {
                    "Name": "sbemulatorns",
                    "Queues": [queue("queue.1", MaxDeliveryCount=3, LockDuration="PT1M")],
                    "Topics": [
                        {
                            "Name": "topic.1",
                            "Properties": {"DefaultMessageTimeToLive": "PT1H"},
                            "Subscriptions": [
                                {
                                    "Name": "subscription.1",
                                    "Properties": {"MaxDeliveryCount": 3},
                                    "Rules": [
                                        {
                                            "Name": "app-prop-filter-1",
                                            "Properties": {
                                                "FilterType": "Correlation",
                                                "CorrelationFilter": {
                                                    "ContentType": "application/json",
                                                    "Properties": {"prop1": "value1"},
                                                },
                                            },
                                        },
                                        {
                                            "Name": "sql",
                                            "Properties": {
                                                "FilterType": "Sql",
                                                "SqlFilter": {"SqlExpression": "sys.Label = 'x'"},
                                                "Action": {"SqlExpression": "SET a = 1"},
                                            },
                                        },
                                    ],
                                },
                                {"Name": "subscription.2"},
                            ],
                        }
                    ],
                }
            ],
            "Logging": {"Type": "File"},
        }
    }

    found = parse_config(json.dumps(raw).encode())

    rules = (
        Rule(
            "app-prop-filter-1",
            CorrelationFilter.of({"contenttype": "application/json"}, {"prop1": "value1"}, "f"),
        ),
        Rule("sql", SqlFilter.parse("sys.Label = 'x'", "f"), Action.parse("SET a = 1", "a")),
    )
    assert found == Namespace(
        "sbemulatorns",
        (Queue("queue.1", QueueOptions(60_000, 3)),),
        (
            Topic(
                "topic.1",
                TopicOptions(3_600_000),
                (
                    Subscription("subscription.1", SubscriptionOptions(60_000, 3), rules),
                    Subscription("subscription.2", SubscriptionOptions(), (default_rule(),)),
                ),
            ),
        ),
    )


def test_a_namespace_may_have_keys_with_fewer_rights() -> None:
    rules = [
        {"Name": "sender", "Properties": {"Rights": ["Send"]}},
        {"Name": "all", "Properties": {"Rights": ["Manage", "Send", "Listen"]}},
    ]

    found = parse_config(config(AuthorizationRules=rules))

    assert found.access == (
        AccessRule("sender", frozenset({"Send"})),
        AccessRule("all", frozenset({"Listen", "Manage", "Send"})),
    )


REFUSED: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "config"),
    "too large": (b" " * (LARGEST + 1), "config"),
    "no namespace": (b'{"UserConfig": {"Namespaces": []}}', "1 to 1 entries"),
    "two namespaces": (
        b'{"UserConfig": {"Namespaces": [{"Name": "a"}, {"Name": "b"}]}}',
        "1 to 1 entries, got 2",
    ),
    "a list of users": (b'{"UserConfig": []}', "config.UserConfig: expected an object"),
    "a field beside": (b'{"UserConfig": {"Namespaces": [{"Name": "a"}]}, "x": 1}', "got 'x'"),
    "a strange log": (
        b'{"UserConfig": {"Namespaces": [{"Name": "a"}], "Logging": {"Type": "Syslog"}}}',
        "Logging.Type",
    ),
    "a field of a namespace": (config(Relays=[]), "got 'Relays'"),
    "a queue without a name": (config(Queues=[{}]), "Queues[0]: expected a field 'Name'"),
    "a queue's unknown property": (
        config(Queues=[queue("q", EnablePartitioning=True)]),
        "Queues[0].Properties: expected no other field, got 'EnablePartitioning'",
    ),
    "a topic's unknown field": (config(Topics=[{"Name": "t", "Rules": []}]), "got 'Rules'"),
    "a subscription's name": (
        config(Topics=[topic("t", {"Name": "a/b"})]),
        "Subscriptions[0].Name",
    ),
    "a rule's unknown field": (
        config(Topics=[topic("t", {"Name": "s", "Rules": [{"Name": "r", "Filter": {}}]})]),
        "Rules[0]: expected a field 'Properties'",
    ),
    "two queues alike": (config(Queues=[queue("q"), queue("Q")]), "each name once, got 'Q'"),
    "a queue and a topic alike": (
        config(Queues=[queue("q")], Topics=[topic("q")]),
        "each name once",
    ),
    "two subscriptions alike": (
        config(Topics=[topic("t", {"Name": "s"}, {"Name": "S"})]),
        "Topics[0].Subscriptions: expected each name once",
    ),
    "two rules alike": (
        config(
            Topics=[
                topic(
                    "t",
                    {
                        "Name": "s",
                        "Rules": [{"Name": "r", "Properties": {"FilterType": "True"}}] * 2,
                    },
                )
            ]
        ),
        "Rules: expected each name once",
    ),
    "forwarding to nothing": (
        config(Queues=[queue("q", ForwardTo="other")]),
        "a queue or a topic 'other' to forward to",
    ),
    "dead letters to nothing": (
        config(Queues=[queue("q", ForwardDeadLetteredMessagesTo="other")]),
        "a queue or a topic 'other' to forward to",
    ),
    "forwarding to itself": (config(Queues=[queue("q", ForwardTo="Q")]), "in a circle, got 'q'"),
    "forwarding in a circle": (
        config(
            Queues=[queue("a", ForwardTo="b"), queue("b", ForwardTo="t")],
            Topics=[topic("t", {"Name": "s", "Properties": {"ForwardTo": "a"}})],
        ),
        "in a circle",
    ),
    "a right that is none": (
        config(AuthorizationRules=[{"Name": "a", "Properties": {"Rights": ["Read"]}}]),
        "Rights[0]",
    ),
    "Manage alone": (
        config(AuthorizationRules=[{"Name": "a", "Properties": {"Rights": ["Manage"]}}]),
        "Send and Listen beside Manage",
    ),
    "the root's name": (
        config(
            AuthorizationRules=[
                {"Name": "RootManageSharedAccessKey", "Properties": {"Rights": ["Send"]}}
            ]
        ),
        "is there already",
    ),
    "the control API's name": (
        config(AuthorizationRules=[{"Name": "control", "Properties": {"Rights": ["Send"]}}]),
        "is there already",
    ),
    "two keys alike": (
        config(AuthorizationRules=[{"Name": "a", "Properties": {"Rights": ["Send"]}}] * 2),
        "AuthorizationRules: expected each name once",
    ),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_honoured_is_refused_by_name(raw: bytes, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_config(raw)

    assert message in str(refused.value)


def test_forwarding_that_ends_somewhere_is_accepted() -> None:
    queues = [
        queue("a", ForwardTo="b"),
        queue("b", ForwardTo="C", ForwardDeadLetteredMessagesTo="a"),
        queue("c"),
        queue("d", ForwardTo="b"),
    ]
    twice = topic(
        "t",
        {"Name": "one", "Properties": {"ForwardTo": "c"}},
        {"Name": "two", "Properties": {"ForwardTo": "c"}},
    )

    found = parse_config(config(Queues=queues, Topics=[twice]))

    assert [one.options.forward_to for one in found.queues] == ["b", "C", None, "b"]
