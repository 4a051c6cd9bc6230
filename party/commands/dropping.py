"""`cleanroom drop`: data goes to where its contract waits for it."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options


def drop(
    file: Annotated[Path, typer.Argument(help="A table, which is sealed first, or a sealed file.")],
    contract: Annotated[str, typer.Argument(help=options.CONTRACT)],
    dataset: Annotated[
        str | None, typer.Option(help="Which dataset of yours it is, if there are several.")
    ] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Seal a file for a contract and put it where the contract waits for it.

    It is sealed for your own room key, which your vault releases for this contract only; a file
    that is sealed goes as it is. What no run of the contract could take is refused, and goes
    nowhere. What runs on arrival starts by itself: cleanroom watch ROOM.
    """
    from party import clock, dropping
    from party.online import Online

    online = Online.of(profile)
    found = online.contract(contract)
    done = dropping.drop(online, found, file, dataset, clock.now())
    manifest, origin = done.manifest, done.manifest.origin
    console.result(
        f"dropped {file} as {done.dataset.owner}/{done.dataset.dataset}",
        [
            ("version", getattr(origin, "version", "")),
            ("digest", manifest.digest),
            ("at", done.url),
            ("next", f"cleanroom watch {found.room}"),
        ],
        {
            "dataset": done.dataset.dataset,
            "alias": done.dataset.alias,
            "digest": manifest.digest.text,
            "version": getattr(origin, "version", None),
            "url": done.url,
            "sealed": done.sealed_now,
        }
        if as_json
        else None,
    )
