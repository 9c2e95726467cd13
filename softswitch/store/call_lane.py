"""The call path's way to the database: one thread, one connection, shared transactions.

A hold or a settlement is a few statements of some microseconds each; waking a thread, beginning and
committing cost more than they do. So the thread waits a moment for company and then writes all that
has come in one transaction: the higher the load, the larger the batch and the cheaper a call. While
there is work it goes on by itself; the reactor wakes it only after a pause, and is woken once for
each batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine
from twisted.logger import Logger
from twisted.python.failure import Failure

from billing.credit import Order
from billing.work import carry_out
from softswitch.store.connect import (
    StoreUnavailable,
    driver_transaction,
    is_locked,
    is_lost,
    is_retryable,
    one_line,
)
from softswitch.store.threads import WorkThreads

log = Logger()

Done = Callable[[Any], object]  # is told an outcome, or a Failure

ATTEMPTS_MAX = 4  # a transaction that lost this often against others fails
# Bounds how long SQLite's one writer is kept from the portal: about 20 ms.
BATCH_MAX = 200
# What a hold waits for company. Nobody hears 10 ms before a telephone rings; at 200 calls a second
# it makes batches of twelve, and the thread wakes and commits half as often as with 10 ms.
GATHER_S = 0.02


@dataclass(slots=True, eq=False)
class _Job:
    """Something that waits for its turn, later its outcome: an order, or a function."""

    work: Any  # Order | Callable[[Connection], Any]
    is_work: bool
    done: Done
    outcome: Any = None


class CallLane:
    """``order``, ``submit`` and ``stop`` belong to the reactor's thread, and there ``done`` is
    called. ``_waiting`` is filled by it and emptied by the thread of ``threads``, whose turn lasts
    until nothing waits; ``_lock`` keeps an order from coming between its last look and its end.

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
        self._lock = Lock()
        self._busy = False
        self._connection: Connection | None = None

    def order(self, order: Order, done: Done) -> None:
        """Carry out an order in a transaction that it shares with whatever waits at the same time.
        ``done`` is told its outcome, or the failure: what it raised, or ``StoreUnavailable``."""
        self._add(_Job(order, False, done))

    def submit(self, work: Callable[[Connection], Any], done: Done) -> None:
        """``order`` for anything else that is to be done on the connection."""
        self._add(_Job(work, True, done))

    def stop(self) -> None:
        """Write what waits and let go of the connection (blocking)."""
        self._threads.stop()
        while self._waiting:
            batch = self._next_batch()
            self._run(batch)
            self._call_from_thread(_deliver, batch)
        self._drop()

    def _add(self, job: _Job) -> None:
        with self._lock:
            self._waiting.append(job)
            begins, self._busy = not self._busy, True
        if begins:
            self._threads.submit(self._turn)

    def _turn(self) -> None:
        """In the thread, until nothing waits. One wake-up of the reactor for each batch."""
        while True:
            self._gather()
            batch = self._next_batch()
            self._run(batch)
            with self._lock:
                self._busy = bool(self._waiting)
                goes_on = self._busy
            self._call_from_thread(_deliver, batch)
            if not goes_on:
                return

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
        only_orders = not any(job.is_work for job in batch)
        try:
            with driver_transaction(connection) if only_orders else connection.begin():
                outcomes = _outcomes(connection, batch)
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


def _outcomes(connection: Connection, batch: Sequence[_Job]) -> list[Any]:
    """Orders that follow one another are carried out together."""
    outcomes: list[Any] = []
    for is_work, jobs in groupby(batch, key=attrgetter("is_work")):
        if is_work:
            outcomes += [job.work(connection) for job in jobs]
        else:
            outcomes += carry_out(connection, [job.work for job in jobs])
    return outcomes


def _deliver(batch: Sequence[_Job]) -> None:
    """In the reactor's thread: a bug in one receiver does not keep the others from their news."""
    for job in batch:
        try:
            job.done(job.outcome)
        except Exception:
            log.failure("bug while receiving the outcome of {work}", work=job.work)


def _fail(batch: Sequence[_Job], error: Exception) -> None:
    for job in batch:
        job.outcome = Failure(error)
