"""`cleanroom results`."""

from typing import Annotated

import typer

from party import console
from party.commands import options


def results(
    room: Annotated[str, typer.Argument(help="The room.")],
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Name the jobs of a room that have ended, the latest first, and what came of each."""
    from party import looking
    from party.online import Online

    found = looking.results(Online.of(profile), room)
    console.result(found.headline, found.rows, found.as_json if as_json else None)
