"""`cleanroom contract`: from people's YAML to the document that parties approve."""

from pathlib import Path
from typing import Annotated

import typer

from party import console

app = typer.Typer(
    name="contract", no_args_is_help=True, help="Check a contract, name it, show what it allows."
)

File = Annotated[Path, typer.Argument(help="contract.yaml, or its canonical .json.")]


@app.command()
def check(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the canonical document here.")
    ] = None,
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Check a contract and turn it into the canonical document that parties approve."""
    from cleanroom.fields import instant_text
    from party import clock, contracts, explaining, files

    written = contracts.read(file)
    contract = written.contract
    rows: list[tuple[str, object]] = [
        ("digest", contract.digest),
        ("words", contract.digest.words),
        *explaining.warnings(contract),
    ]
    if contract.limits.expires <= clock.now():
        rows.append(("expires", f"{instant_text(contract.limits.expires)}, which is past"))
    if output is not None:
        files.keep_apart({"--output": output}, written.inputs(file))
        files.write_document(output, contract.to_bytes(), force=force)
        rows.append(("written to", output))
    console.result(
        f"{file}: a contract that can be approved",
        rows,
        {
            "digest": contract.digest.text,
            "words": contract.digest.words,
            "output": str(output) if output else None,
        }
        if as_json
        else None,
    )


@app.command()
def digest(file: File, as_json: console.Json = False) -> None:
    """Print only the digest, for scripts."""
    from party import contracts

    contract = contracts.load(file)
    if as_json:
        console.result("", [], {"digest": contract.digest.text, "words": contract.digest.words})
    else:
        console.say(contract.digest.text)


@app.command()
def show(file: File, as_json: console.Json = False) -> None:
    """Show who agrees to compute what, on whose data, for whom, and how often."""
    from cleanroom.canonical import parse_json
    from cleanroom.contract import LARGEST
    from party import contracts, explaining

    contract = contracts.load(file)
    document = parse_json(contract.to_bytes(), str(file), LARGEST) if as_json else None
    console.result(
        f"{contract.room}, contract {contract.sequence}",
        explaining.rows(contract),
        {"digest": contract.digest.text, "words": contract.digest.words, "contract": document}
        if as_json
        else None,
    )
