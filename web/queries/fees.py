"""What the account pays every month, and has paid (S17, S53, S56, A34, A35)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.ledger import customer
from softswitch.admin import users as admin
from softswitch.store.base import billing_tables
from softswitch.store.models import Account, Group, Ivr, User
from web.queries import numbers, settings

ledger = billing_tables.ledger


@dataclass(frozen=True, slots=True)
class Fees:
    """Monthly fees in micros. ``next_micros`` is what the next 1st takes: numbers that await their
    deletion are no longer in it. ``seats``: users that the account may have."""

    users_micros: int
    numbers_micros: int
    recording_micros: int
    next_micros: int
    users: int
    seats: int
    recording_on: bool

    @property
    def monthly_micros(self) -> int:
        """All of them."""
        return self.users_micros + self.numbers_micros + self.recording_micros


def monthly(session: Session, account_id: str, owned: list[numbers.NumberRow]) -> Fees:
    """The fees of what the account has now."""
    account = session.get_one(Account, account_id)
    prices = settings.prices(session)
    users = session.scalar(select(func.count()).where(User.account == account_id)) or 0
    users_micros = account.users_bought * prices.user_monthly_micros
    recording_micros = prices.recording_monthly_micros if account.recording else 0
    staying = sum(row.monthly_micros for row in owned if row.status != "awaiting_deletion")
    return Fees(
        users_micros=users_micros,
        numbers_micros=sum(row.monthly_micros for row in owned),
        recording_micros=recording_micros,
        next_micros=users_micros + staying + recording_micros,
        users=users,
        seats=admin.seats(session, account_id).allowed,
        recording_on=account.recording,
    )


def spent(session: Session, account_id: str, from_us: int, to_us: int) -> int:
    """Debits of a period in micros: fees and calls, without top-ups (A34)."""
    total = session.scalar(
        select(func.sum(ledger.c.amount_micros)).where(
            ledger.c.account == account_id,
            ledger.c.debit == customer(account_id),
            ledger.c.at_us >= from_us,
            ledger.c.at_us < to_us,
        )
    )
    return int(total or 0)


@dataclass(frozen=True, slots=True)
class Counts:
    """Things of the account that are counted on the services page (S15)."""

    groups: int
    ivrs: int


def counts(session: Session, account_id: str) -> Counts:
    """How many groups and voice menus there are."""
    groups = session.scalar(select(func.count()).where(Group.account == account_id))
    ivrs = session.scalar(select(func.count()).where(Ivr.account == account_id))
    return Counts(groups or 0, ivrs or 0)
