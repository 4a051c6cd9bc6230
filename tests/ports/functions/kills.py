"""A process that dies between two writes: an exception that nothing catches, in the n-th write."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

from functions.parts import Parts

_WRITES = ("PUT", "POST", "DELETE")


class Killed(BaseException):
    """The end of a process, which no handler of errors sees."""


@dataclass
class Killer:
    """Counts the writes of a control plane, and ends it at one; then it writes nothing more."""

    at: int
    after: bool  # the write is done, but its answer is not heard
    count: int = 0

    def watch(self, parts: Parts) -> None:
        """Stand between the control plane and its servers."""
        vars(parts.session)["request"] = self._http(parts.session.request)
        vars(parts.queue)["_client"] = _Bus(parts.bus, self)

    async def write[T](self, done: Callable[[], Awaitable[T]]) -> T:
        """Let a write happen, or not."""
        self.count += 1
        if self.count > self.at or (self.count == self.at and not self.after):
            raise Killed
        result = await done()
        if self.count >= self.at:
            raise Killed
        return result

    def _http(self, request: Any) -> Any:
        async def send(method: str, *args: Any, **kwargs: Any) -> Any:
            if method not in _WRITES:
                return await request(method, *args, **kwargs)
            return await self.write(lambda: request(method, *args, **kwargs))

        return send


@dataclass
class _Bus:
    client: ServiceBusClient
    killer: Killer

    def get_queue_sender(self, name: str) -> "_Sender":
        return _Sender(self.client.get_queue_sender(name), self.killer)


@dataclass
class _Sender:
    sender: ServiceBusSender
    killer: Killer

    async def send_messages(self, message: ServiceBusMessage) -> None:
        await self.killer.write(lambda: self.sender.send_messages(message))

    async def close(self) -> None:
        await self.sender.close()
