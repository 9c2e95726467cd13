"""Registered contacts over a restart: read at start, written behind in batches."""

from __future__ import annotations

from sqlalchemy import Connection, select

from billing.sql import Prepared
from softswitch.store.models import Binding

_UPSERT = Prepared(
    "INSERT INTO binding (login, contact, call_id, cseq, expires_us, q_thousandths, transport,"
    " local, source, user_agent, instance, reg_id, path, outbound) VALUES (:login, :contact,"
    " :call_id, :cseq, :expires_us, :q_thousandths, :transport, :local, :source, :user_agent,"
    " :instance, :reg_id, :path, :outbound)"
    " ON CONFLICT (login, contact) DO UPDATE SET call_id = excluded.call_id,"
    " cseq = excluded.cseq, expires_us = excluded.expires_us,"
    " q_thousandths = excluded.q_thousandths, transport = excluded.transport,"
    " local = excluded.local, source = excluded.source, user_agent = excluded.user_agent,"
    " instance = excluded.instance, reg_id = excluded.reg_id, path = excluded.path,"
    " outbound = excluded.outbound"
)
_DELETE = Prepared("DELETE FROM binding WHERE login = :login AND contact = :contact")

Row = dict[str, str | int]


def read_bindings(conn: Connection) -> list[Row]:
    """All rows, as the registrar's ``BindingRow`` takes them."""
    return [dict(row) for row in conn.execute(select(Binding.__table__)).mappings()]


def write_bindings(conn: Connection, upserts: list[Row], deletes: list[tuple[str, str]]) -> None:
    """Apply what changed since the last time."""
    if deletes:
        rows = [{"login": login, "contact": contact} for login, contact in deletes]
        _DELETE.run_many(conn, rows)
    if upserts:
        _UPSERT.run_many(conn, upserts)
