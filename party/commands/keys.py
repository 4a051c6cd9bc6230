"""`cleanroom keys`: make and show key files."""

from pathlib import Path
from typing import Annotated

import typer

from party import console

app = typer.Typer(name="keys", no_args_is_help=True, help="Make and show key files.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The party's name, such as north-bank.")],
    folder: Annotated[
        Path, typer.Option("--folder", "-d", help="Where to put the files.")
    ] = Path(),
    bits: Annotated[int, typer.Option(help="Size of the reader key: 2048, 3072 or 4096.")] = 3072,
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Make a signing pair (who says it) and a reader pair (who may open it).

    Four files: NAME.signing.pem and NAME.reader.pem are private and stay with their owner;
    NAME.signing.pub.pem and NAME.reader.pub.pem are for everybody.
    """
    from cleanroom import ids
    from cleanroom.keys import RSA_BITS
    from party import keyfiles
    from party.errors import Usage, option

    option(ids.name, name, "NAME")
    if bits not in RSA_BITS:
        raise Usage(f"--bits: expected 2048, 3072 or 4096, got {bits}")
    signing, reader = keyfiles.make(folder, name, bits, force=force)
    console.result(
        f"made two key pairs for {name}",
        [
            *(
                row
                for purpose, pair in (("signing", signing), ("reader", reader))
                for row in (
                    (f"{purpose}, private", pair.private_path),
                    (
                        f"{purpose}, public",
                        f"{pair.public_path}\n{pair.public.id}\n{pair.public.id.words}",
                    ),
                )
            ),
            ("give away", "the public ones, to every party; compare the words by voice"),
            ("keep", "the private ones; whoever has them can sign and open as you"),
        ],
        {
            purpose: {
                "private": str(pair.private_path),
                "public": str(pair.public_path),
                "id": pair.public.id.text,
            }
            for purpose, pair in (("signing", signing), ("reader", reader))
        }
        if as_json
        else None,
    )


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A key file, public or private.")],
    as_json: console.Json = False,
) -> None:
    """Show a key's public half: what it is for, its id, and words to compare by voice."""
    from cleanroom.keys import SigningKey
    from party import keyfiles

    key = keyfiles.any_public(file)
    purpose = "signing" if isinstance(key, SigningKey) else "reader"
    console.result(
        f"{file}: a {purpose} key",
        [("id", key.id), ("words", key.id.words), ("public", key.pem.strip())],
        {"purpose": purpose, "id": key.id.text, "words": key.id.words, "public": key.to_json()}
        if as_json
        else None,
    )
