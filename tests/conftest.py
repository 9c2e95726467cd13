"""Databases for the tests: every test that asks for ``engine`` runs on SQLite and PostgreSQL.

The PostgreSQL server is started by the tests, for them alone, without fsync, on a Unix socket in a
temporary folder. It does not run as root: started by root, it runs as the user ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine

import softswitch.store.models  # noqa: F401 (fills the MetaData)
from softswitch.store.base import Base
from softswitch.store.connect import make_engine, parse_url
from softswitch.store.database import Database
from softswitch.store.migrate import migrate
from softswitch.store.threads import InlineThreads

# No deadline: a busy machine is not a wrong answer. "long" is what make test-long asks for.
settings.register_profile("usual", deadline=None)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

POSTGRESQL_ROOT = Path("/usr/lib/postgresql")  # Debian's place for the server's programs
POSTGRESQL_USER = "postgres"
SERVER_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=50"
    " -c shared_buffers=16MB"
)
_database_numbers = count(1)


@dataclass(frozen=True)
class PostgresqlCluster:
    """A running server that makes empty or migrated databases."""

    folder: Path
    programs: Path

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql+psycopg://{POSTGRESQL_USER}@/{database}?host={self.folder}"

    def create(self) -> str:
        """A new, empty database; its address. Takes a second on a busy machine."""
        name = f"test_{next(_database_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def delete_rows(self) -> None:
        """Empty all tables of the database ``migrated``, foreign keys aside."""
        engine = create_engine(self.url("migrated"))
        tables = "; ".join(f'DELETE FROM "{name}"' for name in Base.metadata.tables)
        with engine.begin() as connection:
            # A test that leaves a transaction open fails here, instead of hanging for ever.
            connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(tables)
        engine.dispose()

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE {parse_url(url).database} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        """Run a statement outside of any transaction."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(sql)
        engine.dispose()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-k {self.folder} {SERVER_OPTIONS}"
        self.control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self.control("stop", "-m", "immediate")

    def control(self, *arguments: str) -> None:
        """Run pg_ctl."""
        command = [str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments]
        _run_unprivileged(command)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlCluster]:
    """A server of the tests' own; its database ``migrated`` has all tables."""
    with postgresql_cluster() as cluster:
        cluster.execute("CREATE DATABASE migrated")
        _migrate(cluster.url("migrated"))
        yield cluster


@contextmanager
def postgresql_cluster() -> Iterator[PostgresqlCluster]:
    """A new, running server without databases; it ends with the block."""
    programs = _postgresql_programs()
    with tempfile.TemporaryDirectory(prefix="softswitch-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, POSTGRESQL_USER)
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", POSTGRESQL_USER]
        _run_unprivileged([*initdb, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"])
        cluster = PostgresqlCluster(folder, programs)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    cluster: PostgresqlCluster = request.getfixturevalue("postgresql")
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with all tables and no rows, of each kind. PostgreSQL's is emptied after the
    test, not made anew: a test that changes tables takes ``empty_database_url``."""
    if request.param == "sqlite":
        path = tmp_path / "softswitch.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    cluster: PostgresqlCluster = request.getfixturevalue("postgresql")
    yield cluster.url("migrated")
    cluster.delete_rows()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine of a migrated, empty database, of each kind."""
    engine = make_engine(parse_url(database_url), connections_max=8)
    yield engine
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A ``Database`` without threads: its Deferreds have fired when they are returned."""
    database = Database(
        database_url,
        call_from_thread=lambda function, *arguments: function(*arguments),
        threads=InlineThreads,
        gather_s=0,
    )
    database.connect()
    yield database
    database.stop()


def _migrate(url: str) -> None:
    engine = make_engine(parse_url(url), connections_max=1)
    migrate(engine)
    engine.dispose()


def _postgresql_programs() -> Path:
    """The newest server installed. Without one the tests fail, unless they are told to skip."""
    found = sorted(POSTGRESQL_ROOT.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if os.environ.get("SOFTSWITCH_TESTS_MAY_SKIP") == "1":
        pytest.skip("PostgreSQL is not installed")
    pytest.fail("PostgreSQL is not installed (Debian: postgresql); the tests run on it too")


def _run_unprivileged(command: list[str]) -> None:
    """Run a program of PostgreSQL's, which refuses to run as root."""
    if os.geteuid() == 0:
        command = ["runuser", "-u", _unprivileged_user(), "--", *command]
    # From "/": the user may not be able to read the folder that the tests were started in.
    # Not to pipes of ours: the server that pg_ctl leaves behind would keep them open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, cwd="/", stdout=output, stderr=subprocess.STDOUT)
        output.seek(0)
        assert done.returncode == 0, output.read().decode()


def _unprivileged_user() -> str:
    pwd.getpwnam(POSTGRESQL_USER)  # made by Debian's package; KeyError names what is missing
    return POSTGRESQL_USER
