"""Weekly periods: borders, midnight and daylight saving."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.routing.model import Period
from softswitch.routing.periods import describe, describe_time, includes

WORKDAYS = frozenset(range(5))
OFFICE = Period(WORKDAYS, 9 * 60, 18 * 60)
NIGHT = Period(frozenset({4}), 22 * 60, 6 * 60)  # Friday night
ALWAYS_SUNDAY = Period(frozenset({6}), 0, 24 * 60)

minutes = st.integers(0, 24 * 60 - 1)
periods = st.builds(Period, st.frozensets(st.integers(0, 6)), minutes, st.integers(0, 24 * 60))


@pytest.mark.parametrize(
    ("period", "local", "within"),
    [
        (OFFICE, "2026-01-13 09:00", True),
        (OFFICE, "2026-01-13 08:59", False),
        (OFFICE, "2026-01-13 17:59", True),
        (OFFICE, "2026-01-13 18:00", False),
        (OFFICE, "2026-01-17 12:00", False),  # Saturday
        (NIGHT, "2026-01-16 21:59", False),
        (NIGHT, "2026-01-16 22:00", True),  # Friday
        (NIGHT, "2026-01-17 05:59", True),  # Saturday morning is still Friday's window
        (NIGHT, "2026-01-17 06:00", False),
        (NIGHT, "2026-01-16 05:00", False),  # Friday morning would be Thursday's
        (ALWAYS_SUNDAY, "2026-01-18 23:59", True),
        (ALWAYS_SUNDAY, "2026-01-19 00:00", False),
    ],
)
def test_period_includes(period: Period, local: str, within: bool) -> None:
    """The start is in, the end is out, and a window over midnight belongs to its first day."""
    assert includes(period, datetime.fromisoformat(local)) is within


def _minutes_since_start(period: Period, start: date, local: datetime) -> bool:
    """Whether the window that starts on a day holds a wall-clock time, by plain arithmetic."""
    midnight = datetime.combine(start, datetime.min.time())
    begin = midnight + timedelta(minutes=period.start_minute)
    length = period.end_minute - period.start_minute
    end = begin + timedelta(minutes=length if length > 0 else length + 24 * 60)
    return begin <= local.replace(tzinfo=None) < end


@given(
    periods,
    st.integers(0, 2 * 365 * 24 * 60),
    st.sampled_from(["Europe/Riga", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_period_is_the_union_of_its_days_windows(
    period: Period, minute: int, time_zone: str
) -> None:
    """A time lies in the period if the window of that day or of the day before holds it, in any
    zone and also on the days when the clock changes."""
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    local = at.astimezone(ZoneInfo(time_zone))
    starts = [local.date(), local.date() - timedelta(days=1)]
    expected = any(
        day.weekday() in period.days and _minutes_since_start(period, day, local) for day in starts
    )
    assert includes(period, local) is expected


def test_the_hour_that_comes_twice_counts_twice_and_the_lost_hour_not() -> None:
    """A night window from 03:00 to 04:00 in Riga: two hours long in October, none in March."""
    window = Period(frozenset({6}), 180, 240)
    for day, minutes_within in ((date(2026, 10, 25), 120), (date(2026, 3, 29), 0)):
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=6)
        times = [start + timedelta(minutes=n) for n in range(24 * 60)]
        local = [time.astimezone(ZoneInfo("Europe/Riga")) for time in times]
        assert sum(includes(window, time) for time in local) == minutes_within


def test_periods_are_described_for_people() -> None:
    """Runs of days are joined, single ones listed."""
    assert describe(OFFICE) == "Mon-Fri 09:00-18:00"
    assert describe(Period(frozenset({0, 2, 3, 6}), 0, 1440)) == "Mon,Wed-Thu,Sun 00:00-24:00"
    assert describe_time(datetime(2026, 1, 13, 19, 5, tzinfo=UTC)) == "Tue 19:05"
