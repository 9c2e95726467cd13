"""How a transaction takes a step of its machine: what client and server side have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sip.errors import LocalError
from sip.machines import Action, Input
from sip.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sip.effects import Effects
    from sip.timers import Timers

Tx = TypeVar("Tx", ClientTransaction, ServerTransaction)
Perform = Callable[[Any, float, Any], None]  # (transaction, now_s, the message of this step)
Interval = Callable[["Timers", float], float]  # from the previous interval to the next


def _t1(timers: Timers, _interval_s: float) -> float:
    return timers.t1_s


def _t2(timers: Timers, _interval_s: float) -> float:
    return timers.t2_s


def _double(_timers: Timers, interval_s: float) -> float:
    return 2 * interval_s


def _double_to_t2(timers: Timers, interval_s: float) -> float:
    return min(2 * interval_s, timers.t2_s)


def _provisional(timers: Timers, _interval_s: float) -> float:
    return timers.provisional_s


# Repetitions that a reliable transport makes needless.
_REPEATS: dict[Action, tuple[Input, Interval]] = {
    Action.START_A: (Input.TIMER_A, _t1),
    Action.DOUBLE_A: (Input.TIMER_A, _double),
    Action.START_E: (Input.TIMER_E, _t1),
    Action.DOUBLE_E: (Input.TIMER_E, _double_to_t2),
    Action.SET_E_T2: (Input.TIMER_E, _t2),
    Action.START_G: (Input.TIMER_G, _t1),
    Action.DOUBLE_G: (Input.TIMER_G, _double_to_t2),
}
# Repetitions on every transport, because another hop may be unreliable.
_REPEATS_ALWAYS: dict[Action, tuple[Input, Interval]] = {
    Action.START_1XX: (Input.TIMER_1XX, _provisional),
    Action.START_2XX: (Input.TIMER_2XX, _t1),
    Action.DOUBLE_2XX: (Input.TIMER_2XX, _double_to_t2),
}
_TIMEOUTS: dict[Action, Input] = {
    Action.START_B: Input.TIMER_B,
    Action.START_F: Input.TIMER_F,
    Action.START_H: Input.TIMER_H,
    Action.START_L: Input.TIMER_L,
    Action.START_M: Input.TIMER_M,
}
_REPEATING = frozenset(cause for cause, _ in (*_REPEATS.values(), *_REPEATS_ALWAYS.values()))


class Steps(Generic[Tx]):
    """Steps transactions through their tables and keeps their timers.

    A transaction has at most one repeating timer and one ending timer at a time.
    """

    def __init__(self, effects: Effects, timers: Timers, perform: dict[Action, Perform]) -> None:
        self._effects = effects
        self._timers = timers
        self._perform = self._timer_actions() | perform
        self._due: Callable[[Any, Input, float], None] = self._come_up  # one for all timers

    def step(self, tx: Tx, cause: Input, now_s: float, message: Any = None) -> None:
        """Take the step that the table has for ``cause`` and perform its actions.

        Raises LocalError when it has none, and then nothing has changed.
        """
        row = tx.table.get((tx.state, cause))
        if row is None:
            raise LocalError(f"{tx.request.method} transaction: {cause} in state {tx.state}")
        tx.state = row[0]
        perform = self._perform
        for action in row[1]:
            perform[action](tx, now_s, message)

    def stop_timers(self, tx: Tx, _now_s: float = 0.0, _message: Any = None) -> None:
        """Disarm both timers of the transaction."""
        cancel = self._effects.timers.cancel
        cancel(tx.repeat_timer)
        cancel(tx.end_timer)

    def stop_repeating(self, tx: Tx) -> None:
        """Disarm the repeating timer alone."""
        self._effects.timers.cancel(tx.repeat_timer)

    def end_after(self, tx: Tx, cause: Input, delay_s: float, now_s: float) -> None:
        """(Re)arm the ending timer; without delay, as on reliable transports, it comes up now."""
        heap = self._effects.timers
        heap.cancel(tx.end_timer)
        if delay_s:
            tx.end_timer = heap.schedule(now_s + delay_s, (self._due, tx, cause))
        else:
            self.step(tx, cause, now_s)

    def _come_up(self, tx: Tx, cause: Input, now_s: float) -> None:
        if cause in _REPEATING:
            self._effects.counters.retransmitted += 1
        self.step(tx, cause, now_s)

    def _timer_actions(self) -> dict[Action, Perform]:
        actions: dict[Action, Perform] = {Action.STOP: self.stop_timers}
        for action, (cause, interval) in _REPEATS.items():
            actions[action] = partial(self._repeat_if_unreliable, cause, interval)
        for action, (cause, interval) in _REPEATS_ALWAYS.items():
            actions[action] = partial(self._repeat, cause, interval)
        for action, cause in _TIMEOUTS.items():
            actions[action] = partial(self._time_out, cause)
        for action, cause, wait in (
            (Action.START_D, Input.TIMER_D, self._timers.d_s),
            (Action.START_I, Input.TIMER_I, self._timers.i_s),
            (Action.START_J, Input.TIMER_J, self._timers.j_s),
            (Action.START_K, Input.TIMER_K, self._timers.i_s),
        ):
            actions[action] = partial(self._linger, cause, wait)
        return actions

    def _repeat_if_unreliable(
        self, cause: Input, interval: Interval, tx: Tx, now_s: float, message: Any
    ) -> None:
        if not tx.flow.reliable:
            self._repeat(cause, interval, tx, now_s, message)

    def _repeat(
        self, cause: Input, interval: Interval, tx: Tx, now_s: float, _message: Any
    ) -> None:
        heap = self._effects.timers
        heap.cancel(tx.repeat_timer)
        tx.interval_s = interval(self._timers, tx.interval_s)
        tx.repeat_timer = heap.schedule(now_s + tx.interval_s, (self._due, tx, cause))

    def _time_out(self, cause: Input, tx: Tx, now_s: float, _message: Any) -> None:
        self.end_after(tx, cause, self._timers.timeout_s, now_s)

    def _linger(
        self, cause: Input, wait: Callable[[bool], float], tx: Tx, now_s: float, _message: Any
    ) -> None:
        self.end_after(tx, cause, wait(tx.flow.reliable), now_s)
