"""What ``softswitch show`` prints of the store: plain dicts with the contract's field names.

Amounts are decimal strings, times ISO 8601 in UTC, ``None`` where there is none. Functions take a
``Session`` that reads (``Database.read``, ``sync_transaction(reads=True)``); with an account they
give only that account's rows.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from billing.credit import account_status
from billing.ledger import customer
from billing.money import format_micros
from softswitch.clock import iso
from softswitch.store.base import billing_tables
from softswitch.store.models import Account, CatalogueNumber

Shown = list[dict[str, Any]]
_pool = billing_tables.balance
_cdr = billing_tables.cdr
_ledger = billing_tables.ledger


def accounts(session: Session, account: str | None = None) -> Shown:
    """Every account with its status (billing rule 54) and balance."""
    return [
        {
            "account": row.id,
            "company": row.company,
            "status": _status(row),
            "balance": format_micros(row.balance_micros or 0),
            "currency": row.currency,
        }
        for row in session.execute(_accounts(account))
    ]


def balance(session: Session, account: str | None = None) -> Shown:
    """Every account's pool: what is there, what running calls have reserved, what is left."""
    return [_balance(row) for row in session.execute(_accounts(account))]


def cdrs(session: Session, account: str | None = None) -> Shown:
    """Every record of a call, in the order in which calls ended."""
    query = select(_cdr).order_by(_cdr.c.id)
    if account is not None:
        query = query.where(_cdr.c.account == account)
    return [_record(row) for row in session.execute(query)]


def ledger(session: Session, account: str | None = None) -> Shown:
    """Every entry, oldest first; ``amount`` is signed, from the customer's point of view."""
    query = select(_ledger).order_by(_ledger.c.id)
    if account is not None:
        query = query.where(_ledger.c.account == account)
    return [_entry(row) for row in session.execute(query)]


def numbers(session: Session, account: str | None = None) -> Shown:
    """Every number of the catalogue, or those that an account has."""
    query = select(CatalogueNumber).order_by(CatalogueNumber.number)
    if account is not None:
        query = query.where(CatalogueNumber.account == account)
    return [
        {
            "number": number.number,
            "account": number.account,
            "status": number.status,
            "monthly_fee": format_micros(number.monthly_fee_micros),
            "bought_at": iso(number.bought_us),
            "delete_at": iso(number.delete_us),
        }
        for number in session.scalars(query)
    ]


def _accounts(account: str | None) -> Select[Any]:
    query = (
        select(
            Account.id,
            Account.company,
            Account.currency,
            Account.activated,
            Account.blocked,
            _pool.c.balance_micros,
            _pool.c.reserved_micros,
            _pool.c.credit_limit_micros,
        )
        .outerjoin(_pool, _pool.c.account == Account.id)
        .order_by(Account.id)
    )
    return query if account is None else query.where(Account.id == account)


def _status(row: Row[Any]) -> str:
    funds_micros = (row.balance_micros or 0) + (row.credit_limit_micros or 0)
    return account_status(activated=row.activated, blocked=row.blocked, funds_micros=funds_micros)


def _balance(row: Row[Any]) -> dict[str, Any]:
    balance_micros = row.balance_micros or 0
    reserved_micros = row.reserved_micros or 0
    credit_limit_micros = row.credit_limit_micros or 0
    return {
        "account": row.id,
        "currency": row.currency,
        "balance": format_micros(balance_micros),
        "reserved": format_micros(reserved_micros),
        "available": format_micros(balance_micros + credit_limit_micros - reserved_micros),
        "credit_limit": format_micros(credit_limit_micros),
        "status": _status(row),
    }


def _record(row: Row[Any]) -> dict[str, Any]:
    return {
        "call_id": row.call_id,
        "account": row.account,
        "direction": row.direction,
        "from": row.caller,
        "to": row.called,
        "started_at": iso(row.started_us),
        "answered_at": iso(row.answered_us),
        "ended_at": iso(row.ended_us),
        "duration_s": row.duration_s,
        "billed_s": row.billed_s,
        "price": format_micros(row.price_micros),
        "currency": row.currency,
        "cause": row.cause,
        "hangup_by": row.hangup_by,
        "recording_id": row.recording_id,
        "legs": row.legs,
        "trace": row.trace,
    }


def _entry(row: Row[Any]) -> dict[str, Any]:
    incoming = row.credit == customer(row.account)
    return {
        "id": row.id,
        "account": row.account,
        "key": row.key,
        "kind": row.kind,
        "amount": format_micros(row.amount_micros if incoming else -row.amount_micros),
        "balance_after": format_micros(row.balance_after_micros),
        "at": iso(row.at_us),
    }
