"""The command line's half of ``softswitch route``: its time argument and its answer in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from softswitch.admin.refusal import Refused, refuse


def plan_lines(document: dict[str, Any]) -> list[str]:
    """A plan for a person: the trace, then the steps in order."""
    lines = list(document["trace"])
    for number, step in enumerate(document["steps"], 1):
        details = ", ".join(
            _words(key, value)
            for key, value in step.items()
            if key != "step" and value not in (None, "", [], False)
        )
        lines.append(f"{number}. {step['step']}: {details}")
    return lines


def _words(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{key} ({', '.join(f'{name} {inner}' for name, inner in value.items())})"
    if isinstance(value, list):
        return f"{key} {', '.join(map(str, value))}"
    return key if value is True else f"{key} {value}"


def number_line(row: dict[str, Any]) -> str:
    """A row of ``trunk test``: ``called +37120000001 -> 20000001 (outbound rule 1: ...)``."""
    number = row["number"] or "no telephone number"
    return f"{row['of']} {row['given']} -> {number} ({row['rule']})"


def parse_time(text: str) -> datetime:
    """An ISO 8601 time, in UTC when it names no offset. Raises ``Refused``."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _not_a_time(text) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _not_a_time(text: str) -> Refused:
    return refuse("at", f"{text} is not a time like 2026-01-31T09:00:00Z")
