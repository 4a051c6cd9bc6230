"""Jobs: ask for one, look at them, their receipts and results."""

import asyncio
import secrets
from datetime import datetime, timedelta
from http import HTTPStatus

from cleanroom.canonical import parse_json
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, matching, optional
from cleanroom.ids import Digest
from cleanroom.job import LARGEST, JobRequest
from cleanroom.jose import json_object
from cleanroom.parameters import values
from functions import names
from functions.api import operations, paging, problems, views
from functions.api.door import Answer, Asked, saying, serves
from functions.api.problems import Problem
from functions.api.views import Moments
from functions.deciding import Asked as AskedFor
from functions.owned import Owned

_SPREAD = 3  # seconds from when a job is due until it is recorded, as a rule
_id = matching(r"[0-9a-f]{32}", "32 lower-case hexadecimal digits")


@serves(operations.ASK_FOR_JOB)
async def ask_for_job(asked: Asked) -> Answer | Problem:
    """Start a run."""
    wanted = _wanted(asked.body, asked.key)
    job = await asked.means.parts.reconciler.ask(asked.room, wanted, asked.trace)
    place = f"{operations.PREFIX}/rooms/{asked.room}/jobs/{job.hex}"
    said = {"job": job.text, "id": wanted.id}
    return saying(said, HTTPStatus.ACCEPTED, {"Location": place})


def _wanted(body: bytes, key: str | None) -> AskedFor:
    """Read what is asked for; without an id, it gets one that nobody else has."""
    raw = json_object(parse_json(body, "body", LARGEST), "body")
    f = Fields({"id": None, **raw}, "body")
    contract, parameters = f.take("contract", Digest.parse), f.take("parameters", values)
    given = f.take("id", optional(_id))
    f.end()
    named = _id(key, operations.IDEMPOTENCY) if key is not None else None
    if given and named and given != named:
        raise Malformed("body.id", f"what {operations.IDEMPOTENCY} says")
    return AskedFor(contract, parameters, given or named or secrets.token_hex(16))


@serves(operations.LIST_JOBS)
async def list_jobs(asked: Asked) -> Answer | Problem:
    """Name jobs, and how each ended."""
    parts, page = asked.means.parts, asked.page
    listed = await parts.control.page(names.timeline(asked.room), page.after, page.limit)
    places = [place for blob in listed.blobs if (place := names.moment_in(blob.name))]
    outcomes = await asyncio.gather(
        *(parts.endings.recorded(asked.room, digest) for digest, _ in places)
    )
    jobs = [
        views.line(digest, since, outcome)
        for (digest, since), outcome in zip(places, outcomes, strict=True)
    ]
    return saying({"jobs": jobs, "next": paging.token(listed.next)})


@serves(operations.GET_JOB)
async def get_job(asked: Asked) -> Answer | Problem:
    """Tell of a job."""
    parts, digest = asked.means.parts, asked.digests["job"]
    name = names.job(asked.room, digest, "request")
    found = await parts.rooms.read(name, LARGEST)
    if found is None:
        return problems.NOT_FOUND
    queued, outcome = await asyncio.gather(
        _queued(parts.control, asked.room, digest, found.modified),
        parts.endings.recorded(asked.room, digest),
    )
    request = JobRequest.parse(found.data, name)
    return saying(views.job(request, Moments(found.modified, queued), outcome))


async def _queued(control: Owned, room: str, job: Digest, recorded: datetime) -> datetime | None:
    """Find a job's place in the timeline, which is written when it has been queued.

    The place is named by when the job was due, which is when it was recorded or moments before.
    """
    moments = [recorded - timedelta(seconds=ago) for ago in range(_SPREAD)]
    places = [names.moment(room, job, moment) for moment in moments]
    found = await asyncio.gather(*map(control.look, places))
    return next((place.modified for place in found if place), None)


@serves(operations.GET_RECEIPT)
async def get_receipt(asked: Asked) -> Answer | Problem:
    """Return a receipt as it was written."""
    name = names.job(asked.room, asked.digests["job"], "receipt")
    found = await asked.means.parts.rooms.read(name, LARGEST_ENVELOPE)
    return Answer(found.data) if found else problems.NOT_FOUND


@serves(operations.GET_RESULT)
async def get_result(asked: Asked) -> Answer | Problem:
    """Sign a URL of a result that the job's outcome names."""
    made, digest, output = asked.means, asked.digests["job"], asked.names["output"]
    outcome = await made.parts.endings.recorded(asked.room, digest)
    results = outcome.results if outcome else ()
    manifest = next((one.manifest for one in results if one.name == output), None)
    if manifest is None:
        return problems.NOT_FOUND
    link = await made.links.to(names.result(asked.room, digest, output))
    return saying(views.link(link, manifest), headers={"Cache-Control": "no-store"})
