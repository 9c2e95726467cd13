"""Orders in one batch end as the same orders one by one: the same outcomes, the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from billing.credit import Answered, HoldGranted, Moved, Order, Outcome, SliceRequest, Void
from billing.repository import verify
from billing.sql import ROWS_MAX
from billing.work import carry_out
from tests.billing.samples import (
    ACCOUNT,
    OTHER,
    START_US,
    Pool,
    add_accounts,
    count_rows,
    make_accounts,
    make_rate,
    make_record,
    make_request,
    make_settlement,
    pool,
)

CALLS = 5
NOBODY = "000000999"
RATES = (
    make_rate((60, 60)),
    make_rate((1, 1), connect_fee_micros=50_000),
    make_rate((1, 1), per_minute_micros=0),
)
TABLES = {
    "hold": "id, call_id, account, amount_micros, rate, records, created_us, answered_us, seen_us",
    "balance": "account, balance_micros, reserved_micros, entries, head_hash",
    "ledger": "account, number, key, amount_micros, balance_after_micros, hash",
    "cdr": "call_id, account, billed_s, price_micros, cost_micros, overrun_micros, tariff",
}


def make_order(kind: str, call: int, argument: int) -> Order:
    """An order of one of few calls; each call has its rate, two of them another account."""
    call_id, rate = f"c{call}", RATES[call % len(RATES)]
    account = OTHER if call > 2 else ACCOUNT
    if kind == "hold":
        return make_request(call_id, rate, NOBODY if argument > 195 else account)
    if kind == "extend":
        return SliceRequest(f"{call_id}:b1", argument * 1_000, argument * 500)
    if kind == "answered":
        holds = (f"{call_id}:b1", f"c{(call + 1) % CALLS}:b1")
        return Answered(holds, START_US + argument * 100_000)
    if kind == "moved":
        return Moved(f"{call_id}:b1", f"m{argument % 3}", (make_record(account),))
    if kind == "void":
        return Void(f"{call_id}:b1")
    settlement = make_settlement(f"{call_id}", argument, rate, account)
    trusted = settlement.charges[0]._replace(trusted=argument % 3 == 0)
    return settlement._replace(charges=(trusted,))


kinds = st.sampled_from(
    ("hold", "hold", "hold", "extend", "answered", "moved", "void", "settle", "settle")
)
orders = st.builds(make_order, kinds, st.integers(0, CALLS - 1), st.integers(0, 200))


def result_of(
    connection: Connection, batches: Iterable[list[Order]], micros: int
) -> tuple[list[Outcome], dict[str, list[tuple[object, ...]]]]:
    """The outcomes and the rows that these batches lead to; nothing of it is kept."""
    with connection.begin() as transaction:
        add_accounts(connection, micros, other_micros=90_000)
        outcomes = [found for batch in batches for found in carry_out(connection, batch)]
        rows = {
            table: sorted(
                (tuple(_plain(value) for value in row) for row in connection.execute(text(query))),
                key=repr,
            )
            for table, columns in TABLES.items()
            for query in [f"SELECT {columns} FROM {table}"]
        }
        assert verify(connection) == []
        transaction.rollback()
    return outcomes, rows


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 300_000), st.lists(orders, max_size=25), st.sets(st.integers(0, 25)))
def test_a_batch_ends_as_its_orders_one_by_one(
    engine: Engine, micros: int, script: list[Order], cuts: set[int]
) -> None:
    """However the orders are cut into batches. A call that was settled may be asked for again: its
    leg's ledger key is taken then, so such scripts are left out, as no call does that."""
    script = _without_second_lives(script)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(script)), len(script)]
    batches = [script[begin:end] for begin, end in pairwise(edges)]
    with engine.connect() as connection:
        serial = result_of(connection, ([order] for order in script), micros)
        assert result_of(connection, batches, micros) == serial


def _without_second_lives(script: list[Order]) -> list[Order]:
    """No hold comes behind its call's settlement."""
    kept: list[Order] = []
    settled: set[str] = set()
    for order in script:
        call_id = getattr(order, "call_id", "")
        if hasattr(order, "charges"):
            settled.add(call_id)
        elif call_id in settled:
            continue
        kept.append(order)
    return kept


def test_a_batch_that_is_larger_than_a_statement(engine: Engine) -> None:
    """Every number of rows up to twice what one statement takes, and a pool that ends on the way:
    no two calls get the same cent."""
    calls = 2 * ROWS_MAX + 3
    make_accounts(engine, (calls - 1) * 60_000)
    holds = [make_request(f"c{number}") for number in range(calls)]
    with engine.begin() as connection:
        outcomes = carry_out(connection, holds)
        assert sum(isinstance(outcome, HoldGranted) for outcome in outcomes) == calls - 1
        assert pool(connection) == Pool((calls - 1) * 60_000, (calls - 1) * 60_000)
        carry_out(connection, [make_settlement(f"c{number}", 1) for number in range(calls)])
        assert pool(connection) == Pool(0, 0)
        assert (count_rows(connection, "hold"), count_rows(connection, "cdr")) == (0, calls)
        assert verify(connection) == []
