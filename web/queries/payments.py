"""Movements of the account's balance (S41)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.ledger import customer
from softswitch.store.base import billing_tables

ledger = billing_tables.ledger

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry. ``amount_micros`` is signed: above zero, the balance grew."""

    number: int
    at_us: int
    kind: str
    text: str
    amount_micros: int
    balance_after_micros: int


@dataclass(frozen=True, slots=True)
class Movements:
    """A page of them, the newest first. ``next_before``: the number of the last one when there are
    more, else 0."""

    rows: tuple[Movement, ...]
    next_before: int


def page(
    session: Session, account: str, from_us: int | None, to_us: int | None, before: int
) -> Movements:
    """Entries of a period (UTC microseconds, the end excluded) older than number ``before`` (0: the
    newest)."""
    query = select(ledger).where(ledger.c.account == account)
    if from_us is not None:
        query = query.where(ledger.c.at_us >= from_us)
    if to_us is not None:
        query = query.where(ledger.c.at_us < to_us)
    if before:
        query = query.where(ledger.c.number < before)
    query = query.order_by(ledger.c.number.desc()).limit(PAGE_ROWS + 1)
    rows = [
        Movement(
            number=row.number,
            at_us=row.at_us,
            kind=row.kind,
            text=row.text,
            amount_micros=row.amount_micros
            if row.credit == customer(account)
            else -row.amount_micros,
            balance_after_micros=row.balance_after_micros,
        )
        for row in session.execute(query)
    ]
    more = len(rows) > PAGE_ROWS
    return Movements(tuple(rows[:PAGE_ROWS]), rows[PAGE_ROWS - 1].number if more else 0)
