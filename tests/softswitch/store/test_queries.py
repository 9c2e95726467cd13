"""``show``: the contract's fields, with its spelling of amounts and times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from billing import work
from billing.repository import open_account, set_credit_limit
from softswitch.store import queries
from softswitch.store.database import Database
from softswitch.store.models import CatalogueNumber
from tests.billing.samples import (
    ACCOUNT,
    OTHER,
    START_US,
    make_account,
    make_request,
    make_settlement,
    top_up,
)

Show = Callable[[Session, str | None], list[dict[str, Any]]]


@pytest.fixture
def session(database: Database) -> Any:
    """One account with 0.50, a settled call and one that is up; another without money."""
    with database.sync_transaction() as session:
        connection = session.connection()
        make_account(session, ACCOUNT)
        make_account(session, OTHER)
        top_up(connection, 500_000)
        set_credit_limit(connection, ACCOUNT, 1_000_000)
        for call_id in ("c1", "c2"):
            work.hold(connection, make_request(call_id))
        work.settle(connection, make_settlement("c1", 30))
        yield session


def number(name: str, account: str | None, bought_us: int | None) -> CatalogueNumber:
    """A number of the catalogue."""
    return CatalogueNumber(
        number=name,
        country="LT",
        city="Vilnius",
        kind="city",
        setup_fee_micros=1_000_000,
        monthly_fee_micros=1_300_000,
        channels=0,
        trunk=None,
        account=account,
        status="active" if account else "free",
        bought_us=bought_us,
        delete_us=None,
    )


def test_accounts(session: Session) -> None:
    """With the status of rule 54."""
    assert queries.accounts(session) == [
        {
            "account": ACCOUNT,
            "company": f"Company {ACCOUNT}",
            "status": "active",
            "balance": "0.44",
            "currency": "EUR",
        },
        {
            "account": OTHER,
            "company": f"Company {OTHER}",
            "status": "low",
            "balance": "0.00",
            "currency": "EUR",
        },
    ]


def test_balance(session: Session) -> None:
    """What is there, reserved by the call that is up, and left with the credit limit."""
    assert queries.balance(session, ACCOUNT) == [
        {
            "account": ACCOUNT,
            "currency": "EUR",
            "balance": "0.44",
            "reserved": "0.06",
            "available": "1.38",
            "credit_limit": "1.00",
            "status": "active",
        }
    ]


def test_cdrs(session: Session) -> None:
    """A call that has ended; the one that is up is not among them."""
    assert queries.cdrs(session, ACCOUNT) == [
        {
            "call_id": "c1",
            "account": ACCOUNT,
            "direction": "out",
            "from": "+37070044960",
            "to": "+37129999999",
            "started_at": "2023-11-14T22:13:20.000Z",
            "answered_at": "2023-11-14T22:13:30.000Z",
            "ended_at": "2023-11-14T22:14:00.000Z",
            "duration_s": 30,
            "billed_s": 60,
            "price": "0.06",
            "currency": "EUR",
            "cause": "answered",
            "hangup_by": "caller",
            "recording_id": None,
            "legs": [],
            "trace": ["to Latvia by carrier"],
        }
    ]


def test_an_unanswered_call_has_no_answer_and_lasts_0(session: Session) -> None:
    """Null and 0, as the contract says."""
    work.settle(session.connection(), make_settlement("c2", 0))
    unanswered = queries.cdrs(session)[1]
    assert (unanswered["answered_at"], unanswered["duration_s"]) == (None, 0)
    assert unanswered["price"] == "0.00"


def test_ledger(session: Session) -> None:
    """Signed from the customer's point of view, oldest first."""
    entries = queries.ledger(session, ACCOUNT)
    assert [entry.pop("id") for entry in entries] == sorted(
        row["id"] for row in queries.ledger(session)
    )
    assert entries == [
        {
            "account": ACCOUNT,
            "key": "payment:first",
            "kind": "payment",
            "amount": "0.50",
            "balance_after": "0.50",
            "at": "2023-11-14T22:13:20.000Z",
        },
        {
            "account": ACCOUNT,
            "key": "call:c1:b1",
            "kind": "call",
            "amount": "-0.06",
            "balance_after": "0.44",
            "at": "2023-11-14T22:14:00.000Z",
        },
    ]


def test_numbers(session: Session) -> None:
    """All of the catalogue, or those of an account."""
    session.add(number("+37070044960", ACCOUNT, START_US))
    session.add(number("+37070044961", None, None))
    assert len(queries.numbers(session)) == 2
    assert queries.numbers(session, ACCOUNT) == [
        {
            "number": "+37070044960",
            "account": ACCOUNT,
            "status": "active",
            "monthly_fee": "1.30",
            "bought_at": "2023-11-14T22:13:20.000Z",
            "delete_at": None,
        }
    ]


@pytest.mark.parametrize(
    "show", [queries.accounts, queries.balance, queries.cdrs, queries.ledger, queries.numbers]
)
def test_an_account_sees_only_its_own(session: Session, show: Show) -> None:
    """Of another account's rows there is none, of an unknown one's neither."""
    session.add(number("+37070044960", ACCOUNT, START_US))
    assert all(row["account"] == OTHER for row in show(session, OTHER))
    assert show(session, "999999999") == []
    assert [row["account"] for row in show(session, ACCOUNT)]


def test_an_account_is_opened_only_once(session: Session) -> None:
    """Its balance row stays as it is."""
    open_account(session.connection(), ACCOUNT, "EUR")
    assert queries.balance(session, ACCOUNT)[0]["balance"] == "0.44"
