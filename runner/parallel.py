"""Calls that wait for somebody, made at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from cleanroom.errors import CleanroomError, Disposition

_MOST_AT_ONCE = 16


def at_once[T](calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make calls in parallel; of several errors, one that ends the job comes before a retry."""
    todo = list(calls)
    if len(todo) <= 1:
        return [call() for call in todo]
    with ThreadPoolExecutor(min(len(todo) - 1, _MOST_AT_ONCE)) as pool:
        others = [pool.submit(call) for call in todo[1:]]
        futures = [_done(todo[0]), *others]  # the first here: whoever asks only waits otherwise
        errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=_is_retry):
        raise error
    return [future.result() for future in futures]


def _done[T](call: Callable[[], T]) -> Future[T]:
    done: Future[T] = Future()
    try:
        done.set_result(call())
    except BaseException as error:  # noqa: BLE001  # to be weighed against those of the others
        done.set_exception(error)
    return done


def _is_retry(error: BaseException) -> bool:
    return isinstance(error, CleanroomError) and error.disposition is Disposition.RETRY
