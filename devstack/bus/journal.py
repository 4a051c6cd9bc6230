"""What changed since the last commit: the engine writes here, the store reads and clears.

A change that a later one of the same tick takes back never reaches the disk.
"""

from dataclasses import dataclass, field

from devstack.bus.message import Message

SEQUENCE_BITS = 40


def key(entity: int, sequence: int) -> int:
    """Name a message among all of the store."""
    return entity << SEQUENCE_BITS | sequence


@dataclass(slots=True)
class Journal:
    """The changes of one tick."""

    written: dict[int, Message] = field(default_factory=dict)
    """Messages that are new, or whose content changed."""
    moved: dict[int, Message] = field(default_factory=dict)
    """Messages of which only the state, a count or a time changed."""
    removed: list[int] = field(default_factory=list)
    sequences: dict[int, int] = field(default_factory=dict)
    """By entity: the highest number that may be given away before the next change."""
    seen: list[tuple[int, str, int]] = field(default_factory=list)
    """Message ids to remember, with the time they came."""
    forgotten: list[tuple[int, str]] = field(default_factory=list)
    sessions: dict[tuple[int, str], tuple[bytes, int] | None] = field(default_factory=dict)
    """State of sessions with the time it was set; nothing for a state that is gone."""

    definitions: dict[str, tuple[int, object] | None] = field(default_factory=dict)
    """Entities by name, with their number and properties; nothing for one that is gone."""
    purged: list[int] = field(default_factory=list)
    """Entities of which all is to be forgotten."""

    def write(self, entity: int, message: Message) -> None:
        """Keep a message's content."""
        self.written[key(entity, message.sequence)] = message

    def move(self, entity: int, message: Message) -> None:
        """Keep where a message stands."""
        name = key(entity, message.sequence)
        if name not in self.written:
            self.moved[name] = message

    def remove(self, entity: int, message: Message) -> None:
        """Forget a message."""
        name = key(entity, message.sequence)
        self.moved.pop(name, None)
        self.written.pop(name, None)
        self.removed.append(name)

    def has_any(self) -> bool:
        """Say whether there is anything to commit."""
        return bool(self.removed or self.written or self.moved or self.has_more())

    def has_more(self) -> bool:
        """Say whether there is anything but messages."""
        return bool(
            self.sequences
            or self.seen
            or self.forgotten
            or self.sessions
            or self.definitions
            or self.purged
        )

    def clear(self) -> None:
        """Forget what is not about messages."""
        for part in (self.sequences, self.sessions, self.definitions):
            part.clear()
        for log in (self.seen, self.forgotten, self.purged):
            log.clear()
