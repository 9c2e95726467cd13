"""Threads of the store's own, so that the reactor's pool stays free for name look-ups."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")
Work = Callable[[], object]


class WorkThreads(Protocol):
    """Where blocking work is done. ``Threads`` does it in threads, ``InlineThreads`` at once."""

    def submit(self, work: Work) -> None:
        """Do this, after what was submitted before. ``work`` catches its own exceptions."""

    def stop(self) -> None:
        """Do what was submitted, then end; returns when that is done."""


def deferred_work(
    threads: WorkThreads, call_from_thread: Callable[..., object], work: Callable[[], T]
) -> Deferred[T]:
    """Do ``work`` there; the Deferred fires with its outcome in the reactor's thread."""
    deferred: Deferred[T] = Deferred()

    def in_thread() -> None:
        try:
            outcome = work()
        except Exception:
            call_from_thread(deferred.errback, Failure())
        else:
            call_from_thread(deferred.callback, outcome)

    threads.submit(in_thread)
    return deferred


class Threads:
    """``count`` threads that take work from one queue, in order."""

    def __init__(self, name: str, count: int) -> None:
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._take, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> None:
        """Queue it; the first free thread takes it."""
        self._queue.put(work)

    def stop(self) -> None:
        """One end mark a thread, behind the work that is waiting."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _take(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


class InlineThreads:
    """No threads: work is done by whoever submits it, before ``submit`` returns. For tests."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count

    def submit(self, work: Work) -> None:
        """Do it now."""
        work()

    def stop(self) -> None:
        """Nothing is waiting."""
