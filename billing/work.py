"""Credit control on a database connection: hold, extend, journal, settle, close after a crash.

Every function runs inside a transaction of the caller's (``Database.run_call``) and can be run
again with the same arguments: a hold is known by its id, a settlement by its holds and records.
The hold row is the right to charge: whoever deletes it posts the leg, nobody else ever can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from billing.cdr import CallRecord, Charge, Settlement
from billing.cdr_rows import total_of, write_record
from billing.credit import (
    NO_BALANCE,
    NO_CREDIT,
    NO_HOLD,
    ChargeSettled,
    CreditRefused,
    HoldGranted,
    HoldRequest,
    Settled,
)
from billing.rating import Price, charge, paid_until_s
from billing.repository import Balance, Posting, append, lock_balance
from billing.sql import Prepared, from_json, to_json
from billing.tariff import Rate

RATES_CACHED_MAX = 1_000  # 0.5 MB; more than the destinations of a busy hour
_US = 1_000_000
FOR_EVER_US = 2**62  # later than any time that is written

_RESERVE = Prepared(
    "UPDATE balance SET reserved_micros = reserved_micros + :amount WHERE account = :account"
    " AND currency = :currency"
    " AND balance_micros + credit_limit_micros - reserved_micros >= :amount RETURNING account"
)
_RELEASE = Prepared(
    "UPDATE balance SET reserved_micros = reserved_micros - :amount WHERE account = :account"
    " RETURNING balance_micros"
)
_INSERT_HOLD = Prepared(
    "INSERT INTO hold (id, call_id, account, amount_micros, rate, records, created_us, seen_us)"
    " VALUES (:id, :call_id, :account, :amount, :rate, :records, :now_us, :now_us)"
    " ON CONFLICT (id) DO NOTHING"
)
_SELECT_HOLD = Prepared("SELECT account, amount_micros, rate FROM hold WHERE id = :id", locks=True)
_GROW_HOLD = Prepared(
    "UPDATE hold SET amount_micros = amount_micros + :amount WHERE id = :id RETURNING amount_micros"
)
_ANSWER_HOLD = Prepared(
    "UPDATE hold SET answered_us = :answered_us, seen_us = :answered_us"
    " WHERE id = :id AND answered_us IS NULL"
)
_SEE_HOLD = Prepared("UPDATE hold SET seen_us = :seen_us WHERE id = :id AND seen_us < :seen_us")
_TAKE_HOLD = Prepared("DELETE FROM hold WHERE id = :id RETURNING account, amount_micros")
_OPEN_HOLDS = Prepared(
    "SELECT id, call_id, account, rate, records, answered_us, seen_us FROM hold"
    " WHERE call_id NOT IN (SELECT call_id FROM hold WHERE seen_us >= :seen_before_us)"
    " ORDER BY call_id, id",
    locks=True,
)


def hold(conn: Connection, request: HoldRequest) -> HoldGranted | CreditRefused:
    """Reserve for a leg: the whole slice, or what the pool has if that is at least the first
    interval, or nothing (rules 15 and 16). Asked again with the same id, the answer is the hold
    that is there."""
    currency = request.rate.currency
    wanted = (request.first_micros, request.slice_micros)
    amount_micros = _reserve(conn, request.account, currency, *wanted)
    if amount_micros is None:
        refused = _refusal(conn, request.id, request.account, currency)
        return _held(conn, request.id) or refused
    inserted = _INSERT_HOLD.run(
        conn,
        {
            "id": request.id,
            "call_id": request.call_id,
            "account": request.account,
            "amount": amount_micros,
            "rate": _rate_json(request.rate),
            "records": to_json([record.as_json() for record in request.records]),
            "now_us": request.now_us,
        },
    )
    if inserted.rowcount == 1:
        return HoldGranted(request.id, amount_micros)
    _RELEASE.run(conn, {"account": request.account, "amount": amount_micros})
    held = _held(conn, request.id)
    assert held is not None, "its row was in the way"
    return held


def extend(
    conn: Connection, hold_id: str, want_micros: int, first_micros: int
) -> HoldGranted | CreditRefused:
    """Add to a hold: ``want_micros``, or what the pool has if that is at least ``first_micros``,
    the next increment (``billing.rating.next_slice``). Grants the new total (rules 16, 17, 23)."""
    row = _SELECT_HOLD.run(conn, {"id": hold_id}).fetchone()
    if row is None:
        return CreditRefused(hold_id, NO_HOLD, 0)
    account, _, rate = row
    currency = from_json(rate)["currency"]
    amount_micros = _reserve(conn, account, currency, first_micros, want_micros)
    if amount_micros is None:
        return _refusal(conn, hold_id, account, currency)
    grown = _GROW_HOLD.run(conn, {"id": hold_id, "amount": amount_micros})
    return HoldGranted(hold_id, grown.fetchone()[0])


def answered(conn: Connection, hold_id: str, answered_us: int) -> None:
    """Journal that the leg was answered, at this UTC time; the first word counts."""
    _ANSWER_HOLD.run(conn, {"id": hold_id, "answered_us": answered_us})


def seen(conn: Connection, hold_ids: Iterable[str], seen_us: int) -> None:
    """Journal that these legs are still up (rule 22): every 5 s while their media flows. After a
    crash a call is charged to the last time that it was seen."""
    _SEE_HOLD.run_many(conn, [{"id": hold_id, "seen_us": seen_us} for hold_id in hold_ids])


def void(conn: Connection, hold_id: str) -> None:
    """Release a hold without charging anything; without effect if it is gone."""
    row = _TAKE_HOLD.run(conn, {"id": hold_id}).fetchone()
    if row is not None:
        _RELEASE.run(conn, {"account": row[0], "amount": row[1]})


def settle(conn: Connection, settlement: Settlement) -> Settled:
    """End a call: charge its legs, release their holds, write its records (rules 18 and 19).

    The price of a leg is never more than was reserved for it. Repeated, it changes nothing: a leg
    whose hold is gone was charged before, and a record is written once per call and account.
    """
    settled = [
        done
        for leg in settlement.charges
        if (done := _settle_leg(conn, leg, settlement.ended_us)) is not None
    ]
    written = [
        write_record(conn, settlement.call_id, record, total_of(record, settlement, settled))
        for record in settlement.records
    ]
    changed = bool(settled) or any(written)
    return Settled(settlement.call_id, tuple(settled), repeated=not changed)


def close_open(conn: Connection, seen_before_us: int = FOR_EVER_US) -> list[str]:
    """After a crash: settle every call that has a hold, at the time that it was last seen, or void
    it if it was not answered (rule 22). Returns the ids of the calls.

    To be run at start, when settlements that were spooled have been written and before the first
    call: what it finds then is what nobody will end any more. With ``seen_before_us`` it closes
    only calls that have not been journaled since.
    """
    closed = []
    found = _OPEN_HOLDS.run(conn, {"seen_before_us": seen_before_us}).fetchall()
    rows = (_OpenHold(*row) for row in found)
    for call_id, holds in groupby(rows, key=attrgetter("call_id")):
        settle(conn, _abandoned(call_id, list(holds)))
        closed.append(call_id)
    return closed


@dataclass(frozen=True, slots=True)
class _OpenHold:
    id: str
    call_id: str
    account: str
    rate: Any
    records: Any
    answered_us: int | None
    seen_us: int

    @property
    def ended_us(self) -> int:
        """When it was last seen. A call that was cut off between its answer and the first look at
        it was up all the same: a second, as rule 5 rounds."""
        return max(self.seen_us, 0 if self.answered_us is None else self.answered_us + _US)

    @property
    def duration_s(self) -> int:
        if self.answered_us is None:
            return 0
        return -((self.answered_us - self.ended_us) // _US)

    def as_charge(self) -> Charge:
        rate = Rate.from_json(from_json(self.rate))
        return Charge(self.id, self.account, rate, self.duration_s)


def _abandoned(call_id: str, holds: Sequence[_OpenHold]) -> Settlement:
    """The settlement of a call that nobody ended. All its holds carry the same records, the
    newest one the most complete; the call's times are those of its hold that lasted longest."""
    last = max(holds, key=attrgetter("ended_us"))
    answers = [held.answered_us for held in holds if held.answered_us is not None]
    records = {
        record.account: replace(
            record,
            answered_us=min(answers) if answers else None,
            ended_us=last.ended_us,
            duration_s=max(held.duration_s for held in holds),
            cause="failed",
            hangup_by="switch",
        )
        for held in holds
        for record in map(CallRecord.from_json, from_json(held.records))
    }
    charges = tuple(held.as_charge() for held in holds)
    return Settlement(call_id, last.ended_us, charges, tuple(records.values()))


