"""What `open` does with a job: fetch its papers, believe none of them, open its result.

The operator hands out all of the papers, and could make up a room of its own whose contract names
the reader. So before anything is opened:

1. The contract has the digest that it is asked for by.
2. The receipt is of that contract and job, and its evidence of a machine that the contract accepts.
3. The reader itself approved the contract: the word is there, signed with the key of its vault.
4. The result is the one that the receipt names, sealed by the key that lived in that machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cleanroom import receipt
from cleanroom.contract import Contract
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.seal import document
from party import approving, console, contracts, files, following, opening, timeline, views
from party.cloud import blobs
from party.errors import Usage
from party.files import Output
from party.online import Online
from party.papers import Folder
from party.proving import Kind, Papers, Verdict, prove

_SHORTEST = 6  # hexadecimal digits by which a person names a job


@dataclass(frozen=True, slots=True)
class Opened:
    """A result that was opened, and what is known of it."""

    job: views.Job
    contract: Contract
    output: Path
    papers: Path
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked `open` to do."""

    room: str
    job: str | None
    output: Path | None
    papers: Path | None
    agreed: Path | None
    patience: timedelta | None
    force: bool

    @classmethod
    def of(
        cls,
        named: str,
        output: Path | None,
        papers: Path | None,
        agreed: Path | None,
        patience: timedelta | None,
        *,
        force: bool,
    ) -> "Wish":
        """Read ROOM, or ROOM/JOB with the beginning of a job's digest."""
        room, slash, job = named.partition("/")
        job = job.removeprefix("sha256:")
        if slash and (len(job) < _SHORTEST or set(job) - set("0123456789abcdef")):
            raise Usage(
                f"expected ROOM/JOB with {_SHORTEST} or more digits of a job, got {named!r}"
            )
        return cls(room, job or None, output, papers, agreed, patience, force)


def find(online: Online, wish: Wish) -> views.Job:
    """Find the job that is meant: the one named, or the latest that has a result."""
    lines = online.api.jobs(wish.room, following.MOST_JOBS)
    if wish.job is None:
        lines = [line for line in lines if line.status == "completed"][:1]
        if not lines:
            raise Usage(f"room {wish.room!r}: no job has completed").with_hint(
                f"cleanroom status {wish.room} says what it waits for"
            )
        return online.api.job(wish.room, lines[0].job)
    if len(wish.job) == len(Digest.of(b"").hex):
        return online.api.job(wish.room, Digest.from_hex(wish.job, "JOB"))
    meant = [line.job for line in lines if line.job.hex.startswith(wish.job)]
    if len(meant) != 1:
        count = "no" if not meant else "more than one"
        raise Usage(
            f"room {wish.room!r}: {count} job of the latest begins with {wish.job}"
        ).with_hint(f"cleanroom results {wish.room}")
    return online.api.job(wish.room, meant[0])


def open_result(online: Online, wish: Wish, clock: Callable[[], datetime]) -> Opened:
    """Fetch, verify, and open with the reader key in the vault."""
    if wish.patience is not None and wish.job is None:
        for _ in following.follow(online, wish.room, following.Stop(1, wish.patience), clock):
            pass
    job, now = find(online, wish), clock()
    name = timeline.short(job.job)
    if job.outcome is None or not job.outcome.results:
        raise PolicyRefused(f"job {name} {timeline.ending(job)}: there is nothing to open")
    contract = online.of_room(wish.room, job.contract)  # 1
    (result,) = job.outcome.results[:1]
    reader = _reader(contract, online.profile.name)
    target = wish.output or Path(f"{result}.{contract.result.format}")
    folder = Folder(wish.papers or Path(f"{wish.room}-{name}"))
    files.keep_apart({"--output": target}, {"the papers": folder.receipt})
    _fetch(online, wish.room, job, contract, folder)
    believed = tuple(map(Path, filter(None, [online.profile.synthetic_root])))
    nothing = Papers(None, None, (), (), None, (), believed)
    path, papers = folder.receipt_with(nothing)
    verdict = prove(path, Kind.RECEIPT, papers, now)
    found = receipt.unchanged(files.read_document(folder.receipt), str(folder.receipt))
    if verdict.refusal is not None:
        raise verdict.refusal  # 2
    if found.job != job.job:
        raise Tampered(f"{folder.receipt}: is of another job than {job.job}")
    _check_agreed(online, contract, folder, wish.agreed)  # 3
    with opening.opened(folder.result(result)) as fd:
        sealed = opening.SealedFile(fd, str(folder.result(result)), found.runner.key)  # 4
        wrapped = sealed.manifest.wrapped_for(reader)
        key = document.data_key(wrapped, None, online.vault.unwrap)
        with Output(target, force=wish.force, mode=0o600) as plain:
            sealed.open_to(key, plain, lambda _done: None)
    return Opened(job, contract, target, folder.path, verdict)


def _reader(contract: Contract, party: str) -> Digest:
    for reader in contract.result.readers:
        if reader.party == party:
            return reader.key.id
    names = ", ".join(reader.party for reader in contract.result.readers)
    raise PolicyRefused(f"{party!r} is no reader of this contract's result: {names}").with_hint(
        "which party are you? --profile"
    )


def _fetch(online: Online, room: str, job: views.Job, contract: Contract, folder: Folder) -> None:
    """Put the papers side by side; those of the same job that are there already are replaced."""
    with files.translated(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    files.write_document(folder.contract, contract.to_bytes(), force=True)
    files.write_document(folder.receipt, online.api.receipt(room, job.job), force=True)
    for party in contract.parties if online.profile.rooms else ():
        url = f"{online.profile.rooms}/{room}/approvals/{contract.digest.hex}/{party.name}.json"
        word = blobs.read(url, online.credential, LARGEST_ENVELOPE)
        if word is not None:
            files.write_document(folder.approval(party.name), word, force=True)
    assert job.outcome is not None  # noqa: S101  # the caller looked
    for output in job.outcome.results:
        url = online.api.result_url(room, job.job, output)
        with (
            console.progress(f"fetching {output}", None) as progress,
            Output(folder.result(output), force=True) as sealed,
        ):

            def write(data: bytes, offset: int, to: Output = sealed) -> None:
                to.write_at(data, offset)
                progress(len(data))

            blobs.download(url, write)


def _check_agreed(online: Online, contract: Contract, folder: Folder, agreed: Path | None) -> None:
    """See that the contract is one that this party itself approved.

    That the receipt rests on the word was verified with the other papers, and that the word is
    signed by the contract's key for this party; it remains that this key is ours. Without the word,
    only the contract that the reader kept can tell.
    """
    ours = approving.member(contract, online.profile.name)
    if online.vault.signing() != ours.signing_key:
        raise PolicyRefused(
            f"the contract says that you sign with {ours.signing_key.id}, and your vault has"
            " another key: it may be made up"
        )
    if agreed is not None and contracts.load(agreed).digest != contract.digest:
        raise PolicyRefused(f"the job ran {contract.digest}, and {agreed} is another contract")
    if agreed is None and not folder.approval(ours.name).is_file():
        raise PolicyRefused(
            "your own approval is not among the papers: the contract may be made up"
        ).with_hint(
            "name the contract that you approved with --contract; or say where the rooms' documents"
            " are stored: cleanroom init --rooms URL"
        )
