"""The one place of this package that asks what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """Tell the time in UTC."""
    return datetime.now(UTC)  # noqa: TID251  # the place that may
