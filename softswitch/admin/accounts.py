"""What the operator does to a whole account: block, unblock, credit, refund (rules 54, 55, 57)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing.money import MoneyError, format_micros, parse_micros
from billing.repository import (
    AlreadyPosted,
    LedgerError,
    NotCovered,
    Posting,
    lock_balance,
    post,
    post_covered,
)
from softswitch.admin.history import Actor, record
from softswitch.admin.refusal import refuse
from softswitch.admin.users import lock_account
from softswitch.ids import random_id

BLOCK_REASONS = ("operator", "fraud", "closed")
TEXT_MAX = 200  # the ledger's column
KEY_MAX = 100  # the ledger's column, less the prefix


def block_account(session: Session, by: Actor, account_id: str, reason: str) -> None:
    """Block for one of ``BLOCK_REASONS``; running calls end at their next slice."""
    if reason not in BLOCK_REASONS:
        raise refuse("reason", f"{reason} is not one of {', '.join(BLOCK_REASONS)}")
    _set_blocked(session, by, account_id, reason, "account blocked")


def unblock_account(session: Session, by: Actor, account_id: str) -> None:
    """Lift a block. One for money lifts itself with the balance."""
    account = lock_account(session, account_id)
    if not account.blocked:
        raise refuse("", f"Account {account_id} is not blocked.")
    _set_blocked(session, by, account_id, "", "account unblocked")


def credit_account(
    session: Session, by: Actor, account_id: str, amount: str, text: str = "", key: str = ""
) -> str:
    """Add to the balance and return it, a decimal string. The same ``key`` credits only once."""
    micros = _amount(amount)
    posting = _posting(by, account_id, "credit", micros, text or "Credit", key)
    return _post(session, by, posting)


def refund_account(
    session: Session, by: Actor, account_id: str, amount: str, text: str = "", key: str = ""
) -> str:
    """Pay back: take from the balance what running calls do not need; returns the balance."""
    micros = _amount(amount)
    posting = _posting(by, account_id, "refund", -micros, text or "Refund", key)
    return _post(session, by, posting)


def _set_blocked(session: Session, by: Actor, account_id: str, reason: str, what: str) -> None:
    account = lock_account(session, account_id)
    before = {"blocked": account.blocked}
    account.blocked = reason
    account.version += 1
    record(session, by, account_id, what, account_id, before=before, after={"blocked": reason})
    session.flush()


def _amount(amount: str) -> int:
    try:
        micros = parse_micros(amount)
    except MoneyError as error:
        raise refuse("amount", str(error)) from None
    if micros == 0:
        raise refuse("amount", "The amount must be more than 0.")
    return micros


def _posting(by: Actor, account_id: str, kind: str, micros: int, text: str, key: str) -> Posting:
    if len(key) > KEY_MAX or len(text) > TEXT_MAX:
        raise refuse("", f"A key has at most {KEY_MAX} characters, a text {TEXT_MAX}.")
    return Posting(
        account=account_id,
        key=f"{kind}:{key or random_id('op')}",
        kind=kind,
        amount_micros=micros,
        text=text,
        at_us=by.at_us,
    )


def _post(session: Session, by: Actor, posting: Posting) -> str:
    account = lock_account(session, posting.account)
    connection = session.connection()
    try:
        take = posting.amount_micros < 0
        outcome = post_covered(connection, posting) if take else post(connection, posting)
    except LedgerError as error:
        raise refuse("key", str(error)) from None
    if isinstance(outcome, NotCovered):
        available = format_micros(outcome.available_micros)
        raise refuse("amount", f"Only {available} {account.currency} are available.")
    if not isinstance(outcome, AlreadyPosted):
        amount = f"{format_micros(posting.amount_micros)} {account.currency}"
        after = {"amount": amount, "key": posting.key, "text": posting.text}
        record(session, by, posting.account, posting.kind, posting.account, after=after)
        session.flush()
    held = lock_balance(connection, posting.account)  # a repeated posting tells what is there now
    assert held is not None, "it was just posted to"
    return format_micros(held.balance_micros)
