"""``softswitch show``: what there is to see, with the contract's fields, and tables for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from softswitch.admin.refusal import refuse
from softswitch.store import queries

Rows = list[dict[str, Any]]

LIVE = {
    "registrations": (
        "account", "extension", "login", "contact", "source", "transport", "expires_at",
        "user_agent",
    ),
    "calls": (
        "call_id", "account", "direction", "from", "to", "state", "started_at", "answered_at",
    ),
}  # fmt: skip
CELL_MAX = 40  # characters; a table is for looking, --json is for everything


def _none(session: Session, account: str | None = None) -> Rows:
    """Of a part that is not built yet there is nothing."""
    return []


STORED: dict[str, Callable[[Session, str | None], Rows]] = {
    "accounts": queries.accounts,
    "balance": queries.balance,
    "cdrs": queries.cdrs,
    "ledger": queries.ledger,
    "numbers": queries.numbers,
    "recordings": _none,
    "voicemails": _none,
    "mails": _none,
}
SUBJECTS = (*STORED, *LIVE)


def show(session: Session, what: str, account: str | None) -> Rows:
    """The rows of one of ``STORED``. Raises ``Refused`` for anything else."""
    reader = STORED.get(what)
    if reader is None:
        raise refuse("what", f"{what} is not one of {', '.join(SUBJECTS)}")
    return reader(session, account)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as columns for a person; a sentence when there are none."""
    if not rows:
        return "none"
    heads = [key for key, value in rows[0].items() if not isinstance(value, list | dict)]
    lines = [heads, *([_cell(row.get(head)) for head in heads] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= CELL_MAX else f"{text[: CELL_MAX - 1]}…"
