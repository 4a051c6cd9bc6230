"""The control API: entities, made and removed by whoever has the stack's secret.

PUT makes or replaces and answers when that is durable; bodies are `Properties` objects of the
emulator's config.json. Paths: /devstack/queues/NAME, /devstack/topics/T/subscriptions/S/rules/R.
"""

import hmac
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from devstack.bus.broker import Broker
from devstack.bus.entities import (
    QueueOptions,
    Rule,
    SubscriptionOptions,
    TopicOptions,
    entity_name,
    subscription_name,
)
from devstack.bus.entity import Entity
from devstack.bus.message_queue import MessageQueue
from devstack.bus.refusals import Refusal
from devstack.bus.topic import Subscription, Topic
from devstack.home import Home
from devstack.tokens import bearer
from devstack.web import HEALTH

_LARGEST = 1 << 18


def control(broker: Broker, home: Home) -> web.Application:
    """Return the application."""
    app = web.Application(
        client_max_size=_LARGEST, middlewares=[_guard(home.secret("bus/control")), _plain_errors]
    )
    api = _Api(broker)
    subscription = "/devstack/topics/{topic:.+}/subscriptions/{name}"
    app.add_routes(
        [
            web.get("/devstack/entities", api.entities),
            web.put(subscription + "/rules/{rule}", api.put_rule),
            web.delete(subscription + "/rules/{rule}", api.delete_rule),
            web.put(subscription, api.put_subscription),
            web.get(subscription, api.get_subscription),
            web.delete(subscription, api.delete_subscription),
            web.put("/devstack/topics/{name:.+}", api.put_topic),
            web.get("/devstack/topics/{name:.+}", api.get_topic),
            web.delete("/devstack/topics/{name:.+}", api.delete_topic),
            web.put("/devstack/queues/{name:.+}", api.put_queue),
            web.get("/devstack/queues/{name:.+}", api.get_queue),
            web.delete("/devstack/queues/{name:.+}", api.delete_queue),
        ]
    )
    return app


def _guard(secret: str) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != HEALTH:
            try:
                given = bearer(request.headers.get("Authorization"))
            except Malformed:
                given = ""
            if not hmac.compare_digest(given.encode(), secret.encode()):
                return _error(HTTPStatus.UNAUTHORIZED, "expected the secret of the control API")
        return await handler(request)

    return guard


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Malformed as error:
        return _error(HTTPStatus.BAD_REQUEST, str(error))
    except web.HTTPException as error:
        return _error(error.status, error.reason)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


