"""Weekly periods of call flows (S109, S110, A6), judged on the wall clock of the account.

Daylight saving needs no care here: a window that the clock jumps over does not occur that day, an
hour that comes twice counts twice.
"""

from __future__ import annotations

from datetime import datetime

from softswitch.routing.model import Period

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def includes(period: Period, local: datetime) -> bool:
    """Whether a local time lies within. The end is outside; an end not after the start is on the
    next day and the window belongs to the day it starts (A6)."""
    minute = local.hour * 60 + local.minute
    today = local.weekday()
    if period.start_minute < period.end_minute:
        return today in period.days and period.start_minute <= minute < period.end_minute
    since_today = today in period.days and minute >= period.start_minute
    return since_today or ((today - 1) % 7 in period.days and minute < period.end_minute)


def describe(period: Period) -> str:
    """For the trace: "Mon-Fri 09:00-18:00"."""
    return f"{_days(period.days)} {_clock(period.start_minute)}-{_clock(period.end_minute)}"


def describe_time(local: datetime) -> str:
    """For the trace: "Tue 19:10"."""
    return f"{DAY_NAMES[local.weekday()]} {local:%H:%M}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _days(days: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        f"{DAY_NAMES[run[0]]}-{DAY_NAMES[run[-1]]}" if len(run) > 1 else DAY_NAMES[run[0]]
        for run in runs
    )
