"""`cleanroom approve` and `cleanroom revoke`: a party's signed word on a contract."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from party import console

File = Annotated[Path, typer.Argument(help="contract.yaml, or its canonical .json.")]
Party = Annotated[str, typer.Option(help="Which party of the contract speaks.")]
SignWith = Annotated[
    str, typer.Option(help="That party's private signing key: a file, or azurekms://...")
]
Expires = Annotated[
    str,
    typer.Option(help="How long the word stands, or until when, such as 2026-11-21T09:30:00Z."),
]
Target = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to put it (PARTY.DECISION.json).")
]
_SURELY = (
    "take the contract's digest out of the release policy of your room key:\n"
    "whoever stores this file could hide it, and only your vault surely stops further runs"
)


def approve(
    contract: File,
    party: Party,
    sign_with: SignWith,
    expires: Expires = "90 days",
    output: Target = None,
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Approve exactly this contract: sign its digest, for a limited time.

    No approval stands longer than its contract.
    """
    _sign("approve", contract, party, sign_with, expires, output, force=force, as_json=as_json)


def revoke(
    contract: File,
    party: Party,
    sign_with: SignWith,
    expires: Expires = "3650 days",
    output: Target = None,
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Take an approval back.

    A storage that is not trusted could hide a revocation: what surely stops further runs is to
    take the contract out of the release policy of your room key.
    """
    _sign("revoke", contract, party, sign_with, expires, output, force=force, as_json=as_json)


def _sign(
    decision: str,
    file: Path,
    party: str,
    sign_with: str,
    expires: str,
    output: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from cleanroom.approval import Approval, verified
    from cleanroom.errors import PolicyRefused
    from cleanroom.fields import instant_text
    from cleanroom.ids import Digest
    from party import clock, contracts, explaining, files, signers
    from party.errors import Usage

    written = contracts.read(file)
    contract = written.contract
    if party not in [known.name for known in contract.parties]:
        names = ", ".join(known.name for known in contract.parties)
        raise Usage(f"--party: expected one of {names}, got {party!r}")
    now = clock.now()
    until = _until(expires, now)
    shown = instant_text(until)
    if decision == "approve" and contract.limits.expires <= until:
        until = contract.limits.expires
        shown = f"{instant_text(until)}, when the contract expires"
        if until <= now:
            raise PolicyRefused(f"{file}: the contract expired at {instant_text(until)}")
    approval = Approval(contract.digest, party, decision, now, until)
    envelope = approval.sign(signers.identity(sign_with).signer)
    verified(envelope, contract, sign_with)  # the key is the one that the contract names
    target = output or Path(f"{party}.{decision}.json")
    inputs = {"the signing key": Path(sign_with), **written.inputs(file)}
    files.keep_apart({"--output": target}, inputs)
    files.write_document(target, envelope, force=force)
    statement = Digest.of(approval.to_bytes())
    rows: list[tuple[str, object]] = [
        ("contract", contract.digest),
        ("words", contract.digest.words),
        ("until", shown),
        ("statement", statement),
        ("written to", target),
    ]
    if decision == "approve":
        rows += explaining.warnings(contract)
    else:
        rows.append(("to be sure", _SURELY))
    console.result(
        f"{party}: {decision} {contract.room}, contract {contract.sequence}",
        rows,
        {
            "party": party,
            "decision": decision,
            "contract": contract.digest.text,
            "words": contract.digest.words,
            "until": instant_text(until),
            "statement": statement.text,
            "output": str(target),
        }
        if as_json
        else None,
    )


def _until(expires: str, now: datetime) -> datetime:
    """Read a duration, or a time as documents spell it."""
    from cleanroom.fields import instant
    from party import quantities
    from party.errors import Usage, option

    if expires[4:5] == "-":
        until = option(instant, expires, "--expires")
    else:
        until = now + option(quantities.duration, expires, "--expires")
    if until <= now:
        raise Usage(f"--expires: expected a time to come, got {expires!r}")
    return until
