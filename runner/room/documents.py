"""Contract and approvals, from bytes in a storage that may lie to values that are verified.

- A contract is what its digest names, and of the room that was asked for.
- An approval is a party's own, about this contract. Which of them stand is for the caller's clock.
- A receipt that is there already ends the work: if it is genuine, the job is done.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cleanroom import approval, contract, dsse
from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from runner.room.storage import Account

ROOMS, RESULTS = "rooms", "results"
_MOST_KEPT = 64  # contracts


class Contracts:
    """Contracts that were verified, by their digests: what a digest names does not change."""

    def __init__(self) -> None:
        self._known: dict[Digest, Contract] = {}

    def get(self, digest: Digest) -> Contract | None:
        """Give a contract that was kept."""
        return self._known.get(digest)

    def keep(self, agreed: Contract) -> None:
        """Keep a contract, and let the others go when there are too many."""
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[agreed.digest] = agreed


@dataclass(frozen=True, slots=True)
class Room:
    """One room's documents."""

    storage: Account
    contracts: Contracts
    name: str

    def contract(self, digest: Digest) -> Contract:
        """Have a contract by its name, fetched and verified to be that contract."""
        agreed = self.contracts.get(digest) or self._fetched(digest)
        if agreed.room != self.name:
            raise PolicyRefused(f"contract: is of the room {agreed.room!r}, not {self.name!r}")
        self.contracts.keep(agreed)
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

    def approval(self, agreed: Contract, party: str) -> Approval | None:
        """Fetch a party's word on a contract, and verify that it is that party's."""
        name = f"{self.name}/approvals/{agreed.digest.hex}/{party}.json"
        found = self.storage.read(ROOMS, name, dsse.LARGEST_ENVELOPE)
        return None if found is None else approval.verified(found, agreed, f"approval of {party}")

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
