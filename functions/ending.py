"""How jobs end: an outcome is recorded once, told once, and the job is taken off the list.

1. The outcome is of a job that was recorded here, and of its contract.
2. The first outcome of a job is its outcome.
3. Tell, and note the job in the room's timeline if whoever queued it may have died before that.
4. Take the job off the list of those that have not ended.

An outcome comes from the runner, or from here for a job whose message nobody could take. Neither is
trusted by those who read: what binds is the receipt.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from cleanroom.errors import Malformed, Tampered, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import LARGEST, Ending, JobRequest, Outcome
from functions import names
from functions.events import Event
from functions.ledger import Ledger
from functions.owned import Owned
from functions.telling import Topic

_TRIES = 20
_REASONS = {"TTLExpiredException": "expired"}
_UNDELIVERABLE = "undeliverable"


class Endings:
    """Records how jobs end."""

    def __init__(
        self,
        rooms: Owned,
        control: Owned,
        ledger: Ledger,
        topic: Topic,
        clock: Callable[[], datetime],
    ) -> None:
        self._rooms = rooms
        self._control = control
        self._ledger = ledger
        self._topic = topic
        self._clock = clock

    async def ended(self, data: bytes, trace: str | None) -> Outcome:
        """Record an outcome as it came, and tell of it."""
        outcome = Outcome.parse(data, "outcome")
        request = await self.request(outcome.room, outcome.job)
        if request is None or request.contract != outcome.contract:  # 1
            raise Tampered(f"outcome of {outcome.job}: of no job that was recorded")
        name = names.job(outcome.room, outcome.job, "outcome")
        if not await self._rooms.create(name, data):  # 2
            found = await self._rooms.read(name, LARGEST)
            outcome = Outcome.parse(found.data, name) if found else outcome
        await self.announce(outcome, trace)
        return outcome

    async def undeliverable(
        self, body: bytes, message: str, reason: str | None, trace: str | None
    ) -> None:
        """End a job whose message nobody could take; keep a message that is of no job."""
        try:
            request = JobRequest.parse(body, "message")
        except (Malformed, Tampered):
            await self._keep(message, body)
            return
        if await self.request(request.room, request.id) is None:
            await self._keep(message, body)
            return
        code = _REASONS.get(reason or "", _UNDELIVERABLE)
        ending, now = Ending("failed", code), self._clock()
        outcome = Outcome(request.room, request.id, request.contract, ending, now, None, ())
        await self.ended(outcome.to_bytes(), trace)

    async def _keep(self, message: str, body: bytes) -> None:
        name = message or hashlib.sha256(body).hexdigest()
        await self._control.create(names.undeliverable(name), body)

    async def recorded(self, room: str, job: Digest) -> Outcome | None:
        """Return the outcome of a job, if it has ended."""
        name = names.job(room, job, "outcome")
        found = await self._rooms.read(name, LARGEST)
        return Outcome.parse(found.data, name) if found else None

    async def request(self, room: str, job: Digest) -> JobRequest | None:
        """Return the record of a job, if there is one."""
        name = names.job(room, job, "request")
        found = await self._rooms.read(name, LARGEST)
        return JobRequest.parse(found.data, name) if found else None

    async def announce(self, outcome: Outcome, trace: str | None) -> None:
        """Tell of an outcome that was recorded, unless that was done."""
        blob = names.state(outcome.room, outcome.contract)
        found = await self._ledger.read(blob)
        jobs = {each.job: each for each in found.state.open} if found else {}
        if found is None or outcome.job not in jobs:
            return  # told before
        await self._topic.tell([_event(outcome, trace)])  # 3
        job = jobs[outcome.job]
        if job.request:  # not known to have been carried out, and soon on no list
            await self._control.create(names.moment(outcome.room, job.job, job.since), b"")
        for _ in range(_TRIES):  # 4
            if await self._ledger.write(blob, found.state.ended(outcome.job), found.etag):
                return
            found = await self._ledger.read(blob)
            if found is None:
                return
        raise Unavailable(f"{blob}: others change it all the time")


def _event(outcome: Outcome, trace: str | None) -> Event:
    """Say how a job ended, in codes and digests."""
    data = {
        "contract": outcome.contract.text,
        "job": outcome.job.text,
        "status": outcome.ending.status,
    }
    if outcome.ending.reason:
        data["reason"] = outcome.ending.reason
    if outcome.receipt:
        data["receipt"] = outcome.receipt.text
    for one in outcome.results:
        data[f"result.{one.name}"] = one.manifest.text
    kind, subject = f"job.{outcome.ending.status}", f"jobs/{outcome.job.hex}"
    return Event(kind, outcome.room, subject, outcome.finished, data, trace)
