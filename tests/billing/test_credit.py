"""The names of an account's state (billing rule 54)."""

from __future__ import annotations

import pytest

from billing.credit import account_status


@pytest.mark.parametrize(
    ("activated", "blocked", "funds_micros", "status"),
    [
        (False, "", 5, "not_activated"),
        (True, "", 5, "active"),
        (True, "", 0, "low"),
        (True, "", -1, "blocked_money"),
        (False, "", -1, "not_activated"),
        (True, "operator", 5, "blocked_operator"),
        (True, "fraud", -1, "blocked_fraud"),
        (False, "fraud", 5, "blocked_fraud"),
        (True, "closed", 5, "closed"),
        (False, "closed", 5, "closed"),
    ],
)
def test_the_gravest_reason_names_the_status(
    activated: bool, blocked: str, funds_micros: int, status: str
) -> None:
    """Closed, then the operator's blocks, then activation, then money."""
    found = account_status(activated=activated, blocked=blocked, funds_micros=funds_micros)
    assert found == status


def test_low_begins_at_the_threshold() -> None:
    """The threshold itself is low."""
    terms = {"activated": True, "blocked": "", "low_below_micros": 10}
    assert account_status(funds_micros=10, **terms) == "low"  # type: ignore[arg-type]
    assert account_status(funds_micros=11, **terms) == "active"  # type: ignore[arg-type]
