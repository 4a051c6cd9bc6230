"""`cleanroom contract`: from people's YAML to the document that parties approve."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options

app = typer.Typer(
    name="contract", no_args_is_help=True, help="Draft, check, name, show and run a contract."
)

File = Annotated[Path, typer.Argument(help="contract.yaml, or its canonical .json.")]


@app.command()
def new(
    card: Annotated[
        list[Path], typer.Option("--card", help="A party's card for the room; repeat it.")
    ],
    table: Annotated[
        list[str],
        typer.Option("--table", help="OWNER:FILE or OWNER:ALIAS=FILE, for its columns; repeat it."),
    ],
    program: Annotated[Path, typer.Option(help="The SQL over these tables.")],
    reader: Annotated[list[str], typer.Option("--reader", help="Who gets the result; repeat it.")],
    person: Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            help="ALIAS=COLUMN that tells persons apart: rows with fewer than 10 are withheld.",
        ),
    ] = None,
    purpose: Annotated[
        str, typer.Option(help="What it is for, in words.")
    ] = "To be said before anybody approves.",
    runners: Annotated[
        Path | None, typer.Option(help="YAML with the runners to accept (the profile's).")
    ] = None,
    after: Annotated[
        Path | None, typer.Option(help="The contract of the same room that it shall follow.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to put it.")] = Path(
        "contract.yaml"
    ),
    force: console.Force = False,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Draft a contract.yaml from cards, tables and a program; then read it, and change it.

    Only the tables' columns are looked at, so a file with nothing but a header will do for those of
    others. Cards and program must lie in the folder of the contract.
    """
    from party import clock, contracts, drafting, files

    text = drafting.draft(
        drafting.Wish(
            tuple(card),
            tuple(table),
            tuple(person or ()),
            program,
            tuple(reader),
            purpose,
            runners,
            after,
            output,
            profile,
        ),
        clock.now(),
    )
    files.write_document(output, text.encode("utf-8"), force=force)
    made = contracts.load(output)
    console.result(
        f"drafted {output}",
        [
            ("room", made.room),
            ("comes out", ", ".join(f"{one.name} {one.type}" for one in made.result.columns)),
            ("next", f"read it; then: cleanroom propose {output}"),
        ],
        {"output": str(output), "room": made.room, "digest": made.digest.text} if as_json else None,
    )


@app.command()
def run(
    contract: Annotated[str, typer.Argument(help=options.CONTRACT)],
    values: Annotated[
        list[str] | None, typer.Argument(help="Values for the program's parameters: NAME=VALUE.")
    ] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Ask for a run now, with values for the program's parameters, if the contract allows it."""
    from party import asking
    from party.online import Online

    online = Online.of(profile)
    found = online.contract(contract)
    job = asking.run(online, found, tuple(values or ()))
    console.result(
        f"asked for a run of {found.room}, contract {found.sequence}",
        [("job", job), ("next", f"cleanroom watch {found.room}")],
        {"room": found.room, "contract": found.digest.text, "job": job.text} if as_json else None,
    )


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
