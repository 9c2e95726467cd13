"""Calls of an account: the filtered list, its totals, one call (S61 to S62)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from softswitch.store.base import billing_tables
from softswitch.store.models import Group, User

cdr = billing_tables.cdr

PAGE_ROWS = 25  # a page of 50 kept the reactor for 15 ms


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls. Times are UTC microseconds, the end excluded; "" and ``None``: not restricted.

    ``extensions``: calls in which one of these users took part (a user, or a group's members);
    ``own_extension``: the one user whose calls the reader may see.
    """

    from_us: int | None = None
    to_us: int | None = None
    direction: str = ""
    result: str = ""  # answered | missed
    extensions: tuple[str, ...] | None = None
    number: str = ""
    own_extension: str = ""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call in a list. ``caller`` and ``called`` are numbers or extensions, the names those of the
    account's own users, "" for others."""

    call_id: str
    direction: str
    caller: str
    called: str
    caller_name: str
    called_name: str
    started_us: int
    answered_us: int | None
    ended_us: int
    duration_s: int
    price_micros: int
    currency: str
    cause: str

    @property
    def answered(self) -> bool:
        """Whether anybody answered."""
        return self.answered_us is not None

    @property
    def waited_s(self) -> int:
        """Seconds that it rang."""
        return ((self.answered_us or self.ended_us) - self.started_us) // 1_000_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all calls that a filter lets through, not of one page."""

    calls: int
    answered: int
    duration_s: int
    price_micros: int

    @property
    def answered_percent(self) -> int:
        """Whole per cent, rounded down: 100 only when every call was answered."""
        return self.answered * 100 // self.calls if self.calls else 0


@dataclass(frozen=True, slots=True)
class CallPage:
    """One page of the list. ``next_after`` names the last row when there are more."""

    rows: tuple[CallRow, ...]
    totals: Totals
    next_after: str


@dataclass(frozen=True, slots=True)
class CallDetails:
    """One call with everything that is kept of it."""

    row: CallRow
    billed_s: int
    tariff: str
    tariff_version: int | None
    hangup_by: str
    legs: tuple[dict[str, Any], ...]
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that calls can be filtered by."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filter offers: users and groups by extension, the account's numbers (S62)."""

    users: tuple[Choice, ...]
    groups: tuple[Choice, ...]
    numbers: tuple[Choice, ...]


COLUMNS = (
    cdr.c.call_id,
    cdr.c.direction,
    cdr.c.caller,
    cdr.c.called,
    cdr.c.caller_extension,
    cdr.c.called_extension,
    cdr.c.started_us,
    cdr.c.answered_us,
    cdr.c.ended_us,
    cdr.c.duration_s,
    cdr.c.price_micros,
    cdr.c.currency,
    cdr.c.cause,
)


def page(session: Session, account: str, wanted: CallFilter, after: str = "") -> CallPage:
    """The newest ``PAGE_ROWS`` calls of the filter, older than the call ``after``."""
    query = _restricted(select(*COLUMNS), account, wanted)
    if after:
        query = query.where(_older_than(account, after))
    query = query.order_by(cdr.c.started_us.desc(), cdr.c.id.desc()).limit(PAGE_ROWS + 1)
    names = user_names(session, account)
    rows = [_row(row, names) for row in session.execute(query)]
    shown = tuple(rows[:PAGE_ROWS])
    more = len(rows) > PAGE_ROWS
    return CallPage(shown, _totals(session, account, wanted), shown[-1].call_id if more else "")


def latest(session: Session, account: str, own_extension: str, rows_max: int) -> list[CallRow]:
    """The newest calls, for the desktop."""
    query = _restricted(select(*COLUMNS), account, CallFilter(own_extension=own_extension))
    query = query.order_by(cdr.c.started_us.desc(), cdr.c.id.desc()).limit(rows_max)
    names = user_names(session, account)
    return [_row(row, names) for row in session.execute(query)]


