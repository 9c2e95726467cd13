"""Filters as they stand in the address: a period, and the kinds of S62, all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from web import formats
from web.queries.calls import CallFilter

DIRECTIONS = ("in", "out", "internal")
RESULTS = ("answered", "missed")
WHO_KINDS = ("user", "group", "number")
NO_DAY = "Write the day like 2016-01-31."

Members = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day as sent and as understood. ``errors`` by field; a day in error restricts
    nothing, and the page says so beside it. ``quick``: label, first and last day."""

    from_text: str
    to_text: str
    first: date | None
    last: date | None
    errors: Mapping[str, str]
    quick: tuple[tuple[str, str, str], ...]

    def bounds_us(self, time_zone: str) -> tuple[int | None, int | None]:
        """The period in UTC microseconds, the end excluded."""
        first = formats.day_start_us(self.first, time_zone) if self.first else None
        return first, formats.day_end_us(self.last, time_zone) if self.last else None

    def is_range(self, first: str, last: str) -> bool:
        """Whether it is this one."""
        return (self.from_text, self.to_text) == (first, last)


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """The filter of the call report. Words that are not ours are read as "not restricted"."""

    period: Period
    direction: str
    result: str
    who: str

    def restriction(self, time_zone: str, own: str, members: Members) -> CallFilter:
        """What the query needs. ``own``: the one user whose calls may be seen, or ""."""
        kind, _, value = self.who.partition(":")
        extensions: tuple[str, ...] | None = None
        if kind == "user":
            extensions = (value,)
        elif kind == "group":
            extensions = members(value)
        from_us, to_us = self.period.bounds_us(time_zone)
        return CallFilter(
            from_us=from_us,
            to_us=to_us,
            direction=self.direction,
            result=self.result,
            extensions=extensions,
            number=value if kind == "number" else "",
            own_extension=own,
        )

    def address(self, **changes: str) -> str:
        """The report with these fields, or with some of them changed."""
        fields = {
            "from": self.period.from_text,
            "to": self.period.to_text,
            "who": self.who,
            "direction": self.direction,
            "result": self.result,
        }
        fields.update(changes)
        # An empty day is kept: left out, it would mean this month.
        kept = {k: v for k, v in fields.items() if v or k in ("from", "to")}
        return "/reports/calls?" + urlencode(kept)

    @property
    def restricts(self) -> bool:
        """Whether anything beside the period is chosen."""
        return bool(self.direction or self.result or self.who)


def read_filter(query: Mapping[str, str], today: date) -> ReportFilter:
    """The filter of a query string."""
    return ReportFilter(
        period=read_period(query, today),
        direction=_one_of(query.get("direction", ""), DIRECTIONS),
        result=_one_of(query.get("result", ""), RESULTS),
        who=_who(query.get("who", "")),
    )


def read_period(query: Mapping[str, str], today: date) -> Period:
    """The period of a query string. Without one, this month: no page reads all rows unasked."""
    asked = "from" in query or "to" in query
    from_text = query.get("from", "") if asked else today.replace(day=1).isoformat()
    to_text = query.get("to", "") if asked else today.isoformat()
    errors: dict[str, str] = {}
    first, last = _day(from_text, "from", errors), _day(to_text, "to", errors)
    if first and last and first > last:
        errors["to"] = "The last day is before the first one."
    return Period(from_text, to_text, first, last, errors, _quick_ranges(today))


def _day(text: str, name: str, errors: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        value = date.fromisoformat(text)
    except ValueError:
        errors[name] = NO_DAY
        return None
    # Near the ends of the calendar a time zone's offset would leave it.
    if not 1970 < value.year < 9999:
        errors[name] = NO_DAY
        return None
    return value


def _one_of(text: str, words: tuple[str, ...]) -> str:
    return text if text in words else ""


def _who(text: str) -> str:
    kind, _, value = text.partition(":")
    return text if value and kind in WHO_KINDS else ""


def _quick_ranges(today: date) -> tuple[tuple[str, str, str], ...]:
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    ranges = (
        ("Today", today, today),
        ("Yesterday", today - timedelta(days=1), today - timedelta(days=1)),
        ("Last 7 days", today - timedelta(days=6), today),
        ("This month", month, today),
        ("Last month", before.replace(day=1), before),
    )
    return tuple((label, first.isoformat(), last.isoformat()) for label, first, last in ranges)
