"""A pool of helper processes for what burns processor time: password hashing, later exports.

A thread is not enough: hashing one password there was measured to hold RTP up for 4 to 13 ms, and a
spreadsheet for 20. Helpers are spawned, hold no socket and no state, and end with the service.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")

PROCESSES = 2
TASKS_PER_PROCESS = 200  # then it is replaced, so that a leak in a library stays small
WAITING_MAX = 64  # beyond it the portal answers "busy" rather than let sign-ins wait for a minute


class WorkRefused(Exception):
    """Too much is waiting already; try again in a moment."""


class ProcessPool:
    """``run`` calls an importable function in a helper process and fires on the reactor."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._executor: ProcessPoolExecutor | None = None
        self._waiting = 0

    def run(self, fn: Callable[..., T], *args: Any) -> Deferred[T]:
        """Fires with the result or the exception of ``fn``; fails with ``WorkRefused`` at once when
        ``WAITING_MAX`` are waiting. Processes start at the first call."""
        result: Deferred[T] = Deferred()
        if self._waiting >= WAITING_MAX:
            result.errback(WorkRefused("too many jobs are waiting"))
            return result
        self._waiting += 1
        self._submit(fn, args).add_done_callback(
            lambda future: self._reactor.callFromThread(self._deliver, future, result)
        )
        return result

    def stop(self) -> None:
        """End the helpers; what waits is dropped."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            # shutdown joins the executor's own thread: not on the reactor's.
            threading.Thread(
                target=executor.shutdown, kwargs={"cancel_futures": True}, daemon=True
            ).start()

    def _submit(self, fn: Callable[..., T], args: tuple[Any, ...]) -> Future[T]:
        try:
            return self._running().submit(fn, *args)
        except BrokenProcessPool:  # a helper was killed; the pool does not heal by itself
            self._executor = None
            return self._running().submit(fn, *args)

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                max_workers=PROCESSES,
                mp_context=multiprocessing.get_context("spawn"),
                max_tasks_per_child=TASKS_PER_PROCESS,
            )
        return self._executor

    def _deliver(self, future: Future[T], result: Deferred[T]) -> None:
        self._waiting -= 1
        if future.cancelled():
            result.errback(WorkRefused("the service is stopping"))
        elif (error := future.exception()) is not None:
            result.errback(Failure(error))
        else:
            result.callback(future.result())
