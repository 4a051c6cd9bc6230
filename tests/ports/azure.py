"""Whether real Azure is there for tests, and what they need to know of it.

CLEANROOM_AZURE names a file with a NAME=VALUE in each line. Without it only the dev stack runs:

- SERVICEBUS_ROOT, SERVICEBUS_SENDER, SERVICEBUS_LISTENER: connection strings of one namespace, with
  keys that may do all, only send, only listen.
- SERVICEBUS_NAMESPACE: its host, for the identity that `DefaultAzureCredential` finds, which needs
  the role Azure Service Bus Data Owner.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

FILE = "CLEANROOM_AZURE"

REAL = [pytest.param("azure", marks=pytest.mark.azure)] if os.environ.get(FILE) else []
PLACES = ["devstack", *REAL]
"""Where a test runs that knows nothing of the place."""


def settings() -> Mapping[str, str]:  # pragma: no cover  # runs where there is an Azure
    """Read the file."""
    lines = [line.strip() for line in Path(os.environ[FILE]).read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}
