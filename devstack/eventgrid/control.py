"""The control API: topics and subscriptions as resources, each with ARM's `properties`.

- Whoever calls has the control key, but for the validation url, whose code is its own proof.
- PUT makes or replaces and may be repeated; DELETE of what is not there is 204, as in ARM.
"""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import exactly, one_of
from devstack import tokens
from devstack.eventgrid import answers, json_values, subscriptions
from devstack.eventgrid.access import same
from devstack.eventgrid.answers import Handler
from devstack.eventgrid.destinations import WebHook
from devstack.eventgrid.events import Schema
from devstack.eventgrid.given import Given, anything
from devstack.eventgrid.grid import Grid
from devstack.eventgrid.handshake import State
from devstack.eventgrid.store import Record
from devstack.eventgrid.subscriptions import SUBSCRIPTION_NAME, TOPIC_NAME, Subscription

_TOPIC = "/devstack/topics/{topic}"
_SUBSCRIPTION = _TOPIC + "/subscriptions/{name}"
_PATIENCE = 30.0
_LONGEST_PATIENCE = 600.0
_schema = one_of(*(one.value for one in Schema))


class Control:
    """The control API of one grid."""

    def __init__(self, grid: Grid, key: str) -> None:
        self._grid = grid
        self._key = key

    def routes(self) -> list[web.RouteDef]:
        """List the calls."""
        return [
            web.put(_TOPIC, self._guarded(self._put_topic)),
            web.get(_TOPIC, self._guarded(self._get_topic)),
            web.delete(_TOPIC, self._guarded(self._delete_topic)),
            web.put(_SUBSCRIPTION, self._guarded(self._put_subscription)),
            web.get(_SUBSCRIPTION, self._guarded(self._get_subscription)),
            web.delete(_SUBSCRIPTION, self._guarded(self._delete_subscription)),
            web.post("/devstack/idle", self._guarded(self._idle)),
            web.get("/eventsubscriptions/{name}/validate", self._validate),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                given = tokens.bearer(request.headers.get("Authorization"))
            except Malformed as error:
                raise Unattested(str(error)) from error
            if not same(given, self._key):
                raise Unattested("Authorization: expected the control key of this server")
            return await handler(request)

        return answers.answered(handle)

    async def _put_topic(self, request: web.Request) -> web.Response:
        topic = TOPIC_NAME(request.match_info["topic"], "topic")
        schema = input_schema(await _properties(request))
        new = self._grid.put_topic(topic, schema)
        return self._topic(topic, schema, HTTPStatus.CREATED if new else HTTPStatus.OK)

    async def _get_topic(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        schema = self._grid.schema(topic)
        return self._topic(topic, schema, HTTPStatus.OK) if schema else _not_found(topic)

    async def _delete_topic(self, request: web.Request) -> web.Response:
        return _deleted(found=await self._grid.delete_topic(request.match_info["topic"]))

    def _topic(self, topic: str, schema: Schema, status: HTTPStatus) -> web.Response:
        properties = {
            "provisioningState": State.SUCCEEDED.value,
            "endpoint": self._grid.names.endpoint(topic),
            "inputSchema": schema.value,
        }
        return _resource(self._grid.names.topic(topic), topic, properties, status)

    async def _put_subscription(self, request: web.Request) -> web.Response:
        topic, name = request.match_info["topic"], request.match_info["name"]
        if self._grid.schema(topic) is None:
            return _not_found(topic)
        SUBSCRIPTION_NAME(name, "subscription")
        new = self._grid.subscription(topic, name) is None
        record = await self._grid.subscribe(topic, name, await _properties(request))
        if self._grid.state(record) is State.FAILED:
            return self._unproven(record)
        return self._subscription(record, HTTPStatus.CREATED if new else HTTPStatus.OK)

    async def _get_subscription(self, request: web.Request) -> web.Response:
        topic, name = request.match_info["topic"], request.match_info["name"]
        record = self._grid.subscription(topic, name)
        return self._subscription(record, HTTPStatus.OK) if record else _not_found(name)

    async def _delete_subscription(self, request: web.Request) -> web.Response:
        topic, name = request.match_info["topic"], request.match_info["name"]
        return _deleted(found=await self._grid.delete_subscription(topic, name))

    def _subscription(self, record: Record, status: HTTPStatus) -> web.Response:
        properties = {
            "provisioningState": self._grid.state(record).value,
            "topic": self._grid.names.topic(record.topic),
            "filter": _filter(record.properties),
            **subscriptions.to_dict(self._parsed(record)),
        }
        identifier = self._grid.names.subscription(record.topic, record.name)
        return _resource(identifier, record.name, properties, status)

    def _parsed(self, record: Record) -> Subscription:
        return self._grid.parsed(record.topic, record.name, record.properties)

    def _unproven(self, record: Record) -> web.Response:
        destination = self._parsed(record).destination
        base = destination.base if isinstance(destination, WebHook) else ""
        message = (
            f"The attempt to validate the provided endpoint {base} failed. "
            "For more details, visit https://aka.ms/esvalidation."
        )
        return answers.error(HTTPStatus.BAD_REQUEST, message, "Url validation")

    async def _idle(self, request: web.Request) -> web.Response:
        try:
            patience = float(request.query.get("timeout", _PATIENCE))
        except ValueError as error:
            raise Malformed("timeout", "seconds") from error
        if not 0 <= patience <= _LONGEST_PATIENCE:
            raise Malformed("timeout", f"0 to {_LONGEST_PATIENCE:.0f} seconds")
        retries = one_of("wait", "ignore")(request.query.get("retries", "wait"), "retries")
        idle = await self._grid.idle(patience, retries=retries == "wait")
        status = HTTPStatus.OK if idle else HTTPStatus.REQUEST_TIMEOUT
        return web.json_response({"idle": idle}, status=status)

    async def _validate(self, request: web.Request) -> web.Response:
        if self._grid.validate(request.query.get("id", "")):
            return web.Response(text="Webhook successfully validated as a subscription endpoint")
        return answers.error(HTTPStatus.BAD_REQUEST, "The validation code is not, or no more, one.")


def input_schema(properties: object) -> Schema:
    """Read ARM's `properties` of a topic."""
    f = Given(properties, "properties")
    schema = Schema(f.get("inputSchema", _schema, Schema.CLOUD_EVENTS.value))
    f.get("disableLocalAuth", exactly(False), None)
    for told in ("provisioningState", "endpoint", "publicNetworkAccess"):
        f.get(told, anything, None)
    f.end()
    return schema


def unwrapped(document: object) -> object:
    """Take the properties out of a resource, or as they are."""
    if isinstance(document, dict) and "properties" in document:
        return document["properties"]
    return document


async def _properties(request: web.Request) -> object:
    body = await request.read()
    return unwrapped(json_values.parse(body, "the body")) if body else {}


def _resource(
    identifier: str, name: str, properties: Mapping[str, object], status: HTTPStatus
) -> web.Response:
    return web.json_response(
        {"id": identifier, "name": name, "properties": properties}, status=status
    )


def _filter(properties: object) -> object:
    """Show a filter as it came: there is nothing to hide in one."""
    return properties.get("filter") if isinstance(properties, dict) else None


def _deleted(*, found: bool) -> web.Response:
    return web.Response(status=HTTPStatus.OK if found else HTTPStatus.NO_CONTENT)


def _not_found(name: str) -> web.Response:
    return answers.error(
        HTTPStatus.NOT_FOUND, f"The Resource '{name}' was not found.", "ResourceNotFound"
    )
