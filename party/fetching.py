"""What `open` does with a job: fetch its papers, believe none of them, open its result.

The operator hands out all of the papers, and could make up a room of its own whose contract names
the reader. So before anything is opened:

1. The contract has the digest that it is asked for by.
2. The receipt is of that contract and job, and its evidence of a machine that the contract accepts.
3. The reader itself approved the contract: its own word is there, signed with the key of its vault;
   or it is the contract that the reader kept.
4. The result is the one that the receipt names, sealed by the key that lived in that machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cleanroom import approval, receipt
from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.receipt import Receipt
from cleanroom.seal import document
from party import approving, console, contracts, files, following, opening, timeline, views
from party.cloud import blobs
from party.errors import Usage
from party.files import Output
from party.online import Online, room_of
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
        return cls(room_of(room), job or None, output, papers, agreed, patience, force)


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
    result = contract.result.name
    if job.outcome.results != (result,):
        raise Tampered(f"the control plane: job {name} has another result than its contract")
    if wish.agreed is not None:  # before any paper is written, which may be to the same folder
        _check_kept(contract, wish.agreed)
    reader = _reader(contract, online.profile.name)
    target = wish.output or Path(f"{result}.{contract.result.format}")
    folder = Folder(wish.papers or Path(f"{wish.room}-{name}"))
    files.keep_apart({"--output": target}, folder.fetched(result))
    files.check_free(target, force=wish.force)
    approved = _fetch(online, wish.room, job.job, contract, folder)
    believed = tuple(map(Path, filter(None, [online.profile.synthetic_root])))
    nothing = Papers(None, None, (), (), None, (), believed)
    path, papers = folder.receipt_with(nothing)
    verdict = prove(path, Kind.RECEIPT, papers, now)
    found = receipt.unchanged(files.read_document(folder.receipt), str(folder.receipt))
    if verdict.refusal is not None:
        raise verdict.refusal  # 2
    if found.job != job.job:
        raise Tampered(f"{folder.receipt}: is of another job than {job.job}")
    _check_ours(online, contract, approved=approved or wish.agreed is not None)  # 3
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


def _fetch(online: Online, room: str, job: Digest, contract: Contract, folder: Folder) -> bool:
    """Put the papers side by side, those that are there replaced; tell whether we approved."""
    with files.translated(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    files.write_document(folder.contract, contract.to_bytes(), force=True)
    signed = online.api.receipt(room, job)
    files.write_document(folder.receipt, signed, force=True)
    approved = _fetch_words(
        online, contract, receipt.unchanged(signed, str(folder.receipt)), folder
    )
    url = online.api.result_url(room, job, contract.result.name)
    with (
        console.progress(f"fetching {contract.result.name}", None) as progress,
        Output(folder.result(contract.result.name), force=True) as sealed,
    ):

        def write(data: bytes, offset: int) -> None:
            sealed.write_at(data, offset)
            progress(len(data))

        blobs.download(url, write)
    return approved


def _fetch_words(online: Online, contract: Contract, found: Receipt, folder: Folder) -> bool:
    """Keep the words that the receipt rests on; tell whether we approved, then or later.

    Whoever approves again replaces the word before: the later one is no paper of earlier jobs.
    """
    rests_on = {ref.statement for ref in found.approvals}
    approved = False
    for party in contract.parties:
        file, words = folder.approval(party.name), list[Approval]()
        stored = _stored_word(online, contract, party.name)
        if stored is not None:
            words.append(_word_of(stored, contract, party.name, f"the stored {file.name}"))
            if Digest.of(words[0].to_bytes()) in rests_on:
                files.write_document(file, stored, force=True)
        if file.is_file():
            kept = files.read_document(file, LARGEST_ENVELOPE)
            words.append(_word_of(kept, contract, party.name, str(file)))
        if party.name == online.profile.name:
            approved = any(word.decision == "approve" for word in words)
    return approved


def _stored_word(online: Online, contract: Contract, party: str) -> bytes | None:
    if not online.profile.rooms:
        return None
    path = f"{contract.room}/approvals/{contract.digest.hex}/{party}.json"
    url = f"{online.profile.rooms}/{path}"
    return blobs.read(url, online.storage(url), LARGEST_ENVELOPE)


def _word_of(envelope: bytes, contract: Contract, party: str, where: str) -> Approval:
    """Read a word that is this party's: a file may have the name of one and hold another's."""
    word = approval.verified(envelope, contract, where)
    if word.party != party:
        raise Tampered(f"{where}: is the word of {word.party!r}, not of {party!r}")
    return word


def _check_kept(contract: Contract, agreed: Path) -> None:
    if contracts.load(agreed).digest != contract.digest:
        raise PolicyRefused(f"the job ran {contract.digest}, and {agreed} is another contract")


def _check_ours(online: Online, contract: Contract, *, approved: bool) -> None:
    """See that the contract is one that this party itself approved.

    That a word is signed by the contract's key for this party was verified when it was read; it
    remains that this key is ours. Without the word, only a contract that the reader kept can tell.
    """
    ours = approving.member(contract, online.profile.name)
    if online.vault.signing() != ours.signing_key:
        raise PolicyRefused(
            f"the contract says that you sign with {ours.signing_key.id}, and your vault has"
            " another key: it may be made up"
        )
    if not approved:
        raise PolicyRefused(
            "your own approval is not among the papers: the contract may be made up"
        ).with_hint(
            "name the contract that you approved with --contract; or say where the rooms' documents"
            " are stored: cleanroom init --rooms URL"
        )
