"""What can go wrong, and what becomes of the work: the class decides (docs/spec/errors.md).

- A `code` is wire format: unique, documented, never renamed.
- A message is an output channel: it names public values only, never content of data or keys.
"""

from enum import Enum
from typing import ClassVar, Self


class Disposition(Enum):
    """What the runner's loop does with the message whose work raised the error."""

    REJECT = "reject"  # dead-letter: no retry can help, and nobody can be told more
    REFUSE = "refuse"  # complete, outcome `refused`
    FAIL = "fail"  # complete, outcome `failed`
    RETRY = "retry"  # give back: another try may succeed


class CleanroomError(Exception):
    """Base of every error this project raises on purpose."""

    code: ClassVar[str]
    disposition: ClassVar[Disposition]
    hint: str = ""

    def with_hint(self, hint: str) -> Self:
        """Add the one line that tells a person what to do next."""
        self.hint = hint
        return self


class Malformed(CleanroomError):
    """Bytes or a value that are not in our format."""

    code = "malformed"
    disposition = Disposition.REJECT

    def __init__(self, where: str, expected: str, got: str | None = None) -> None:
        super().__init__(f"{where}: expected {expected}" + (f", got {got}" if got else ""))


class Tampered(CleanroomError):
    """A signature, seal or digest that does not hold."""

    code = "tampered"
    disposition = Disposition.FAIL


class PolicyRefused(CleanroomError):
    """Well-formed and genuine, but not allowed."""

    code = "policy_refused"
    disposition = Disposition.REFUSE


class Unattested(CleanroomError):
    """Evidence that is not genuine, not acceptable, or not there."""

    code = "unattested"
    disposition = Disposition.REFUSE


class ProgramFailed(CleanroomError):
    """The approved program itself failed; carries no text, because a program chooses its text."""

    code = "program_failed"
    disposition = Disposition.FAIL


class Unavailable(CleanroomError):
    """A service, a file or a device that does not answer now."""

    code = "unavailable"
    disposition = Disposition.RETRY
