"""Settlements survive the spool."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from billing.cdr import CallRecord, Charge, Settlement
from tests.billing.samples import make_rate

texts = st.text(max_size=20)
documents = st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2)
times = st.integers(0, 2**53)

records = st.builds(
    CallRecord,
    account=texts,
    direction=st.sampled_from(["in", "out", "internal"]),
    caller=texts,
    called=texts,
    currency=st.just("EUR"),
    started_us=times,
    answered_us=st.none() | times,
    ended_us=times,
    duration_s=st.integers(0, 14_400),
    recording_id=st.none() | texts,
    legs=documents,
    trace=st.lists(texts, max_size=3),
)
charges = st.builds(
    Charge, hold_id=texts, account=texts, rate=st.just(make_rate()), duration_s=st.integers(0, 99)
)
settlements = st.builds(
    Settlement,
    call_id=texts,
    ended_us=times,
    charges=st.lists(charges, max_size=2).map(tuple),
    records=st.lists(records, max_size=2).map(tuple),
)


@given(settlements)
def test_a_settlement_comes_back_from_json_as_it_was(settlement: Settlement) -> None:
    """Round trip through the text of the spool."""
    assert Settlement.from_json(json.loads(json.dumps(settlement.as_json()))) == settlement
