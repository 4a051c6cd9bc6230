"""What a target is: it takes any bytes, and an error of ours is the only way to refuse them.

A target returns what it accepted, so that a test can tell that seeds get as deep as they should.
Whatever else it raises is a finding.
"""

from collections.abc import Callable

from cleanroom.errors import CleanroomError

type Accepted = frozenset[str]
"""Which readers took the bytes for what they claim to be."""
type Target = Callable[[bytes], Accepted]

_LONGEST_MESSAGE = 10_000


class Accepting:
    """Runs readers and notes which of them accepted; an error of ours is all that may come."""

    def __init__(self) -> None:
        self.names: Accepted = frozenset()

    def __call__[T](self, name: str, read: Callable[[], T]) -> T | None:
        try:
            found: T = read()
        except CleanroomError as error:
            shown = f"{error} {error.hint}".encode()  # what cannot be printed fails here
            assert len(shown) < _LONGEST_MESSAGE
            return None
        self.names |= {name}
        return found
