"""Subscriptions and waiting messages over a restart, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from softswitch.call.user_subscriptions import SubscriptionRow
from softswitch.store.subscriptions import (
    read_subscriptions,
    read_waiting,
    write_subscriptions,
    write_waiting,
)

ROW = SubscriptionRow(
    tag="t1",
    account="000000212",
    extension="101",
    resource="102",
    package="dialog",
    event="dialog;id=1",
    entity="sip:102@example.com",
    call_id="c" * 300,
    local="<sip:102@example.com>",
    remote='"Ānna" <sip:101@example.com>',
    remote_tag="theirs",
    remote_target="sip:101@192.0.2.1",
    route_set="<sip:p1;lr>\n<sip:p2;lr>",
    contact="<sip:198.51.100.1>",
    local_address="198.51.100.1:5060",
    source="[2001:db8::1]:5062",
    cseq=33,
    remote_cseq=2**31 - 1,
    expires_us=3_600_000_000,
)


def kept(engine: Engine) -> list[SubscriptionRow]:
    """The rows as the keeper takes them."""
    with engine.begin() as connection:
        rows: list[dict[str, Any]] = read_subscriptions(connection)
    return [SubscriptionRow(**row) for row in rows]


def test_a_subscription_is_read_as_it_was_written(engine: Engine) -> None:
    """Also when it is written again; deleted by its tag."""
    again = ROW._replace(cseq=65, expires_us=7, source="192.0.2.2:5062", remote_target="sip:x@y")
    for row in (ROW, again):
        with engine.begin() as connection:
            write_subscriptions(connection, [row._asdict()], [])
        assert kept(engine) == [row]
    with engine.begin() as connection:
        write_subscriptions(connection, [ROW._replace(tag="t2")._asdict()], ["t1"])
    assert [row.tag for row in kept(engine)] == ["t2"]


def test_the_counts_of_a_mailbox_are_put(engine: Engine) -> None:
    """The last ones stay."""

    def put(connection: Connection, new: int) -> None:
        row: dict[str, str | int] = {
            "account": "000000212",
            "extension": "101",
            "new_count": new,
            "old_count": 1,
        }
        write_waiting(connection, row)

    with engine.begin() as connection:
        put(connection, 2)
        put(connection, 3)
        (row,) = read_waiting(connection)
    assert (row["new_count"], row["old_count"]) == (3, 1)
