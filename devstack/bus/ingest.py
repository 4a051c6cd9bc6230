"""What is sent to queues and topics: one message, or a batch of which all or none is taken."""

from collections.abc import Callable

from cleanroom.errors import Malformed
from devstack.bus import frames, refusals
from devstack.bus.connection import Connection
from devstack.bus.message import batch, new_id, parse
from devstack.bus.namespace import Node
from devstack.bus.refusals import Refusal

_BATCH = 0x80013700
_NOT_A_MESSAGE = Refusal("amqp:decode-error", "The message is not well-formed.", 400)


def take_messages(connection: Connection, node: Node) -> Callable[[frames.Transfer], bytes]:
    """Return what takes the messages of a link."""

    def take(transfer: frames.Transfer) -> bytes:
        if node.entity.number not in connection.broker.namespace.numbered:
            return frames.rejected(refusals.not_found(node.entity.path))
        try:
            payloads = batch(transfer.payload) if transfer.format == _BATCH else [transfer.payload]
            messages = [parse(payload, new_id) for payload in payloads]
        except Malformed:
            return frames.rejected(_NOT_A_MESSAGE)
        sent = node.entity.send(messages, connection.line.now)
        return frames.rejected(sent) if isinstance(sent, Refusal) else frames.ACCEPTED_STATE

    return take
