"""One thing made ahead, so that whoever takes it need not wait: keys of RSA take long to find."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Spare[T]:
    """Makes the next one in the background as soon as one is taken; each is given out once."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._next = self._begun()

    def take(self) -> T:
        """Give the one that was made ahead, or wait for it."""
        with self._lock:
            taken, self._next = self._next, self._begun()
        return taken.result()

    def _begun(self) -> Future[T]:
        made: Future[T] = Future()

        def work() -> None:
            try:
                made.set_result(self._make())
            except BaseException as error:  # noqa: BLE001  # for whoever takes it
                made.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return made
