"""Brings a database to the tables of this version, at start (alembic, run from here).

The revisions are in ``softswitch/store/migrations/versions`` and are part of the wheel.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from softswitch.store.connect import StoreError, StoreUnavailable, is_lost, one_line, shown

MIGRATIONS = Path(__file__).parent / "migrations"
# PostgreSQL: two nodes that start at once take turns. Any number that nobody else uses.
ADVISORY_LOCK = 5_060_2026


def migrate(engine: Engine) -> None:
    """Create or upgrade the tables, in one transaction; nothing happens when they are current.

    Raises ``StoreError`` with one line, for a database of a newer version too.
    """
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except CommandError as error:
        raise StoreError(
            f"the database {shown(engine.url)} is not of this version: {one_line(error)}"
        ) from error
    except SQLAlchemyError as error:
        kind = StoreUnavailable if is_lost(error) else StoreError
        raise kind(f"cannot migrate {shown(engine.url)}: {one_line(error)}") from error


def configuration(connection: Connection) -> Config:
    """Alembic's settings for a connection, which ``migrations/env.py`` picks up."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    config = configuration(connection)
    head = ScriptDirectory.from_config(config).get_current_head()
    if MigrationContext.configure(connection).get_current_revision() != head:
        command.upgrade(config, "head")
