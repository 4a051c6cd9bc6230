"""The admin API: how the host is, what functions there are, and running one by hand.

All but the ping needs the master key. A function that is fired by hand is answered at once (202);
what becomes of it stands in the log.
"""

import json
import time
from collections.abc import Mapping

from aiohttp import web

from cleanroom.errors import Malformed
from devstack import clock
from devstack.functions_host import webhooks
from devstack.functions_host.data import Call, Datum, Document, Text
from devstack.functions_host.executor import Occasion
from devstack.functions_host.functions import (
    EventGridTrigger,
    Function,
    HttpTrigger,
    ServiceBusTrigger,
    TimerTrigger,
)
from devstack.functions_host.http import given_key
from devstack.functions_host.serving import Serving
from devstack.functions_host.timers import occasion as timer_occasion

PREFIX = "/admin/"
_VERSION = "4.0.0"
_STARTED = time.monotonic()


async def answer(request: web.Request, serving: Serving) -> web.Response:
    """Answer a request to the admin API."""
    path = request.path.lower().removeprefix(PREFIX).strip("/").split("/")
    if path == ["host", "ping"]:
        return web.Response()
    if not serving.keys.opens_admin(given_key(request)):
        return web.Response(status=401)
    match request.method, path:
        case "GET", ["host", "status"]:
            return web.json_response(_status())
        case "GET", ["functions"]:
            listed = [_described(one, request) for one in serving.app.functions]
            return web.json_response(listed)
        case "GET" | "POST", ["functions", name]:
            return await _of_one(request, serving, serving.app.function(name))
        case _:
            return web.Response(status=404)


async def _of_one(
    request: web.Request, serving: Serving, function: Function | None
) -> web.Response:
    if function is None:
        return web.Response(status=404)
    if request.method == "GET":
        return web.json_response(_described(function, request))
    return await _fire(request, serving, function)


async def _fire(request: web.Request, serving: Serving, function: Function) -> web.Response:
    try:
        given = parse(await request.read())
        occasion = by_hand(function, given)
    except Malformed as error:
        return web.Response(status=400, text=str(error))
    serving.begin(serving.executor.run(function, occasion))
    return web.Response(status=202)


def parse(content: bytes) -> object:
    """Read what a function is to be given: the field `input`."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed("body", 'JSON such as {"input": ""}') from error
    if not isinstance(raw, Mapping):
        raise Malformed("body", 'JSON such as {"input": ""}')
    return raw.get("input")


def by_hand(function: Function, given: object) -> Occasion:
    """Make what somebody typed the occasion of an invocation."""
    text = given if isinstance(given, str) else "" if given is None else json.dumps(given)
    try:
        typed = text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise Malformed("input", "text that UTF-8 can hold") from error
    match function.trigger:
        case TimerTrigger():
            return timer_occasion(None, past_due=False)
        case EventGridTrigger():
            return webhooks.occasion(webhooks.parse(typed)[0])
        case HttpTrigger(_, route):
            return Occasion(Call("POST", f"/{route.template}", {}, {}, {}, typed))
        case ServiceBusTrigger():
            now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            known: dict[str, Datum] = {
                "MessageId": Text(""),
                "EnqueuedTimeUtc": Text(now),
                "DeliveryCount": Document("1"),
                "UserProperties": Document("{}"),
            }
            return Occasion(Text(text), metadata=known)


def _status() -> dict[str, object]:
    return {
        "id": "cleanroom-dev",
        "state": "Running",
        "version": _VERSION,
        "versionDetails": f"{_VERSION} (cleanroom dev stack)",
        "platformVersion": "",
        "instanceId": "",
        "computerName": "",
        "processUptime": round((time.monotonic() - _STARTED) * 1000),
        "functionAppContentEditingState": "NotAllowed",
        "extensionBundle": None,
    }


def _described(function: Function, request: web.Request) -> dict[str, object]:
    origin = str(request.url.origin())
    trigger = function.trigger
    url = trigger.url(origin) if isinstance(trigger, HttpTrigger) else None
    return {
        "name": function.name,
        "href": f"{origin}/admin/functions/{function.name}",
        "invoke_url_template": url,
        "language": "python",
        "config": {"name": function.name, "language": "python", "bindings": function.bindings},
        "isDisabled": function.disabled,
        "isDirect": True,
        "isProxy": False,
    }
