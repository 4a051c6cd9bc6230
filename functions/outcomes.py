"""What comes back: outcomes of jobs, and jobs that nobody could take.

A message that raises here comes again, and is dead-lettered after its last try; one that is done
with just returns.
"""

import logging

import azure.functions as func

from cleanroom.errors import CleanroomError, Unavailable
from functions import parts
from functions.telemetry import Word, say

blueprint = func.Blueprint()


@blueprint.service_bus_topic_trigger(
    arg_name="message",
    topic_name="outcomes",
    subscription_name="functions",
    connection="CLEANROOM_BUS",
)
async def outcome(message: func.ServiceBusMessage, context: func.Context) -> None:
    """Record how a job ended, and tell of it."""
    all_parts = parts.get()
    with all_parts.telemetry.span("outcome", context.trace_context.trace_parent) as trace:
        try:
            found = await all_parts.endings.ended(message.get_body(), trace)
        except Unavailable:
            raise
        except CleanroomError as error:
            say(Word.OUTCOME_REFUSED, error.code, level=logging.ERROR)
            raise
    all_parts.telemetry.ended(found.ending.status)
    say(Word.JOB_ENDED, found.room, found.job, found.ending.status)


@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name="jobs/$DeadLetterQueue", connection="CLEANROOM_BUS"
)
async def dead_letter(message: func.ServiceBusMessage, context: func.Context) -> None:
    """End a job whose message nobody could take."""
    all_parts = parts.get()
    with all_parts.telemetry.span("dead_letter", context.trace_context.trace_parent) as trace:
        await all_parts.endings.undeliverable(
            message.get_body(), message.message_id or "", message.dead_letter_reason, trace
        )
    all_parts.telemetry.dead_letter()
    say(Word.JOB_UNDELIVERABLE, level=logging.WARNING)