def details(
    session: Session, account: str, call_id: str, own_extension: str = ""
) -> CallDetails | None:
    """One call of the account; ``None`` when there is none, or it is not the reader's."""
    extra = (cdr.c.billed_s, cdr.c.tariff, cdr.c.tariff_version, cdr.c.hangup_by)
    query = _restricted(
        select(*COLUMNS, *extra, cdr.c.legs, cdr.c.trace),
        account,
        CallFilter(own_extension=own_extension),
    ).where(cdr.c.call_id == call_id)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    return CallDetails(
        row=_row(row, user_names(session, account)),
        billed_s=row.billed_s,
        tariff=row.tariff or "",
        tariff_version=row.tariff_version,
        hangup_by=row.hangup_by,
        legs=tuple(row.legs),
        trace=tuple(str(line) for line in row.trace),
    )


def choices(session: Session, account: str, numbers: list[str]) -> Choices:
    """What the filter offers."""
    users = user_names(session, account)
    groups = session.execute(
        select(Group.extension, Group.name).where(Group.account == account).order_by(Group.name)
    )
    return Choices(
        tuple(Choice(f"user:{ext}", f"{name} ({ext})") for ext, name in sorted(users.items())),
        tuple(Choice(f"group:{extension}", name) for extension, name in groups),
        tuple(Choice(f"number:{number}", number) for number in numbers),
    )


def group_members(session: Session, account: str, extension: str) -> tuple[str, ...]:
    """The extensions of a group; none when there is no such group."""
    members = session.scalar(
        select(Group.members).where(Group.account == account, Group.extension == extension)
    )
    return tuple(members or ())


def user_names(session: Session, account: str) -> dict[str, str]:
    """Extension to name, of every user."""
    rows = session.execute(
        select(User.extension, User.name, User.last_name).where(User.account == account)
    )
    return {extension: f"{name} {last_name}".strip() for extension, name, last_name in rows}


def _totals(session: Session, account: str, wanted: CallFilter) -> Totals:
    query = select(
        func.count(),
        func.count(cdr.c.answered_us),
        func.coalesce(func.sum(cdr.c.duration_s), 0),
        func.coalesce(func.sum(cdr.c.price_micros), 0),
    )
    row = session.execute(_restricted(query, account, wanted)).one()
    return Totals(*(int(value) for value in row))


def _restricted(query: Select[Any], account: str, wanted: CallFilter) -> Select[Any]:
    return query.where(cdr.c.account == account, *_conditions(wanted))


def _conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.from_us is not None:
        conditions.append(cdr.c.started_us >= wanted.from_us)
    if wanted.to_us is not None:
        conditions.append(cdr.c.started_us < wanted.to_us)
    if wanted.direction:
        conditions.append(cdr.c.direction == wanted.direction)
    if wanted.result:
        answered = cdr.c.answered_us.is_not(None)
        conditions.append(answered if wanted.result == "answered" else ~answered)
    if wanted.extensions is not None:
        conditions.append(_took_part(wanted.extensions))
    if wanted.number:
        conditions.append(or_(cdr.c.caller == wanted.number, cdr.c.called == wanted.number))
    if wanted.own_extension:
        conditions.append(_took_part((wanted.own_extension,)))
    return conditions


def _took_part(extensions: tuple[str, ...]) -> ColumnElement[bool]:
    return or_(cdr.c.caller_extension.in_(extensions), cdr.c.called_extension.in_(extensions))


def _older_than(account: str, call_id: str) -> ColumnElement[bool]:
    """Before a call in the list's order. The call is looked up through the account; of a foreign or
    unknown one there is nothing older."""
    mark = (
        select(cdr.c.started_us, cdr.c.id)
        .where(cdr.c.account == account, cdr.c.call_id == call_id)
        .subquery()
    )
    started, row_id = select(mark.c.started_us), select(mark.c.id)
    return or_(
        cdr.c.started_us < started.scalar_subquery(),
        (cdr.c.started_us == started.scalar_subquery()) & (cdr.c.id < row_id.scalar_subquery()),
    )


def _row(row: Any, names: dict[str, str]) -> CallRow:
    return CallRow(
        call_id=row.call_id,
        direction=row.direction,
        caller=row.caller,
        called=row.called,
        caller_name=names.get(row.caller_extension, ""),
        called_name=names.get(row.called_extension, ""),
        started_us=row.started_us,
        answered_us=row.answered_us,
        ended_us=row.ended_us,
        duration_s=row.duration_s,
        price_micros=row.price_micros,
        currency=row.currency,
        cause=row.cause,
    )
