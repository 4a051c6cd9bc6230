"""When it is tried again, and when it is given up."""

import pytest

from devstack.eventgrid.schedule import (
    Delivered,
    GiveUp,
    Outcome,
    Pace,
    Retry,
    RetryPolicy,
    decide,
    expired,
)

POLICY = RetryPolicy()
REAL = Pace(1.0)


def after(outcome: Outcome, attempts: int = 1, *, resource: bool = False) -> object:
    return decide(outcome, attempts, POLICY, REAL, now=0.0, resource=resource)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204])
def test_only_these_are_successes(status: int) -> None:
    assert after(Outcome.of_status(status, resource=False)) == Delivered()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "UndeliverableDueToHttpBadRequest"),
        (401, "UndeliverableDueToHttpUnauthorized"),
        (403, "UndeliverableDueToHttpForbidden"),
        (413, "UndeliverableDueToHttpRequestEntityTooLarge"),
    ],
)
def test_a_webhook_that_refuses_is_believed(status: int, reason: str) -> None:
    assert after(Outcome.of_status(status, resource=False)) == GiveUp(reason)


@pytest.mark.parametrize(
    ("status", "name", "wait"),
    [
        (205, "GenericError", 10),
        (302, "GenericError", 10),
        (404, "NotFound", 10),
        (408, "TimedOut", 120),
        (429, "Busy", 10),
        (500, "GenericError", 10),
        (503, "Busy", 30),
    ],
)
def test_every_other_answer_of_a_webhook_is_retried(status: int, name: str, wait: float) -> None:
    outcome = Outcome.of_status(status, resource=False)

    assert (outcome.name, after(outcome)) == (name, Retry(wait))


@pytest.mark.parametrize(("status", "found"), [(401, Retry(300)), (404, Retry(300))])
def test_a_resource_of_azure_is_given_time(status: int, found: Retry) -> None:
    assert after(Outcome.of_status(status, resource=True), resource=True) == found


def test_waits_are_those_of_the_service() -> None:
    failed = Outcome("SocketError")

    waits = [after(failed, attempts) for attempts in range(1, 13)]

    minute, hour = 60, 3600
    assert waits == [
        *(Retry(seconds) for seconds in (10, 30, minute, 5 * minute, 10 * minute, 30 * minute)),
        *(Retry(hours * hour) for hours in (1, 3, 6, 12, 12, 12)),
    ]


def test_the_last_try_is_the_last() -> None:
    assert after(Outcome("TimedOut"), 29) == Retry(12 * 3600)
    assert after(Outcome("TimedOut"), 30) == GiveUp("MaxDeliveryAttemptsExceeded")


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)])
def test_waits_are_as_fast_as_the_stack_and_a_little_apart(chance: float, wait: float) -> None:
    assert Pace(10.0, chance).of(10.0) == pytest.approx(wait)


def test_an_event_lives_as_long_as_its_policy_says() -> None:
    policy = RetryPolicy(minutes=10)

    assert expired(0.0, policy, Pace(60.0), 10.0) is None
    assert expired(0.0, policy, Pace(60.0), 10.1) == GiveUp("TimeToLiveExceeded")
