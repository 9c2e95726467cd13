"""The call path's way to the database: one thread, one connection, shared transactions.

A hold or a settlement is a few statements of some microseconds each; waking a thread, beginning and
committing cost more than they do. So the thread waits a moment for company and then writes all that
has come in one transaction: the higher the load, the larger the batch and the cheaper a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from softswitch.store.connect import StoreUnavailable, is_locked, is_lost, is_retryable, one_line
from softswitch.store.threads import WorkThreads

T = TypeVar("T")

ATTEMPTS_MAX = 4  # a transaction that lost this often against others fails
# Bounds how long SQLite's one writer is kept from the portal: about 20 ms.
BATCH_MAX = 200
# What a hold waits for company. Nobody hears 5 ms before a telephone rings; at 200 calls a second
# it makes batches of three and halves the cost of a call's SQL.
GATHER_S = 0.01


@dataclass(slots=True, eq=False)
class _Job:
    """Something that waits for its turn, later its outcome."""

    work: Callable[[Connection], Any]
    deferred: Deferred[Any] = field(default_factory=Deferred)
    outcome: Any = None

    def deliver(self) -> None:
        if isinstance(self.outcome, Failure):
            self.deferred.errback(self.outcome)
        else:
            self.deferred.callback(self.outcome)


class CallLane:
    """``submit``, ``stop`` and ``_busy`` belong to the reactor's thread. ``_waiting`` is filled by
    it and emptied by the thread of ``threads``; a deque may be used so from two threads.

    ``gather`` blocks while company for a batch arrives; it is called in the thread.
    """

    def __init__(
        self,
        engine: Engine,
        threads: WorkThreads,
        call_from_thread: Callable[..., object],
        gather: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._threads = threads
        self._call_from_thread = call_from_thread
        self._waiting: deque[_Job] = deque()
        self._gather = gather
        self._busy = False
        self._connection: Connection | None = None

    def submit(self, work: Callable[[Connection], T]) -> Deferred[T]:
        """Run ``work`` in a transaction that it shares with whatever waits at the same time. Fails
        with what it raises, or with ``StoreUnavailable``."""
        job = _Job(work)
        self._waiting.append(job)
        if not self._busy:
            self._begin_turn()
        return job.deferred

    def stop(self) -> None:
        """Write what waits and let go of the connection (blocking)."""
        self._threads.stop()
        while self._waiting:
            batch = self._next_batch()
            self._run(batch)
            self._call_from_thread(_deliver, batch)
        self._drop()

    def _begin_turn(self) -> None:
        self._busy = True
        self._threads.submit(self._turn)

    def _turn(self) -> None:
        """In the thread. One wake-up of the reactor for the whole batch."""
        self._gather()
        batch = self._next_batch()
        self._run(batch)
        self._call_from_thread(self._finish, batch)

    def _finish(self, batch: list[_Job]) -> None:
        """In the reactor's thread: give the thread its next turn first, then the news."""
        self._busy = False
        if self._waiting:
            self._begin_turn()
        _deliver(batch)

    def _next_batch(self) -> list[_Job]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]

    def _run(self, batch: list[_Job]) -> None:
        try:
            self._attempt(batch)
        except Exception as error:
            if is_lost(error) or is_locked(error):
                self._run_again(batch)
            else:
                self._run_alone(batch)

    def _run_again(self, batch: list[_Job]) -> None:
        """The connection broke, perhaps long ago: once more on a new one. Or the file is locked,
        perhaps by a long command: wait once more. If that does not help, all of them fail together,
        so that a database that is away costs two time-outs, not some for each."""
        try:
            self._attempt(batch)
        except Exception as error:
            if is_lost(error) or is_locked(error):
                _fail(batch, StoreUnavailable(f"the database is away: {one_line(error)}"))
            else:
                self._run_alone(batch)

    def _run_alone(self, batch: list[_Job]) -> None:
        """Something in the batch went wrong: each in its own transaction, the guilty one fails."""
        for job in batch:
            try:
                self._run_one(job)
            except Exception:
                job.outcome = Failure()

    def _run_one(self, job: _Job) -> None:
        for attempts_left in reversed(range(ATTEMPTS_MAX)):
            try:
                return self._attempt([job])
            except Exception as error:
                if is_lost(error):
                    raise StoreUnavailable(f"the database is away: {one_line(error)}") from error
                if not attempts_left or not is_retryable(error):
                    raise
        return None

    def _attempt(self, batch: Sequence[_Job]) -> None:
        """One transaction. Outcomes are kept only once it is committed."""
        connection = self._connected()
        try:
            with connection.begin():
                outcomes = [job.work(connection) for job in batch]
        except Exception as error:
            if is_lost(error):
                self._drop()
            raise
        for job, outcome in zip(batch, outcomes, strict=True):
            job.outcome = outcome

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _drop(self) -> None:
        """Forget the connection; a broken one must not go back into the pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _deliver(batch: Sequence[_Job]) -> None:
    for job in batch:
        job.deliver()


def _fail(batch: Sequence[_Job], error: Exception) -> None:
    for job in batch:
        job.outcome = Failure(error)
