import pytest

from tests.builders import Keys

_MOST_PARTIES = 4


@pytest.fixture(scope="session")
def keys(north: Keys, south: Keys) -> tuple[Keys, ...]:
    """Keys of as many parties as any example has."""
    return (north, south, *(Keys.make() for _ in range(_MOST_PARTIES - 2)))
