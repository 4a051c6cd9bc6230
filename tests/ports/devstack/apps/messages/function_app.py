"""An app that runs on messages, and sends some."""

import json
import os
import time
from pathlib import Path
from threading import Lock
from typing import Any, List  # noqa: UP035  # the worker library knows no list[...]

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
lock = Lock()
running = 0


def record(kind: str, **what: Any) -> None:
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps({"kind": kind} | what, default=str) + "\n")


@app.service_bus_queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="BUS")
async def on_message(message: func.ServiceBusMessage, context: func.Context) -> None:
    text = message.get_body().decode()
    record(
        "message",
        body=text,
        id=message.message_id,
        count=message.delivery_count,
        content_type=message.content_type,
        correlation=message.correlation_id,
        subject=message.subject,
        to=message.to,
        reply_to=message.reply_to,
        partition=message.partition_key,
        sequence=message.sequence_number,
        enqueued=message.enqueued_time_utc,
        expires=message.expires_at_utc,
        locked=message.locked_until,
        token=message.lock_token,
        life=message.time_to_live,
        properties=message.application_properties,
        user=message.user_properties,
        trace=context.trace_context.trace_parent,
    )
    if text == "poison":
        raise ValueError("poison")


def dead(message: func.ServiceBusMessage, by: str) -> None:
    record(
        "dead",
        by=by,
        body=message.get_body().decode(),
        reason=message.dead_letter_reason,
        source=message.dead_letter_source,
        count=message.delivery_count,
    )
    if message.get_body() == b"again" and (message.delivery_count or 0) < 3:
        raise ValueError("again")


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="%JUDGED%/$DeadLetterQueue", connection="BUS"
)
def on_dead_letter(message: func.ServiceBusMessage) -> None:
    dead(message, "connection string")


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="%FORGOTTEN%/$deadletterqueue", connection="IDENTITY"
)
def on_dead_letter_in_small_letters(message: func.ServiceBusMessage) -> None:
    dead(message, "identity")


@app.service_bus_topic_trigger(
    arg_name="message",
    topic_name="%OTHER_TOPIC%",
    subscription_name="judge/$DeadLetterQueue",
    connection="BUS",
)
def on_dead_letter_of_a_subscription(message: func.ServiceBusMessage) -> None:
    dead(message, "subscription")


@app.service_bus_topic_trigger(
    arg_name="message", topic_name="%TOPIC%", subscription_name="%SUBSCRIPTION%", connection="BUS"
)
def on_topic(message: func.ServiceBusMessage) -> None:
    record("topic", body=message.get_body().decode(), properties=message.application_properties)


@app.service_bus_queue_trigger(arg_name="message", queue_name="%SLOW%", connection="IDENTITY")
def on_slow(message: func.ServiceBusMessage) -> None:
    global running  # noqa: PLW0603  # how many run at once is what the test is about
    with lock:
        running += 1
        record("begun", body=message.get_body().decode(), running=running)
    time.sleep(float(message.get_body()))
    with lock:
        running -= 1
        record("ended", body=message.get_body().decode(), count=message.delivery_count)


@app.service_bus_queue_trigger(
    arg_name="messages", queue_name="%MANY%", connection="BUS", cardinality=func.Cardinality.MANY
)
def on_many(messages: List[func.ServiceBusMessage]) -> None:  # noqa: UP006  # as above
    bodies = [one.get_body().decode() for one in messages]
    ids = [one.message_id for one in messages]
    properties = [one.application_properties for one in messages]
    record("many", bodies=bodies, ids=ids, properties=properties)
    if messages[0].delivery_count == 1 and "again" in bodies:
        raise ValueError("again")


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="%BINARY%", connection="BUS", data_type=func.DataType.BINARY
)
def on_binary(message: func.ServiceBusMessage) -> None:
    record("binary", body=message.get_body().hex())


@app.route(route="send", methods=["POST"])
@app.service_bus_queue_output(arg_name="queue", queue_name="%QUEUE%", connection="BUS")
@app.service_bus_topic_output(arg_name="topic", topic_name="%TOPIC%", connection="IDENTITY")
def send(req: func.HttpRequest, queue: func.Out[str], topic: func.Out[bytes]) -> func.HttpResponse:
    queue.set("to the queue: " + req.get_body().decode())
    topic.set(b"to the topic: " + req.get_body())
    return func.HttpResponse(status_code=202)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", use_monitor=False)
@app.service_bus_queue_output(arg_name="$return", queue_name="%QUEUE%", connection="BUS")
def returned(timer: func.TimerRequest) -> str:
    return f"past due: {timer.past_due}"
