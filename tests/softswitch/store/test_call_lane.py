"""The call path's thread: shared transactions, and who fails when one of them goes wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, text
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from billing.credit import CreditRefused, HoldGranted, Order, Settled
from softswitch.store.call_lane import ATTEMPTS_MAX, BATCH_MAX, CallLane
from softswitch.store.connect import StoreUnavailable
from tests.billing.samples import Pool, make_accounts, make_request, make_settlement, pool
from tests.softswitch.store.fakes import SteppedThreads, at_once


class Guilty(Exception):
    """What a bad piece of work raises."""


def insert(name: str) -> str:
    """Work that writes a row."""
    return f"INSERT INTO tariff (name, currency) VALUES ('{name}', 'EUR')"


def outcome(deferred: Deferred[object]) -> object:
    """The value, or the exception."""
    results: list[object] = []
    deferred.addBoth(results.append)
    assert results, "nothing has arrived"
    found = results[0]
    return found.value if isinstance(found, Failure) else found


class Bench:
    """A lane with stepped threads, counting commits."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.threads = SteppedThreads()
        self.lane = CallLane(engine, self.threads, at_once, gather=lambda: None)
        self.commits = 0
        event.listen(engine, "commit", self._count)

    def _count(self, _connection: Connection) -> None:
        self.commits += 1

    def write(self, name: str) -> Deferred[object]:
        """Submit the writing of a row."""

        def work(connection: Connection) -> object:
            connection.exec_driver_sql(insert(name))
            return name

        return self.submit(work)

    def fail(self, error: Exception, after: str) -> Deferred[object]:
        """Submit work that writes a row and then raises."""

        def work(connection: Connection) -> object:
            connection.exec_driver_sql(insert(after))
            raise error

        return self.submit(work)

    def submit(self, work: Callable[[Connection], object]) -> Deferred[object]:
        """Submit any work; its outcome."""
        deferred: Deferred[object] = Deferred()
        self.lane.submit(work, deferred.callback)
        return deferred

    def order(self, order: Order) -> Deferred[object]:
        """Give a credit order; its outcome."""
        deferred: Deferred[object] = Deferred()
        self.lane.order(order, deferred.callback)
        return deferred

    def rows(self) -> list[str]:
        """What was committed."""
        with self.engine.connect() as connection:
            return sorted(connection.execute(text("SELECT name FROM tariff")).scalars())


@pytest.fixture
def bench(engine: Engine) -> Iterator[Bench]:
    """On each database."""
    bench = Bench(engine)
    yield bench
    bench.lane.stop()


def test_all_that_waits_is_written_in_one_transaction(bench: Bench) -> None:
    """What comes until the thread turns shares a commit; each gets its own answer."""
    deferreds = [bench.write(f"t{number}") for number in range(5)]
    assert len(bench.threads.waiting) == 1
    bench.threads.step()
    assert [outcome(deferred) for deferred in deferreds] == ["t0", "t1", "t2", "t3", "t4"]
    assert bench.commits == 1
    assert bench.rows() == ["t0", "t1", "t2", "t3", "t4"]


def test_only_the_guilty_one_fails(bench: Bench) -> None:
    """The batch is rolled back and each is run alone; nothing of the bad one stays."""
    before, bad, after = bench.write("a"), bench.fail(Guilty(), "b"), bench.write("c")
    bench.threads.step()
    assert outcome(before) == "a"
    assert outcome(after) == "c"
    assert isinstance(outcome(bad), Guilty)
    assert bench.rows() == ["a", "c"]


def test_an_error_of_the_database_fails_only_the_guilty_one(bench: Bench) -> None:
    """A constraint that is broken poisons PostgreSQL's transaction; the others are run again."""
    first, second, third = bench.write("a"), bench.write("a"), bench.write("b")
    bench.threads.step()
    assert outcome(first) == "a"
    assert "IntegrityError" in type(outcome(second)).__name__
    assert outcome(third) == "b"
    assert bench.rows() == ["a", "b"]


def test_a_batch_is_limited(bench: Bench) -> None:
    """Beyond the limit the rest gets a transaction of its own, in the same turn of the thread."""
    deferreds = [bench.write(f"t{number:03}") for number in range(BATCH_MAX + 1)]
    bench.threads.step()
    assert outcome(deferreds[-1]) == f"t{BATCH_MAX:03}"
    assert bench.commits == 2


def test_work_that_lost_against_another_is_tried_again(bench: Bench) -> None:
    """A serialization failure or a deadlock is no answer until it has happened often."""
    runs = []

    def work(connection: Connection) -> str:
        runs.append(connection)
        if len(runs) < ATTEMPTS_MAX:
            raise psycopg.errors.SerializationFailure
        return "done"

    deferred = bench.submit(work)
    bench.threads.step()
    assert outcome(deferred) == "done"


