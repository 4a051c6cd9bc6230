"""What sets the control plane going: files that arrive, words of parties, time."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import azure.functions as func

from cleanroom.errors import CleanroomError, Malformed, Unavailable
from functions import clock, intake, names, parts
from functions.reconciling import Wish
from functions.refusals import Declined, Why
from functions.sweeping import Swept
from functions.telemetry import Word, say
from functions.words import contract_of

blueprint = func.Blueprint()


@blueprint.event_grid_trigger(arg_name="event")
async def blob_created(event: func.CloudEvent, context: func.Context) -> None:
    """Look at each room in which the blob that was written matters."""
    try:
        found = intake.written(event.type, event.subject or "", event.get_json())
    except Malformed as error:  # coming again would not mend it
        say(Word.EVENT_REFUSED, error.code, level=logging.WARNING)
        return
    if found is None:
        return
    all_parts = parts.get()
    rooms = await intake.rooms_of(found, all_parts.settings.storage, all_parts.control)
    papers = found.blob.container == names.ROOMS
    wish = Wish(((found.blob, found.file),), trace=_trace(event, context), papers=papers)
    await _look_at_all(rooms, wish)


@blueprint.event_grid_trigger(arg_name="event")
async def party_event(event: func.CloudEvent, context: func.Context) -> None:
    """Take a party's word on a contract out of an event of its own system."""
    if event.type != intake.APPROVED:
        return
    try:
        room, envelope = intake.word(event.subject or "", event.get_json())
        await parts.get().desk.deliver(room, contract_of(envelope), envelope)
    except Unavailable:
        raise  # Event Grid comes again
    except CleanroomError as error:
        say(Word.APPROVAL_REFUSED, error.code, level=logging.WARNING)
        if isinstance(error, Declined) and error.why is Why.NO_CONTRACT:
            raise  # the contract may still come, and Event Grid comes again
        return
    await _look(room, Wish(trace=_trace(event, context)))


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)
async def tick(timer: func.TimerRequest) -> None:  # noqa: ARG001  # the worker wants it named
    """Start what is scheduled."""
    _tell(await parts.get().sweeper.tick())


@blueprint.timer_trigger(arg_name="timer", schedule="30 */5 * * * *", use_monitor=False)
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001  # the worker wants it named
    """Set right what was lost, and say how long the oldest job has been under way."""
    swept = await parts.get().sweeper.sweep()
    _tell(swept)
    waiting = clock.now() - swept.oldest if swept.oldest else timedelta()
    parts.get().telemetry.oldest(waiting.total_seconds())


async def _look_at_all(rooms: Sequence[str], wish: Wish) -> None:
    """Look at rooms; one that fails keeps no other back, and makes the event come again."""
    failed: CleanroomError | None = None
    for room in rooms:
        try:
            await _look(room, wish)
        except CleanroomError as error:
            failed = failed or error
    if failed:
        raise failed


async def _look(room: str, wish: Wish) -> None:
    telemetry = parts.get().telemetry
    with telemetry.span("reconcile", wish.trace, room=room) as trace:
        report = await parts.get().reconciler.reconcile(room, replace(wish, trace=trace))
    telemetry.queued(len(report.jobs))
    for job in report.jobs:
        say(Word.JOB_QUEUED, room, job)


def _trace(event: func.CloudEvent, context: func.Context) -> str | None:
    """Go on with the trace that the event carries, or else with the one that the host began."""
    given = event.extension_attrs.get("traceparent")
    return given if isinstance(given, str) else context.trace_context.trace_parent or None


def _tell(swept: Swept) -> None:
    say(Word.SWEPT, swept.rooms)
    for room, code in swept.failed:
        say(Word.ROOM_FAILED, room, code, level=logging.ERROR)
