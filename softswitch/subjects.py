"""What ``softswitch show`` can show, by name, and tables for people. Light: the client's half."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

LIVE = ("registrations", "calls", "subscriptions", "trunks")  # only the running service knows
STORED = (
    "accounts",
    "balance",
    "cdrs",
    "ledger",
    "numbers",
    "recordings",
    "voicemails",
    "mails",
)
SUBJECTS = (*STORED, *LIVE)
CELL_MAX = 40  # characters; a table is for looking, --json is for everything


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
