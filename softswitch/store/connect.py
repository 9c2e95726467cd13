"""Engines: how connections to SQLite and PostgreSQL are set up, and what their failures are called.

There are two engines for one database, because calls and people want different things of a commit
(see ``Durability``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

READS = "softswitch_reads"  # execution option: this transaction only reads

# SQLite: a transaction that reads first and writes later fails at once when another has written in
# between, without waiting; one that begins as a writer waits its turn.
BEGIN_WRITING = "BEGIN IMMEDIATE"
BUSY_TIMEOUT_MS = 5_000  # SQLite: how long a writer waits for the other one
# SQLite: a checkpoint every 16 MB of the log instead of every 4: pages that every call changes are
# then copied once for four times as many calls (measured: a tenth of the SQL of a call).
CHECKPOINT_PAGES = 4_000
CONNECT_TIMEOUT_S = 3  # PostgreSQL: calls that wait for credit meanwhile are refused after it
STATEMENT_TIMEOUT_MS = 10_000  # a statement of ours takes milliseconds; one that hangs must end
TCP_TIMEOUT_MS = 5_000  # a server that no longer acknowledges what we send is gone
# Serialization failure, deadlock, lock not available, statement time-out (it waited for a lock).
_RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03", "57014"}
# Connection exceptions, server shutting down, out of disk or connections, a standby.
_LOST_SQLSTATES = ("08", "57P", "53", "25006")


class StoreError(Exception):
    """The store cannot do what it was asked; the text is one line, fit for an operator."""


class StoreUnavailable(StoreError):
    """The database cannot be reached."""


class StoreBusy(StoreUnavailable):
    """The database is there, but others keep it; asking again may help."""


class Durability(Enum):
    """SQLite's ``synchronous``, in WAL mode.

    NORMAL, for the call path: a commit does not wait for the disk. A crash of the process loses
    nothing; after a power failure the last commits may be missing, never half there. Then a hold
    row is still open and is closed and charged at restart, so what can be lost is the seconds of a
    call that were not on disk yet. A sync on every hold would cost more than the rest of the call.

    FULL, for the portal and commands: what a person was told is saved and paid stays so. Its sync
    covers the whole WAL, so it also makes the calls committed before it durable.
    """

    NORMAL = "NORMAL"
    FULL = "FULL"


def parse_url(url: str) -> URL:
    """The database's address. Raises ``StoreError`` on one that is not SQLite or PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(f"store.url {url!r} is not a database address") from None
    if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(f"store.url {shown(parsed)!r}: use sqlite:///FILE or postgresql+psycopg://...")


def shown(url: URL) -> str:
    """The address without its password, for messages."""
    return url.render_as_string(hide_password=True)


def make_engine(
    url: URL, *, connections_max: int, durability: Durability = Durability.FULL
) -> Engine:
    """An engine with at most so many connections; connects to nothing yet."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, connections_max, durability)
    return create_engine(
        url,
        pool_size=connections_max,
        max_overflow=0,
        # A connection that died while it was idle is replaced instead of failing a call.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": TCP_TIMEOUT_MS,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            "application_name": "softswitch",
        },
    )


def begin_reading(engine: Engine) -> Connection:
    """A connection whose transactions only read, each from one consistent state."""
    if engine.dialect.name == "sqlite":
        return engine.connect().execution_options(**{READS: True})
    return engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )


@contextmanager
def driver_transaction(connection: Connection) -> Iterator[None]:
    """A writing transaction for statements that the driver itself runs (``billing.sql``); begun and
    committed by SQLAlchemy, it cost as much as all orders of an ordinary batch."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.execute(BEGIN_WRITING)  # psycopg begins by itself
    try:
        yield
    except BaseException:
        driver.rollback()
        raise
    driver.commit()


def is_lost(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached (any more)."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_lost(_original(error))
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_LOST_SQLSTATES)
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
    # psycopg without a server's answer: no connection, or it broke.
    return type(error).__module__.startswith("psycopg") and (
        type(error).__name__ == "OperationalError"
    )


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is run again: it lost against another
    one (a busy SQLite file, a deadlock, a serialization failure)."""
    if isinstance(error, DBAPIError):
        return is_retryable(_original(error))
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return getattr(error, "sqlstate", None) in _RETRYABLE_SQLSTATES


def is_locked(error: BaseException) -> bool:
    """Whether SQLite's one writer did not come free for ``BUSY_TIMEOUT_MS``: a long command or
    another program has the file. Whoever comes then finds the same, so nobody in a batch is
    guilty."""
    if isinstance(error, DBAPIError):
        return is_locked(_original(error))
    return isinstance(error, sqlite3.OperationalError) and is_retryable(error)


def one_line(error: BaseException) -> str:
    """The driver's own words on the first line of its message."""
    original = _original(error) if isinstance(error, SQLAlchemyError) else error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def _original(error: SQLAlchemyError) -> BaseException:
    return getattr(error, "orig", None) or error


def _sqlite_engine(url: URL, connections_max: int, durability: Durability) -> Engine:
    engine = create_engine(url, pool_size=connections_max, max_overflow=0)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: it would begin them as readers.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA synchronous = {durability.value}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else BEGIN_WRITING)

    return engine


def reach(engine: Engine) -> None:
    """Connect once. Raises ``StoreUnavailable`` with one line that names the address."""
    folder = Path(engine.url.database or "").parent
    if engine.dialect.name == "sqlite" and not folder.is_dir():
        raise StoreUnavailable(f"cannot open the database {shown(engine.url)}: no folder {folder}")
    try:
        with begin_reading(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"cannot reach the database {shown(engine.url)}: {one_line(error)}"
        ) from error
