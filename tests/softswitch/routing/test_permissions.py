"""What an account's status allows calls that are already up."""

from __future__ import annotations

import pytest

from softswitch.ids import AccountId
from softswitch.routing.model import Account
from softswitch.routing.permissions import why_stopped


def account(status: str) -> Account:
    """An account of this status, otherwise empty."""
    return Account(AccountId("000000212"), status, "LV", "Europe/Riga", None, "EUR", None, 0)


@pytest.mark.parametrize(
    ("status", "outgoing", "incoming"),
    [
        ("active", None, None),
        ("blocked_operator", "blocked by the operator", "blocked by the operator"),
        ("blocked_fraud", "blocked for fraud", None),
        ("closed", "closed", "closed"),
    ],
)
def test_paid_calls_that_are_up_end_as_the_status_says(
    status: str, outgoing: str | None, incoming: str | None
) -> None:
    """Rule 54's table at the next slice (rule 55)."""
    for expected, direction in ((outgoing, False), (incoming, True)):
        why = f"account 000000212 is {expected}" if expected else None
        assert why_stopped(account(status), incoming=direction) == why


def test_calls_of_an_account_that_was_removed_end() -> None:
    """Nobody is left to pay for them."""
    assert why_stopped(None, incoming=False) == "the account was removed"
