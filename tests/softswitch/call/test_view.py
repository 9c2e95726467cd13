"""The live view: counts that routing asks, and whom it tells."""

from __future__ import annotations

import pytest

from softswitch.call.view import SUBSCRIBERS_MAX, LiveCalls, TooManySubscribers
from softswitch.ids import AccountId, CallId
from softswitch.routing.plan import DialTrunks, Plan, Record

A, B = AccountId("000000001"), AccountId("000000002")
CALL = CallId("c1")
PLAN = Plan(
    steps=(),
    trace=(),
    records=(Record(A, "out", "101", "+371"), Record(B, "in", "+371", "+370")),
    number="+370",
)


def test_a_call_counts_for_every_account_and_its_number_until_it_ends() -> None:
    """Both sides of an on-net call see it; nothing is left when it is over."""
    live = LiveCalls()
    live.started(CALL, PLAN, 1)
    assert (live.account_calls(A), live.account_calls(B), live.number_calls("+370")) == (1, 1, 1)
    live.answered(CALL, PLAN, 5)
    assert [(view.account, view.state, view.answered_us) for view in live.calls()] == [
        (A, "talking", 5),
        (B, "talking", 5),
    ]
    assert [view.account for view in live.calls(B)] == [B]
    live.ended(CALL, PLAN)
    assert (live.account_calls(A), live.number_calls("+370"), len(live)) == (0, 0, 0)


def test_subscribers_are_told_of_their_account_only_and_until_they_leave() -> None:
    """Start, answer and end of a call are three changes."""
    live = LiveCalls()
    told: list[AccountId] = []
    leave = live.subscribe(A, lambda: told.append(A))
    live.subscribe(B, lambda: told.append(B))
    live.started(CALL, Plan(steps=(), trace=(), records=PLAN.records[:1]), 1)
    assert told == [A]
    live.changed_all((A, B))
    assert told == [A, A, B]
    leave()
    leave()
    live.changed(A)
    assert told == [A, A, B]
    assert list(live._subscribers) == [B]


def test_an_account_has_a_bounded_number_of_boards() -> None:
    """The next one is refused, not added."""
    live = LiveCalls()
    for _ in range(SUBSCRIBERS_MAX):
        live.subscribe(A, lambda: None)
    with pytest.raises(TooManySubscribers):
        live.subscribe(A, lambda: None)


def test_a_trunk_keeps_no_zero() -> None:
    """Counters would grow with every trunk and number ever called."""
    live = LiveCalls()
    live.trunk_taken("carrier")
    live.trunk_freed("carrier")
    assert live.trunk_calls("carrier") == 0
    assert not live._trunks


def test_what_is_forwarded_outside_is_counted_by_both_numbers_while_it_rings() -> None:
    """Until it is answered or over, whichever comes first; no zeros are kept."""
    outside = DialTrunks("+49", ("carrier",), "+370", None, 20)
    plan, ends = PLAN._replace(steps=(outside,)), ("+370", "+371")
    live = LiveCalls()
    for number in range(3):
        live.started(CallId(f"{number}"), plan, 1)
    live.started(CallId("inside"), PLAN, 1)
    assert live.forwarded(ends) == 3
    live.answered(CallId("0"), plan, 2)
    live.answered(CallId("0"), plan, 3)
    live.ended(CallId("0"), plan)
    live.ended(CallId("1"), plan)
    live.ended(CallId("inside"), PLAN)
    assert (live.forwarded(ends), live.forwarded(("+370", "+372"))) == (1, 0)
    live.ended(CallId("2"), plan)
    assert live.forwarded(ends) == 0
    assert not live._forwarded
