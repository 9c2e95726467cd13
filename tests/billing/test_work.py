"""Holds, slices, settlement and closing after a crash, by example, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from billing import work
from billing.cdr import Charge
from billing.credit import (
    NO_BALANCE,
    NO_CREDIT,
    NO_HOLD,
    CreditRefused,
    HoldGranted,
    Moved,
)
from billing.rating import next_slice, paid_until_s
from billing.repository import set_credit_limit, verify
from tests.billing.samples import (
    ACCOUNT,
    OTHER,
    START_US,
    Pool,
    count_rows,
    make_accounts,
    make_rate,
    make_record,
    make_request,
    make_settlement,
    pool,
    top_up,
)

CENTS = 10_000


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction over an account with 0.30 and another with plenty; at its end all adds up."""
    make_accounts(engine, 30 * CENTS)
    with engine.begin() as connection:
        yield connection
        assert verify(connection) == []


def column(connection: Connection, sql: str) -> object:
    """The one value of a query."""
    return connection.execute(text(sql)).scalar_one()


def test_a_hold_reserves_a_slice(connection: Connection) -> None:
    """What is reserved is no longer available, and still on the balance."""
    assert work.hold(connection, make_request("c1")) == HoldGranted("c1:b1", 6 * CENTS)
    assert pool(connection) == Pool(30 * CENTS, 6 * CENTS)


def test_a_hold_near_the_end_of_the_money_takes_what_is_there(connection: Connection) -> None:
    """Less than a slice, at least the first interval (rule 15)."""
    rate = make_rate((1, 1), per_minute_micros=200 * CENTS)
    granted = work.hold(connection, make_request("c1", rate))
    assert granted == HoldGranted("c1:b1", 30 * CENTS)
    assert paid_until_s(rate, 30 * CENTS) == 9


def test_a_hold_beyond_the_pool_is_refused(connection: Connection) -> None:
    """Not even the first interval is there: nothing is reserved, the answer says what is."""
    rate = make_rate(per_minute_micros=31 * CENTS)
    refused = work.hold(connection, make_request("c1", rate))
    assert refused == CreditRefused("c1:b1", NO_CREDIT, 30 * CENTS)
    assert pool(connection) == Pool(30 * CENTS, 0)


def test_a_credit_limit_adds_to_the_pool(connection: Connection) -> None:
    """Available is balance and credit limit less reservations (rule 15)."""
    set_credit_limit(connection, ACCOUNT, CENTS)
    rate = make_rate(per_minute_micros=31 * CENTS)
    assert isinstance(work.hold(connection, make_request("c1", rate)), HoldGranted)


@pytest.mark.parametrize(("account", "currency"), [("999999999", "EUR"), (ACCOUNT, "USD")])
def test_a_hold_needs_a_pool_of_its_currency(
    connection: Connection, account: str, currency: str
) -> None:
    """An account that is not there or keeps another currency (rule 1)."""
    request = make_request("c1", replace(make_rate(), currency=currency), account)
    assert work.hold(connection, request) == CreditRefused("c1:b1", NO_BALANCE, 0)


def test_a_hold_asked_twice_is_one(connection: Connection) -> None:
    """A request that is run again finds what it made."""
    first = work.hold(connection, make_request("c1"))
    assert work.hold(connection, make_request("c1")) == first
    assert pool(connection) == Pool(30 * CENTS, 6 * CENTS)


def test_a_free_rate_holds_nothing_and_needs_nothing(connection: Connection) -> None:
    """Rows of price 0 work at zero balance (rule 10)."""
    work.hold(connection, make_request("c1", make_rate(per_minute_micros=30 * CENTS)))
    free = make_rate(per_minute_micros=0)
    assert work.hold(connection, make_request("c2", free)) == HoldGranted("c2:b1", 0)
    set_credit_limit(connection, ACCOUNT, -CENTS)  # below what is reserved already
    assert work.hold(connection, make_request("c3", free)) == HoldGranted("c3:b1", 0)
    assert work.settle(connection, make_settlement("c3", 30, free)).charges[0].price_micros == 0


def test_extending_adds_to_the_hold(connection: Connection) -> None:
    """The answer is the new total (rule 16)."""
    work.hold(connection, make_request("c1"))
    extended = work.extend(connection, "c1:b1", 6 * CENTS, 6 * CENTS)
    assert extended == HoldGranted("c1:b1", 12 * CENTS)
    assert pool(connection) == Pool(30 * CENTS, 12 * CENTS)


