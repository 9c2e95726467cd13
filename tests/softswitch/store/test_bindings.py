"""Bindings over a restart: what is written is read, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from softswitch.call.bindings import BindingRow
from softswitch.store.bindings import read_bindings, write_bindings

ROW = BindingRow(
    login="883140000000101",
    contact="sip:anna@192.0.2.3;ob",
    call_id="a@phone",
    cseq=1,
    expires_us=3_600_000_000,
    q_thousandths=1000,
    transport="udp",
    local="198.51.100.1:5060",
    source="203.0.113.7:5062",
    user_agent="phone",
    instance="<urn:uuid:00000000-0000-1000-8000-aabbccddeeff>",
    reg_id="1",
    path="<sip:edge@203.0.113.7;lr;ob>",
    outbound=True,
)


def kept(engine: Engine) -> list[BindingRow]:
    """The rows as the registrar takes them."""
    with engine.begin() as connection:
        rows: list[dict[str, Any]] = read_bindings(connection)
    return [BindingRow(**row) for row in rows]


def test_a_binding_is_read_as_it_was_written(engine: Engine) -> None:
    """Also when it is written again, with every column new but its key."""
    again = ROW._replace(
        call_id="b",
        cseq=2,
        expires_us=7_200_000_000,
        q_thousandths=500,
        source="203.0.113.7:5063",
        user_agent="other",
        instance="",
        reg_id="",
        path="",
        outbound=False,
    )
    for row in (ROW, again):
        with engine.begin() as connection:
            write_bindings(connection, [row._asdict()], [])
        assert kept(engine) == [row]


def test_a_deleted_binding_is_gone(engine: Engine) -> None:
    """By login and contact."""
    other = ROW._replace(login="other")
    with engine.begin() as connection:
        write_bindings(connection, [ROW._asdict(), other._asdict()], [])
        write_bindings(connection, [], [(ROW.login, ROW.contact)])
    assert kept(engine) == [other]
