"""Contract and approvals, from bytes in a storage that may lie to values that are verified.

- A contract is what its digest names, and of the room that was asked for.
- An approval is a party's own, about this contract. Which of them stand is for the caller's clock.
- A receipt that is there already ends the work: if it is genuine, the job is done.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cleanroom import approval, contract, dsse
from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from runner.parallel import at_once
from runner.room.storage import Account, Listed

ROOMS, RESULTS = "rooms", "results"
_MOST_KEPT = 64  # contracts
_MOST_WORDS = 4096
_MOST_LISTED = 1000  # blobs beside the parties' words; theirs are as many as parties


class Contracts:
    """Contracts and parties' words that were verified, by what names them and does not change."""

    def __init__(self) -> None:
        self._known: dict[Digest, Contract] = {}
        self._words: dict[tuple[str, str], Approval] = {}

    def get(self, digest: Digest) -> Contract | None:
        """Give a contract that was kept."""
        return self._known.get(digest)

    def keep(self, digest: Digest, agreed: Contract) -> None:
        """Keep a contract, and let the others go when there are too many."""
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[digest] = agreed

    def word(self, blob: Listed) -> Approval | None:
        """Give what a party said in a blob, by its name and ETag."""
        return self._words.get((blob.name, blob.etag))

    def keep_word(self, blob: Listed, word: Approval) -> None:
        """Keep it, and let the others go when there are too many."""
        if len(self._words) >= _MOST_WORDS:
            self._words.clear()
        self._words[blob.name, blob.etag] = word


@dataclass(frozen=True, slots=True)
class Room:
    """One room's documents."""

    storage: Account
    contracts: Contracts
    name: str

    def contract(self, digest: Digest) -> Contract:
        """Have a contract by its name, fetched and verified to be that contract."""
        known = self.contracts.get(digest)
        agreed = known or self._fetched(digest)
        if agreed.room != self.name:
            raise PolicyRefused(f"contract: is of the room {agreed.room!r}, not {self.name!r}")
        if known is None:
            self.contracts.keep(digest, agreed)
        return agreed

    def _fetched(self, digest: Digest) -> Contract:
        found = self.storage.read(
            ROOMS, f"{self.name}/contracts/{digest.hex}.json", contract.LARGEST
        )
        if found is None:
            raise PolicyRefused(f"the room {self.name!r} has no contract {digest}")
        if not digest.matches(found):
            raise Tampered(f"contract: its bytes are not those that {digest} names")
        return Contract.parse(found, "contract")

    def approvals(self, agreed: Contract) -> list[Approval]:
        """Have the word of each party that gave one, verified to be that party's.

        A listing says which are there now; what was read of the very same blob is not read again.
        """
        folder = f"{self.name}/approvals/{agreed.digest.hex}/"
        there = {each.name: each for each in self.storage.listed(ROOMS, folder, _MOST_LISTED)}
        names = [party.name for party in agreed.parties]
        blobs = {name: blob for name in names if (blob := there.get(f"{folder}{name}.json"))}
        said = {name: self.contracts.word(blob) for name, blob in blobs.items()}
        new = [name for name, word in said.items() if word is None]
        said |= zip(
            new,
            at_once([partial(self._word, agreed, name, blobs[name]) for name in new]),
            strict=True,
        )
        return [word for word in said.values() if word is not None]

    def _word(self, agreed: Contract, party: str, blob: Listed) -> Approval | None:
        found = self.storage.read(ROOMS, blob.name, dsse.LARGEST_ENVELOPE)
        if found is None:
            return None
        word = approval.verified(found, agreed, f"approval of {party}")
        self.contracts.keep_word(blob, word)
        return word

    def receipt(self, job: Digest) -> bytes | None:
        """Fetch the receipt of a job, if there is one; nothing in it is verified."""
        return self.storage.read(ROOMS, self._receipt(job), dsse.LARGEST_ENVELOPE)

    def keep_receipt(self, job: Digest, envelope: bytes) -> bool:
        """Write the receipt if the job has none; tell whether it was written."""
        return self.storage.create(ROOMS, self._receipt(job), envelope)

    def _receipt(self, job: Digest) -> str:
        return f"{self.name}/jobs/{job.hex}/receipt.json"


def check_standing(agreed: Contract, words: Iterable[Approval], now: datetime) -> None:
    """Refuse a contract that expired, or that not every party approves now."""
    if now >= agreed.limits.expires:
        raise PolicyRefused("the contract has expired")
    if missing := approval.missing(words, agreed, now):
        raise PolicyRefused(f"no approval that stands now of {', '.join(missing)}")


def check_inputs_named(agreed: Contract, request: JobRequest) -> None:
    """Refuse a request for other inputs than the contract's."""
    wanted = sorted(dataset.alias for dataset in agreed.datasets)
    if [item.alias for item in request.inputs] != wanted:
        raise PolicyRefused("the request's inputs are not those of the contract")