def test_extending_takes_an_increment_when_a_slice_is_too_much(connection: Connection) -> None:
    """With 60/1 the last 30 s are granted, not refused."""
    rate = make_rate((60, 1), per_minute_micros=20 * CENTS)
    work.hold(connection, make_request("c1", rate))
    amounts = next_slice(rate, 20 * CENTS)
    assert amounts is not None
    extended = work.extend(connection, "c1:b1", amounts.want_micros, amounts.first_micros)
    assert extended == HoldGranted("c1:b1", 30 * CENTS)
    assert paid_until_s(rate, 30 * CENTS) == 90
    refused = work.extend(connection, "c1:b1", amounts.want_micros, amounts.first_micros)
    assert refused == CreditRefused("c1:b1", NO_CREDIT, 0)


def test_a_top_up_is_seen_by_the_next_renewal(connection: Connection) -> None:
    """Rule 23."""
    work.hold(connection, make_request("c1", make_rate(per_minute_micros=30 * CENTS)))
    assert isinstance(work.extend(connection, "c1:b1", CENTS, CENTS), CreditRefused)
    top_up(connection, CENTS, key="second")
    assert isinstance(work.extend(connection, "c1:b1", CENTS, CENTS), HoldGranted)


def test_extending_a_hold_that_is_gone_is_refused(connection: Connection) -> None:
    """The call was settled meanwhile."""
    assert work.extend(connection, "c1:b1", 1, 1) == CreditRefused("c1:b1", NO_HOLD, 0)


def test_voiding_gives_everything_back(connection: Connection) -> None:
    """Twice is once."""
    work.hold(connection, make_request("c1"))
    work.void(connection, "c1:b1")
    work.void(connection, "c1:b1")
    assert pool(connection) == Pool(30 * CENTS, 0)
    assert count_rows(connection, "hold") == 0


def test_61_seconds_at_60_60_take_exactly_12_cents(connection: Connection) -> None:
    """The ledger, the pool and the record of an ordinary call."""
    work.hold(connection, make_request("c1"))
    work.extend(connection, "c1:b1", 6 * CENTS, 6 * CENTS)
    settled = work.settle(connection, make_settlement("c1", 61))
    assert [charge.price_micros for charge in settled.charges] == [12 * CENTS]
    assert pool(connection) == Pool(18 * CENTS, 0)
    row = connection.execute(text("SELECT * FROM ledger WHERE key = 'call:c1:b1'")).one()
    assert (row.debit, row.credit) == (f"customer:{ACCOUNT}", "revenue:calls")
    assert (row.amount_micros, row.balance_after_micros) == (12 * CENTS, 18 * CENTS)
    record = connection.execute(text("SELECT * FROM cdr")).one()
    assert (record.duration_s, record.billed_s) == (61, 120)
    assert (record.price_micros, record.cost_micros) == (12 * CENTS, 4 * CENTS)
    assert (record.tariff, record.tariff_version) == ("standard", 3)
    assert (record.cause, record.hangup_by) == ("answered", "caller")


def test_the_last_six_cents_pay_one_minute(connection: Connection) -> None:
    """With 0.06 left at 60/60 the call gets 60 s, is then cut off, and leaves 0 (rule 15)."""
    work.hold(connection, make_request("c0", make_rate(per_minute_micros=24 * CENTS)))
    work.settle(connection, make_settlement("c0", 1, make_rate(per_minute_micros=24 * CENTS)))
    assert work.hold(connection, make_request("c1")) == HoldGranted("c1:b1", 6 * CENTS)
    assert isinstance(work.extend(connection, "c1:b1", 6 * CENTS, 6 * CENTS), CreditRefused)
    work.settle(connection, make_settlement("c1", 60))
    assert pool(connection) == Pool(0, 0)


def test_settling_again_changes_nothing(connection: Connection) -> None:
    """Settlement is idempotent (rule 18)."""
    work.hold(connection, make_request("c1"))
    work.settle(connection, make_settlement("c1", 30))
    again = work.settle(connection, make_settlement("c1", 59))
    assert again.charges == ()
    assert again.charges == ()
    assert pool(connection) == Pool(24 * CENTS, 0)
    assert column(connection, "SELECT duration_s FROM cdr") == 30
    assert count_rows(connection, "ledger") == 3  # two payments and the call


def test_a_call_that_was_not_answered_costs_nothing(connection: Connection) -> None:
    """Its hold is released, its record written, the ledger is not touched."""
    work.hold(connection, make_request("c1"))
    work.settle(connection, make_settlement("c1", 0))
    assert pool(connection) == Pool(30 * CENTS, 0)
    assert column(connection, "SELECT price_micros FROM cdr") == 0
    assert count_rows(connection, "ledger") == 2


def test_an_overrun_is_borne_by_the_operator_and_recorded(connection: Connection) -> None:
    """BYE came late: the customer pays what was reserved, the record keeps the rest (rule 19)."""
    work.hold(connection, make_request("c1"))
    settled = work.settle(connection, make_settlement("c1", 61))
    charge = settled.charges[0]
    assert (charge.billed_s, charge.price_micros, charge.overrun_micros) == (60, 60_000, 60_000)
    assert charge.cost_micros == 4 * CENTS  # the carrier wants two minutes
    assert pool(connection) == Pool(24 * CENTS, 0)
    assert column(connection, "SELECT overrun_micros FROM cdr") == 6 * CENTS


