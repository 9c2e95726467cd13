"""Statements that are compiled once per kind of database and then run on the driver itself.

SQLAlchemy's own execution was measured at 18 us for a statement that SQLite answers in 3.4 us, most
of a call's budget; so the call path asks SQLAlchemy for the text once, in the driver's own style of
parameters, or writes it in that style, and hands it to the driver's connection. The
connection, its transaction and its pool stay SQLAlchemy's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects import sqlite

Row = tuple[object, ...]
# The most rows of one statement of ``ManyRows``. With 23 columns they are fewer parameters than
# either driver takes; with sizes that are powers of two, seven texts a statement stay prepared.
ROWS_MAX = 64
# sqlite3 takes named parameters as well, which spares sorting them into a tuple on every run.
_NAMED_SQLITE = sqlite.dialect(paramstyle="named")
# json.dumps with options of its own makes an encoder on every call. ASCII, because what a phone
# sent may hold characters that no database takes unescaped.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Prepared:
    """One SQL statement with ``:name`` parameters. ``locks``: the rows that it reads stay locked
    to the end of the transaction (PostgreSQL; on SQLite a writer has the whole file anyway)."""

    def __init__(self, sql: str, *, locks: bool = False) -> None:
        self._sql = sql
        self._locks = locks
        self._compiled: dict[str, str] = {}

    def run(self, conn: Connection, parameters: Mapping[str, object]) -> Any:
        """Execute it; the driver's cursor comes back. Errors are the driver's own."""
        sql = self._compiled.get(conn.dialect.name) or self._compile(conn)
        return _driver(conn).execute(sql, parameters)

    def run_many(self, conn: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Execute it once for each mapping."""
        sql = self._compiled.get(conn.dialect.name) or self._compile(conn)
        cursor = _driver(conn).cursor()
        cursor.executemany(sql, rows)
        cursor.close()

    def _compile(self, conn: Connection) -> str:
        dialect = _NAMED_SQLITE if conn.dialect.name == "sqlite" else conn.dialect
        ending = " FOR UPDATE" if self._locks and conn.dialect.name == "postgresql" else ""
        sql = str(text(self._sql + ending).compile(dialect=dialect))
        self._compiled[conn.dialect.name] = sql
        return sql


class ManyRows:
    """One SQL statement for many rows at once: ``{rows}`` stands for their parameters, each row in
    brackets. The driver lets go of the interpreter at every step of a statement, so that one
    statement for a batch spares more than its parsing.

    ``pads``: rows that are repeated change nothing (the list of an ``IN``), so that any number of
    them can be written as the next power of two.
    """

    def __init__(
        self, sql: str, *, columns: int = 1, pads: bool = False, locks: bool = False
    ) -> None:
        self._sql = sql
        self._columns = columns
        self._pads = pads
        self._locks = locks
        self._texts: dict[tuple[str, int], str] = {}

    def run(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Execute it for all rows, in as few statements as it takes."""
        for _ in self._cursors(conn, rows):
            pass

    def fetch(self, conn: Connection, rows: Sequence[Row]) -> list[Any]:
        """``run``, and all that is found."""
        return [found for cursor in self._cursors(conn, rows) for found in cursor.fetchall()]

    def _cursors(self, conn: Connection, rows: Sequence[Row]) -> Iterable[Any]:
        driver, name, at = _driver(conn), conn.dialect.name, 0
        while at < len(rows):
            part = rows[at : at + self._size(len(rows) - at)]
            size = 1 << (len(part) - 1).bit_length()
            values = [value for row in part for value in row]
            values.extend(part[-1] * (size - len(part)))
            yield driver.execute(self._texts.get((name, size)) or self._text(name, size), values)
            at += len(part)

    def _size(self, left: int) -> int:
        """How many of the rows to take now."""
        if left >= ROWS_MAX:
            return ROWS_MAX
        return left if self._pads else 1 << (left.bit_length() - 1)

    def _text(self, name: str, size: int) -> str:
        marks = ", ".join(["?" if name == "sqlite" else "%s"] * self._columns)
        row = marks if self._columns == 1 else f"({marks})"
        ending = " FOR UPDATE" if self._locks and name == "postgresql" else ""
        text = self._sql.format(rows=", ".join([row] * size)) + ending
        self._texts[name, size] = text
        return text


def to_json(value: object) -> str:
    """A JSON column's text."""
    return _encode(value)


def from_json(stored: Any) -> Any:
    """A JSON column as a driver returns it: SQLite gives text, psycopg the value."""
    return json.loads(stored) if isinstance(stored, str) else stored


def _driver(conn: Connection) -> Any:
    # Any: DBAPI connections have no common type; both of ours have execute() and cursor().
    return conn.connection.driver_connection
