"""`cleanroom propose` and `cleanroom explain`: a contract goes to the room, and is read there."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options


def propose(
    file: Annotated[Path, typer.Argument(help="contract.yaml, or its canonical .json.")],
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Put a contract into its room, for every party to look at; the same one again changes nothing.

    The first contract of a room begins the room. Nothing runs before every party has approved.
    """
    from party import clock, contracts, explaining
    from party.online import Online

    contract = contracts.load(file)
    contracts.check_expiry(contract, clock.now())
    new = Online.of(profile).api.propose(contract)
    console.result(
        f"{contract.room}, contract {contract.sequence}: "
        + ("proposed" if new else "was proposed already"),
        [
            ("digest", contract.digest),
            ("words", contract.digest.words),
            *explaining.warnings(contract),
            ("next", f"every party: cleanroom approve {contract.room}"),
        ],
        {
            "room": contract.room,
            "contract": contract.digest.text,
            "words": contract.digest.words,
            "new": new,
        }
        if as_json
        else None,
    )


def explain(
    contract: Annotated[str, typer.Argument(help=options.CONTRACT)],
    party: Annotated[
        str | None, typer.Option(help="For which party (the profile's, if it is one).")
    ] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Say what a contract can reveal, to whom, how often, in plain sentences; then all of it.

    A file is explained without any network. A room's contract is fetched, and is the one of its
    digest: compare the words with the other parties.
    """
    from cleanroom.canonical import parse_json
    from cleanroom.contract import LARGEST
    from party import contracts, explaining, profiles, telling

    known = profiles.perhaps(profile)
    if contracts.is_file(contract):
        found = contracts.load(Path(contract))
    else:
        from party.online import Online

        found = Online.of(profile).contract(contract)
    reader = party or (known.name if known else None)
    sentences = telling.sentences(found, reader)
    document = parse_json(found.to_bytes(), contract, LARGEST) if as_json else None
    console.result(
        f"{found.room}, contract {found.sequence}",
        [*sentences, *explaining.rows(found)],
        {
            "digest": found.digest.text,
            "words": found.digest.words,
            "sentences": [{"about": about, "text": text} for about, text in sentences],
            "contract": document,
        }
        if as_json
        else None,
    )
