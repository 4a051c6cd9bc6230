"""What a receiver decided, out of the state of a disposition; and what it is told in return.

| state | decision |
|---|---|
| accepted | complete |
| released | give back, nothing counted |
| modified | defer if undeliverable here, else abandon |
| rejected | dead-letter; the error's info holds the reason, and properties to set |
"""

from collections.abc import Callable, Mapping

from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.decoding import fields_of, pairs_of, skip
from devstack.bus.message_queue import COMPLETE, Action, Settlement

_RELEASE = Settlement(Action.RELEASE)


def settlement(state: bytes) -> Settlement | None:
    """Read a decision; nothing for a state that is none."""
    if state == frames.ACCEPTED_STATE:  # as the SDK writes it, and most often
        return COMPLETE
    if state == e.NULL:
        return _RELEASE
    read = _READERS.get(frames.code_of(state)) if state[:1] == b"\x00" else None
    return read([*_fields(state), e.NULL, e.NULL, e.NULL]) if read else None


def _modified(fields: list[bytes]) -> Settlement:
    action = Action.DEFER if fields[1] in {e.TRUE, b"\x56\x01"} else Action.ABANDON
    return Settlement(action, changes(fields[2]))


def _rejected(fields: list[bytes]) -> Settlement:
    error = [] if fields[0] == e.NULL else _fields(fields[0])
    info = error[2] if len(error) > 2 else e.NULL  # noqa: PLR2004  # its place in an error
    return Settlement(Action.DEAD_LETTER, changes(info))


_READERS: Mapping[int, Callable[[list[bytes]], Settlement]] = {
    frames.ACCEPTED: lambda _: COMPLETE,
    frames.RELEASED: lambda _: _RELEASE,
    frames.MODIFIED: _modified,
    frames.REJECTED: _rejected,
}


def echo(state: bytes) -> bytes:
    """Confirm a decision by its own state; a rejection must come back without its error."""
    if state == e.NULL:
        return frames.ACCEPTED_STATE
    return frames.REJECTED_STATE if frames.code_of(state) == frames.REJECTED else state


def changes(pairs: bytes) -> dict[str, bytes]:
    """Read properties to set, values as they came."""
    if pairs == e.NULL:
        return {}
    return {
        name: value
        for name, _, value in pairs_of(pairs, 0)
        if isinstance(name, str) and value != e.NULL
    }


def _fields(described: bytes) -> list[bytes]:
    return fields_of(described, skip(described, 1))
