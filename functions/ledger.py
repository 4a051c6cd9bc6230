"""Where what is remembered of contracts is kept: read, and written by compare-and-set.

What this process wrote a moment ago it need not read again to go on from it: if another has
written since, the next writing fails, and then it is read.
"""

from dataclasses import dataclass

from functions.owned import Owned
from functions.remembering import Lately
from functions.state import LARGEST, State

_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a contract, and which version of it."""

    state: State
    etag: str


class Ledger:
    """The states of all contracts."""

    def __init__(self, control: Owned) -> None:
        self._control = control
        self._written: Lately[Known] = Lately(_MOST_BYTES)

    async def read(self, blob: str) -> Known | None:
        """Read what is remembered; none if nothing is."""
        found = await self._control.read(blob, LARGEST)
        return Known(State.parse(found.data, blob), found.etag) if found else None

    def lately(self, blob: str) -> Known | None:
        """Recall what this process wrote a moment ago; another may have since."""
        return self._written.get(blob)

    async def write(self, blob: str, state: State, etag: str | None) -> Known | None:
        """Write in place of one version, or of nothing; none if something else is there."""
        data = state.to_bytes()
        written = await self._control.replace(blob, data, etag)
        if written is None:
            self._written.forget(blob)
            return None
        return self._written.put(blob, Known(state, written), len(data))
