"""Credit control on a database connection: hold, extend, journal, settle, close after a crash.

Every function runs inside a transaction of the caller's (``Database.run_call``) and can be run
again with the same arguments: a hold is known by its id, a settlement by its holds and records.
The hold row is the right to charge: whoever deletes it posts the leg, nobody else ever can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import Connection

from billing.book import Book, Held
from billing.cdr import CallRecord, Charge, Settlement
from billing.cdr_rows import INSERT_RECORDS
from billing.credit import (
    Answered,
    CreditRefused,
    HoldGranted,
    HoldRequest,
    Moved,
    Order,
    Outcome,
    Settled,
    SliceRequest,
    Void,
)
from billing.repository import INSERT_ENTRIES, lock_balances, store_balances
from billing.sql import ManyRows, Prepared, Row, from_json, to_json
from billing.tariff import Rate

RATES_CACHED_MAX = 1_000  # 0.5 MB; more than the destinations of a busy hour
_US = 1_000_000
FOR_EVER_US = 2**62  # later than any time that is written

# Taken before the pools are: whoever settles the same call waits here.
_SELECT_HOLDS = ManyRows(
    "SELECT id, account, amount_micros, answered_us, seen_us FROM hold WHERE id IN ({rows})"
    " ORDER BY id",
    pads=True,
    locks=True,
)
# Not "on conflict": if another connection opens the same hold at the same moment, this fails, and
# the order, run again alone, finds it.
_INSERT_HOLDS = ManyRows(
    "INSERT INTO hold (id, call_id, account, amount_micros, rate, records, created_us, answered_us,"
    " seen_us) VALUES {rows}",
    columns=9,
)
_CHANGE_HOLD = Prepared(
    "UPDATE hold SET amount_micros = :amount, answered_us = :answered_us, seen_us = :seen_us"
    " WHERE id = :id"
)
_MOVE_HOLD = Prepared("UPDATE hold SET call_id = :call_id, records = :records WHERE id = :id")
_DELETE_HOLDS = ManyRows("DELETE FROM hold WHERE id IN ({rows})", pads=True)
_SEE_HOLD = Prepared("UPDATE hold SET seen_us = :seen_us WHERE id = :id AND seen_us < :seen_us")
_OPEN_HOLDS = Prepared(
    "SELECT id, call_id, account, rate, records, answered_us, seen_us FROM hold"
    " WHERE call_id NOT IN (SELECT call_id FROM hold WHERE seen_us >= :seen_before_us)"
    " ORDER BY call_id, id",
    locks=True,
)


def carry_out(conn: Connection, orders: Sequence[Order]) -> list[Outcome]:
    """Do what the orders say, one after another; an outcome for each."""
    stored = _SELECT_HOLDS.fetch(conn, [(hold_id,) for hold_id in sorted(_hold_ids(orders))])
    holds = [Held(*row) for row in stored]
    accounts = {order.account for order in orders if type(order) is HoldRequest}
    accounts.update(held.account for held in holds)
    book = Book(lock_balances(conn, accounts), holds)
    outcomes = [book.carry_out(order) for order in orders]
    _store(conn, book)
    return outcomes


def hold(conn: Connection, request: HoldRequest) -> HoldGranted | CreditRefused:
    """Reserve for a leg before it starts."""
    return cast(HoldGranted | CreditRefused, carry_out(conn, [request])[0])


def extend(
    conn: Connection, hold_id: str, want_micros: int, first_micros: int
) -> HoldGranted | CreditRefused:
    """Add to a hold; grants its new total."""
    (outcome,) = carry_out(conn, [SliceRequest(hold_id, want_micros, first_micros)])
    return cast(HoldGranted | CreditRefused, outcome)


def answered(conn: Connection, hold_id: str, answered_us: int) -> None:
    """Journal that the leg was answered."""
    carry_out(conn, [Answered((hold_id,), answered_us)])


def seen(conn: Connection, hold_ids: Iterable[str], seen_us: int) -> None:
    """Journal that these legs are still up (rule 22): every 5 s while their media flows. After a
    crash a call is charged to the last time that it was seen."""
    _SEE_HOLD.run_many(conn, [{"id": hold_id, "seen_us": seen_us} for hold_id in hold_ids])


def void(conn: Connection, hold_id: str) -> None:
    """Release a hold without charging anything."""
    carry_out(conn, [Void(hold_id)])


def settle(conn: Connection, settlement: Settlement) -> Settled:
    """End a call: charge its legs, release their holds, write its records (rules 18 and 19).

    The price of a leg is never more than was reserved for it. Repeated, it changes nothing: a leg
    whose hold is gone was charged before, and a record is written once per call and account.
    """
    return cast(Settled, carry_out(conn, [settlement])[0])


def close_open(conn: Connection, seen_before_us: int = FOR_EVER_US) -> list[str]:
    """After a crash: settle every call that has a hold, at the time that it was last seen, or void
    it if it was not answered (rule 22). Returns the ids of the calls.

    To be run at start, when settlements that were spooled have been written and before the first
    call: what it finds then is what nobody will end any more. With ``seen_before_us`` it closes
    only calls that have not been journaled since.
    """
    found = _OPEN_HOLDS.run(conn, {"seen_before_us": seen_before_us}).fetchall()
    rows = (_OpenHold(*row) for row in found)
    settlements = [
        _abandoned(call_id, list(holds))
        for call_id, holds in groupby(rows, key=attrgetter("call_id"))
    ]
    carry_out(conn, settlements)
    return [settlement.call_id for settlement in settlements]


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
        return _seconds(self.answered_us, self.ended_us)

    def as_charge(self) -> Charge:
        rate = Rate.from_json(from_json(self.rate))
        return Charge(self.id, self.account, rate, self.duration_s)


def _abandoned(call_id: str, holds: Sequence[_OpenHold]) -> Settlement:
    """The settlement of a call that nobody ended. All its holds carry the same records, the
    newest one the most complete; the call lasted from the first answer to when it was last seen."""
    ended_us = max(held.ended_us for held in holds)
    answers = [held.answered_us for held in holds if held.answered_us is not None]
    answered_us = min(answers) if answers else None
    records = {
        record.account: _closed(record, answered_us, ended_us)
        for held in holds
        for record in map(CallRecord.from_json, from_json(held.records))
    }
    charges = tuple(held.as_charge() for held in holds)
    return Settlement(call_id, ended_us, charges, tuple(records.values()))


def _closed(record: CallRecord, answered_us: int | None, ended_us: int) -> CallRecord:
    """A leg that has moved was answered before this call began."""
    if answered_us is not None:
        answered_us = max(answered_us, record.started_us)
    return record._replace(
        answered_us=answered_us,
        ended_us=ended_us,
        duration_s=_seconds(answered_us, ended_us),
        cause="failed",
        hangup_by="switch",
    )


def _seconds(answered_us: int | None, ended_us: int) -> int:
    """Whole seconds, rounded up (rule 5)."""
    return 0 if answered_us is None else -((answered_us - ended_us) // _US)


def _hold_ids(orders: Iterable[Order]) -> set[str]:
    found: set[str] = set()
    for order in orders:
        if isinstance(order, HoldRequest):
            found.add(order.id)
        elif isinstance(order, Settlement):
            found.update(leg.hold_id for leg in order.charges)
        elif isinstance(order, Answered):
            found.update(order.hold_ids)
        else:
            found.add(order.hold_id)
    return found


def _store(conn: Connection, book: Book) -> None:
    """Write what has changed. A hold that was opened and taken in one batch leaves no trace."""
    _DELETE_HOLDS.run(conn, [(hold_id,) for hold_id in book.removed])
    _INSERT_HOLDS.run(conn, [_hold_row(held) for held in book.opened.values()])
    if book.changed:
        changes = [
            {
                "id": held.id,
                "amount": held.amount_micros,
                "answered_us": held.answered_us,
                "seen_us": held.seen_us,
            }
            for held in book.changed.values()
        ]
        _CHANGE_HOLD.run_many(conn, changes)
        moves = [_moved_row(held.moved) for held in book.changed.values() if held.moved]
        if moves:
            _MOVE_HOLD.run_many(conn, moves)
    INSERT_ENTRIES.run(conn, book.entries)
    if book.touched:
        store_balances(conn, book.touched.values())
    INSERT_RECORDS.run(conn, book.records)


def _moved_row(moved: Moved) -> dict[str, object]:
    return {
        "id": moved.hold_id,
        "call_id": moved.call_id,
        "records": to_json([record.as_json() for record in moved.records]),
    }


def _hold_row(held: Held) -> Row:
    request = held.request
    assert request is not None, "it was opened by this batch"
    return (
        held.id,
        request.call_id,
        held.account,
        held.amount_micros,
        _rate_json(request.rate),
        to_json([record.as_json() for record in request.records]),
        request.now_us,
        held.answered_us,
        held.seen_us,
    )


@lru_cache(maxsize=RATES_CACHED_MAX)
def _rate_json(rate: Rate) -> str:
    """A tariff row's JSON; calls to the same destination share it."""
    return to_json(rate.as_json())