def test_a_call_that_outlived_the_store_pays_from_the_pool(connection: Connection) -> None:
    """More could not be reserved while the store was away: the settlement takes it, as far as the
    pool goes, and the operator bears the rest."""
    work.hold(connection, make_request("c1"))
    settlement = make_settlement("c1", 400)
    trusted = settlement.charges[0]._replace(trusted=True)
    settled = work.settle(connection, settlement._replace(charges=(trusted,)))
    assert settled.charges[0].price_micros == 30 * CENTS  # seven minutes would cost 42 cents
    assert settled.charges[0].overrun_micros == 12 * CENTS
    assert pool(connection) == Pool(0, 0)


def test_a_call_with_two_paying_legs_is_settled_at_once(connection: Connection) -> None:
    """A toll-free call forwarded outside: the owner pays both legs, in one record (rule 12)."""
    for leg in ("a", "b1"):
        work.hold(connection, make_request("c1", leg=leg))
    settlement = make_settlement("c1", 30)
    inbound = Charge("c1:a", ACCOUNT, make_rate(), 30)
    settled = work.settle(connection, settlement._replace(charges=(inbound, *settlement.charges)))
    assert len(settled.charges) == 2
    assert column(connection, "SELECT price_micros FROM cdr") == 12 * CENTS
    assert pool(connection) == Pool(18 * CENTS, 0)


def test_everyone_who_took_part_gets_a_record(connection: Connection) -> None:
    """The called account's record has no price; the caller's has."""
    work.hold(connection, make_request("c1"))
    settlement = make_settlement("c1", 30)
    incoming = settlement.records[0]._replace(account=OTHER, direction="in")
    work.settle(connection, settlement._replace(records=(*settlement.records, incoming)))
    rows = connection.execute(text("SELECT account, price_micros, tariff FROM cdr ORDER BY id"))
    assert [tuple(row) for row in rows] == [(ACCOUNT, 6 * CENTS, "standard"), (OTHER, 0, None)]


@pytest.mark.parametrize("number", ["9" * 500, "a\0b", "caf\udce9", "Jānis", "\U0001f4de" * 65])
def test_a_call_is_settled_whatever_its_number_is(connection: Connection, number: str) -> None:
    """What a phone sent is cut to what the database takes; no text keeps a call from its bill."""
    work.hold(connection, make_request("c1"))
    settlement = make_settlement("c1", 30)
    record = settlement.records[0]._replace(caller=number, called_extension=number, trace=[number])
    work.settle(connection, settlement._replace(records=(record,)))
    stored = str(column(connection, "SELECT caller FROM cdr"))
    assert stored[:2] == number[:2].replace("\0", "b")
    assert len(stored) <= 64
    assert pool(connection) == Pool(24 * CENTS, 0)


def test_an_internal_call_needs_no_hold(connection: Connection) -> None:
    """Its record is written once."""
    settlement = make_settlement("c1", 30)._replace(charges=())
    work.settle(connection, settlement)
    work.settle(connection, settlement)
    assert count_rows(connection, "cdr") == 1


def test_a_crash_closes_an_answered_call_where_it_was_last_seen(connection: Connection) -> None:
    """Charged to the last beat of the journal, once, nothing stays reserved (rule 22)."""
    work.hold(connection, make_request("c1"))
    work.answered(connection, "c1:b1", START_US + 4_000_000)
    work.answered(connection, "c1:b1", START_US + 9_000_000)  # a repeated 200: the first counts
    work.seen(connection, ["c1:b1", "gone"], START_US + 34_500_000)
    work.seen(connection, ["c1:b1"], START_US + 30_000_000)  # late news changes nothing
    assert work.close_open(connection) == ["c1"]
    assert work.close_open(connection) == []
    record = connection.execute(text("SELECT * FROM cdr")).one()
    assert (record.duration_s, record.billed_s, record.price_micros) == (31, 60, 6 * CENTS)
    assert (record.answered_us, record.ended_us) == (START_US + 4_000_000, START_US + 34_500_000)
    assert (record.cause, record.hangup_by) == ("failed", "switch")
    assert pool(connection) == Pool(24 * CENTS, 0)


def test_a_crash_voids_a_call_that_was_not_answered(connection: Connection) -> None:
    """It costs nothing and is in the records as failed."""
    work.hold(connection, make_request("c1"))
    assert work.close_open(connection) == ["c1"]
    record = connection.execute(text("SELECT * FROM cdr")).one()
    assert (record.answered_us, record.duration_s, record.price_micros) == (None, 0, 0)
    assert pool(connection) == Pool(30 * CENTS, 0)


