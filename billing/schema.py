"""The tables that billing owns. ``softswitch.store.base`` owns the MetaData and hands it in.

Keys to other tables are by name (``account.id``). Money is BIGINT micros, times are UTC
microseconds since 1970 in BIGINT: exact, ordered and equal in every database.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

# SQLite numbers rows by itself only for a column of type INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class BillingTables:
    """All billing tables, bound to one MetaData."""

    tariff: Table
    rate: Table
    balance: Table
    ledger: Table
    hold: Table
    cdr: Table


def define(metadata: MetaData) -> BillingTables:
    """Create the Table objects in ``metadata``; call it once."""
    return BillingTables(
        tariff=Table(
            "tariff",
            metadata,
            Column("name", String(64), primary_key=True),
            Column("currency", String(3), nullable=False),
            # Raised by every change of a row, so that a CDR can name what priced it (rule 9).
            Column("version", Integer, nullable=False, server_default="1"),
        ),
        rate=Table(
            "rate",
            metadata,
            Column("id", RowId, primary_key=True),
            Column("tariff", ForeignKey("tariff.name"), nullable=False),
            Column("direction", String(3), nullable=False),  # in | out
            Column("prefix", String(15), nullable=False),  # digits without "+"
            Column("destination", String(80), nullable=False),
            Column("per_minute_micros", BigInteger, nullable=False),
            Column("initial_s", Integer, nullable=False),
            Column("increment_s", Integer, nullable=False),
            Column("connect_fee_micros", BigInteger, nullable=False),
            Column("free_s", Integer, nullable=False),
            Column("grace_s", Integer, nullable=False),
            Column("minimum_micros", BigInteger, nullable=False),
            Column("surcharge_micros", BigInteger, nullable=False),
            Column("cost_per_minute_micros", BigInteger, nullable=False),
            Column("blocked", Boolean, nullable=False),
            Column("valid_from", String(10), nullable=False),  # YYYY-MM-DD
            UniqueConstraint(
                "tariff", "direction", "prefix", "valid_from", name="uq_rate_tariff_prefix"
            ),
            CheckConstraint("initial_s > 0 AND increment_s > 0", name="intervals"),
        ),
        balance=Table(
            # One pool per account (rule 16), the head of its ledger chain beside it: whoever posts
            # to the account updates this row in the same transaction and so holds its lock.
            "balance",
            metadata,
            Column("account", ForeignKey("account.id"), primary_key=True),
            Column("currency", String(3), nullable=False),
            Column("balance_micros", BigInteger, nullable=False, server_default="0"),
            Column("reserved_micros", BigInteger, nullable=False, server_default="0"),
            Column("credit_limit_micros", BigInteger, nullable=False, server_default="0"),
            Column("entries", BigInteger, nullable=False, server_default="0"),
            Column("head_hash", LargeBinary(32), nullable=False),
            CheckConstraint("reserved_micros >= 0", name="reserved"),
        ),
        ledger=Table(
            # One row is one transfer: debit one ledger account, credit another, the same amount.
            # Append only. ``number`` counts the account's entries without a gap; ``hash`` covers
            # this row and ``previous_hash``.
            "ledger",
            metadata,
            Column("id", RowId, primary_key=True),
            Column("account", ForeignKey("account.id"), nullable=False),
            Column("number", BigInteger, nullable=False),
            Column("key", String(120), nullable=False),
            Column("kind", String(24), nullable=False),
            Column("debit", String(64), nullable=False),
            Column("credit", String(64), nullable=False),
            Column("amount_micros", BigInteger, nullable=False),
            Column("currency", String(3), nullable=False),
            Column("balance_after_micros", BigInteger, nullable=False),
            Column("at_us", BigInteger, nullable=False),
            Column("text", String(200), nullable=False),
            Column("previous_hash", LargeBinary(32), nullable=False),
            Column("hash", LargeBinary(32), nullable=False),
            UniqueConstraint("key", name="uq_ledger_key"),
            UniqueConstraint("account", "number", name="uq_ledger_account_number"),
            CheckConstraint("amount_micros > 0", name="amount"),
        ),
        hold=Table(
            # A call that is charged, while it lasts (rules 15 to 18, 22). The row alone is enough
            # to close and settle the call after a crash. No index but the key: there are only as
            # many rows as calls, and every index costs each call two more pages to write.
            "hold",
            metadata,
            Column("id", String(80), primary_key=True),  # call id + leg
            Column("call_id", String(64), nullable=False),
            Column("account", ForeignKey("account.id"), nullable=False),
            Column("amount_micros", BigInteger, nullable=False),
            Column("rate", JSON, nullable=False),  # the terms, as billing.tariff.Rate.as_json
            # Every record of the call as known so far, as billing.cdr.CallRecord.as_json.
            Column("records", JSON, nullable=False),
            Column("created_us", BigInteger, nullable=False),
            Column("answered_us", BigInteger),
            Column("seen_us", BigInteger, nullable=False),
            CheckConstraint("amount_micros >= 0", name="amount"),
        ),
        cdr=Table(
            # One row per call and account that took part in it.
            "cdr",
            metadata,
            Column("id", RowId, primary_key=True),
            Column("call_id", String(64), nullable=False),
            Column("account", ForeignKey("account.id"), nullable=False),
            Column("direction", String(8), nullable=False),  # in | out | internal
            Column("caller", String(64), nullable=False),
            Column("called", String(64), nullable=False),
            Column("caller_extension", String(6), nullable=False),
            Column("called_extension", String(6), nullable=False),
            Column("started_us", BigInteger, nullable=False),
            Column("answered_us", BigInteger),
            Column("ended_us", BigInteger, nullable=False),
            Column("duration_s", Integer, nullable=False),
            Column("billed_s", Integer, nullable=False),
            Column("price_micros", BigInteger, nullable=False),
            Column("cost_micros", BigInteger, nullable=False, server_default="0"),
            # What the operator bore because the call outlasted its reservation (rule 19).
            Column("overrun_micros", BigInteger, nullable=False, server_default="0"),
            Column("currency", String(3), nullable=False),
            Column("tariff", String(64)),
            Column("tariff_version", Integer),
            Column("cause", String(20), nullable=False),
            Column("hangup_by", String(8), nullable=False),
            Column("recording_id", String(32)),
            Column("legs", JSON, nullable=False),
            Column("trace", JSON, nullable=False),
            UniqueConstraint("call_id", "account", name="uq_cdr_call_account"),
            Index("ix_cdr_account_started", "account", "started_us"),
        ),
    )
