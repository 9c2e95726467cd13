"""What every signed-in page shows around its own content (S46, S52)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.credit import account_status
from softswitch.store.base import billing_tables
from softswitch.store.models import Account, User
from web.queries import settings

balance_table = billing_tables.balance


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame's values. ``number`` is what the person's calls show, "" when there is none;
    ``status`` in the words of billing rule 54."""

    name: str
    last_name: str
    extension: str
    number: str
    position: str
    role: str
    account: str
    company: str
    status: str
    balance_micros: int
    currency: str
    time_zone: str
    brand: str
    support_phone: str

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.name} {self.last_name}".strip()


class AccountGone(Exception):
    """The account of a session is no longer there."""


def load(session: Session, account_id: str, user_id: str) -> Shell:
    """The frame of a user's pages. Raises ``AccountGone``."""
    account = session.get(Account, account_id)
    user = session.scalar(select(User).where(User.account == account_id, User.id == user_id))
    if account is None or user is None:
        raise AccountGone(account_id)
    balance, credit = funds(session, account_id)
    brand, support_phone = settings.brand(session)
    return Shell(
        name=user.name,
        last_name=user.last_name,
        extension=user.extension,
        number=_shown_number(user, account),
        position=user.position,
        role=user.role,
        account=account.id,
        company=account.company,
        status=_status(account, balance + credit),
        balance_micros=balance,
        currency=account.currency,
        time_zone=account.time_zone,
        brand=brand,
        support_phone=support_phone,
    )


def funds(session: Session, account_id: str) -> tuple[int, int]:
    """Balance and credit limit in micros; zeros before the first entry."""
    row = session.execute(
        select(balance_table.c.balance_micros, balance_table.c.credit_limit_micros).where(
            balance_table.c.account == account_id
        )
    ).one_or_none()
    return (int(row[0]), int(row[1])) if row else (0, 0)


@dataclass(frozen=True, slots=True)
class Funds:
    """The figures of the frame that change while a page is open. ``status`` as in ``Shell``."""

    balance_micros: int
    currency: str
    status: str


def live_funds(session: Session, account_id: str) -> Funds:
    """Balance and status as they are now. Raises ``AccountGone``."""
    account = session.get(Account, account_id)
    if account is None:
        raise AccountGone(account_id)
    balance, credit = funds(session, account_id)
    return Funds(balance, account.currency, _status(account, balance + credit))


def _status(account: Account, funds_micros: int) -> str:
    return account_status(
        activated=account.activated, blocked=account.blocked, funds_micros=funds_micros
    )


def _shown_number(user: User, account: Account) -> str:
    if user.designated_number.startswith("+"):
        return user.designated_number
    return account.default_number or ""
