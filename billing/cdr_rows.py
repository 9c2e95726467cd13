"""Rows of the ``cdr`` table: one for every account that took part in a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from billing.cdr import CallRecord, Settlement
from billing.credit import ChargeSettled
from billing.sql import ManyRows, Row, to_json

INSERT_RECORDS = ManyRows(
    "INSERT INTO cdr (call_id, account, direction, caller, called, caller_extension,"
    " called_extension, started_us, answered_us, ended_us, duration_s, billed_s, price_micros,"
    " cost_micros, overrun_micros, currency, tariff, tariff_version, cause, hangup_by,"
    " recording_id, legs, trace) VALUES {rows} ON CONFLICT (call_id, account) DO NOTHING",
    columns=23,
)

# The widths of the columns. PostgreSQL refuses what is longer, and a call must be settled whatever
# a phone has sent as its number.
NUMBER_MAX = 64
EXTENSION_MAX = 6


class Total(NamedTuple):
    """What one account pays for a call, over all of its legs."""

    billed_s: int = 0
    price_micros: int = 0
    cost_micros: int = 0
    overrun_micros: int = 0
    tariff: str | None = None
    tariff_version: int | None = None


def total_of(record: CallRecord, settlement: Settlement, settled: Sequence[ChargeSettled]) -> Total:
    """What the record's account was charged; the tariff is that of the first of its legs."""
    own = [done for done in settled if done.account == record.account]
    if not own:
        return Total()
    rate = next(leg.rate for leg in settlement.charges if leg.hold_id == own[0].hold_id)
    return Total(
        billed_s=sum(done.billed_s for done in own),
        price_micros=sum(done.price_micros for done in own),
        cost_micros=sum(done.cost_micros for done in own),
        overrun_micros=sum(done.overrun_micros for done in own),
        tariff=rate.tariff,
        tariff_version=rate.version,
    )


def record_row(call_id: str, record: CallRecord, total: Total) -> Row:
    """A row for ``INSERT_RECORDS``, which writes it once per call and account."""
    return (
        call_id,
        record.account,
        record.direction,
        _fitting(record.caller, NUMBER_MAX),
        _fitting(record.called, NUMBER_MAX),
        _fitting(record.caller_extension, EXTENSION_MAX),
        _fitting(record.called_extension, EXTENSION_MAX),
        record.started_us,
        record.answered_us,
        record.ended_us,
        record.duration_s,
        total.billed_s,
        total.price_micros,
        total.cost_micros,
        total.overrun_micros,
        record.currency,
        total.tariff,
        total.tariff_version,
        record.cause,
        record.hangup_by,
        record.recording_id,
        to_json(record.legs),
        to_json(record.trace),
    )


def _fitting(text: str, length_max: int) -> str:
    """As much of it as the column takes, without what no database stores: NUL and halves of
    surrogate pairs."""
    if not text.isascii() or "\0" in text:
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text[:length_max]
