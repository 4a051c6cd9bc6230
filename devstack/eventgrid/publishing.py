"""The HTTP of publishing: one call, answered as the service answers it.

1. There is such a topic.
2. The caller may publish to it.
3. The body is within the limit, and all of it is events of the topic's schema.
4. The events are safe. Only then comes 200, with nothing in it.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from http import HTTPStatus

from aiohttp import web

from cleanroom.errors import Malformed
from devstack.eventgrid import answers, events
from devstack.eventgrid.access import Publishing, Sender
from devstack.eventgrid.events import Schema
from devstack.eventgrid.grid import Grid
from devstack.eventgrid.names import SYSTEM_TOPIC
from devstack.home import Home

PATH = "/topics/{topic}/api/events"
_SCHEMAS = {Schema.CLOUD_EVENTS: "CloudEventV10", Schema.EVENT_GRID: "EventGridEvent"}
_VERSION = "2018-01-01"


def route(
    grid: Grid, home: Home, senders: Collection[Sender], clock: Callable[[], datetime]
) -> web.RouteDef:
    """Serve publishers."""
    token_key, tenant = home.token_key().public_key(), home.directory()

    @cache  # deriving a key takes longer than comparing it; there are as many as topics
    def publishing(topic: str) -> Publishing:
        secret = home.secret(f"eventgrid/{topic}")
        may = {one.identity for one in senders if one.covers(topic)}
        if topic == SYSTEM_TOPIC:  # to those only Azure's services publish
            may = set()
        return Publishing(topic, PATH.format(topic=topic), secret, may, token_key, tenant)

    async def publish(request: web.Request) -> web.StreamResponse:
        topic = request.match_info["topic"]
        schema = grid.schema(topic)
        if schema is None:
            return answers.error(HTTPStatus.NOT_FOUND, "The requested topic was not found.")  # 1
        publishing(topic).check(request.headers, request.query, clock())  # 2
        if request.query.get("api-version", _VERSION) != _VERSION:  # samples leave it out
            raise Malformed("api-version", _VERSION)
        body = await request.read()
        try:
            accepted = events.published(
                body, request.content_type, schema, grid.names.topic(topic)
            )  # 3
        except Malformed as unlike:
            return _unlike(schema, unlike)
        grid.publish(topic, accepted)  # 4
        return web.Response()

    return web.post(PATH, answers.answered(publish))


def _unlike(schema: Schema, unlike: Malformed) -> web.Response:
    message = (
        f"This resource is configured to receive event in '{_SCHEMAS[schema]}' schema. "
        f"The JSON received does not conform to the expected schema. {unlike}."
    )
    return answers.error(HTTPStatus.BAD_REQUEST, message, "InputJsonInvalid")