class _Api:
    def __init__(self, broker: Broker) -> None:
        self._broker, self._namespace = broker, broker.namespace

    def _done(self, refusal: Refusal | None, shown: object = None) -> web.Response:
        self._broker.tick()  # so that what is answered is durable
        if refusal:
            return _error(refusal.status, refusal.description)
        return web.Response(status=204) if shown is None else web.json_response(shown)

    async def entities(self, _: web.Request) -> web.Response:
        """List the queues and topics."""
        return web.json_response(
            {
                "queues": sorted(queue.path for queue in self._namespace.queues.values()),
                "topics": sorted(topic.path for topic in self._namespace.topics.values()),
            }
        )

    # --- queues

    async def put_queue(self, request: web.Request) -> web.Response:
        """Make a queue, or give it other options."""
        name = entity_name(request.match_info["name"], "name")
        options = QueueOptions.parse(await _body(request), "Properties")
        refusal = self._namespace.put_queue(name, options)
        return self._done(refusal, {"Name": name, "Properties": options.to_dict()})

    async def get_queue(self, request: web.Request) -> web.Response:
        """Show a queue."""
        queue = self._namespace.queues.get(request.match_info["name"].lower())
        return _missing() if queue is None else web.json_response(_queue(queue.path, queue))

    async def delete_queue(self, request: web.Request) -> web.Response:
        """Remove a queue."""
        return self._done(self._namespace.delete_queue(request.match_info["name"]))

    # --- topics

    async def put_topic(self, request: web.Request) -> web.Response:
        """Make a topic, or give it other options."""
        name = entity_name(request.match_info["name"], "name")
        options = TopicOptions.parse(await _body(request), "Properties")
        refusal = self._namespace.put_topic(name, options)
        return self._done(refusal, {"Name": name, "Properties": options.to_dict()})

    async def get_topic(self, request: web.Request) -> web.Response:
        """Show a topic."""
        topic = self._namespace.topics.get(request.match_info["name"].lower())
        return _missing() if topic is None else web.json_response(_topic(topic))

    async def delete_topic(self, request: web.Request) -> web.Response:
        """Remove a topic with its subscriptions."""
        return self._done(self._namespace.delete_topic(request.match_info["name"]))

    # --- subscriptions and rules

    async def put_subscription(self, request: web.Request) -> web.Response:
        """Make a subscription, or give it other options; its rules stay."""
        name = subscription_name(request.match_info["name"], "name")
        options = SubscriptionOptions.parse(await _body(request), "Properties")
        refusal = self._namespace.put_subscription(request.match_info["topic"], name, options)
        return self._done(refusal, {"Name": name, "Properties": options.to_dict()})

    async def get_subscription(self, request: web.Request) -> web.Response:
        """Show a subscription."""
        found = self._found(request)
        return _missing() if isinstance(found, Refusal) else web.json_response(_one(found[1]))

    async def delete_subscription(self, request: web.Request) -> web.Response:
        """Remove a subscription."""
        match = request.match_info
        return self._done(self._namespace.delete_subscription(match["topic"], match["name"]))

    async def put_rule(self, request: web.Request) -> web.Response:
        """Add a rule to a subscription, or replace it."""
        rule = Rule.parse(request.match_info["rule"], await _body(request), "Properties")
        found = self._found(request)
        if isinstance(found, Refusal):
            return _missing()
        topic, one = found
        one.rules[rule.name.lower()] = rule
        self._namespace.define_subscription(topic, one)
        return self._done(None, {"Name": rule.name, "Properties": rule.to_dict()})

    async def delete_rule(self, request: web.Request) -> web.Response:
        """Remove a rule."""
        found = self._found(request)
        if isinstance(found, Refusal):
            return _missing()
        topic, one = found
        if one.rules.pop(request.match_info["rule"].lower(), None) is None:
            return _missing()
        self._namespace.define_subscription(topic, one)
        return self._done(None)

    def _found(self, request: web.Request) -> tuple[Topic, Subscription] | Refusal:
        match = request.match_info
        return self._namespace.subscription(match["topic"], match["name"])


async def _body(request: web.Request) -> object:
    raw = await request.read()
    return parse_json(raw, "body", _LARGEST) if raw else {}


def _missing() -> web.Response:
    return _error(HTTPStatus.NOT_FOUND, "there is no such entity")


def _counts(queue: MessageQueue) -> dict[str, object]:
    inner = [one for one in (queue.dead_letters, queue.undeliverable) if one]
    return {
        "active": queue.active_count,
        "deadLetter": len(inner[0].messages) if inner else 0,
        "deferred": queue.deferred_count,
        "scheduled": queue.scheduled_count,
        "sizeInBytes": sum(one.size for one in (queue, *inner)),
        "transferDeadLetter": len(inner[1].messages) if inner else 0,
    }


def _queue(name: str, queue: MessageQueue) -> dict[str, object]:
    return {"Name": name, "Properties": queue.options.to_dict(), **_counts(queue)}


def _one(one: Subscription) -> dict[str, object]:
    rules = [{"Name": r.name, "Properties": r.to_dict()} for r in one.rules.values()]
    return {**_queue(one.name, one.queue), "Rules": rules}


def _topic(topic: Topic) -> dict[str, object]:
    held: Entity = topic
    return {
        "Name": topic.path,
        "Properties": topic.options.to_dict(),
        "Subscriptions": sorted(one.name for one in topic.subscriptions.values()),
        "scheduled": held.scheduled_count,
        "sizeInBytes": held.size,
    }
