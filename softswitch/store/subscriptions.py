"""Subscriptions and waiting messages over a restart: read at start, written behind in batches."""

from __future__ import annotations

from sqlalchemy import Connection, select

from billing.sql import Prepared
from softswitch.store.models import MessageWaiting, Subscription

_COLUMNS = [column.name for column in Subscription.__table__.columns]
_UPSERT = Prepared(
    f"INSERT INTO subscription ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
    " ON CONFLICT (tag) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "tag")
)
_DELETE = Prepared("DELETE FROM subscription WHERE tag = :tag")
_WAITING = Prepared(
    "INSERT INTO message_waiting (account, extension, new_count, old_count)"
    " VALUES (:account, :extension, :new_count, :old_count)"
    " ON CONFLICT (account, extension) DO UPDATE SET new_count = excluded.new_count,"
    " old_count = excluded.old_count"
)

Row = dict[str, str | int]


def read_subscriptions(conn: Connection) -> list[Row]:
    """All rows, as the keeper's ``SubscriptionRow`` takes them."""
    return [dict(row) for row in conn.execute(select(Subscription.__table__)).mappings()]


def write_subscriptions(conn: Connection, upserts: list[Row], deletes: list[str]) -> None:
    """Apply what changed since the last time; ``deletes`` are tags."""
    if deletes:
        _DELETE.run_many(conn, [{"tag": tag} for tag in deletes])
    if upserts:
        _UPSERT.run_many(conn, upserts)


def read_waiting(conn: Connection) -> list[Row]:
    """Account, extension, new and old messages of every mailbox that has had any."""
    return [dict(row) for row in conn.execute(select(MessageWaiting.__table__)).mappings()]


def write_waiting(conn: Connection, row: Row) -> None:
    """Put the counts of one mailbox."""
    _WAITING.run_many(conn, [row])
