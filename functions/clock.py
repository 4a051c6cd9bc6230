"""The one place of this package that asks what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """Tell the time in UTC, to the second, as documents hold it."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # the place that may