def test_work_that_loses_for_ever_fails(bench: Bench) -> None:
    """The number of attempts is bounded."""
    deferred = bench.fail(psycopg.errors.DeadlockDetected(), "a")
    bench.threads.step()
    assert isinstance(outcome(deferred), psycopg.errors.DeadlockDetected)


def test_a_connection_that_broke_is_replaced_once(bench: Bench) -> None:
    """It may have died long ago, while nobody called."""
    runs = []

    def work(connection: Connection) -> str:
        runs.append(connection)
        if len(runs) == 1:
            raise psycopg.errors.AdminShutdown
        return "done"

    deferred = bench.submit(work)
    bench.threads.step()
    assert outcome(deferred) == "done"
    assert runs[0] is not runs[1]


def test_a_database_that_is_away_fails_all_that_wait_together(bench: Bench) -> None:
    """One time-out for all of them, not one for each."""
    runs = []

    def work(connection: Connection) -> str:
        runs.append(connection)
        raise psycopg.OperationalError("server closed the connection\nunexpectedly")

    deferreds = [bench.submit(work) for _ in range(5)]
    bench.threads.step()
    outcomes = [outcome(deferred) for deferred in deferreds]
    assert all(isinstance(found, StoreUnavailable) for found in outcomes)
    assert str(outcomes[0]) == "the database is away: server closed the connection"
    assert len(runs) == 2


def test_a_locked_file_fails_all_that_wait_together(bench: Bench) -> None:
    """A long command has SQLite's writer: everybody waits twice, not some times each."""
    runs = []

    def work(connection: Connection) -> str:
        runs.append(connection)
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    deferreds = [bench.submit(work) for _ in range(5)]
    bench.threads.step()
    outcomes = [outcome(deferred) for deferred in deferreds]
    assert [str(found) for found in outcomes] == ["the database is away: database is locked"] * 5
    assert len(runs) == 2


def test_what_a_callback_submits_is_written_too(bench: Bench) -> None:
    """A hold's answer leads to the next step: the thread had ended its turn and begins another."""
    later: list[Deferred[object]] = []
    bench.write("a").addCallback(lambda _: later.append(bench.write("b")))
    bench.threads.step()
    bench.threads.step()
    assert outcome(later[0]) == "b"


def test_stopping_writes_what_waits(bench: Bench) -> None:
    """Nothing that was submitted is lost."""
    deferreds = [bench.write(f"t{number:03}") for number in range(BATCH_MAX + 5)]
    bench.lane.stop()
    assert all(deferred.called for deferred in deferreds)
    assert len(bench.rows()) == BATCH_MAX + 5


def test_orders_that_follow_one_another_are_carried_out_in_their_order(bench: Bench) -> None:
    """A call that is held and settled in one batch is charged; work between orders sees what came
    before it."""
    make_accounts(bench.engine, 60_000)
    held = bench.order(make_request("c1"))
    between = bench.submit(lambda connection: pool(connection).reserved)
    settled = bench.order(make_settlement("c1", 30))
    refused = bench.order(make_request("c2"))
    bench.threads.step()
    assert outcome(held) == HoldGranted("c1:b1", 60_000)
    assert outcome(between) == 60_000
    assert [charge.price_micros for charge in outcome(settled).charges] == [60_000]
    assert isinstance(outcome(refused), CreditRefused)
    assert bench.commits == 2  # the accounts, the batch
    with bench.engine.connect() as connection:
        assert pool(connection) == Pool(0, 0)


def test_an_order_that_the_database_refuses_fails_alone(bench: Bench) -> None:
    """A record of an account that is not there: the other calls of its batch are settled."""
    make_accounts(bench.engine, 1_000_000)
    holds = [bench.order(make_request(call_id)) for call_id in ("c1", "c2", "c3")]
    bench.threads.step()
    assert all(isinstance(outcome(held), HoldGranted) for held in holds)
    bad = make_settlement("c2", 30)
    bad = bad._replace(records=(bad.records[0]._replace(account="nobody"),))
    orders = [make_settlement("c1", 30), bad, make_settlement("c3", 30)]
    deferreds = [bench.order(order) for order in orders]
    bench.threads.step()
    outcomes = [outcome(deferred) for deferred in deferreds]
    assert [isinstance(found, Settled) for found in outcomes] == [True, False, True]
    assert "foreign key" in str(outcomes[1]).lower()
    with bench.engine.connect() as connection:
        assert pool(connection) == Pool(1_000_000 - 2 * 60_000, 60_000)


def test_a_receiver_that_raises_keeps_nobody_from_his_outcome(bench: Bench) -> None:
    """It is logged."""

    def raises(_outcome: object) -> None:
        raise Guilty

    bench.lane.submit(lambda connection: None, raises)
    after = bench.write("a")
    bench.threads.step()
    assert outcome(after) == "a"
