"""Everything that the desktop shows, read in one go (S53 to S60)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from softswitch.store.models import Account
from web import formats
from web.queries import calls, fees, numbers
from web.queries.calls import CallRow
from web.queries.fees import Fees
from web.queries.numbers import NumberRow

LATEST_CALLS = 10


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest calls. ``number``: one to call for a test, "" when the account has none."""

    calls: tuple[CallRow, ...]
    time_zone: str
    number: str


@dataclass(frozen=True, slots=True)
class Desktop:
    """The desktop's figures. ``next_payment`` is the 1st of the next month (S54)."""

    fees: Fees
    next_payment: date
    last_month_micros: int
    latest: Latest
    numbers: tuple[NumberRow, ...]


def load(session: Session, account_id: str, own_extension: str, now_us: int) -> Desktop:
    """``own_extension``: "" for those who may see all calls of the account."""
    account = session.get_one(Account, account_id)
    owned = numbers.owned(session, account_id)
    today = formats.local_time(now_us, account.time_zone).date()
    this_month = today.replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    return Desktop(
        fees=fees.monthly(session, account_id, owned),
        next_payment=(this_month + timedelta(days=31)).replace(day=1),
        last_month_micros=fees.spent(
            session,
            account_id,
            formats.day_start_us(last_month, account.time_zone),
            formats.day_start_us(this_month, account.time_zone),
        ),
        latest=latest(session, account_id, own_extension),
        numbers=tuple(owned),
    )


def latest(session: Session, account_id: str, own_extension: str) -> Latest:
    """The part that changes while the page is open."""
    account = session.get_one(Account, account_id)
    found = tuple(calls.latest(session, account_id, own_extension, LATEST_CALLS))
    numbered = () if found else numbers.choices(session, account_id)
    return Latest(found, account.time_zone, next(iter(numbered), ""))
