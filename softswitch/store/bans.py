"""Bans over a restart: read at start, written behind in batches, looked at without a service."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from softswitch.clock import iso
from softswitch.store.models import Ban

Row = dict[str, str | int | None]
Key = tuple[str, str]  # source and login

ROWS_PER_STATEMENT = 400  # SQLite takes so many pairs in one list


def read_bans(conn: Connection) -> list[Row]:
    """All rows."""
    return [dict(row) for row in conn.execute(select(Ban.__table__)).mappings()]


def write_bans(conn: Connection, changed: dict[Key, Row | None]) -> None:
    """Apply what changed since the last time; ``None``: that ban is over."""
    keys = list(changed)
    for first in range(0, len(keys), ROWS_PER_STATEMENT):
        some = keys[first : first + ROWS_PER_STATEMENT]
        conn.execute(delete(Ban).where(tuple_(Ban.source, Ban.login).in_(some)))
    rows = [row for row in changed.values() if row is not None]
    if rows:
        conn.execute(insert(Ban), rows)


def list_bans(session: Session, now_us: int) -> list[Row]:
    """What is in force, the oldest first, as ``report_row`` says it."""
    in_force = select(Ban).where(Ban.until_us > now_us).order_by(Ban.since_us)
    return [
        report_row(ban.source, ban.login, ban.reason, ban.since_us, ban.until_us)
        for ban in session.scalars(in_force)
    ]


def lift_bans(session: Session, source: str, login: str) -> int:
    """Delete a login's ban, or with "" all of a source; how many there were."""
    chosen = Ban.source == source
    if login:
        chosen &= Ban.login == login
    return int(session.execute(delete(Ban).where(chosen)).rowcount)  # type: ignore[attr-defined]


def report_row(source: str, login: str, reason: str, since_us: int, until_us: int) -> Row:
    """A row of ``bans list``."""
    return {
        "kind": "login" if login else "source",
        "source": source,
        "login": login or None,
        "reason": reason,
        "since": iso(since_us),
        "until": iso(until_us),
    }
