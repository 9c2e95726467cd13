"""What is noted for subscribers while calls go on: whose state changed, which calls they are in.

The call path does nothing here but add to a set and a dict, and not even that while nobody
subscribes (``on``). What became of it is worked out later, once for whatever happened meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from softswitch.call.b2bua import State
from softswitch.call.legs import LiveCall
from softswitch.ids import CallId
from softswitch.routing.plan import PhoneCaller

CALLS_PER_TURN = 1000
"""Of the calls that are up when the first one subscribes, noted at once and with each turn: 2 us
each."""

_OVER = (State.ENDING, State.ENDED)


def _no_calls() -> Iterable[LiveCall]:
    return ()


class Watch:
    """``all_calls`` gives the calls that are up when somebody subscribes for the first time."""

    __slots__ = ("_calls", "_changed", "_unseen", "all_calls", "on")

    def __init__(self) -> None:
        self.on = False
        self.all_calls: Callable[[], Iterable[LiveCall]] = _no_calls
        self._calls: dict[PhoneCaller, dict[CallId, LiveCall]] = {}
        self._changed: set[PhoneCaller] = set()
        self._unseen: list[LiveCall] = []

    def begin(self) -> None:
        """Somebody subscribes: from here on calls are noted, and those that are up are found."""
        if not self.on:
            self.on = True
            self._unseen = list(self.all_calls())
            self._find()

    def stop(self) -> None:
        """Nobody does any more."""
        self.on = False
        self._calls.clear()
        self._changed.clear()
        self._unseen.clear()

    def call(self, live: LiveCall) -> None:
        """Something happened in a call: perhaps its users' states are others now."""
        over, call_id = live.machine.state in _OVER, live.machine.id
        for user in {live.caller.user, *[branch.user for branch in live.branches]}:
            if user is None:  # a carrier's leg
                continue
            self._changed.add(user)
            calls = self._calls.setdefault(user, {})
            if not over:
                calls[call_id] = live
            else:
                calls.pop(call_id, None)
                if not calls:
                    del self._calls[user]

    def user(self, user: PhoneCaller) -> None:
        """A phone of a user came or went, or a message did."""
        self._changed.add(user)

    def take_changed(self) -> Collection[PhoneCaller]:
        """Who may have another state than at the last call."""
        if self._unseen:
            self._find()
        changed, self._changed = self._changed, set()
        return changed

    def calls(self, user: PhoneCaller) -> Collection[LiveCall]:
        """The calls that a user is or was a party of, as long as they are up."""
        return self._calls.get(user, {}).values()

    def _find(self) -> None:
        for live in self._unseen[-CALLS_PER_TURN:]:
            self.call(live)
        del self._unseen[-CALLS_PER_TURN:]
