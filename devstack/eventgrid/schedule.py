"""When an event is tried again, and when it is given up: Event Grid's documented retry policy.

- Waiting times are those of the service divided by the stack's speed, with a tenth of jitter.
- An event expires by its time to live, which is looked at only when a try is due.
"""

from dataclasses import dataclass

_MINUTE = 60.0
_HOUR = 60 * _MINUTE
WAITS = (
    *(10.0, 30.0, 1 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(1 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
)
"""Seconds after the first, second, ... failed try; the last repeats."""

DEAD_LETTERS_PATIENCE = 4 * _HOUR
"""How long the service keeps an event for which the dead-letter container does not answer."""
DEAD_LETTERS_WAIT = 1 * _MINUTE

_JITTER = 0.1
_RETRIED_BY_RESOURCES = 401
_LEAST = {408: 2 * _MINUTE, 503: 30.0}
_LEAST_OF_RESOURCE = {401: 5 * _MINUTE, 404: 5 * _MINUTE}
_SUCCESS = range(200, 205)
_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    429: "Busy",
    503: "Busy",
}
_FINAL_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    413: "RequestEntityTooLarge",
}
TIMED_OUT = "TimedOut"
SOCKET_ERROR = "SocketError"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended; `name` is a `lastDeliveryOutcome`."""

    name: str
    status: int | None = None
    delivered: bool = False
    final: bool = False

    @classmethod
    def of_status(cls, status: int, *, resource: bool) -> "Outcome":
        """Judge what an endpoint answered; a resource of Azure is judged a little milder."""
        final = status in _FINAL_NAMES and not (resource and status == _RETRIED_BY_RESOURCES)
        return cls(_NAMES.get(status, "GenericError"), status, status in _SUCCESS, final)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What a subscription says of retries."""

    attempts: int = 30
    minutes: int = 1440


@dataclass(frozen=True, slots=True)
class Delivered:
    """It arrived."""


@dataclass(frozen=True, slots=True)
class Retry:
    """To be tried again at this time."""

    at: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never to be tried again; `reason` is a `deadLetterReason`."""

    reason: str


def decide(
    outcome: Outcome,
    attempts: int,
    policy: RetryPolicy,
    pace: "Pace",
    *,
    now: float,
    resource: bool,
) -> Delivered | Retry | GiveUp:
    """Say what becomes of an event after `attempts` tries, the last of which ended so.

    1. What arrived is done.
    2. What no retry can help is given up.
    3. The last try was the last.
    4. All else waits, at least as long as the answer asks for.
    """
    if outcome.delivered:
        return Delivered()  # 1
    if outcome.final:
        return GiveUp(f"UndeliverableDueToHttp{_FINAL_NAMES[outcome.status or 0]}")  # 2
    if attempts >= policy.attempts:
        return GiveUp("MaxDeliveryAttemptsExceeded")  # 3
    least = _LEAST.get(outcome.status or 0, 0.0)
    if resource:
        least = max(least, _LEAST_OF_RESOURCE.get(outcome.status or 0, 0.0))
    wait = max(WAITS[min(attempts, len(WAITS)) - 1], least)
    return Retry(now + pace.of(wait))  # 4


def expired(published: float, policy: RetryPolicy, pace: "Pace", now: float) -> GiveUp | None:
    """Say whether the time to live is over, as the stack's speed has it."""
    over = now - published > policy.minutes * _MINUTE / pace.speed
    return GiveUp("TimeToLiveExceeded") if over else None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast time goes for waiting: `chance` is a number from 0 to 1, drawn for each wait."""

    speed: float
    chance: float = 0.5

    def of(self, seconds: float) -> float:
        """Give a waiting time of the service as it is here."""
        return seconds / self.speed * (1 + _JITTER * (2 * self.chance - 1))
