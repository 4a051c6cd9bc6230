"""`cleanroom approve` and `cleanroom revoke`: a party's signed word on a contract."""

from pathlib import Path
from typing import Annotated

import typer

from party import console
from party.commands import options

Contract = Annotated[str, typer.Argument(help=options.CONTRACT)]
Party = Annotated[
    str | None, typer.Option(help="Which party speaks (the profile's; needed with --sign-with).")
]
SignWith = Annotated[
    str | None,
    typer.Option(
        help="Sign only, into a file: that party's private signing key, a file or azurekms://..."
    ),
]
Expires = Annotated[
    str,
    typer.Option(help="How long the word stands, or until when, such as 2026-11-21T09:30:00Z."),
]
Target = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="With --sign-with: where to put it (PARTY.DECISION.json)."),
]
_SURELY = (
    "take the contract's digest out of the release policy of your room key:\n"
    "whoever stores this file could hide it, and only your vault surely stops further runs"
)


def approve(
    contract: Contract,
    party: Party = None,
    sign_with: SignWith = None,
    expires: Expires = "90 days",
    output: Target = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask: it was explained before.")
    ] = False,
    firmware: Annotated[
        bool,
        typer.Option(
            "--firmware/--no-firmware",
            help="Have the vault demand the firmware, too; not all vaults can compare numbers.",
        ),
    ] = True,
    force: console.Force = False,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Approve exactly this contract, for a limited time, after it was explained to you.

    Your vault signs, and from then on releases your room's key to machines that prove to run this
    contract, and for no other; the approval goes to the room, and a contract's file before it. No
    approval stands longer than its contract. With --sign-with, the approval is only signed, into a
    file.
    """
    if sign_with is not None:
        _sign("approve", contract, party, sign_with, expires, output, force=force, as_json=as_json)
        return
    from party import clock, words

    word = words.approve(
        words.Wish(contract, party, expires, output, profile), clock.now(), yes=yes, svns=firmware
    )
    console.result(word.headline, word.rows, word.as_json if as_json else None)


def revoke(
    contract: Contract,
    party: Party = None,
    sign_with: SignWith = None,
    expires: Expires = "3650 days",
    output: Target = None,
    force: console.Force = False,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Take an approval back: your vault releases the room's key no more, and the room is told.

    A storage that is not trusted could hide a revocation, so the vault comes first: only that
    surely stops further runs. With --sign-with, the revocation is only signed, into a file.
    """
    if sign_with is not None:
        _sign("revoke", contract, party, sign_with, expires, output, force=force, as_json=as_json)
        return
    from party import clock, words

    word = words.revoke(words.Wish(contract, party, expires, output, profile), clock.now())
    console.result(word.headline, word.rows, word.as_json if as_json else None)


def _sign(
    decision: str,
    named: str,
    party: str | None,
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
    from party import clock, contracts, explaining, files, quantities, signers
    from party.errors import Usage

    file = Path(named)
    if party is None:
        raise Usage("missing: --party").with_hint(f"cleanroom {decision} --help")
    written = contracts.read(file)
    contract = written.contract
    if party not in [known.name for known in contract.parties]:
        names = ", ".join(known.name for known in contract.parties)
        raise Usage(f"--party: expected one of {names}, got {party!r}")
    now = clock.now()
    until = quantities.until(expires, now)
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
