"""The values of credit control (billing rules 15 to 22): what is asked for and what is answered.

``billing.book`` carries them out, ``billing.work`` on a database connection.
"""

from __future__ import annotations

from typing import NamedTuple

from billing.cdr import CallRecord, Settlement
from billing.tariff import Rate

NO_CREDIT = "no_credit"  # the pool has less than the first interval costs
NO_BALANCE = "no_balance"  # the account is unknown here or keeps another currency
NO_HOLD = "no_hold"  # the call was settled or never held


class HoldRequest(NamedTuple):
    """Reserve money for one leg before its INVITE goes out.

    ``id`` is the call id and the leg ("<call id>:<leg>"). ``first_micros`` is the least that lets
    the call start, ``slice_micros`` what is wanted (``billing.rating.opening_slice``).
    ``records`` are all records of the call as known so far, so that the row alone is enough to
    close the call after a crash.
    """

    id: str
    call_id: str
    account: str
    rate: Rate
    first_micros: int
    slice_micros: int
    records: tuple[CallRecord, ...]
    now_us: int


class SliceRequest(NamedTuple):
    """Add to a hold: ``want_micros``, or what the pool has if that is at least ``first_micros``,
    the next increment (``billing.rating.next_slice``)."""

    hold_id: str
    want_micros: int
    first_micros: int


class Answered(NamedTuple):
    """Journal that these legs were answered, at this UTC time; the first word counts."""

    hold_ids: tuple[str, ...]
    answered_us: int


class Void(NamedTuple):
    """Release a hold without charging anything; without effect if it is gone."""

    hold_id: str


class Moved(NamedTuple):
    """The party of this leg goes on in another call, whose records these are: there it is settled,
    and closed after a crash. Should this be lost, the money is charged all the same, under the
    first call."""

    hold_id: str
    call_id: str
    records: tuple[CallRecord, ...]


class HoldGranted(NamedTuple):
    """``amount_micros`` are reserved for the leg in all, this grant included."""

    id: str
    amount_micros: int


class CreditRefused(NamedTuple):
    """Nothing was reserved. ``reason`` is one of the constants above."""

    id: str
    reason: str
    available_micros: int


class ChargeSettled(NamedTuple):
    """What a leg was charged. ``overrun_micros``: what its time would have cost beyond the
    reservation; the operator bears it (rule 19)."""

    hold_id: str
    account: str
    billed_s: int
    price_micros: int
    cost_micros: int
    overrun_micros: int
    balance_micros: int


class Settled(NamedTuple):
    """A call was settled: what each leg was charged whose hold was still there. A leg that is
    missing had been charged before."""

    call_id: str
    charges: tuple[ChargeSettled, ...]


Order = HoldRequest | SliceRequest | Answered | Moved | Void | Settlement
Outcome = HoldGranted | CreditRefused | Settled | None


def account_status(
    *, activated: bool, blocked: str, funds_micros: int, low_below_micros: int = 0
) -> str:
    """The status of an account in the words of rule 54.

    ``blocked`` is the operator's word ("", "operator", "fraud", "closed"); ``funds_micros`` is the
    balance with the credit limit. An account at exactly zero is low, not blocked: its internal
    calls go on (rule 10), and a paid call is refused by its hold.
    """
    if blocked == "closed":
        return "closed"
    if blocked:
        return f"blocked_{blocked}"
    if not activated:
        return "not_activated"
    if funds_micros < 0:
        return "blocked_money"
    return "low" if funds_micros <= low_below_micros else "active"
