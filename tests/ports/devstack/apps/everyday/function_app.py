"""An app with everything that needs no broker: HTTP, timers, Event Grid."""

import json
import logging
import os
from pathlib import Path
from threading import Barrier
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
ANONYMOUS = func.AuthLevel.ANONYMOUS
barrier = Barrier(3)


def record(kind: str, **what: Any) -> None:
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps({"kind": kind} | what) + "\n")


@app.route(route="echo/{id:int}/{rest?}", methods=["GET", "POST"], auth_level=ANONYMOUS)
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "agent": req.headers.get("X-Agent"),
        "body": req.get_body().decode(),
        "trace": context.trace_context.trace_parent,
        "invocation": context.invocation_id,
        "name": context.function_name,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", status_code=202)


@app.route(route="guarded")
def guarded(req: func.HttpRequest) -> str:
    return "hello " + str(req.method)


@app.route(route="root", auth_level=func.AuthLevel.ADMIN)
def only_master(req: func.HttpRequest) -> str:
    return str(req.method)


@app.route(route="files/{*path}", auth_level=ANONYMOUS)
def files(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(req.route_params.get("path", "nothing"), status_code=200)
    response.headers.add("Set-Cookie", "a=1; Path=/files; HttpOnly; SameSite=Lax; Max-Age=60")
    response.headers.add(
        "Set-Cookie", "b=2; Domain=example.com; Secure; Expires=Fri, 01 Jan 2027 00:00:00 GMT"
    )
    return response


@app.route(route="files/known", auth_level=ANONYMOUS, methods=["GET", "HEAD", "OPTIONS"])
def known_file(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"\x00\x01", headers={"X-Method": req.method}, mimetype="a/b")


@app.route(route="sizes", auth_level=ANONYMOUS, methods=["PUT"])
def sizes(req: func.HttpRequest) -> str:
    return str(len(req.get_body()))


@app.route(route="broken", auth_level=ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise ValueError(f"cannot {req.method}")


@app.route(route="silly", auth_level=ANONYMOUS)
def silly(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method, status_code=10)


@app.route(route="odd", auth_level=ANONYMOUS)
def odd(req: func.HttpRequest) -> str:
    raise ValueError(f"{req.method} \ud800")


@app.route(route="quiet", auth_level=ANONYMOUS)
def quiet(req: func.HttpRequest) -> str:
    logging.getLogger("everyday").info("the app says hello to %s", req.method)
    return ""


@app.route(route="meet", auth_level=ANONYMOUS)
def meet(req: func.HttpRequest) -> str:
    barrier.wait(10)
    return f"met by {req.method}"


@app.route(route="asleep", auth_level=ANONYMOUS)
def asleep(req: func.HttpRequest) -> str:
    return str(req.method)


@app.timer_trigger(arg_name="tick", schedule="%SCHEDULE%", run_on_startup=True)
def timed(tick: func.TimerRequest) -> None:
    record("timed", past_due=tick.past_due, status=tick.schedule_status)  # type: ignore[attr-defined]  # the public type lacks it


@app.timer_trigger(arg_name="tick", schedule="0 0 0 1 1 *", use_monitor=False)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def stubborn(tick: func.TimerRequest, context: func.Context) -> None:
    retry = context.retry_context
    record("stubborn", attempt=retry.retry_count, most=retry.max_retry_count, due=tick.past_due)
    raise ValueError("never")


@app.event_grid_trigger(arg_name="event")
def on_cloud_event(event: func.CloudEvent, context: func.Context) -> None:
    record(
        "cloud",
        id=event.id,
        type=event.type,
        data=event.get_json(),
        subject=event.subject,
        extensions=event.extension_attrs,
        trace=context.trace_context.trace_parent,
    )
    if event.get_json() == {"bad": True}:
        raise ValueError("refused")


@app.event_grid_trigger(arg_name="event")
async def on_grid_event(event: func.EventGridEvent) -> None:
    record("grid", id=event.id, type=event.event_type, data=event.get_json(), topic=event.topic)


@app.route(route="publish", auth_level=ANONYMOUS, methods=["POST"])
@app.event_grid_output(
    arg_name="topic", topic_endpoint_uri="TOPIC_ENDPOINT", topic_key_setting="TOPIC_KEY"
)
def publish(req: func.HttpRequest, topic: func.Out[str]) -> func.HttpResponse:
    topic.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)
