"""The heap of timers, and the durations of RFC 3261 table 4."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sip.timers import COMPACT_SLACK, TimerHeap, Timers


def drain(heap: TimerHeap[str], now_s: float) -> list[str]:
    """Everything that is due."""
    items = []
    while (item := heap.pop_due(now_s)) is not None:
        items.append(item)
    return items


def test_timers_come_up_in_order_of_deadline_and_then_of_arming() -> None:
    """Equal deadlines keep the order in which they were set."""
    heap: TimerHeap[str] = TimerHeap()
    heap.schedule(2.0, "late")
    heap.schedule(1.0, "first")
    heap.schedule(1.0, "second")
    assert drain(heap, 1.5) == ["first", "second"]
    assert heap.next_deadline_s() == 2.0
    assert drain(heap, 2.0) == ["late"]
    assert heap.next_deadline_s() is None


def test_a_cancelled_timer_never_comes_up() -> None:
    """Nor does it stand as the next deadline; cancelling again or cancelling 0 does nothing."""
    heap: TimerHeap[str] = TimerHeap()
    first = heap.schedule(1.0, "first")
    heap.schedule(2.0, "second")
    heap.cancel(first)
    heap.cancel(first)
    heap.cancel(0)
    assert heap.next_deadline_s() == 2.0
    assert drain(heap, 9.0) == ["second"]
    assert len(heap) == 0


def test_cancelled_timers_do_not_pile_up() -> None:
    """A million calls that end early leave no million entries."""
    heap: TimerHeap[str] = TimerHeap()
    heap.schedule(1000.0, "kept")
    for number in range(10_000):
        heap.cancel(heap.schedule(32.0 + number, "cancelled"))
        assert len(heap._heap) <= 2 * len(heap) + COMPACT_SLACK + 1
    assert drain(heap, 2000.0) == ["kept"]


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())))
def test_exactly_what_is_armed_comes_up_in_order(timers: list[tuple[float, bool]]) -> None:
    """Whatever is cancelled, the others come up by deadline."""
    heap: TimerHeap[float] = TimerHeap()
    armed = [(deadline_s, heap.schedule(deadline_s, deadline_s)) for deadline_s, _ in timers]
    for (_, timer_id), (_, cancelled) in zip(armed, timers, strict=True):
        if cancelled:
            heap.cancel(timer_id)
    kept = sorted(deadline_s for deadline_s, cancelled in timers if not cancelled)
    found = []
    while (deadline_s := heap.next_deadline_s()) is not None:
        found.append(heap.pop_due(deadline_s))
    assert found == kept


def test_durations_are_those_of_table_4() -> None:
    """B, F, H, J, L and M are 32 s; on streams D, I, J and K are zero."""
    timers = Timers()
    assert timers.timeout_s == 32.0
    assert (timers.d_s(False), timers.d_s(True)) == (32.0, 0.0)
    assert (timers.i_s(False), timers.i_s(True)) == (5.0, 0.0)
    assert (timers.j_s(False), timers.j_s(True)) == (32.0, 0.0)
