"""`cleanroom status` and `cleanroom watch`."""

import json
from typing import Annotated

import typer

from party import console
from party.commands import options


def status(
    room: Annotated[str | None, typer.Argument(help="The room; all of yours, if none.")] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Say how a room stands: its contracts, who has approved, what it waits for, its latest jobs.

    It is what the control plane says, which nobody has to believe: what binds are signatures.
    """
    from party import looking
    from party.online import Online

    online = Online.of(profile)
    found = looking.rooms(online) if room is None else looking.room(online, room)
    console.result(found.headline, found.rows, found.as_json if as_json else None)


def watch(
    room: Annotated[str, typer.Argument(help="The room.")],
    until: Annotated[
        int | None,
        typer.Option(
            min=1, max=20, help="Stop when so many of the room's jobs have ended (never)."
        ),
    ] = None,
    patience: Annotated[
        str | None, typer.Option(help="Stop after this time, such as 60 seconds (never).")
    ] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Show what happens in a room as it happens: approvals, data, jobs and how they end.

    Ctrl-C ends it. With --until, the exit code tells how the last job ended. With --json, each
    line is one JSON object.
    """
    from cleanroom.fields import instant_text
    from party import clock, following, quantities
    from party.errors import option
    from party.online import Online

    limit = None if patience is None else option(quantities.duration, patience, "--patience")
    online = Online.of(profile)
    for one in following.follow(online, room, following.Stop(until, limit), clock.now):
        if as_json:
            at = instant_text(one.at) if one.at else None
            console.say(json.dumps({"at": at, "what": one.what, "text": one.text, **one.more}))
        else:
            console.happening(one.at, one.text, one.what)
