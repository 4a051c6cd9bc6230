"""One measured figure with the bar that it has to keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was found, and the limit: the most allowed, or the least if `at_least`."""

    name: str
    found: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Say whether the bar is kept."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit
