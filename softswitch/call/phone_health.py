"""Which phones are alive, as far as their answers to probes tell. Pure.

Each phone that is watched has a slot of its own in every period, in which it is asked:

    ALIVE --slot--> ASKED --silence--> ASKED_AGAIN --silence--> DEAD --slot--> DEAD_ASKED --+
      ^               |                     |                     ^---------silence---------+
      +---------------+------- answer ------+--------------- answer ---------------+

So a phone that vanishes is known to be dead after the rest of its period and two waits. The slots
are spread evenly, whoever registers when: after a power cut thousands register in one second.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from math import floor
from typing import Generic, NamedTuple, TypeVar

from sip.timers import TimerHeap

K = TypeVar("K", bound=Hashable)

ANSWER_WAIT_S = 7.0
"""For the answer to one probe: a UDP request is sent four times by then (RFC 3261 timer E: after
0, 0.5, 1.5 and 3.5 s), so a lost datagram is no silence."""

PERIOD_MIN_S = 15  # two waits fit into it
PERIOD_MAX_S = 40
"""With two waits 54 s: who is dead is known within 60."""

GOLDEN_RATIO = 0.6180339887498949
"""Its multiples, modulo 1, lie apart from each other as evenly as can be, however many they are."""


class State(Enum):
    """What is known of a phone, and what is awaited."""

    ALIVE = auto()
    ASKED = auto()
    ASKED_AGAIN = auto()
    DEAD = auto()
    DEAD_ASKED = auto()


AFTER_DEADLINE: dict[State, State] = {
    State.ALIVE: State.ASKED,
    State.ASKED: State.ASKED_AGAIN,
    State.ASKED_AGAIN: State.DEAD,
    State.DEAD: State.DEAD_ASKED,
    State.DEAD_ASKED: State.DEAD,
}
"""What a state becomes when its slot comes, or when no answer does."""

ASKING = frozenset({State.ASKED, State.ASKED_AGAIN, State.DEAD_ASKED})
"""States that begin with a probe and wait for its answer; the others wait for their slot."""

DEAD = frozenset({State.DEAD, State.DEAD_ASKED})


@dataclass(slots=True)
class _Watch:
    state: State
    slot_s: float  # the next one
    timer: int = 0


class Due(NamedTuple, Generic[K]):
    """What has to be done now: phones to ask, phones that did not answer in time, and those among
    them that have just been found dead."""

    ask: list[K]
    silent: list[K]
    died: list[K]


class PhoneHealth(Generic[K]):
    """All watched phones. ``period_s``: how often each is asked, from ``PERIOD_MIN_S`` on."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._watches: dict[K, _Watch] = {}
        self._timers: TimerHeap[K] = TimerHeap()
        self._slots_given = 0

    def __len__(self) -> int:
        """How many phones are watched."""
        return len(self._watches)

    def is_dead(self, key: K) -> bool:
        """Whether a phone is known to be dead."""
        watch = self._watches.get(key)
        return watch is not None and watch.state in DEAD

    def seen(self, key: K, now_s: float) -> None:
        """A phone has registered: watch it from now on, or go on with a live one."""
        if key in self._watches:
            self.answered(key, now_s)
            return
        self._slots_given += 1
        phase = self._slots_given * GOLDEN_RATIO % 1.0
        watch = self._watches[key] = _Watch(State.ALIVE, now_s + phase * self._period_s)
        watch.timer = self._timers.schedule(watch.slot_s, key)

    def answered(self, key: K, now_s: float) -> bool:
        """A phone gave a sign of life; whether it had been thought dead."""
        watch = self._watches.get(key)
        if watch is None:
            return False
        before, watch.state = watch.state, State.ALIVE
        if before in ASKING:
            self._wait_for_slot(key, watch, now_s)
        return before in DEAD

    def forget(self, key: K) -> None:
        """A phone is registered no more."""
        watch = self._watches.pop(key, None)
        if watch is not None:
            self._timers.cancel(watch.timer)

    def due(self, now_s: float, most: int) -> Due[K]:
        """Let up to ``most`` deadlines pass; what is left over comes up in the next call."""
        due: Due[K] = Due([], [], [])
        for _ in range(most):
            key = self._timers.pop_due(now_s)
            if key is None:
                break
            self._passed(key, self._watches[key], due, now_s)
        return due

    def _passed(self, key: K, watch: _Watch, due: Due[K], now_s: float) -> None:
        before, watch.state = watch.state, AFTER_DEADLINE[watch.state]
        if before in ASKING:
            due.silent.append(key)
        if watch.state in ASKING:
            due.ask.append(key)
            watch.timer = self._timers.schedule(now_s + ANSWER_WAIT_S, key)
            return
        if before is State.ASKED_AGAIN:
            due.died.append(key)
        self._wait_for_slot(key, watch, now_s)

    def _wait_for_slot(self, key: K, watch: _Watch, now_s: float) -> None:
        """The first slot that is still to come; none is made up for."""
        self._timers.cancel(watch.timer)
        if watch.slot_s <= now_s:
            passed = floor((now_s - watch.slot_s) / self._period_s) + 1
            watch.slot_s += passed * self._period_s
        watch.timer = self._timers.schedule(watch.slot_s, key)
