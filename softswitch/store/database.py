"""The way from the reactor to the database: functions go in, Deferreds of plain values come out.

``run`` and ``read`` (the portal, commands, jobs) use a few threads, a transaction each. Holds and
settlements have a thread of their own, ``order`` and ``run_call``. The functions run in those
threads: they touch nothing of the reactor's, and no row object leaves them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from billing.credit import Order
from softswitch.store.call_lane import ATTEMPTS_MAX, GATHER_S, CallLane, Done
from softswitch.store.connect import (
    Durability,
    StoreBusy,
    StoreUnavailable,
    begin_reading,
    is_lost,
    is_retryable,
    make_engine,
    one_line,
    parse_url,
    reach,
)
from softswitch.store.threads import Threads, WorkThreads, deferred_work

P = ParamSpec("P")
T = TypeVar("T")

WEB_THREADS = 4  # people wait for pages; SQLite has one writer at a time in any case
CLOSED = "the database is not open"  # not yet, or not any more: the service is stopping
SYNC_CONNECTIONS = 1  # for ``sync_transaction`` beside the threads


class Database:
    """One database, its two engines and its threads.

    ``call_from_thread`` is ``reactor.callFromThread``. With ``InlineThreads`` and a function that
    calls at once everything happens synchronously, for tests. ``gather_s``: how long the db-call
    thread waits for company (``softswitch.store.call_lane``).
    """

    def __init__(
        self,
        url: str,
        *,
        call_from_thread: Callable[..., object],
        threads: Callable[[str, int], WorkThreads] = Threads,
        gather_s: float = GATHER_S,
    ) -> None:
        """Connects to nothing. Raises ``StoreError`` on an address that is none."""
        parsed = parse_url(url)
        self.engine = make_engine(parsed, connections_max=WEB_THREADS + SYNC_CONNECTIONS)
        self._call_engine = make_engine(parsed, connections_max=1, durability=Durability.NORMAL)
        self._call_from_thread = call_from_thread
        self._make_threads = threads
        self._gather_s = gather_s
        self._web: WorkThreads | None = None
        self._lane: CallLane | None = None

    def connect(self) -> None:
        """Reach the database (blocking) and start the threads. Raises ``StoreUnavailable`` with
        one line that names the address."""
        reach(self.engine)
        self._web = self._make_threads("db-web", WEB_THREADS)
        call = self._make_threads("db-call", 1)
        self._lane = CallLane(self._call_engine, call, self._call_from_thread, self._gather)

    def stop(self) -> None:
        """Finish what waits, then let go of threads and connections (blocking). Outcomes still go
        to ``call_from_thread``."""
        if self._lane is not None:
            self._lane.stop()
        if self._web is not None:
            self._web.stop()
        self._lane = self._web = None
        self._call_engine.dispose()
        self.engine.dispose()

    def run(
        self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """``fn(session, ...)`` in a writing transaction of its own, in a db-web thread.

        It is run again when it lost against another transaction, so it must do nothing beside the
        database. Fails with what ``fn`` raises, or with ``StoreUnavailable``.
        """
        return self._in_web(lambda session: fn(session, *args, **kwargs), reads=False)

    def read(
        self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Like ``run`` for a function that only reads: it sees one consistent state, and neither
        waits for a writer nor makes one wait."""
        return self._in_web(lambda session: fn(session, *args, **kwargs), reads=True)

    def run_call(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """``fn(connection, ...)`` in the db-call thread, in one transaction with all that waits.

        When one of them raises, nothing is written and each is run again alone, so that only the
        guilty one fails: ``fn`` may be run more than once.
        """
        if self._lane is None:
            return fail(StoreUnavailable(CLOSED))
        deferred: Deferred[T] = Deferred()
        self._lane.submit(lambda conn: fn(conn, *args, **kwargs), deferred.callback)
        return deferred

    def order(self, order: Order, done: Done) -> None:
        """Have a credit order carried out in the db-call thread, likewise; ``done`` is told its
        outcome, or a ``Failure``. No Deferred: a call gives three orders."""
        if self._lane is None:
            done(Failure(StoreUnavailable(CLOSED)))
        else:
            self._lane.order(order, done)

    @contextmanager
    def sync_transaction(self, *, reads: bool = False) -> Iterator[Session]:
        """One transaction in the caller's thread, for commands without a reactor; committed at the
        end of the block. Raises ``StoreUnavailable``, and whatever the block raises."""
        with (
            _named_failures(),
            self._connection(reads) as connection,
            Session(connection) as session,
            session.begin(),
        ):
            yield session

    def _gather(self) -> None:
        if self._gather_s:
            time.sleep(self._gather_s)

    def _connection(self, reads: bool) -> Connection:
        return begin_reading(self.engine) if reads else self.engine.connect()

    def _in_web(self, work: Callable[[Session], T], *, reads: bool) -> Deferred[T]:
        if self._web is None:
            return fail(StoreUnavailable(CLOSED))
        return deferred_work(self._web, self._call_from_thread, lambda: self._attempts(work, reads))

    def _attempts(self, work: Callable[[Session], T], reads: bool) -> T:
        attempts_left = ATTEMPTS_MAX
        while True:
            attempts_left -= 1
            try:
                with self.sync_transaction(reads=reads) as session:
                    return work(session)
            except StoreBusy:
                if not attempts_left:
                    raise


@contextmanager
def _named_failures() -> Iterator[None]:
    """Give the loss of the database its name, whichever driver says so; and a lost race too."""
    try:
        yield
    except Exception as error:
        if is_lost(error):
            raise StoreUnavailable(f"the database is away: {one_line(error)}") from error
        if is_retryable(error):
            raise StoreBusy(f"the database is busy, try again: {one_line(error)}") from error
        raise
