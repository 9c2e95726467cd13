"""Addresses, engines, and what their failures are called."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from softswitch.store import connect
from softswitch.store.connect import (
    Durability,
    StoreError,
    StoreUnavailable,
    begin_reading,
    is_lost,
    is_retryable,
    make_engine,
    parse_url,
    reach,
    shown,
)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """Only SQLite files and PostgreSQL are supported."""
    with pytest.raises(StoreError, match=r"store\.url"):
        parse_url(url)


def test_postgresql_is_spoken_through_psycopg() -> None:
    """Whatever driver the address names or leaves out."""
    assert parse_url("postgresql://u@h/d").drivername == "postgresql+psycopg"


def test_a_password_is_never_shown() -> None:
    """Messages name the address without it."""
    assert "secret" not in shown(parse_url("postgresql://user:secret@host/db"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////nowhere/at/all/x.db", "no folder /nowhere/at/all"),
        ("postgresql://user:secret@127.0.0.1:1/db", "127.0.0.1"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line(url: str, words: str) -> None:
    """The operator reads the address and the driver's reason, not a traceback."""
    with pytest.raises(StoreUnavailable, match=words) as raised:
        reach(make_engine(parse_url(url), connections_max=1))
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    """Something else lies where the database should."""
    path = tmp_path / "softswitch.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable, match="not a database") as raised:
        reach(make_engine(parse_url(f"sqlite:///{path}"), connections_max=1))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("durability", "synchronous"), [("NORMAL", 1), ("FULL", 2)])
def test_sqlite_is_set_up(tmp_path: Path, durability: str, synchronous: int) -> None:
    """WAL, foreign keys, and the durability that was asked for."""
    engine = make_engine(
        parse_url(f"sqlite:///{tmp_path}/x.db"),
        connections_max=1,
        durability=Durability[durability],
    )
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        ]
    assert values == ["wal", 1, synchronous, connect.BUSY_TIMEOUT_MS]
    engine.dispose()


def test_a_reader_sees_one_state_and_waits_for_nobody(engine: Engine) -> None:
    """What a writer commits meanwhile is not seen, and what it has not committed does not block."""
    query = text("SELECT count(*) FROM tariff")
    insert = text("INSERT INTO tariff (name, currency) VALUES (:name, 'EUR')")
    with begin_reading(engine) as reader:
        assert reader.execute(query).scalar_one() == 0
        with engine.begin() as writer:
            writer.execute(insert, {"name": "one"})
            assert reader.execute(query).scalar_one() == 0
        assert reader.execute(query).scalar_one() == 0
        reader.rollback()
        assert reader.execute(query).scalar_one() == 1


def test_the_loss_of_a_database_is_told_from_other_failures(engine: Engine) -> None:
    """A wrong statement is not a lost connection."""
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert not is_lost(raised.value)
    assert not is_retryable(raised.value)


def test_a_busy_sqlite_file_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other writer took longer than the time-out."""
    monkeypatch.setattr(connect, "BUSY_TIMEOUT_MS", 1)
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/x.db"), connections_max=2)
    with engine.begin(), pytest.raises(OperationalError) as raised, engine.begin():
        pass
    assert is_retryable(raised.value)
    assert not is_lost(raised.value)
    engine.dispose()


def test_what_drivers_say_is_understood() -> None:
    """States of PostgreSQL, codes of SQLite."""
    assert is_retryable(psycopg.errors.SerializationFailure())
    assert is_retryable(psycopg.errors.DeadlockDetected())
    assert is_lost(psycopg.errors.AdminShutdown())
    assert is_lost(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert not is_lost(psycopg.errors.UniqueViolation())
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert is_lost(full)
    assert not is_lost(ValueError("ours"))
