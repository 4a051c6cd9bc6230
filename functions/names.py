"""How blobs are named (docs/spec/control.md): what a name means, and what a thing is called.

- `rooms` holds what parties agreed to and what came of it; `control` what only the control plane
  writes, and could make again but for the number of runs.
- A name that means nothing is nothing: it is refused by its shape, and never read.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from cleanroom.ids import name as name_of

ROOMS, CONTROL, RESULTS, DATASETS = "rooms", "control", "results", "datasets"
SEALED = ".sealed"
_NAME = r"[a-z0-9-]{1,63}"
_HEX = r"[0-9a-f]{64}"
_CONTRACT = re.compile(rf"(?P<room>{_NAME})/contracts/(?P<contract>{_HEX})\.json", re.ASCII)
_APPROVAL = re.compile(
    rf"(?P<room>{_NAME})/approvals/(?P<contract>{_HEX})/(?P<party>{_NAME})\.json", re.ASCII
)
_MOMENT = re.compile(rf"rooms/{_NAME}/timeline/(?P<left>\d{{11}})-(?P<job>{_HEX})", re.ASCII)
_END_OF_TIME = 10**10  # seconds since 1970
_SUBJECT = "/blobServices/default/containers/"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a dataset's files are dropped: an account, a container, a folder in it or none."""

    account: str  # URL
    container: str
    folder: str  # empty, or ends in a slash

    @classmethod
    def parse(cls, url: str, account: str) -> "Location":
        """Split a contract's storage URL; the account is ours or, by its host, another's."""
        if url.startswith(account + "/"):
            path = url.removeprefix(account + "/")
        else:
            parts = urlsplit(url)
            account, path = f"{parts.scheme}://{parts.netloc}", parts.path.removeprefix("/")
            if (
                (parts.hostname or "").replace(".", "").isdigit()
            ):  # an address has no account's name
                name, _, path = path.partition("/")
                account = f"{account}/{name}"
        container, _, folder = path.partition("/")
        return cls(account, container, f"{folder}/" if folder else "")

    @property
    def key(self) -> str:
        """Name the folder in an index, whatever its URL holds."""
        return hashlib.sha256(self.folder.encode()).hexdigest()

    @property
    def container_key(self) -> str:
        """Name the container in an index."""
        return hashlib.sha256(f"{self.account}/{self.container}".encode()).hexdigest()

    def above(self) -> "tuple[Location, ...]":
        """Name the location and every folder above it."""
        steps = self.folder.split("/")[:-1]
        folders = ["".join(f"{step}/" for step in steps[:i]) for i in range(len(steps) + 1)]
        return tuple(Location(self.account, self.container, folder) for folder in folders)


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that an event is about."""

    account: str
    container: str
    name: str

    @classmethod
    def parse(cls, subject: str, url: str, where: str) -> "Blob":
        """Read an event's subject; its URL is not reliably escaped, so only the account is."""
        container, found, name = subject.removeprefix(_SUBJECT).partition("/blobs/")
        account, there, _ = url.partition(f"/{container}/")
        if not (subject.startswith(_SUBJECT) and found and there and container and name):
            raise Malformed(where, "a blob of a container, and the URL of its account")
        return cls(account.replace(".dfs.", ".blob.", 1), container, name)

    @property
    def folder(self) -> Location:
        """Where the blob lies."""
        return Location(self.account, self.container, self.name[: self.name.rfind("/") + 1])


@dataclass(frozen=True, slots=True)
class ApprovalName:
    """Whose word on which contract a blob claims to be."""

    contract: Digest
    party: str


def contract_in(name: str) -> Digest | None:
    """Read the digest out of a contract's name."""
    match = _CONTRACT.fullmatch(name)
    return Digest(f"sha256:{match['contract']}") if match else None


def approval_in(name: str) -> ApprovalName | None:
    """Read an approval's name."""
    match = _APPROVAL.fullmatch(name)
    return ApprovalName(Digest(f"sha256:{match['contract']}"), match["party"]) if match else None


def room_in(name: str) -> str | None:
    """Read whose room a blob of the container `rooms` is in."""
    room, slash, _ = name.partition("/")
    try:
        return name_of(room, "room") if slash else None
    except Malformed:
        return None


def room_of_paper(name: str) -> str | None:
    """Read whose room a contract or an approval is in, or what lies where these belong."""
    room = room_in(name)
    if room is None or not name.startswith((contracts(room), approvals(room))):
        return None
    return room


def contracts(room: str) -> str:
    """Name the folder of a room's contracts."""
    return f"{room}/contracts/"


def contract(room: str, digest: Digest) -> str:
    """Name a contract."""
    return f"{contracts(room)}{digest.hex}.json"


def approvals(room: str) -> str:
    """Name the folder of a room's approvals."""
    return f"{room}/approvals/"


def approval(room: str, digest: Digest, party: str) -> str:
    """Name a party's word on a contract."""
    return f"{approvals(room)}{digest.hex}/{party}.json"


def job(room: str, digest: Digest, part: str) -> str:
    """Name a part of a job: request, outcome or receipt."""
    return f"{room}/jobs/{digest.hex}/{part}.json"


def result(room: str, digest: Digest, output: str) -> str:
    """Name a sealed result, in the container of results."""
    return f"{room}/{digest.hex}/{output}{SEALED}"


def state(room: str, digest: Digest) -> str:
    """Name what the control plane remembers of a contract."""
    return f"rooms/{room}/state/{digest.hex}.json"


def asked(room: str, request: str) -> str:
    """Name a run that was asked for."""
    return f"rooms/{room}/asked/{request}.json"


def claim(room: str) -> str:
    """Name the note of which contract was the first of a room."""
    return f"rooms/{room}/first"


def refused(room: str, document: str) -> str:
    """Name the note that a document was refused."""
    return f"rooms/{room}/refused/{document}"


def timeline(room: str) -> str:
    """Name the folder in which a room's jobs are in order, the newest first."""
    return f"rooms/{room}/timeline/"


def moment(room: str, job: Digest, since: datetime) -> str:
    """Name a job's place in the timeline: names sort as text, so the newest has the least."""
    return f"{moments(room, since)}-{job.hex}"


def moments(room: str, since: datetime) -> str:
    """Name what the places of all jobs of a moment begin with."""
    return f"{timeline(room)}{_END_OF_TIME - int(since.timestamp()):011d}"


def moment_in(name: str) -> tuple[Digest, datetime] | None:
    """Read which job is in a place of the timeline, and when it was due."""
    match = _MOMENT.fullmatch(name)
    if match is None:
        return None
    since = datetime.fromtimestamp(_END_OF_TIME - int(match["left"]), UTC)
    return Digest(f"sha256:{match['job']}"), since


def undeliverable(message: str) -> str:
    """Name what was kept of a message that says of no job."""
    return f"undeliverable/{hashlib.sha256(message.encode()).hexdigest()}"


def watchers(location: Location) -> str:
    """Name the folder of what waits for files in a container."""
    return f"locations/{location.container_key}/"


def watcher(location: Location, room: str) -> str:
    """Name the note that a room waits for files in a location."""
    return f"{watchers(location)}{location.key}/{room}"


def scheduled() -> str:
    """Name the folder of rooms that have a schedule."""
    return "scheduled/"


def rooms_of(party: str) -> str:
    """Name the folder of a party's rooms."""
    return f"parties/{party}/"
