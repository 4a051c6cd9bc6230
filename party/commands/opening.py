"""`cleanroom inspect` and `cleanroom open`."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options


def inspect(
    file: Annotated[Path, typer.Argument(help="A sealed file.")],
    as_json: console.Json = False,
) -> None:
    """Show what a sealed file says of itself; needs no key, and so proves nothing.

    To know that its owner said so, use: cleanroom verify FILE --from OWNER.signing.pub.pem
    """
    from cleanroom.seal import document
    from party import opening, sealed_files

    with opening.opened(file) as fd:
        envelope, _ = opening.read_envelope(fd, str(file))
    found = document.unverified(envelope, str(file))
    console.result(
        f"{file}: says of itself, unverified",
        [*sealed_files.summary(found.manifest), ("signed by", found.signer)],
        {"verified": False, "signer": found.signer.text, **sealed_files.as_json(found.manifest)}
        if as_json
        else None,
    )


def open_(
    file: Annotated[
        str,
        typer.Argument(help="A sealed file; or a room, for its latest result, or ROOM/JOB."),
    ],
    owner: Annotated[
        Path | None,
        typer.Option("--from", help="Of a file: the public signing key of whoever sealed it."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--with", help="Of a file: your private reader key.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to put it (FILE without .sealed)."),
    ] = None,
    at_least: Annotated[
        int | None, typer.Option(help="Refuse a dataset older than this version.")
    ] = None,
    wrapped_key: Annotated[
        Path | None,
        typer.Option(help="The wrapped key, when the manifest says that a vault holds it."),
    ] = None,
    papers: Annotated[
        Path | None,
        typer.Option(help="Of a job: the folder to keep its papers in (ROOM-JOB)."),
    ] = None,
    contract: Annotated[
        Path | None,
        typer.Option(help="Of a job: the contract that it must have run, which you approved."),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(help="Of a room: wait so long for a job to end, such as 60 seconds."),
    ] = None,
    force: console.Force = False,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Open what was sealed for you, whole or not at all: a file, or the result of a job.

    A job's papers are fetched and verified first, as cleanroom verify does: nothing is opened
    unless a machine made it that the contract accepts, for a contract that you approved. Your
    vault's reader key opens it.
    """
    is_file = owner or key or file.endswith(".sealed") or Path(file).is_file()
    if not is_file:
        _open_job(file, output, papers, contract, wait, profile, force=force, as_json=as_json)
        return
    missing = [name for name, given in (("--from", owner), ("--with", key)) if given is None]
    if owner is None or key is None:
        from party.errors import Usage

        raise Usage(f"missing: {', '.join(missing)}").with_hint("cleanroom open --help")
    _open_file(Path(file), owner, key, output, at_least, wrapped_key, force=force, as_json=as_json)


def _open_job(
    named: str,
    output: Path | None,
    papers: Path | None,
    agreed: Path | None,
    wait: str | None,
    profile: str | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from party import clock, fetching, quantities, timeline
    from party.errors import option
    from party.online import Online

    patience = None if wait is None else option(quantities.duration, wait, "--wait")
    wish = fetching.Wish.of(named, output, papers, agreed, patience, force=force)
    found = fetching.open_result(Online.of(profile), wish, clock.now)
    job = found.job.job
    console.result(
        f"opened the result of job {timeline.short(job)} as {found.output}",
        [
            ("receipt", found.verdict.headline),
            ("contract", f"{found.contract.digest}, which you approved"),
            ("papers", f"{found.papers}\nto verify them again: cleanroom verify {found.papers}"),
        ],
        {
            "job": job.text,
            "contract": found.contract.digest.text,
            "output": str(found.output),
            "papers": str(found.papers),
            "verified": True,
            "proven": [line.text for line in found.verdict.lines if line.proven],
            "not_proven": [line.text for line in found.verdict.lines if not line.proven],
            "facts": found.verdict.facts,
        }
        if as_json
        else None,
    )


def _open_file(
    file: Path,
    owner: Path,
    key: Path,
    output: Path | None,
    at_least: int | None,
    wrapped_key: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from cleanroom.fields import integer
    from cleanroom.seal import document, manifest
    from party import keyfiles, opening, quantities
    from party.errors import Usage, option
    from party.files import Output, keep_apart, read_document

    with opening.opened(file) as fd:
        if output is None and file.suffix != ".sealed":
            raise Usage(f"{file}: without .sealed at the end, give the output's name").with_hint(
                "--output NAME"
            )
        target = output or file.with_suffix("")
        inputs: dict[str, Path | int] = {
            "the sealed file": file,
            "the key": key,
            "the owner's key": owner,
        }
        if wrapped_key is not None:
            inputs["the wrapped key"] = wrapped_key
        keep_apart({"--output": target}, inputs)
        sealed = opening.SealedFile(fd, str(file), keyfiles.signing_key(owner))
        if at_least is not None:
            document.check_version(sealed.manifest, option(integer(1), at_least, "--at-least"))
        reader = keyfiles.PrivateReader(key)
        from_vault = None
        entry = sealed.manifest.wrapped_for(reader.public.id)
        if wrapped_key is not None:
            if isinstance(entry, manifest.InlineKey):
                raise Usage("--wrapped-key: the file holds the wrapped key itself")
            text = read_document(wrapped_key).decode("ascii", "replace").strip()
            from_vault = manifest.wrapped_key(text, str(wrapped_key))
        data_key = document.data_key(entry, from_vault, reader.unwrap)
        with (
            console.progress(f"opening {file.name}", sealed.layout.plaintext_size) as progress,
            Output(target, force=force, mode=0o600) as plain,
        ):
            sealed.open_to(data_key, plain, progress)
    as_object = None
    if as_json:
        from party import sealed_files  # knows how to seal, too, which takes a while to load

        described = sealed_files.as_json(sealed.manifest)
        as_object = {"output": str(target), "verified": True, **described}
    console.result(
        f"opened {file} as {target}",
        [
            ("size", quantities.size_text(sealed.layout.plaintext_size)),
            ("version's digest", sealed.manifest.digest),
            ("signed by", f"{owner} (verified)"),
        ],
        as_object,
    )
