"""The seam between a job and the engine that computes: what goes in, and what may come out."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cleanroom.contract import Contract
from cleanroom.keys import DataKey
from cleanroom.parameters import Value
from cleanroom.receipt import RuleDecision
from cleanroom.walls import Walls
from runner.room.datasets import VerifiedInput


@dataclass(frozen=True, slots=True)
class OpenInput:
    """An input whose key was released for this job."""

    verified: VerifiedInput
    key: DataKey
    exact_policy: bool  # its vault asks for just what the contract does


@dataclass(frozen=True, slots=True)
class Computed:
    """What passed the gate: the bytes that leave, in the contract's format, and how it decided."""

    data: memoryview
    rows: int
    decisions: tuple[RuleDecision, ...]


class Compute(Protocol):
    """Whatever runs programs: cells on this machine, or another engine."""

    @property
    def walls(self) -> Walls:
        """Name the walls that stand around every program."""
        ...

    def check(
        self,
        agreed: Contract,
        parameters: Mapping[str, Value],
        inputs: Sequence[VerifiedInput],
    ) -> None:
        """Refuse a program that does not obey the rules; no key has been asked for yet."""
        ...

    def run(
        self,
        agreed: Contract,
        parameters: Mapping[str, Value],
        inputs: tuple[OpenInput, ...],
    ) -> AbstractContextManager[Computed]:
        """Run the program, and hold its result to the contract; lend it for the block."""
        ...
