"""Credit orders carried out in memory, one after another (billing rules 15 to 19, 22 and 23). Pure.

``billing.work`` reads the pools and holds that a batch of orders names, locked, has the book carry
the orders out, and writes what has changed. So a batch locks and writes a pool once, however many
calls draw from it, and ends as the same orders would one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from billing.cdr import Charge, Settlement
from billing.cdr_rows import record_row, total_of
from billing.credit import (
    NO_BALANCE,
    NO_CREDIT,
    NO_HOLD,
    Answered,
    ChargeSettled,
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
from billing.rating import Price, charge, paid_until_s
from billing.repository import Balance, Posting, entry_row
from billing.sql import Row


@dataclass(slots=True)
class Held:
    """A hold. ``request``: of one that this batch has opened; ``None`` if its row is stored.
    ``moved``: the call that a stored one has gone to in this batch."""

    id: str
    account: str
    amount_micros: int
    answered_us: int | None
    seen_us: int
    request: HoldRequest | None = None
    moved: Moved | None = None


class Book:
    """Pools and holds of one batch, and what is to be written of it.

    ``pools``: every pool that an order may touch; an account that has none is missing.
    """

    def __init__(self, pools: Iterable[Balance], holds: Iterable[Held]) -> None:
        self.pools = {pool.account: pool for pool in pools}
        self._holds = {held.id: held for held in holds}
        self.opened: dict[str, Held] = {}
        self.changed: dict[str, Held] = {}
        self.removed: list[str] = []
        self.touched: dict[str, Balance] = {}
        self.entries: list[Row] = []
        self.records: list[Row] = []

    def carry_out(self, order: Order) -> Outcome:
        """Do what one order says."""
        return _ORDERS[type(order)](self, order)

    def _hold(self, request: HoldRequest) -> Outcome:
        """Reserve for a leg: the whole slice, or what the pool has if that is at least the first
        interval, or nothing (rules 15 and 16). Asked again with the same id, the answer is the
        hold that is there."""
        held = self._holds.get(request.id)
        if held is not None:
            return HoldGranted(held.id, held.amount_micros)
        pool = self.pools.get(request.account)
        if pool is None or pool.currency != request.rate.currency:
            return CreditRefused(request.id, NO_BALANCE, 0)
        amount_micros = self._reserve(pool, request.first_micros, request.slice_micros)
        if amount_micros is None:
            return CreditRefused(request.id, NO_CREDIT, pool.available_micros)
        held = Held(request.id, request.account, amount_micros, None, request.now_us, request)
        self._holds[held.id] = self.opened[held.id] = held
        return HoldGranted(held.id, amount_micros)

    def _extend(self, request: SliceRequest) -> Outcome:
        """Add to a hold; grants the new total (rules 16, 17 and 23)."""
        held = self._holds.get(request.hold_id)
        if held is None:
            return CreditRefused(request.hold_id, NO_HOLD, 0)
        pool = self.pools[held.account]
        amount_micros = self._reserve(pool, request.first_micros, request.want_micros)
        if amount_micros is None:
            return CreditRefused(held.id, NO_CREDIT, pool.available_micros)
        held.amount_micros += amount_micros
        self._note(held)
        return HoldGranted(held.id, held.amount_micros)

    def _answered(self, note: Answered) -> None:
        for hold_id in note.hold_ids:
            held = self._holds.get(hold_id)
            if held is not None and held.answered_us is None:
                held.answered_us = held.seen_us = note.answered_us
                self._note(held)

    def _move(self, order: Moved) -> None:
        held = self._holds.get(order.hold_id)
        if held is None:
            return
        if held.request is None:
            held.moved = order
        else:
            held.request = held.request._replace(call_id=order.call_id, records=order.records)
        self._note(held)

    def _void(self, order: Void) -> None:
        held = self._take(order.hold_id)
        if held is not None:
            self._release(held)

    def _settle(self, settlement: Settlement) -> Settled:
        """Charge the legs, release their holds, write the records (rules 18 and 19)."""
        settled = [
            done
            for leg in settlement.charges
            if (done := self._settle_leg(leg, settlement.ended_us)) is not None
        ]
        self.records += [
            record_row(settlement.call_id, record, total_of(record, settlement, settled))
            for record in settlement.records
        ]
        return Settled(settlement.call_id, tuple(settled))

    def _settle_leg(self, leg: Charge, ended_us: int) -> ChargeSettled | None:
        held = self._take(leg.hold_id)
        if held is None:
            return None
        due = charge(leg.rate, leg.duration_s)
        pool = self.pools[held.account]
        if leg.trusted and due.price_micros > held.amount_micros:
            missing_micros = due.price_micros - held.amount_micros
            held.amount_micros += self._reserve(pool, 1, missing_micros) or 0
        price = _within(leg, due, held.amount_micros)
        self._release(held)
        if price.price_micros:
            posting = Posting(
                account=held.account,
                key=f"call:{held.id}",
                kind="call",
                amount_micros=-price.price_micros,
                text=leg.rate.destination,
                at_us=ended_us,
            )
            self.entries.append(entry_row(pool, posting))
        return ChargeSettled(
            hold_id=held.id,
            account=held.account,
            billed_s=price.billed_s,
            price_micros=price.price_micros,
            cost_micros=due.cost_micros,
            overrun_micros=due.price_micros - price.price_micros,
            balance_micros=pool.balance_micros,
        )

    def _reserve(self, pool: Balance, first_micros: int, want_micros: int) -> int | None:
        """Take from the pool and say how much, or ``None``."""
        if want_micros == 0:
            return 0  # a free call goes on whatever the balance is (rule 10)
        amount_micros = min(want_micros, pool.available_micros)
        if amount_micros < first_micros:
            return None
        pool.reserved_micros += amount_micros
        self.touched[pool.account] = pool
        return amount_micros

    def _release(self, held: Held) -> None:
        pool = self.pools[held.account]
        pool.reserved_micros -= held.amount_micros
        self.touched[pool.account] = pool

    def _note(self, held: Held) -> None:
        if held.request is None:
            self.changed[held.id] = held

    def _take(self, hold_id: str) -> Held | None:
        """The hold is the right to charge: who takes it has it alone."""
        held = self._holds.pop(hold_id, None)
        if held is None:
            return None
        if held.request is None:
            self.removed.append(hold_id)
            self.changed.pop(hold_id, None)
        else:
            del self.opened[hold_id]
        return held


def _within(leg: Charge, due: Price, reserved_micros: int) -> Price:
    """The price, or if more is due than was reserved the price of the time that is covered."""
    if due.price_micros <= reserved_micros:
        return due
    covered_s = paid_until_s(leg.rate, reserved_micros)
    assert covered_s is not None, "a rate that takes no more cannot exceed its reservation"
    return charge(leg.rate, covered_s)


# Any: each function takes its own member of the union that the key names.
_ORDERS: dict[type, Callable[[Book, Any], Outcome]] = {
    HoldRequest: Book._hold,
    SliceRequest: Book._extend,
    Answered: Book._answered,
    Moved: Book._move,
    Void: Book._void,
    Settlement: Book._settle,
}
