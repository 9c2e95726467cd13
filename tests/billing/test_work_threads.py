"""Real threads on one pool, each with its own connection, as several nodes or the portal beside the
call path would: nobody spends the same cent twice, and the sums are those of a serial run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from billing import work
from billing.credit import CreditRefused, HoldGranted
from billing.rating import charge, next_slice, paid_until_s
from billing.repository import AlreadyPosted, Posted, Posting, post, verify
from tests.billing.samples import (
    ACCOUNT,
    START_US,
    Pool,
    count_rows,
    make_accounts,
    make_rate,
    make_request,
    make_settlement,
    pool,
    top_up,
)

T = TypeVar("T")
THREADS = 4


def together(engine: Engine, *works: Callable[[Connection], T]) -> list[T]:
    """Run each in a thread and a transaction of its own, all let go at the same moment."""
    barrier = Barrier(len(works))

    def run(one: Callable[[Connection], T]) -> T:
        barrier.wait(timeout=30)
        with engine.begin() as connection:
            return one(connection)

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def test_two_holds_at_once_never_get_the_same_cent(engine: Engine) -> None:
    """Six calls want 0.06 each of 0.18: exactly three get it, each time."""
    make_accounts(engine, 180_000)
    for turn in range(5):
        requests = [make_request(f"t{turn}c{number}") for number in range(6)]
        outcomes = together(
            engine, *(lambda conn, one=one: work.hold(conn, one) for one in requests)
        )
        assert sum(isinstance(outcome, HoldGranted) for outcome in outcomes) == 3
        with engine.begin() as connection:
            assert pool(connection) == Pool(180_000, 180_000)
            assert verify(connection) == []
            for request in requests:
                work.void(connection, request.id)


def test_the_last_money_is_granted_once_when_slices_do_not_fit(engine: Engine) -> None:
    """Four calls of 1/1 want a minute of what is half a minute: together they get just that."""
    make_accounts(engine, 30_000)
    requests = [make_request(f"c{number}", make_rate((1, 1))) for number in range(4)]
    outcomes = together(engine, *(lambda conn, one=one: work.hold(conn, one) for one in requests))
    granted = [one.amount_micros for one in outcomes if isinstance(one, HoldGranted)]
    assert sum(granted) == 30_000
    with engine.connect() as connection:
        assert pool(connection) == Pool(30_000, 30_000)


def test_a_payment_reported_twice_at_once_is_credited_once(engine: Engine) -> None:
    """The same key from two connections: one posts, the other finds it posted."""
    make_accounts(engine, 0)
    payment = Posting(ACCOUNT, "payment:9", "payment", 5_000_000, "", START_US)
    outcomes = together(engine, *([lambda conn: post(conn, payment)] * THREADS))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == sorted(
        [Posted.__name__, *[AlreadyPosted.__name__] * (THREADS - 1)]
    )
    with engine.connect() as connection:
        assert pool(connection) == Pool(5_000_000, 0)
        assert verify(connection) == []


def test_a_call_settled_twice_at_once_is_charged_once(engine: Engine) -> None:
    """The spool's replay and the call path meet."""
    make_accounts(engine, 1_000_000)
    with engine.begin() as connection:
        work.hold(connection, make_request("c1"))
    settlement = make_settlement("c1", 30)
    outcomes = together(engine, *([lambda conn: work.settle(conn, settlement)] * THREADS))
    assert sorted(len(outcome.charges) for outcome in outcomes) == [0, 0, 0, 1]
    with engine.connect() as connection:
        assert pool(connection) == Pool(940_000, 0)
        assert count_rows(connection, "cdr") == 1


calls = st.tuples(st.sampled_from([(60, 60), (1, 1), (30, 6)]), st.integers(0, 150))
scripts = st.lists(st.lists(calls, max_size=4), min_size=2, max_size=THREADS)


@pytest.mark.parametrize("start_micros", [100_000_000, 150_000])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(scripts)
def test_concurrent_calls_leave_the_serial_sum(
    engine: Engine, start_micros: int, script: list[list[tuple[tuple[int, int], int]]]
) -> None:
    """Whole calls in threads beside top-ups. With enough money the balance is what the calls cost
    one by one; with too little it is what was charged, and never below zero."""
    _empty(engine)
    make_accounts(engine, start_micros)
    phones = [_phone(engine, number, own) for number, own in enumerate(script)]
    with ThreadPoolExecutor(len(phones) + 1) as threads:
        payments = threads.submit(_pay_in, engine, 5)
        charged = sum(threads.map(lambda phone: phone(), phones))
        payments.result()
    with engine.connect() as connection:
        left = pool(connection)
        assert verify(connection) == []
    assert left == Pool(start_micros + 5 - charged, 0)
    if start_micros == 100_000_000:
        assert charged == sum(
            charge(make_rate(intervals), duration_s).price_micros
            for own in script
            for intervals, duration_s in own
        )


def _phone(
    engine: Engine, number: int, script: list[tuple[tuple[int, int], int]]
) -> Callable[[], int]:
    """Makes its calls one after another; returns what they were charged."""

    def run() -> int:
        return sum(
            _call(engine, f"p{number}c{turn}", intervals, duration_s)
            for turn, (intervals, duration_s) in enumerate(script)
        )

    return run


def _call(engine: Engine, call_id: str, intervals: tuple[int, int], duration_s: int) -> int:
    """One call with a transaction for each step, cut off where its credit ends."""
    rate = make_rate(intervals)
    with engine.begin() as connection:
        held = work.hold(connection, make_request(call_id, rate))
    if isinstance(held, CreditRefused):
        return 0
    with engine.begin() as connection:
        work.answered(connection, held.id, START_US)
    reserved_micros = held.amount_micros
    while (paid_until_s(rate, reserved_micros) or 0) < duration_s:
        amounts = next_slice(rate, reserved_micros)
        assert amounts is not None
        with engine.begin() as connection:
            more = work.extend(connection, held.id, amounts.want_micros, amounts.first_micros)
        if isinstance(more, CreditRefused):
            break
        reserved_micros = more.amount_micros
    lasted_s = min(duration_s, paid_until_s(rate, reserved_micros) or 0)
    with engine.begin() as connection:
        settled = work.settle(connection, make_settlement(call_id, lasted_s, rate))
    assert settled.charges[0].overrun_micros == 0
    return settled.charges[0].price_micros


def _pay_in(engine: Engine, times: int) -> None:
    for number in range(times):
        with engine.begin() as connection:
            top_up(connection, 1, key=f"cent{number}")


def _empty(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in ("cdr", "hold", "ledger", "balance", "account"):
            connection.execute(text(f"DELETE FROM {table}"))