@lru_cache(maxsize=RATES_CACHED_MAX)
def _rate_json(rate: Rate) -> str:
    """A tariff row's JSON; calls to the same destination share it."""
    return to_json(rate.as_json())


def _reserve(
    conn: Connection, account: str, currency: str, first_micros: int, want_micros: int
) -> int | None:
    """Take from the pool and say how much, or ``None``: one atomic statement for the whole slice;
    only near the pool's end are two needed, the row being locked between them."""
    whole = {"account": account, "currency": currency, "amount": want_micros}
    if _RESERVE.run(conn, whole).fetchone() is not None:
        return want_micros
    held = lock_balance(conn, account)
    if held is None or held.currency != currency:
        return None
    if want_micros == 0:
        return 0  # a free call goes on whatever the balance is (rule 10)
    if held.available_micros < first_micros:
        return None
    part_micros = min(want_micros, held.available_micros)
    part = {"account": account, "currency": currency, "amount": part_micros}
    granted = _RESERVE.run(conn, part).fetchone()
    assert granted is not None, "the row was locked since it was read"
    return part_micros


def _held(conn: Connection, hold_id: str) -> HoldGranted | None:
    row = _SELECT_HOLD.run(conn, {"id": hold_id}).fetchone()
    return None if row is None else HoldGranted(hold_id, row[1])


