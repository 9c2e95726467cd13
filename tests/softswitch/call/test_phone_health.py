"""Who is dead, told by answers that come, come late or are lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.call.phone_health import (
    AFTER_DEADLINE,
    ANSWER_WAIT_S,
    ASKING,
    PERIOD_MAX_S,
    PERIOD_MIN_S,
    PhoneHealth,
    State,
)

STEP_S = 0.1  # the tick of who asks
KNOWN_WITHIN_S = 60.0
EVERY = 1_000_000


class Line:
    """One phone behind a wire; ``lost`` says of each probe, in order, whether it is answered."""

    def __init__(self, period_s: float, others: int = 0) -> None:
        self.health: PhoneHealth[int] = PhoneHealth(period_s)
        for other in range(1, others + 1):  # moves the slot of the phone
            self.health.seen(-other, 0.0)
            self.health.forget(-other)
        self.now_s = 0.0
        self.health.seen(0, 0.0)
        self.asked_s: list[float] = []
        self.dead_s: float | None = None

    def run(self, until_s: float, *, answers: bool, lost: list[bool] | None = None) -> None:
        """Let time pass; a live phone answers at once, unless that probe is lost."""
        lost = list(lost or ())
        while self.now_s < until_s:
            self.now_s += STEP_S
            due = self.health.due(self.now_s, EVERY)
            if due.died:
                self.dead_s = self.now_s
            for key in due.ask:
                self.asked_s.append(self.now_s)
                is_lost = lost.pop(0) if lost else False
                if answers and not is_lost and self.health.answered(key, self.now_s):
                    self.dead_s = None


PERIODS = st.integers(PERIOD_MIN_S, PERIOD_MAX_S)


@given(PERIODS, st.integers(0, 40), st.floats(0, 300))
def test_a_phone_that_vanishes_is_known_to_be_dead_within_a_minute(
    period_s: int, others: int, lives_s: float
) -> None:
    """Whatever its slot, and whenever it dies."""
    line = Line(period_s, others)
    line.run(lives_s, answers=True)
    assert line.dead_s is None
    gone_s = line.now_s
    line.run(gone_s + KNOWN_WITHIN_S, answers=False)
    assert line.dead_s is not None
    assert line.dead_s - gone_s <= period_s + 2 * ANSWER_WAIT_S + 1


@given(PERIODS, st.integers(0, 40), st.lists(st.booleans(), max_size=40))
def test_a_live_phone_is_never_dead_for_longer_than_a_period(
    period_s: int, others: int, lost: list[bool]
) -> None:
    """Counted from when its answers come through again; with nothing lost it is never dead."""
    line = Line(period_s, others)
    while lost:
        before = len(line.asked_s)
        line.run(line.now_s + 1, answers=True, lost=lost)
        del lost[: len(line.asked_s) - before]
    assert line.health.is_dead(0) == (line.dead_s is not None)
    line.run(line.now_s + period_s + 2 * STEP_S, answers=True)
    assert line.dead_s is None
    assert not line.health.is_dead(0)


@given(PERIODS, st.lists(st.integers(1, 4), max_size=10))
def test_one_lost_probe_in_a_row_kills_nobody(period_s: int, answered: list[int]) -> None:
    """The next one is sent as soon as the first is overdue. ``answered``: between the lost ones."""
    lost = [is_lost for number in answered for is_lost in (True, *[False] * number)]
    line = Line(period_s)
    line.run(period_s * (len(lost) + 2), answers=True, lost=lost)
    assert line.dead_s is None
    assert len(line.asked_s) >= len(lost)


def test_a_live_phone_is_asked_once_a_period() -> None:
    """So its NAT sees something every 25 seconds."""
    line = Line(25)
    line.run(500, answers=True)
    gaps = {round(b - a, 1) for a, b in zip(line.asked_s, line.asked_s[1:], strict=False)}
    assert gaps == {25.0}


def test_a_dead_phone_is_asked_once_a_period_and_comes_back() -> None:
    """With its first answer."""
    line = Line(25)
    line.run(200, answers=False)
    assert line.health.is_dead(0)
    asked = len(line.asked_s)
    line.run(400, answers=False)
    assert len(line.asked_s) - asked == 8
    line.run(426, answers=True)
    assert not line.health.is_dead(0)


def test_ten_thousand_phones_that_register_at_once_are_asked_evenly() -> None:
    """400 a second, in every tenth of a second."""
    health: PhoneHealth[int] = PhoneHealth(25)
    for key in range(10_000):
        health.seen(key, 0.0)
    ticks: Counter[int] = Counter()
    for tick in range(1, 501):
        for key in health.due(tick / 10, EVERY).ask:
            ticks[tick] += 1
            health.answered(key, tick / 10)
    assert sum(ticks.values()) == 20_000
    assert max(ticks.values()) <= 44
    assert min(ticks[tick] for tick in range(1, 501)) >= 36


def test_what_does_not_fit_into_one_tick_comes_up_in_the_next() -> None:
    """After a pause of the process nothing is asked twice, and no tick is long."""
    health: PhoneHealth[int] = PhoneHealth(25)
    for key in range(100):
        health.seen(key, 0.0)
    seen: list[int] = []
    for _ in range(4):
        due = health.due(1000.0, 30)
        assert len(due.ask) <= 30
        seen += due.ask
    assert sorted(seen) == list(range(100))
    assert health.due(1000.0, 30).ask == []


def test_a_registration_is_a_sign_of_life() -> None:
    """It brings a dead phone back, and ends the wait for an answer."""
    line = Line(25)
    line.run(200, answers=False)
    line.health.seen(0, line.now_s)
    assert not line.health.is_dead(0)
    assert len(line.health) == 1


def test_who_is_forgotten_is_not_asked() -> None:
    """Nor does its late answer do anything."""
    line = Line(25)
    line.health.forget(0)
    line.health.forget(0)
    line.run(100, answers=True)
    assert line.asked_s == []
    assert not line.health.answered(0, 100.0)
    assert len(line.health) == 0


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_deadline(state: State) -> None:
    """And two in a row without an answer never leave a phone that is asked in doubt for ever."""
    after = AFTER_DEADLINE[state]
    assert (state in ASKING) or (after in ASKING)
    assert AFTER_DEADLINE[AFTER_DEADLINE[AFTER_DEADLINE[state]]] is not State.ALIVE
