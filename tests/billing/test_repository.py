"""Posting to the ledger and checking it, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from billing.ledger import Problem
from billing.repository import (
    AlreadyPosted,
    LedgerError,
    NotCovered,
    Posted,
    Posting,
    open_account,
    post,
    post_covered,
    set_credit_limit,
    verify,
)
from tests.billing.samples import ACCOUNT, OTHER, START_US, Pool, make_accounts, pool

PAYMENT = Posting(ACCOUNT, "payment:7", "payment", 5_000_000, "card", START_US)
FEE = Posting(ACCOUNT, "fee:base:2026-01", "fee", -2_000_000, "January", START_US)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction over two accounts, the first with 1.00."""
    make_accounts(engine, 1_000_000)
    with engine.begin() as connection:
        yield connection


def test_an_entry_changes_the_balance(connection: Connection) -> None:
    """The answer names the entry and the balance after it."""
    posted = post(connection, PAYMENT)
    assert isinstance(posted, Posted)
    assert posted.balance_after_micros == 6_000_000
    assert pool(connection) == Pool(6_000_000, 0)


def test_a_key_posts_once(connection: Connection) -> None:
    """The second time changes nothing and says what the first did (rule 3)."""
    first = post(connection, PAYMENT)
    again = post(connection, replace(PAYMENT, at_us=START_US + 1))
    assert again == AlreadyPosted(first.entry_id, 6_000_000)
    assert pool(connection) == Pool(6_000_000, 0)


@pytest.mark.parametrize("change", [{"amount_micros": 1}, {"account": OTHER}, {"kind": "credit"}])
def test_a_key_that_means_something_else_is_refused(
    connection: Connection, change: dict[str, object]
) -> None:
    """A payment number that comes with another amount or customer is not a repetition."""
    post(connection, PAYMENT)
    with pytest.raises(LedgerError, match="other contents"):
        post(connection, replace(PAYMENT, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "why"),
    [({"amount_micros": 0}, "nothing"), ({"account": "999999999"}, "has no balance")],
)
def test_what_cannot_be_posted_is_refused_by_name(
    connection: Connection, change: dict[str, object], why: str
) -> None:
    """An entry of nothing, an account without a pool."""
    with pytest.raises(LedgerError, match=why):
        post(connection, replace(PAYMENT, **change))  # type: ignore[arg-type]


def test_a_fee_is_taken_whole_or_not(connection: Connection) -> None:
    """``post_covered`` refuses what is more than available and changes nothing then."""
    assert post_covered(connection, FEE) == NotCovered(1_000_000)
    assert pool(connection) == Pool(1_000_000, 0)
    set_credit_limit(connection, ACCOUNT, 1_000_000)
    assert isinstance(post_covered(connection, FEE), Posted)
    assert isinstance(post_covered(connection, FEE), AlreadyPosted)
    assert pool(connection) == Pool(-1_000_000, 0)


def test_opening_an_account_again_changes_nothing(connection: Connection) -> None:
    """The state file may be applied twice."""
    open_account(connection, ACCOUNT, "EUR")
    assert pool(connection) == Pool(1_000_000, 0)
    assert verify(connection) == []


def test_a_good_ledger_verifies(connection: Connection) -> None:
    """Entries of several accounts, each with its own chain."""
    for number in range(5):
        posting = replace(PAYMENT, key=f"payment:{number + 10}")
        post(connection, posting)
        post(connection, replace(posting, account=OTHER, key=f"payment:{number + 20}"))
    assert verify(connection) == []
    assert verify(connection, OTHER) == []


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        ("UPDATE ledger SET amount_micros = 1 WHERE key = 'payment:7'", "was changed after"),
        ("UPDATE ledger SET text = 'x' WHERE key = 'payment:7'", "was changed after"),
        ("DELETE FROM ledger WHERE key = 'fee:base:2026-01'", "has 2 entries instead of 3"),
        ("DELETE FROM ledger WHERE key = 'payment:first'", "entry 1 is missing"),
        ("UPDATE balance SET balance_micros = 1 WHERE account = '000000212'", "balance 1 is not"),
        ("UPDATE balance SET reserved_micros = 1 WHERE account = '000000212'", "reserved 1 is not"),
        ("UPDATE balance SET entries = 2 WHERE account = '000000212'", "has 3 entries instead"),
    ],
)
def test_tampering_is_found(connection: Connection, sabotage: str, found: str) -> None:
    """Changed, removed and cut-off entries, balances and reservations that do not add up."""
    post(connection, PAYMENT)
    post(connection, replace(FEE, amount_micros=-1))
    connection.execute(text(sabotage))
    problems = verify(connection)
    assert {problem.account for problem in problems} == {ACCOUNT}
    assert any(found in problem.text for problem in problems), problems


def test_a_cut_off_end_with_the_numbers_mended_is_found(connection: Connection) -> None:
    """Who removes the last entry and mends count and balance still lacks the hash before it."""
    post(connection, PAYMENT)
    connection.execute(text("DELETE FROM ledger WHERE key = 'payment:7'"))
    connection.execute(
        text("UPDATE balance SET entries = 1, balance_micros = 1000000 WHERE account = :account"),
        {"account": ACCOUNT},
    )
    expected = Problem(ACCOUNT, 0, "its last entry is not the one that was written last")
    assert verify(connection) == [expected]
