"""``softswitch show``: the rows of what is stored, with the contract's fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from softswitch.admin.refusal import refuse
from softswitch.store import queries
from softswitch.subjects import SUBJECTS

Rows = list[dict[str, Any]]


def _none(session: Session, account: str | None = None) -> Rows:
    """Of a part that is not built yet there is nothing."""
    return []


READERS: dict[str, Callable[[Session, str | None], Rows]] = {
    "accounts": queries.accounts,
    "balance": queries.balance,
    "cdrs": queries.cdrs,
    "ledger": queries.ledger,
    "numbers": queries.numbers,
    "recordings": _none,
    "voicemails": _none,
    "mails": _none,
}


def show(session: Session, what: str, account: str | None) -> Rows:
    """The rows of one of ``READERS``. Raises ``Refused`` for anything else."""
    reader = READERS.get(what)
    if reader is None:
        raise refuse("what", f"{what} is not one of {', '.join(SUBJECTS)}")
    return reader(session, account)
