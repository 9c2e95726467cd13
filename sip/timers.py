"""The durations of RFC 3261 table 4, and one heap in which every timer of the stack waits.

No clock is read here: deadlines and ``now_s`` are monotonic seconds handed in by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

COMPACT_SLACK = 64
"""Cancelled entries that a heap may always carry, so that a small heap is not rebuilt for each."""


@dataclass(frozen=True, slots=True)
class Timers:
    """The base values of RFC 3261 17.1.1.1, in seconds, and what derives from them.

    A test or a slow link passes other base values; nothing changes them at run time.
    """

    t1_s: float = 0.5  # estimate of the round trip
    t2_s: float = 4.0  # longest interval between retransmissions of non-INVITE and of responses
    t4_s: float = 5.0  # longest life of a message in the network
    d_unreliable_s: float = 32.0  # "at least 32 seconds", whatever T1 is (17.1.1.2)
    provisional_s: float = 60.0  # a ringing UAS repeats its 1xx, or proxies give up (13.3.1.1)

    @property
    def timeout_s(self) -> float:
        """64*T1: timers B, F, H, J, L and M, the wait for an ACK and for a cancelled INVITE."""
        return 64 * self.t1_s

    def d_s(self, reliable: bool) -> float:
        """Timer D: how long a client absorbs repeated final responses to INVITE."""
        return 0.0 if reliable else self.d_unreliable_s

    def i_s(self, reliable: bool) -> float:
        """Timer I: how long a server absorbs repeated ACKs. Timer K has the same value."""
        return 0.0 if reliable else self.t4_s

    def j_s(self, reliable: bool) -> float:
        """Timer J: how long a server answers repeated non-INVITE requests."""
        return 0.0 if reliable else self.timeout_s


class TimerHeap(Generic[T]):
    """Deadlines in order, each with what is due then. Scheduling costs O(log n), cancelling O(1).

    A cancelled timer lets go of its item at once; its number stays in the heap until it comes up
    or until such numbers outweigh the living ones, when the heap is rebuilt without them.
    """

    __slots__ = ("_heap", "_items", "_last_id")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._items: dict[int, T] = {}
        self._last_id = 0

    def __len__(self) -> int:
        """How many timers are armed."""
        return len(self._items)

    def schedule(self, deadline_s: float, item: T) -> int:
        """Arm a timer and return its id (never 0). Equal deadlines come up in the order set."""
        self._last_id = timer_id = self._last_id + 1
        self._items[timer_id] = item
        heappush(self._heap, (deadline_s, timer_id))
        return timer_id

    def cancel(self, timer_id: int) -> None:
        """Disarm; an id that has come up, was cancelled before or is 0 does nothing."""
        if self._items.pop(timer_id, None) is None:
            return
        if len(self._heap) > 2 * len(self._items) + COMPACT_SLACK:
            self._heap = [entry for entry in self._heap if entry[1] in self._items]
            heapify(self._heap)

    def pop_due(self, now_s: float) -> T | None:
        """Take out one item whose deadline is not later than ``now_s``, earliest first."""
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            item = self._items.pop(heappop(heap)[1], None)
            if item is not None:
                return item
        return None

    def next_deadline_s(self) -> float | None:
        """When the earliest armed timer comes up, or ``None`` when none is armed."""
        heap = self._heap
        while heap and heap[0][1] not in self._items:
            heappop(heap)
        return heap[0][0] if heap else None