def _refusal(conn: Connection, hold_id: str, account: str, currency: str) -> CreditRefused:
    held = lock_balance(conn, account)
    if held is None or held.currency != currency:
        return CreditRefused(hold_id, NO_BALANCE, 0)
    return CreditRefused(hold_id, NO_CREDIT, held.available_micros)


def _settle_leg(conn: Connection, leg: Charge, ended_us: int) -> ChargeSettled | None:
    row = _TAKE_HOLD.run(conn, {"id": leg.hold_id}).fetchone()
    if row is None:
        return None
    account, reserved_micros = row
    due = charge(leg.rate, leg.duration_s)
    if leg.trusted and due.price_micros > reserved_micros:
        missing_micros = due.price_micros - reserved_micros
        reserved_micros += _reserve(conn, account, leg.rate.currency, 1, missing_micros) or 0
    price = _within(leg, due, reserved_micros)
    balance_micros = _pay(conn, leg, account, price.price_micros, reserved_micros, ended_us)
    return ChargeSettled(
        hold_id=leg.hold_id,
        account=account,
        billed_s=price.billed_s,
        price_micros=price.price_micros,
        cost_micros=due.cost_micros,
        overrun_micros=due.price_micros - price.price_micros,
        balance_micros=balance_micros,
    )


def _within(leg: Charge, due: Price, reserved_micros: int) -> Price:
    """The price, or if more is due than was reserved the price of the time that is covered."""
    if due.price_micros <= reserved_micros:
        return due
    covered_s = paid_until_s(leg.rate, reserved_micros)
    assert covered_s is not None, "a rate that takes no more cannot exceed its reservation"
    return charge(leg.rate, covered_s)


def _pay(
    conn: Connection,
    leg: Charge,
    account: str,
    price_micros: int,
    reserved_micros: int,
    ended_us: int,
) -> int:
    if price_micros == 0:
        released = _RELEASE.run(conn, {"account": account, "amount": reserved_micros})
        return int(released.fetchone()[0])
    held = lock_balance(conn, account)
    assert isinstance(held, Balance), "a hold refers to a balance"
    posting = Posting(
        account=account,
        key=f"call:{leg.hold_id}",
        kind="call",
        amount_micros=-price_micros,
        text=leg.rate.destination,
        at_us=ended_us,
    )
    return append(conn, held, posting, released_micros=reserved_micros).balance_after_micros
