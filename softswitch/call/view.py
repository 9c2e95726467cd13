"""The calls that are up: counted for routing's limits, shown on the live board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from softswitch.call.trunk_conditions import TrunkConditions
from softswitch.ids import AccountId, CallId
from softswitch.routing.plan import DialTrunks, Plan

K = TypeVar("K")
Ends = tuple[str, str]  # a number of ours, and who calls it

SUBSCRIBERS_MAX = 50  # live boards of one account; each costs a wake-up per change


class CallView(NamedTuple):
    """One account's view of a call that is up: its ``Record``, and since when."""

    call_id: CallId
    account: AccountId
    direction: str
    caller: str
    called: str
    caller_extension: str
    called_extension: str
    started_us: int
    answered_us: int | None

    @property
    def state(self) -> str:
        """ringing | talking"""
        return "ringing" if self.answered_us is None else "talking"


class TooManySubscribers(Exception):
    """The account has as many live boards open as are allowed."""


Subscriber = Callable[[], None]


class LiveCalls:
    """What is up right now. Told by the call service, read by everybody else. ``trunks``: how the
    carriers do."""

    def __init__(self) -> None:
        self._views: dict[CallId, list[CallView]] = {}
        self._accounts: dict[AccountId, int] = {}
        self._numbers: dict[str, int] = {}
        self._trunks: dict[str, int] = {}
        self._forwarded: dict[Ends, int] = {}
        self._subscribers: dict[AccountId, list[Subscriber]] = {}
        self.trunks = TrunkConditions()

    def __len__(self) -> int:
        return len(self._views)

    # --- told ---

    def started(self, call_id: CallId, plan: Plan, started_us: int) -> None:
        """A call has begun to ring."""
        views = self._views[call_id] = []
        for record in plan.records:
            views.append(CallView(call_id, *record, started_us, None))
            self._accounts[record.account] = self._accounts.get(record.account, 0) + 1
        if plan.number:
            self._numbers[plan.number] = self._numbers.get(plan.number, 0) + 1
            if (ends := forwarded_ends(plan)) is not None:
                self._forwarded[ends] = self._forwarded.get(ends, 0) + 1
        if self._subscribers:
            self._tell(views)

    def answered(self, call_id: CallId, plan: Plan, answered_us: int) -> None:
        """Somebody answered it."""
        views = self._views[call_id]
        self._end_ringing(views, plan)
        for index, view in enumerate(views):
            views[index] = CallView(*view[:-1], answered_us)
        if self._subscribers:
            self._tell(views)

    def ended(self, call_id: CallId, plan: Plan) -> None:
        """It is over."""
        views = self._views.pop(call_id, [])
        for view in views:
            decrease(self._accounts, view.account)
        if plan.number:
            decrease(self._numbers, plan.number)
            self._end_ringing(views, plan)
        if self._subscribers:
            self._tell(views)

    def trunk_taken(self, trunk: str) -> None:
        """A branch to, or a call from, this trunk started."""
        self._trunks[trunk] = self._trunks.get(trunk, 0) + 1

    def trunk_freed(self, trunk: str) -> None:
        """And ended."""
        decrease(self._trunks, trunk)

    # --- asked ---

    def account_calls(self, account: AccountId) -> int:
        """Calls of an account, also those that ring."""
        return self._accounts.get(account, 0)

    def number_calls(self, number: str) -> int:
        """Calls to a number of ours."""
        return self._numbers.get(number, 0)

    def forwarded(self, ends: Ends) -> int:
        """Calls between these two that go on outside and that nobody has answered."""
        return self._forwarded.get(ends, 0)

    def trunk_calls(self, trunk: str) -> int:
        """Branches on a trunk, in both directions."""
        return self._trunks.get(trunk, 0)

    def calls(self, account: AccountId | None = None) -> list[CallView]:
        """All views, or those of one account, the oldest first."""
        return [
            view
            for views in self._views.values()
            for view in views
            if account is None or view.account == account
        ]

    def subscribe(self, account: AccountId, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` at every change of the account's calls, until the returned function
        is called. Raises ``TooManySubscribers``."""
        subscribers = self._subscribers.setdefault(account, [])
        if len(subscribers) >= SUBSCRIBERS_MAX:
            raise TooManySubscribers(f"{SUBSCRIBERS_MAX} live boards of this account are open")
        subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in subscribers:
                subscribers.remove(subscriber)
            if not subscribers and self._subscribers.get(account) is subscribers:
                del self._subscribers[account]

        return unsubscribe

    def changed(self, account: AccountId) -> None:
        """Tell the account's subscribers: a phone of theirs came or went."""
        for subscriber in tuple(self._subscribers.get(account, ())):
            subscriber()

    def changed_all(self, accounts: Iterable[AccountId]) -> None:
        """Tell the subscribers of several accounts."""
        for account in accounts:
            self.changed(account)

    def _end_ringing(self, views: list[CallView], plan: Plan) -> None:
        ends = forwarded_ends(plan)
        if ends is not None and views and views[0].state == "ringing":
            decrease(self._forwarded, ends)

    def _tell(self, views: Iterable[CallView]) -> None:
        for view in views:
            self.changed(view.account)


def forwarded_ends(plan: Plan) -> Ends | None:
    """The ends of a call to a number of ours that is forwarded outside; ``None`` for any other, and
    for callers who withhold their number."""
    if plan.number is None or not plan.records:
        return None
    caller = plan.records[-1].caller  # whom the owner of the number sees
    if not caller or not any(isinstance(step, DialTrunks) for step in plan.steps):
        return None
    return plan.number, caller


def decrease(counts: dict[K, int], key: K) -> None:
    """There are no zeros, or the counts would grow with every number ever called."""
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
