"""`cleanroom init`: a party's keys in its vault, its profile, and its card for the others."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options


def init(
    party: Annotated[
        str | None, typer.Argument(help="The party's name, such as north-bank.")
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="Make the key for a room, too, and a card to give away.")
    ] = None,
    data: Annotated[
        bool,
        typer.Option("--data/--no-data", help="Whether it brings data, and so needs a room's key."),
    ] = True,
    vault: Annotated[str | None, typer.Option(help="The party's own vault (URL).")] = None,
    api: Annotated[str | None, typer.Option(help="The control plane's API (URL).")] = None,
    audience: Annotated[
        str | None, typer.Option(help="The application that the API's tokens are for.")
    ] = None,
    directory: Annotated[
        str | None,
        typer.Option(help="The operator's Entra directory (tenant id), if you are in another."),
    ] = None,
    authority: Annotated[
        str | None, typer.Option(help="The attestation service that the vault shall trust (URL).")
    ] = None,
    datasets: Annotated[
        str | None, typer.Option(help="The container in which the party drops its files (URL).")
    ] = None,
    rooms: Annotated[
        str | None, typer.Option(help="The container of the rooms' documents (URL).")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", "-d", help="Where to put the card and the public keys.")
    ] = Path(),
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Begin as a party: make what is missing of its keys in its vault, and remember its addresses.

    Private keys are made in the vault and never leave it, but for a room's key: a vault releases it
    to a machine that proves to be what the contract demands that the party approved. Doing it
    again changes nothing that is there. With --room, a card is written: give it to the other
    parties, and compare the words of its keys by voice.
    """
    from party import begin, profiles, settings
    from party.online import Online

    found, path = profiles.begun(profile, party)
    said = {"vault": vault, "api": api, "audience": audience, "directory": directory}
    found = found.given({**said, "authority": authority, "datasets": datasets, "rooms": rooms})
    made = begin.begin(Online(found), room, folder, data=data)
    kept = found.asking_as(profiles.asking(settings.environment()))
    profiles.write(kept, path)
    console.result(
        f"{found.name}: ready" + (f" for the room {room}" if room else ""),
        [
            *((f"{one.purpose} key", one.shown) for one in made.keys),
            ("public keys", "\n".join(map(str, made.files))),
            *([("card", f"{made.card}\ngive it to the other parties")] if made.card else []),
            ("profile", f"{path}\nuse it with --profile {path.stem}"),
        ],
        {
            "party": found.name,
            "profile": str(path),
            "card": str(made.card) if made.card else None,
            "files": [str(one) for one in made.files],
            "keys": {
                one.purpose: {"id": one.id.text, "url": one.url, "new": one.new}
                for one in made.keys
            },
        }
        if as_json
        else None,
    )
