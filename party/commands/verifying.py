"""`cleanroom verify`: what a sealed file, an approval or a receipt proves, and what it does not."""

from pathlib import Path
from typing import Annotated

import typer

from party import console


def verify(
    file: Annotated[Path, typer.Argument(help="A sealed file, an approval or a receipt.")],
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
    as_json: console.Json = False,
) -> None:
    """Verify a sealed file (needs --from), an approval (needs --contract) or a receipt.

    Needs no network and no private key. Says line by line what was proven and what was not.
    """
    from party import clock, proving

    papers = proving.Papers(owner, contract, tuple(approval or ()), tuple(result or ()))
    verdict = proving.prove(file, papers, clock.now())
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
