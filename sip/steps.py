"""How a transaction takes a step of its machine: what client and server side have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sip.errors import LocalError
from sip.machines import Action, Input, State, Table
from sip.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sip.effects import Effects
    from sip.timers import Timers

Tx = TypeVar("Tx", ClientTransaction, ServerTransaction)
Perform = Callable[[Any, float, Any], None]  # (transaction, now_s, the message of this step)

# Repetitions: the input of each, and whether a reliable transport makes it needless. Those of an
# INVITE's answers go out on every transport, because another hop may be unreliable.
_REPEATS: dict[Action, tuple[Input, bool]] = {
    Action.START_A: (Input.TIMER_A, True),
    Action.DOUBLE_A: (Input.TIMER_A, True),
    Action.START_E: (Input.TIMER_E, True),
    Action.DOUBLE_E: (Input.TIMER_E, True),
    Action.SET_E_T2: (Input.TIMER_E, True),
    Action.START_G: (Input.TIMER_G, True),
    Action.DOUBLE_G: (Input.TIMER_G, True),
    Action.START_1XX: (Input.TIMER_1XX, False),
    Action.START_2XX: (Input.TIMER_2XX, False),
    Action.DOUBLE_2XX: (Input.TIMER_2XX, False),
}
_DOUBLING = frozenset({Action.DOUBLE_A, Action.DOUBLE_E, Action.DOUBLE_G, Action.DOUBLE_2XX})
_TIMEOUTS: dict[Action, Input] = {
    Action.START_B: Input.TIMER_B,
    Action.START_F: Input.TIMER_F,
    Action.START_H: Input.TIMER_H,
    Action.START_L: Input.TIMER_L,
    Action.START_M: Input.TIMER_M,
}
_REPEATING = frozenset(cause for cause, _ in _REPEATS.values())


class Steps(Generic[Tx]):
    """Steps transactions through their tables and keeps their timers.

    A transaction has at most one repeating timer and one ending timer at a time. The tables name
    actions; ``rows`` binds them to what performs them, once for all transactions.
    """

    def __init__(self, effects: Effects, timers: Timers, perform: Mapping[Action, Perform]) -> None:
        self._effects = effects
        self._timers = timers
        self._perform = self._timer_actions() | dict(perform)
        self._due: Callable[[Any, Input, float], None] = self._come_up  # one for all timers

    def rows(self, table: Table) -> Rows:
        """A machine's table, with what performs each action."""
        return {
            key: (state, tuple(self._perform[action] for action in actions))
            for key, (state, actions) in table.items()
        }

    def step(self, tx: Tx, cause: Input, now_s: float, message: Any = None) -> None:
        """Take the step that the table has for ``cause`` and perform its actions.

        Raises LocalError when it has none, and then nothing has changed.
        """
        row = tx.rows.get((tx.state, cause))
        if row is None:
            raise LocalError(f"{tx.request.method} transaction: {cause} in state {tx.state}")
        tx.state, actions = row
        for perform in actions:
            perform(tx, now_s, message)

    def stop_timers(self, tx: Tx, _now_s: float = 0.0, _message: Any = None) -> None:
        """Disarm both timers of the transaction."""
        timers = self._effects.timers
        if tx.repeat_timer:
            timers.cancel(tx.repeat_timer)
            tx.repeat_timer = 0
        if tx.end_timer:
            timers.cancel(tx.end_timer)
            tx.end_timer = 0

    def end_after(self, tx: Tx, cause: Input, delay_s: float, now_s: float) -> None:
        """(Re)arm the ending timer; without delay, as on reliable transports, it comes up now."""
        timers = self._effects.timers
        if tx.end_timer:
            timers.cancel(tx.end_timer)
            tx.end_timer = 0
        if delay_s:
            tx.end_timer = timers.schedule(now_s + delay_s, (self._due, tx, cause))
        else:
            self.step(tx, cause, now_s)

    def _come_up(self, tx: Tx, cause: Input, now_s: float) -> None:
        if cause in _REPEATING:
            self._effects.counters.retransmitted += 1
        self.step(tx, cause, now_s)

    def _timer_actions(self) -> dict[Action, Perform]:
        actions: dict[Action, Perform] = {Action.STOP: self.stop_timers}
        for action in _REPEATS:
            actions[action] = self._repetition(action)
        for action, cause in _TIMEOUTS.items():
            actions[action] = self._ending(cause, lambda _reliable: self._timers.timeout_s)
        for action, cause, wait in (
            (Action.START_D, Input.TIMER_D, self._timers.d_s),
            (Action.START_I, Input.TIMER_I, self._timers.i_s),
            (Action.START_J, Input.TIMER_J, self._timers.j_s),
            (Action.START_K, Input.TIMER_K, self._timers.i_s),
        ):
            actions[action] = self._ending(cause, wait)
        return actions

    def _repetition(self, action: Action) -> Perform:
        """Arm the repeating timer: at a first interval, or at twice the one before."""
        cause, only_unreliable = _REPEATS[action]
        doubles = action in _DOUBLING
        first_s, most_s = self._intervals_s(action)
        timers = self._effects.timers

        def perform(tx: Tx, now_s: float, _message: Any) -> None:
            if only_unreliable and tx.flow.transport != "udp":
                return
            if tx.repeat_timer:
                timers.cancel(tx.repeat_timer)
            tx.interval_s = interval_s = min(2 * tx.interval_s, most_s) if doubles else first_s
            tx.repeat_timer = timers.schedule(now_s + interval_s, (self._due, tx, cause))

        return perform

    def _intervals_s(self, action: Action) -> tuple[float, float]:
        """The first interval and the longest one (17.1.1.2: timer A doubles without a limit)."""
        timers = self._timers
        if action is Action.SET_E_T2:
            return timers.t2_s, timers.t2_s
        if action is Action.START_1XX:
            return timers.provisional_s, timers.provisional_s
        return timers.t1_s, float("inf") if action is Action.DOUBLE_A else timers.t2_s

    def _ending(self, cause: Input, wait: Callable[[bool], float]) -> Perform:
        """Arm the ending timer."""
        unreliable_s, reliable_s = wait(False), wait(True)

        def perform(tx: Tx, now_s: float, _message: Any) -> None:
            delay_s = unreliable_s if tx.flow.transport == "udp" else reliable_s
            self.end_after(tx, cause, delay_s, now_s)

        return perform


Rows = dict[tuple[State, Input], tuple[State, tuple[Perform, ...]]]
"""``(state, input)`` to the next state and what to perform."""
