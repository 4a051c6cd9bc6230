"""What the party's command reads from its environment, and the one place that does."""

import os
from collections.abc import Mapping
from pathlib import Path

PREFIX = "CLEANROOM_PARTY_"


def environment() -> Mapping[str, str]:
    """Return the environment of the process."""
    return os.environ  # noqa: TID251  # the place that may


def be(identity: Mapping[str, str]) -> None:
    """Be somebody: where azure-identity and HTTP clients look, and nowhere else."""
    os.environ.update(identity)  # noqa: TID251  # as above


def folder() -> Path:
    """Say where profiles are."""
    base = environment().get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "cleanroom"
