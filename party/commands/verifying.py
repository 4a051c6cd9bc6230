"""`cleanroom verify`: what a paper proves, and what it does not."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options


def verify(
    paper: Annotated[
        list[str],
        typer.Argument(
            metavar="[KIND] FILE",
            help="The file, or a folder with a job's papers; before it, if it must be of that kind:"
            " sealed, approval, receipt or evidence.",
            show_default=False,
        ),
    ],
    owner: Annotated[
        Path | None, typer.Option("--from", help="Who must have sealed it: a public signing key.")
    ] = None,
    contract: Annotated[
        Path | None, typer.Option(help="The contract that it must be about.")
    ] = None,
    approval: Annotated[
        list[Path] | None, typer.Option(help="An approval that a receipt must rest on.")
    ] = None,
    result: Annotated[
        list[Path] | None, typer.Option(help="A sealed result that a receipt must name.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="As of which time, such as 2026-11-21T09:30:00Z (now).")
    ] = None,
    synthetic_root: Annotated[
        list[Path] | None,
        typer.Option(
            help="The root of simulated hardware to accept, and say so (the profile's).",
        ),
    ] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Verify a sealed file (needs --from), an approval (needs --contract), a receipt or evidence.

    Needs no network and no private key. Says line by line what was proven and what was not. Only
    AMD's hardware is believed; a receipt is checked as of the time when its job finished. With
    --contract, a sealed file must be one of its datasets, and a receipt must tell of its run.
    """
    from cleanroom.fields import instant
    from party import clock, profiles, proving
    from party.errors import Usage, option

    *kinds, name = paper
    possible = list(proving.Kind)
    if len(kinds) > 1 or not all(kind in possible for kind in kinds):
        words = f"{', '.join(possible[:-1])} or {possible[-1]}"
        raise Usage(f"expected one file, or {words} and one file")
    kind, file = proving.Kind(kinds[0]) if kinds else None, Path(name)
    known = profiles.perhaps(profile)
    papers = proving.Papers(
        owner,
        contract,
        tuple(approval or ()),
        tuple(result or ()),
        None if at is None else option(instant, at, "--at"),
        tuple(synthetic_root or ()),
        # Where a stack is gone, so is its root; what was named by the option must be there.
        tuple(path for path in (Path(known.synthetic_root),) if path.is_file()) if known else (),
    )
    if file.is_dir():
        from party.papers import Folder

        file, papers = Folder(file).receipt_with(papers)
    verdict = proving.prove(file, kind, papers, clock.now())
    console.result(
        f"{file}: {verdict.headline}",
        [("proven" if line.proven else "not proven", line.text) for line in verdict.lines],
        {
            "kind": verdict.kind,
            "headline": verdict.headline,
            "proven": [line.text for line in verdict.lines if line.proven],
            "not_proven": [line.text for line in verdict.lines if not line.proven],
            "facts": verdict.facts,
        }
        if as_json
        else None,
    )
    if verdict.refusal is not None:
        raise verdict.refusal
