"""`cleanroom seal`."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.errors import Usage


def seal(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What to seal; - reads a pipe, ./- a file.")
    ],
    contract: Annotated[
        Path | None,
        typer.Option(help="Seal it for this contract: as its dataset, for its owner's room key."),
    ] = None,
    party: Annotated[
        str | None, typer.Option(help="Whose data it is (with --contract: the dataset's owner).")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="What the dataset is called.")] = None,
    sign_with: Annotated[
        str | None, typer.Option(help="The owner's private signing key: a file, or azurekms://...")
    ] = None,
    seal_for: Annotated[
        list[Path] | None, typer.Option("--for", help="A reader's public key; may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to put it (FILE.sealed).")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="A number that only grows (default: the time, in seconds since 1970)."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--as", help="csv, parquet, jsonl or bytes (default: by the file's name)."),
    ] = None,
    column_types: Annotated[
        list[str] | None,
        typer.Option("--type", help="A column's type, as NAME=TYPE; may be repeated."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of a CSV file.")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Of a CSV file.")
    ] = None,
    null: Annotated[str | None, typer.Option(help="How a CSV file spells 'nothing'.")] = None,
    rule: Annotated[
        Path | None,
        typer.Option(help="A rule (YAML) that binds every contract on this data."),
    ] = None,
    region_size: Annotated[
        str, typer.Option(help="A power of two from 64 KiB to 64 MiB.")
    ] = "4 MiB",
    keep_key_at: Annotated[
        str | None,
        typer.Option(help="Vault secret (URL) that will hold the wrapped key, for one reader."),
    ] = None,
    wrapped_key_to: Annotated[
        Path | None,
        typer.Option(help="With --keep-key-at: the file to write the wrapped key to."),
    ] = None,
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Seal a file for its readers: encrypted, signed, and useless to everybody else.

    A CSV, Parquet or JSON-lines file is read three times, to record its columns, types and rows, so
    that nobody has to guess them later, and to seal it. Names, types and sizes stand in the clear;
    values never do. Say --header or --no-header of a CSV file, lest its first row is published.
    """
    from party import clock, sealed_files

    agreed = None
    if contract is not None:
        from party import contracts, datasets

        agreement = contracts.load(contract)
        wanted = datasets.chosen(agreement, party, dataset)
        party, dataset = wanted.owner, wanted.dataset
        agreed = datasets.agreed(agreement, wanted)
    if party is None or dataset is None or sign_with is None or not (seal_for or agreed):
        given = {"--party": party, "--dataset": dataset, "--sign-with": sign_with}
        missing = [name for name, value in given.items() if not value]
        missing += [] if seal_for or agreed else ["--for"]
        raise Usage(f"missing: {', '.join(missing)}").with_hint("cleanroom seal --help")
    made = sealed_files.seal(
        sealed_files.Order(
            source=file,
            output=output,
            party=party,
            dataset=dataset,
            sign_with=sign_with,
            readers=tuple(seal_for or ()),
            version=version,
            kind=kind,
            types=tuple(column_types or ()),
            delimiter=delimiter,
            header=header,
            null=null,
            rule=rule,
            region_size=region_size,
            keep_key_at=keep_key_at,
            wrapped_key_to=wrapped_key_to,
            force=force,
            agreed=agreed,
        ),
        clock.now(),
    )
    if made.unread_table:
        console.note(console.printable(f"note: {file} is sealed as plain bytes, without columns"))
    summary = sealed_files.summary(made.manifest, header_found=made.header_found)
    console.result(
        f"sealed {file} as {made.path}",
        summary,
        {"output": str(made.path), **sealed_files.as_json(made.manifest)} if as_json else None,
    )
