"""What sets the control plane going: files that arrive, words of parties, time."""

import logging

import azure.functions as func

from cleanroom.errors import CleanroomError, Malformed, Unavailable
from functions import intake, parts
from functions.reconciling import Wish
from functions.sweeping import Swept
from functions.words import contract_of

blueprint = func.Blueprint()
_log = logging.getLogger("cleanroom.functions")


@blueprint.event_grid_trigger(arg_name="event")
async def blob_created(event: func.CloudEvent, context: func.Context) -> None:
    """Look at each room in which the blob that was written matters."""
    try:
        found = intake.written(event.type, event.subject or "", event.get_json())
    except Malformed:
        _log.warning("event.refused malformed")  # coming again would not mend it
        return
    if found is None:
        return
    all_parts = parts.get()
    trace = _trace(context)
    for room in await intake.rooms_of(found, all_parts.settings.storage, all_parts.control):
        await all_parts.reconciler.reconcile(room, Wish(((found.blob, found.file),), trace=trace))


@blueprint.event_grid_trigger(arg_name="event")
async def party_event(event: func.CloudEvent, context: func.Context) -> None:
    """Take a party's word on a contract out of an event of its own system."""
    if event.type != intake.APPROVED:
        return
    all_parts = parts.get()
    try:
        room, envelope = intake.word(event.subject or "", event.get_json())
        await all_parts.desk.deliver(room, contract_of(envelope), envelope)
    except Unavailable:
        raise  # Event Grid comes again
    except CleanroomError as error:
        _log.warning("approval.refused %s", error.code)
        return
    await all_parts.reconciler.reconcile(room, Wish(trace=_trace(context)))


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)
async def tick(timer: func.TimerRequest) -> None:  # noqa: ARG001  # the worker wants it named
    """Start what is scheduled."""
    _tell(await parts.get().sweeper.tick())


@blueprint.timer_trigger(arg_name="timer", schedule="30 */5 * * * *", use_monitor=False)
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001  # the worker wants it named
    """Set right what was lost."""
    _tell(await parts.get().sweeper.sweep())


def _trace(context: func.Context) -> str | None:
    return context.trace_context.trace_parent or None


def _tell(swept: Swept) -> None:
    for room, code in swept.failed:
        _log.error("room.failed %s %s", room, code)
