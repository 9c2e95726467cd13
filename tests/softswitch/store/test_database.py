"""``Database`` as the reactor uses it: with real threads, and synchronously for other tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeVar

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from softswitch.store.call_lane import ATTEMPTS_MAX
from softswitch.store.connect import StoreBusy, StoreUnavailable
from softswitch.store.database import Database
from tests.conftest import PostgresqlCluster

T = TypeVar("T")
COUNT = text("SELECT count(*) FROM tariff")


def insert(session: Session | Connection, name: str) -> str:
    """Write a row; the name of the thread that does it."""
    session.execute(
        text("INSERT INTO tariff (name, currency) VALUES (:name, 'EUR')"), {"name": name}
    )
    return threading.current_thread().name


def count(session: Session | Connection) -> int:
    """How many rows there are."""
    return int(session.execute(COUNT).scalar_one())


class Loop:
    """A reactor of two lines: what threads hand over is called by whoever waits."""

    def __init__(self) -> None:
        self.handed_over: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.wake_ups = 0

    def call_from_thread(self, function: Callable[..., object], *arguments: object) -> None:
        """Any thread."""
        self.handed_over.put(lambda: function(*arguments))

    def wait(self, deferred: Deferred[T]) -> T:
        """The value, or the exception is raised."""
        results: list[T | Failure] = []
        deferred.addBoth(results.append)
        while not results:
            self.wake_ups += 1
            self.handed_over.get(timeout=30)()
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[return-value]


@pytest.fixture
def loop() -> Loop:
    """The test is the reactor."""
    return Loop()


@pytest.fixture
def threaded(database_url: str, loop: Loop) -> Iterator[Database]:
    """A database with its real threads."""
    database = Database(database_url, call_from_thread=loop.call_from_thread)
    database.connect()
    yield database
    database.stop()


def test_work_is_done_in_threads_of_its_own(threaded: Database, loop: Loop) -> None:
    """The portal's and the calls' are told apart by name."""
    assert loop.wait(threaded.run(insert, "web")).startswith("db-web")
    assert loop.wait(threaded.run_call(insert, "call")) == "db-call-0"
    assert loop.wait(threaded.read(count)) == 2


def test_calls_that_come_together_share_a_wake_up(threaded: Database, loop: Loop) -> None:
    """A burst is a batch: far fewer turns of the reactor than calls."""
    names = [f"t{number}" for number in range(100)]
    loop.wait(gatherResults([threaded.run_call(insert, name) for name in names]))
    assert loop.wake_ups < 20
    assert loop.wait(threaded.read(count)) == 100


def test_many_writers_of_both_kinds_lose_nothing(threaded: Database, loop: Loop) -> None:
    """The portal writes while calls do."""
    runs = [threaded.run, threaded.run_call] * 20
    loop.wait(gatherResults([run(insert, f"t{n}") for n, run in enumerate(runs)]))
    assert loop.wait(threaded.read(count)) == 40


def test_stopping_finishes_what_was_submitted(
    database_url: str, threaded: Database, loop: Loop
) -> None:
    """Settlements of the last second are in the database when the service has stopped."""
    for number in range(10):
        threaded.run_call(insert, f"call{number}")
        threaded.run(insert, f"web{number}")
    threaded.stop()
    again = Database(database_url, call_from_thread=loop.call_from_thread)
    with again.sync_transaction(reads=True) as session:
        assert count(session) == 20
    again.stop()


def test_after_stopping_everything_is_refused(database: Database) -> None:
    """A page that is asked for while the service stops gets a named failure."""
    database.stop()
    failures: list[Failure] = []
    for run in (database.run, database.read, database.run_call):
        run(count).addErrback(failures.append)
    assert [failure.check(StoreUnavailable) for failure in failures] == [StoreUnavailable] * 3


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    """What ``fn`` raises comes out, what it wrote does not stay."""

    def work(session: Session) -> None:
        insert(session, "a")
        raise KeyError("ours")

    failures: list[Failure] = []
    database.run(work).addErrback(failures.append)
    assert failures[0].check(KeyError)
    with database.sync_transaction() as session:
        assert count(session) == 0


def test_a_transaction_that_lost_is_run_again(database: Database) -> None:
    """Up to a limit; then it is refused in words."""
    runs = []

    def work(session: Session, bad_runs: int) -> int:
        runs.append(session)
        insert(session, f"t{bad_runs}")
        if len(runs) <= bad_runs:
            raise psycopg.errors.SerializationFailure
        return count(session)

    values: list[object] = []
    database.run(work, ATTEMPTS_MAX - 1).addCallback(values.append)
    assert values == [1]
    runs.clear()
    database.run(work, ATTEMPTS_MAX).addErrback(
        lambda failure: values.append((failure.check(StoreBusy), failure.getErrorMessage()))
    )
    assert len(runs) == ATTEMPTS_MAX
    assert values[1] == (StoreBusy, "the database is busy, try again: SerializationFailure")


def test_a_reading_transaction_cannot_write_on_postgresql(database: Database) -> None:
    """A function that writes belongs into ``run``."""
    if database.engine.dialect.name == "sqlite":
        return  # it would write there: nothing in SQLite stops it
    failures: list[Failure] = []
    database.read(insert, "a").addErrback(failures.append)
    assert "read-only" in str(failures[0].value)


def test_a_session_sees_what_it_wrote_through_its_connection(database: Database) -> None:
    """Billing's functions take the session's connection within the same transaction."""

    def work(session: Session) -> int:
        insert(session.connection(), "a")
        return count(session)

    values: list[int] = []
    database.run(work).addCallback(values.append)
    assert values == [1]


def test_the_loss_of_the_database_has_one_name(postgresql: PostgresqlCluster, loop: Loop) -> None:
    """While the server is away every way in says so; when it is back all go on by themselves."""
    url = postgresql.url("migrated")
    database = Database(url, call_from_thread=loop.call_from_thread)
    database.connect()
    loop.wait(database.run_call(insert, "before"))
    loop.wait(database.run(insert, "before too"))
    postgresql.stop()
    try:
        for attempt in (
            lambda: loop.wait(database.run_call(insert, "x")),
            lambda: loop.wait(database.run(insert, "x")),
            lambda: loop.wait(database.read(count)),
        ):
            with pytest.raises(StoreUnavailable) as raised:
                attempt()
            assert "\n" not in str(raised.value)
    finally:
        postgresql.start()
    loop.wait(database.run_call(insert, "after"))
    assert loop.wait(database.read(count)) == 3
    database.stop()
    postgresql.delete_rows()


def test_a_server_that_restarts_unseen_costs_nothing(
    postgresql: PostgresqlCluster, loop: Loop
) -> None:
    """Connections that died while nobody called are replaced without an error."""
    url = postgresql.url("migrated")
    database = Database(url, call_from_thread=loop.call_from_thread)
    database.connect()
    loop.wait(database.run_call(insert, "a"))
    loop.wait(database.run(insert, "b"))
    postgresql.stop()
    postgresql.start()
    loop.wait(database.run_call(insert, "c"))
    loop.wait(database.run(insert, "d"))
    assert loop.wait(database.read(count)) == 4
    database.stop()
    postgresql.delete_rows()
