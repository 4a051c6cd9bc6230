"""What events say, read: which blob was written, in which rooms to look for that reason.

Tolerant of what is unknown in an event, strict about what is used. Events that are not about a
finished write of a block blob say nothing, and neither do those of other kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cleanroom.canonical import canonical
from cleanroom.errors import Malformed
from cleanroom.ids import name
from functions import names
from functions.names import Blob
from functions.storing import Container, Listed

CREATED = "Microsoft.Storage.BlobCreated"
APPROVED = "cleanroom.party.approval"
"""The type of events by which a party's own system hands in its word on a contract."""
_WRITTEN = frozenset(("PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit"))
_BLOCK = "BlockBlob"
_THEN = datetime(1970, 1, 1, tzinfo=UTC)  # when a file was written does not matter here


@dataclass(frozen=True, slots=True)
class Written:
    """A blob whose writing is finished."""

    blob: Blob
    file: Listed


def written(kind: str, subject: str, data: object) -> Written | None:
    """Read an event of a storage account; none if it says nothing that matters."""
    if kind != CREATED or not isinstance(data, Mapping):
        return None
    api = data.get("api")
    if not isinstance(api, str) or api not in _WRITTEN or data.get("blobType") != _BLOCK:
        return None
    url, etag, size = data.get("url"), data.get("eTag"), data.get("contentLength")
    if not (isinstance(url, str) and isinstance(etag, str) and isinstance(size, int) and size >= 0):
        raise Malformed("event", "the url, eTag and contentLength of a blob")
    blob = Blob.parse(subject, url, "event.subject")
    return Written(blob, Listed(blob.name, etag.strip('"'), _THEN, size))


def word(subject: str, data: object) -> tuple[str, bytes]:
    """Read a party's own event: the room it is about, and the signed word itself, as an object."""
    room = name(subject.removeprefix("rooms/"), "event.subject")
    return room, canonical(data, "event.data")


async def rooms_of(found: Written, own: str, control: Container) -> list[str]:
    """Name the rooms in which a blob matters.

    What the control plane and the runner write matters to nobody here: contracts and approvals do,
    and files in locations that some contract names.
    """
    blob = found.blob
    if blob.account == own and blob.container in (names.CONTROL, names.RESULTS):
        return []
    if blob.account == own and blob.container in (names.ROOMS, names.DATASETS):
        room = names.room_in(blob.name)
        matters = blob.container == names.DATASETS or names.room_of_paper(blob.name)
        return [room] if room and matters else []
    prefix = names.watchers(blob.folder)
    folders = {place.key for place in blob.folder.above()}
    notes = [file.name.removeprefix(prefix) async for file in control.listing(prefix)]
    return sorted(
        {room for key, _, room in (note.partition("/") for note in notes) if key in folders}
    )
