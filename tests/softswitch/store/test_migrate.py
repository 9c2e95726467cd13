"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, inspect, text

import softswitch.store.models  # noqa: F401 (fills the MetaData)
from softswitch.store.base import Base
from softswitch.store.bindings import read_bindings
from softswitch.store.connect import StoreError, make_engine, parse_url
from softswitch.store.migrate import configuration, migrate


def test_migrated_tables_do_not_differ_from_the_models(engine: Engine) -> None:
    """Alembic's own comparison finds nothing to add, remove or change."""
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_every_named_constraint_of_the_models_is_in_the_database(engine: Engine) -> None:
    """Check constraints, which alembic does not compare, are there too."""
    inspector = inspect(engine)
    assert any(isinstance(c, CheckConstraint) for c in Base.metadata.tables["hold"].constraints)
    for table in Base.metadata.tables.values():
        wanted = {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
        found = {check["name"] for check in inspector.get_check_constraints(table.name)}
        assert wanted == found, table.name


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    """A second start finds the tables current."""
    engine = make_engine(parse_url(empty_database_url), connections_max=1)
    migrate(engine)
    tables = sorted(inspect(engine).get_table_names())
    migrate(engine)
    assert sorted(inspect(engine).get_table_names()) == tables
    assert "ledger" in tables
    engine.dispose()


def test_trunks_of_the_first_version_stay(empty_database_url: str) -> None:
    """The second version adds a column beside rows that others refer to."""
    engine = make_engine(parse_url(empty_database_url), connections_max=1)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO trunk VALUES ('old', 0, '[\"192.0.2.9\"]', 'sip:192.0.2.9', 'e164', 0,"
                " '', '', '')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO number (number, country, city, kind, setup_fee_micros,"
                " monthly_fee_micros, channels, trunk, status)"
                " VALUES ('+37070044960', 'LT', '', 'city', 0, 0, 0, 'old', 'free')"
            )
        )
    migrate(engine)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT name, options FROM trunk")).all() == [("old", None)]
        assert connection.execute(text("SELECT trunk FROM number")).all() == [("old",)]
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_in_one_line(empty_database_url: str) -> None:
    """An older program does not touch what a newer one has made."""
    engine = make_engine(parse_url(empty_database_url), connections_max=1)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="not of this version") as raised:
        migrate(engine)
    assert "\n" not in str(raised.value)
    engine.dispose()


def test_registered_phones_survive_the_upgrade(empty_database_url: str) -> None:
    """Bindings of the first version have neither a Path nor an instance."""
    engine = make_engine(parse_url(empty_database_url), connections_max=1)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO binding VALUES ('l', 'sip:l@h', 'c', 1, 2, 1000, 'udp',"
                " '192.0.2.1:5060', '192.0.2.2:5060', 'phone')"
            )
        )
    migrate(engine)
    with engine.begin() as connection:
        (row,) = read_bindings(connection)
    assert (row["login"], row["path"], row["instance"], row["outbound"]) == ("l", "", "", False)
    engine.dispose()
