"""What a genuine client says to a server, recorded on the way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from devstack.home import HOST

_MOST = 1 << 16


@dataclass
class Recording:
    """A relay in front of a server; `conversations` is what was said on each connection."""

    port: int
    conversations: list[bytearray] = field(default_factory=list)


@contextmanager
def recording(port: int) -> Iterator[Recording]:
    """Listen in front of a port until the block ends."""
    with socket.create_server((HOST, 0)) as server:
        made = Recording(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, port, made), daemon=True)
        thread.start()
        yield made
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(server: socket.socket, port: int, made: Recording) -> None:
    threads = []
    with suppress(OSError):  # the block ended
        while True:
            client, _ = server.accept()
            behind = socket.create_connection((HOST, port))
            said = bytearray()
            made.conversations.append(said)
            for pair in ((client, behind, said), (behind, client, None)):
                threads.append(threading.Thread(target=_carry, args=pair, daemon=True))
                threads[-1].start()
    for thread in threads:
        thread.join()


def _carry(from_: socket.socket, to: socket.socket, said: bytearray | None) -> None:
    with suppress(OSError):
        while data := from_.recv(_MOST):
            if said is not None:
                said += data
            to.sendall(data)
    for link in (from_, to):
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
    from_.close()  # the other direction's socket is closed by its own thread
