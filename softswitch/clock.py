"""The one place where the switch reads clocks. Logic gets ``now_s`` and ``now_us`` as arguments."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

MonotonicClock = Callable[[], float]
monotonic_s: MonotonicClock = time.monotonic


def utc_us() -> int:
    """Microseconds since 1970 in UTC, the form in which records keep time."""
    return time.time_ns() // 1000


def to_datetime(us: int) -> datetime:
    """A record's time as an aware datetime."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def iso(us: int | None) -> str | None:
    """ISO 8601 UTC with milliseconds ("2026-01-31T09:00:00.000Z"), or ``None``."""
    if us is None:
        return None
    return to_datetime(us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
