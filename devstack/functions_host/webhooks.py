"""The webhook of the Event Grid extension: `/runtime/webhooks/EventGrid?functionName=..&code=..`.

- Both handshakes are answered here, not by functions.
- One invocation for each event, all at once. If any fails, the whole delivery failed (500), and
  Event Grid sends all of it again.
"""

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from cleanroom.errors import Malformed
from devstack.functions_host.data import Document, Failed
from devstack.functions_host.executor import Executor, Occasion
from devstack.functions_host.functions import EventGridTrigger, Function
from devstack.functions_host.http import given_key
from devstack.functions_host.keys import EVENT_GRID, Keys

PATH = "/runtime/webhooks/eventgrid"
_KIND = "aeg-event-type"


async def answer(request: web.Request, executor: Executor, keys: Keys) -> web.Response:
    """Answer what Event Grid asks of one function.

    1. The key is that of the extension.
    2. The function is there.
    3. A handshake is answered; a delivery runs the function for each event.
    """
    if not keys.opens_webhook(given_key(request), EVENT_GRID):  # 1
        return web.Response(status=401)
    name = request.query.get("functionName", "")
    function = executor.app.function(name)
    if function is None or not isinstance(function.trigger, EventGridTrigger) or function.disabled:
        return web.Response(status=404, text=f"cannot find function: '{name}'")  # 2
    if request.method == "OPTIONS":  # 3
        return _allowed(request.headers)
    try:
        return await _posted(request, executor, function)
    except Malformed as error:
        return web.Response(status=400, text=str(error))


async def _posted(request: web.Request, executor: Executor, function: Function) -> web.Response:
    match request.method, request.headers.get(_KIND, "").lower():
        case "POST", "subscriptionvalidation":
            code = validation_code(parse(await request.read()))
            return web.json_response({"validationResponse": code})
        case "POST", "notification":
            return await _deliver(executor, function, parse(await request.read()))
        case "POST", "unsubscribe":
            return web.Response(status=202)
        case _:
            raise Malformed(_KIND, "SubscriptionValidation, Notification or Unsubscribe")


def parse(content: bytes) -> list[dict[str, object]]:
    """Read the events of a delivery: an array, or one CloudEvent."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed("body", "JSON") from error
    events = raw if isinstance(raw, list) else [raw]
    if not events or not all(isinstance(one, dict) for one in events):
        raise Malformed("body", "events")
    return events


def validation_code(events: list[dict[str, object]]) -> str:
    """Find what proves that this end wants the events."""
    match events:
        case [{"data": {"validationCode": str(code)}}, *_]:
            return code
        case _:
            raise Malformed("body", "a validation code")


def occasion(event: Mapping[str, object]) -> Occasion:
    """Make an event the occasion of an invocation."""
    data = {
        f"data.{name}": str(value)
        for name, value in _object(event.get("data")).items()
        if isinstance(value, str | int)
    }
    data |= {name: value for name, value in event.items() if isinstance(value, str)}
    whole = Document(json.dumps(event))
    return Occasion(whole, data, {"data": Document(json.dumps(event.get("data")))})


def _object(raw: object) -> Mapping[str, object]:
    return raw if isinstance(raw, dict) else {}


def _allowed(headers: Mapping[str, str]) -> web.Response:
    """Answer the handshake of CloudEvents."""
    origin = headers.get("WebHook-Request-Origin")
    if not origin:
        return web.Response(status=400)
    allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return web.Response(status=200, headers=allowed)


async def _deliver(
    executor: Executor, function: Function, events: list[dict[str, object]]
) -> web.Response:
    runs = [executor.run(function, occasion(event)) for event in events]
    for outcome in await asyncio.gather(*runs):
        if isinstance(outcome, Failed):
            return web.Response(status=500, text=outcome.message)
    return web.Response(status=202)
