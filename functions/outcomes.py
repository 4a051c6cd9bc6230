"""What comes back: outcomes of jobs, and jobs that nobody could take.

A message that raises here comes again, and is dead-lettered after its last try; one that is done
with just returns.
"""

import logging

import azure.functions as func

from cleanroom.errors import CleanroomError, Unavailable
from functions import parts

blueprint = func.Blueprint()
_log = logging.getLogger("cleanroom.functions")


@blueprint.service_bus_topic_trigger(
    arg_name="message",
    topic_name="outcomes",
    subscription_name="functions",
    connection="CLEANROOM_BUS",
)
async def outcome(message: func.ServiceBusMessage, context: func.Context) -> None:
    """Record how a job ended, and tell of it."""
    try:
        found = await parts.get().endings.ended(message.get_body(), _trace(context))
    except Unavailable:
        raise
    except CleanroomError as error:
        _log.error("outcome.refused %s", error.code)  # no text leaves
        raise
    _log.info("job.ended %s", found.ending.status)


@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name="jobs/$DeadLetterQueue", connection="CLEANROOM_BUS"
)
async def dead_letter(message: func.ServiceBusMessage, context: func.Context) -> None:
    """End a job whose message nobody could take."""
    reason = message.dead_letter_reason
    await parts.get().endings.undeliverable(
        message.get_body(), message.message_id or "", reason, _trace(context)
    )
    _log.warning("job.undeliverable")


def _trace(context: func.Context) -> str | None:
    return context.trace_context.trace_parent or None
