"""The papers of a job in one folder: contract, approvals, receipt, sealed results.

They prove what they prove without any network, for as long as somebody keeps them: `cleanroom
verify FOLDER`. None of them is secret to the parties; results stay sealed.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from party.errors import Usage
from party.proving import Papers

CONTRACT, RECEIPT = "contract.json", "receipt.json"
APPROVAL, SEALED = ".approval.json", ".sealed"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the papers of one job are."""

    path: Path

    @property
    def contract(self) -> Path:
        """The contract that was run."""
        return self.path / CONTRACT

    @property
    def receipt(self) -> Path:
        """What the runner signed."""
        return self.path / RECEIPT

    def approval(self, party: str) -> Path:
        """A party's word."""
        return self.path / f"{party}{APPROVAL}"

    def result(self, output: str) -> Path:
        """A sealed result."""
        return self.path / f"{output}{SEALED}"

    def fetched(self, output: str) -> dict[str, Path | int]:
        """Name what is fetched into the folder, for `party.files.keep_apart`."""
        papers = (self.contract, self.receipt, self.result(output))
        return {f"{path.name} of the papers": path for path in papers}

    def receipt_with(self, given: Papers) -> tuple[Path, Papers]:
        """Find the receipt, and all papers to verify it with, beside those that are given."""
        if not self.receipt.is_file():
            raise Usage(
                f"{self.path}: has no {RECEIPT}, so these are no papers of a job"
            ).with_hint("cleanroom open ROOM fetches them")
        contract = given.contract or (self.contract if self.contract.is_file() else None)
        approvals = (*given.approvals, *self._all(APPROVAL)) if contract else given.approvals
        results = (*given.results, *self._all(SEALED))
        return self.receipt, replace(given, contract=contract, approvals=approvals, results=results)

    def _all(self, suffix: str) -> tuple[Path, ...]:
        return tuple(sorted(self.path.glob(f"*{suffix}")))
