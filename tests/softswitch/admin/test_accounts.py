"""Blocking, crediting, refunding."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.admin import accounts
from softswitch.admin.history import Actor
from softswitch.admin.refusal import NotFound, Refused
from softswitch.store import queries
from softswitch.store.models import History
from tests.softswitch.conftest import Applies

ACCOUNT = "000000001"


@pytest.fixture(autouse=True)
def account(applies: Applies) -> None:
    """An active account with 10.00."""
    applies(f'accounts: [{{id: "{ACCOUNT}", activated: true, opening_balance: "10"}}]')


def status(session: Session) -> str:
    """As ``show accounts`` tells it."""
    return str(queries.accounts(session)[0]["status"])


def test_blocking_and_unblocking_change_the_status(session: Session, operator: Actor) -> None:
    """S4, billing rule 54."""
    accounts.block_account(session, operator, ACCOUNT, "operator")
    assert status(session) == "blocked_operator"
    accounts.unblock_account(session, operator, ACCOUNT)
    assert status(session) == "active"
    with pytest.raises(Refused, match=r"Account 000000001 is not blocked\."):
        accounts.unblock_account(session, operator, ACCOUNT)


def test_unknown_reasons_and_accounts_are_refused(session: Session, operator: Actor) -> None:
    """In words, not by a constraint of the database."""
    with pytest.raises(Refused, match="mood is not one of operator, fraud, closed"):
        accounts.block_account(session, operator, ACCOUNT, "mood")
    with pytest.raises(NotFound, match=r"There is no such account\."):
        accounts.block_account(session, operator, "000000009", "operator")


def test_a_credit_is_posted_once_for_a_key(session: Session, operator: Actor) -> None:
    """Rule 3; and it stands in History once."""
    for _ in range(2):
        balance = accounts.credit_account(session, operator, ACCOUNT, "5.5", "Sorry", "ticket-1")
        assert balance == "15.50"
    rows = session.scalars(select(History).where(History.what == "credit"))
    assert [row.after for row in rows] == [
        {"amount": "5.50 EUR", "key": "credit:ticket-1", "text": "Sorry"}
    ]


def test_a_repeated_credit_tells_the_balance_of_now(session: Session, operator: Actor) -> None:
    """Not the one that the first posting left."""
    accounts.credit_account(session, operator, ACCOUNT, "5", key="ticket-1")
    accounts.credit_account(session, operator, ACCOUNT, "100")
    assert accounts.credit_account(session, operator, ACCOUNT, "5", key="ticket-1") == "115.00"


@pytest.mark.parametrize("amount", ["1e3", "NaN", "1_000", " 1", "1,50", "0x10", ""])
def test_an_amount_is_written_in_digits(session: Session, operator: Actor, amount: str) -> None:
    """What a calculator would print is not what a person meant to pay."""
    with pytest.raises(Refused, match=r"is not an amount like 12\.50"):
        accounts.credit_account(session, operator, ACCOUNT, amount)


def test_a_refund_takes_no_more_than_there_is(session: Session, operator: Actor) -> None:
    """The balance never goes below zero by it."""
    assert accounts.refund_account(session, operator, ACCOUNT, "4") == "6.00"
    with pytest.raises(Refused, match=r"Only 6\.00 EUR are available\."):
        accounts.refund_account(session, operator, ACCOUNT, "7")


@pytest.mark.parametrize("amount", ["0", "-1", "ten", "0.0000001", "1e30"])
def test_bad_amounts_are_refused(session: Session, operator: Actor, amount: str) -> None:
    """Before anything is posted."""
    with pytest.raises(Refused):
        accounts.credit_account(session, operator, ACCOUNT, amount)
    assert len(queries.ledger(session)) == 1