def test_a_crash_right_after_the_answer_costs_the_first_interval(connection: Connection) -> None:
    """Nobody has looked at the call since its answer: it was up for a part of one second."""
    work.hold(connection, make_request("c1"))
    work.answered(connection, "c1:b1", START_US + 4_000_000)
    assert work.close_open(connection) == ["c1"]
    record = connection.execute(text("SELECT * FROM cdr")).one()
    assert (record.duration_s, record.billed_s, record.price_micros) == (1, 60, 6 * CENTS)
    assert record.ended_us == START_US + 5_000_000
    assert pool(connection) == Pool(24 * CENTS, 0)


def test_a_crash_closes_all_legs_of_a_call_together(connection: Connection) -> None:
    """Two holds of one call make one settlement, with the records of both."""
    incoming = make_record(OTHER, called_extension="101")
    for leg, account in (("a", OTHER), ("b1", ACCOUNT)):
        request = make_request("c1", account=account, leg=leg)
        work.hold(connection, request._replace(records=(make_record(), incoming)))
        work.answered(connection, f"c1:{leg}", START_US)
    work.seen(connection, ["c1:a", "c1:b1"], START_US + 5_000_000)
    assert work.close_open(connection) == ["c1"]
    rows = connection.execute(text("SELECT account, price_micros FROM cdr ORDER BY account"))
    assert [tuple(row) for row in rows] == [(ACCOUNT, 6 * CENTS), (OTHER, 6 * CENTS)]


def test_a_leg_that_moved_is_closed_with_the_call_that_it_went_on_in(
    connection: Connection,
) -> None:
    """Its first call is settled without it; a crash puts its price into the second one's record,
    which begins no earlier than that call did."""
    work.hold(connection, make_request("c1"))
    work.answered(connection, "c1:b1", START_US)
    later = make_record()._replace(started_us=START_US + 20_000_000)
    moved = Moved("c1:b1", "c2", (later,))
    work.carry_out(connection, [moved, make_settlement("c1", 30)._replace(charges=())])
    work.seen(connection, ["c1:b1"], START_US + 58_000_000)
    assert work.close_open(connection) == ["c2"]
    rows = connection.execute(
        text("SELECT call_id, answered_us, duration_s, price_micros FROM cdr ORDER BY call_id")
    )
    assert [tuple(row) for row in rows] == [
        ("c1", START_US + 10_000_000, 30, 0),
        ("c2", START_US + 20_000_000, 38, 6 * CENTS),
    ]
    assert pool(connection) == Pool(24 * CENTS, 0)
    work.carry_out(connection, [moved])  # a hold that is gone moves nowhere
    assert count_rows(connection, "hold") == 0


def test_a_crash_counts_a_call_from_its_first_answer_to_its_last_leg(
    connection: Connection,
) -> None:
    """A party left for another one: the two legs follow each other, each is charged for its own
    time."""
    for leg, begins_s, ends_s in (("0", 0, 50), ("t1.0", 45, 100)):
        work.hold(connection, make_request("c1", leg=leg))
        work.answered(connection, f"c1:{leg}", START_US + begins_s * 1_000_000)
        work.seen(connection, [f"c1:{leg}"], START_US + ends_s * 1_000_000)
    assert work.close_open(connection) == ["c1"]
    record = connection.execute(text("SELECT * FROM cdr")).one()
    assert (record.duration_s, record.price_micros) == (100, 12 * CENTS)


def test_closing_leaves_calls_alone_that_are_still_seen(connection: Connection) -> None:
    """With a limit, only what has not been journaled since is closed; a call is closed whole."""
    for call, leg in (("c1", "a"), ("c1", "b1"), ("c2", "b1")):
        work.hold(connection, make_request(call, leg=leg))
    work.seen(connection, ["c1:b1"], START_US + 10_000_000)
    assert work.close_open(connection, START_US + 5_000_000) == ["c2"]
    assert count_rows(connection, "hold") == 2


def test_a_settlement_that_was_spooled_comes_before_closing(connection: Connection) -> None:
    """The call's true end is written; closing then finds nothing, and the other way round too."""
    for call in ("c1", "c2"):
        work.hold(connection, make_request(call))
        work.answered(connection, f"{call}:b1", START_US)
        work.seen(connection, [f"{call}:b1"], START_US + 5_000_000)
    work.settle(connection, make_settlement("c1", 33))
    assert work.close_open(connection) == ["c2"]
    assert work.settle(connection, make_settlement("c2", 33)).charges == ()
    rows = connection.execute(text("SELECT call_id, duration_s FROM cdr ORDER BY call_id"))
    assert [tuple(row) for row in rows] == [("c1", 33), ("c2", 5)]
