"""Requests: tokens on $cbs, and what an entity's $management can do, each with its answer.

The answer goes out on the link of the same address on which the peer receives.
"""

from collections.abc import Callable
from http import HTTPStatus

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus import frames
from devstack.bus.access import Claim
from devstack.bus.amqp_session import AmqpSession
from devstack.bus.arguments import Answer, Caller
from devstack.bus.connection import Connection
from devstack.bus.decoding import decode
from devstack.bus.management import manage
from devstack.bus.namespace import Node
from devstack.bus.refusals import Refusal
from devstack.bus.requests import Request

type Take = Callable[[frames.Transfer], bytes]

_NOT_A_REQUEST = Refusal("amqp:decode-error", "The request is not well-formed.", 400)


def put_token(connection: Connection, session: AmqpSession, address: str) -> Take:
    """Return what turns tokens into claims of the connection."""

    def take(transfer: frames.Transfer) -> bytes:
        try:
            request = Request.parse(transfer.payload)
            audience = request.properties.get("name")
            token = decode(request.body)[0]
        except Malformed:
            return frames.rejected(_NOT_A_REQUEST)
        status, text = _claim(connection, audience, token)
        properties = {"status-code": e.int32(status), "status-description": e.text(text)}
        if status == HTTPStatus.UNAUTHORIZED:
            properties["error-condition"] = e.symbol("amqp:unauthorized-access")
        elif status == HTTPStatus.NOT_FOUND:
            properties["error-condition"] = e.symbol("amqp:not-found")
        _respond(session, address, request, request.answer(properties))
        return frames.ACCEPTED_STATE

    return take


def _claim(connection: Connection, audience: object, token: object) -> tuple[int, str]:
    if isinstance(token, bytes):
        token = token.decode("utf-8", "replace")
    if not isinstance(audience, str) or not isinstance(token, str):
        return HTTPStatus.BAD_REQUEST, "The request has no audience or no token."
    broker = connection.broker
    found = broker.access.claim(audience, token, connection.line.now)
    if not isinstance(found, Claim):
        return HTTPStatus.UNAUTHORIZED, found
    if found.path:
        node = broker.namespace.resolve(found.path)
        if isinstance(node, Refusal):
            return HTTPStatus.NOT_FOUND, node.description
    connection.claim(found)
    return HTTPStatus.ACCEPTED, "Accepted"


def serve_management(
    connection: Connection, session: AmqpSession, node: Node, address: str
) -> Take:
    """Return what answers an entity's requests."""

    def take(transfer: frames.Transfer) -> bytes:
        try:
            request = Request.parse(transfer.payload)
        except Malformed:
            return frames.rejected(_NOT_A_REQUEST)
        broker = connection.broker
        caller = Caller(broker.namespace, node, connection.line.now, connection.may)
        answer = manage(caller, request)
        if isinstance(answer, Refusal):
            answer = Answer(answer.status, answer.description, condition=answer.condition)
        properties = {
            "statusCode": e.int32(answer.status),
            "statusDescription": e.text(answer.description),
        }
        if answer.condition:
            properties["errorCondition"] = e.symbol(answer.condition)
        _respond(session, address, request, request.answer(properties, answer.body))
        return frames.ACCEPTED_STATE

    return take


def _respond(session: AmqpSession, address: str, request: Request, payload: bytes) -> None:
    reply_to = decode(request.reply_to)[0]
    links = [
        link
        for link in session.receivers()
        if link.queue is None and link.address.lower() == address.lower()
    ]
    meant = [link for link in links if link.target == reply_to]
    for link in (meant or links)[:1]:
        link.respond(payload)
