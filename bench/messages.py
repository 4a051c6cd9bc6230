"""What comes out of a queue or a topic, and when: read by a thread that does nothing else."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from azure.servicebus import (
    ServiceBusClient,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
)

_AHEAD = 50  # messages that are fetched before they are asked for
_QUIET = 1.0  # seconds without a message after which the reader looks whether it should stop
_POLL = 0.01  # seconds; when a message came is noted by who reads, and does not wait for this

type Note = Callable[[bytes, float], None]


@contextmanager
def noted(connect: Callable[[], ServiceBusClient], note: Note, *source: str) -> Iterator[None]:
    """Take messages until the block ends, and tell of each with the time when it came.

    The source is a queue, or a topic and its subscription.
    """
    over = threading.Event()

    def read() -> None:
        with connect() as client, _receiver(client, source) as messages:
            while not over.is_set():
                for message in messages:  # one by one: a batch would wait until it is full
                    note(_body(message), time.perf_counter())
                    if over.is_set():
                        return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def until(came: Callable[[], bool], patience: float, otherwise: str) -> None:
    """Wait until what is awaited came; raises TimeoutError if it does not in time."""
    end = time.monotonic() + patience
    while not came():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(_POLL)


def _receiver(client: ServiceBusClient, source: Sequence[str]) -> ServiceBusReceiver:
    whole = len(source) == 1
    end = client.get_queue_receiver if whole else client.get_subscription_receiver
    taken = ServiceBusReceiveMode.RECEIVE_AND_DELETE  # to settle each would be work of ours
    return end(*source, receive_mode=taken, prefetch_count=_AHEAD, max_wait_time=_QUIET)


def _body(message: ServiceBusReceivedMessage) -> bytes:
    return b"".join(message.body)
