"""The subscriptions of all phones, found by tag, subscriber, resource and connection; and how many
anyone may have. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sip.flow import Flow
from softswitch.call.user_subscriptions import UserSubscription
from softswitch.ids import AccountId
from softswitch.routing.plan import PhoneCaller

K = TypeVar("K")

FORBIDDEN = 403  # the user has too many: it is for him to remove some
OVERLOADED = 503  # others have them: later there may be room


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """Each costs some 2 kB, and a row. ``user_max``: a panel of a hundred lamps, twice, and what a
    phone forgets when it is switched off. ``source_max``: an office of fifty such panels behind one
    address."""

    total_max: int = 100_000
    account_max: int = 10_000
    source_max: int = 5_000
    user_max: int = 250


class Full(NamedTuple):
    """No room: the status, and in words why."""

    status: int
    reason: str


class Changes(NamedTuple):
    """What happened since the last ``take_changes``: rows to write, tags of rows to delete."""

    upserts: list[UserSubscription]
    deletes: list[str]


class SubscriptionTable:
    """What is kept, in the order of its beginning."""

    def __init__(self, limits: SubscriptionLimits | None = None) -> None:
        self._limits = limits or SubscriptionLimits()
        self._by_tag: dict[str, UserSubscription] = {}
        self._by_user: dict[PhoneCaller, dict[str, UserSubscription]] = {}
        self._by_resource: dict[PhoneCaller, dict[str, UserSubscription]] = {}
        self._by_connection: dict[int, dict[str, UserSubscription]] = {}
        self._accounts: Counter[AccountId] = Counter()
        self._sources: Counter[str] = Counter()
        self._changed: dict[str, UserSubscription | None] = {}

    def __len__(self) -> int:
        return len(self._by_tag)

    def __iter__(self) -> Iterator[UserSubscription]:
        return iter(self._by_tag.values())

    def get(self, tag: str) -> UserSubscription | None:
        """The one with this tag of ours."""
        return self._by_tag.get(tag)

    def of_user(self, user: PhoneCaller) -> list[UserSubscription]:
        """What a user subscribed to."""
        return list(self._by_user.get(user, {}).values())

    def of_resource(self, user: PhoneCaller) -> dict[str, UserSubscription]:
        """Who subscribed to a user, by tag; to be read only."""
        return self._by_resource.get(user, {})

    def on_connection(self, flow: Flow) -> list[UserSubscription]:
        """What lives on a stream connection."""
        return list(self._by_connection.get(flow.connection, {}).values())

    def has_flow(self, flow: Flow) -> bool:
        """Whether anything does."""
        return flow.connection in self._by_connection

    def refusal(self, user: PhoneCaller, source: str) -> Full | None:
        """Why one more has no place, ``None`` when it has."""
        limits = self._limits
        if len(self._by_user.get(user, ())) >= limits.user_max:
            return Full(FORBIDDEN, f"a user has {limits.user_max} subscriptions at most")
        if self._accounts[user.account] >= limits.account_max:
            return Full(FORBIDDEN, f"an account has {limits.account_max} subscriptions at most")
        if self._sources[source] >= limits.source_max:
            return Full(OVERLOADED, f"{limits.source_max} subscriptions from one address")
        if len(self) >= limits.total_max:
            return Full(OVERLOADED, "too many subscriptions")
        return None

    def add(self, kept: UserSubscription) -> None:
        """Keep one more."""
        tag = kept.tag
        self._by_tag[tag] = kept
        self._by_user.setdefault(kept.user, {})[tag] = kept
        self._by_resource.setdefault(kept.resource, {})[tag] = kept
        self._accounts[kept.user.account] += 1
        self._place(kept)

    def remove(self, kept: UserSubscription) -> None:
        """Forget it, if it is there."""
        if self._by_tag.pop(kept.tag, None) is None:
            return
        _drop(self._by_user, kept.user, kept.tag)
        _drop(self._by_resource, kept.resource, kept.tag)
        _decrease(self._accounts, kept.user.account)
        self._unplace(kept)
        self.note(kept)

    def move(self, kept: UserSubscription, flow: Flow) -> None:
        """Its phone is reached by another flow now."""
        if flow != kept.dialog.flow:
            self._unplace(kept)
            kept.dialog.flow = flow
            self._place(kept)

    def note(self, kept: UserSubscription) -> None:
        """Its row is to be written, or deleted if nothing is to be kept of it."""
        if kept.tag in self._by_tag and kept.is_to_keep:
            self._changed[kept.tag] = kept
        elif kept.kept_cseq:
            self._changed[kept.tag] = None
        else:
            self._changed.pop(kept.tag, None)  # it never had a row

    def take_changes(self, most: int | None) -> Changes:
        """What to write now: the last state of each once, ``most`` at a time or all."""
        upserts: list[UserSubscription] = []
        deletes: list[str] = []
        for tag in list(self._changed)[:most]:
            kept = self._changed.pop(tag)
            if kept is None:
                deletes.append(tag)
            else:
                upserts.append(kept)
        return Changes(upserts, deletes)

    def _place(self, kept: UserSubscription) -> None:
        flow = kept.dialog.flow
        self._sources[flow.remote.host] += 1
        if flow.connection:
            self._by_connection.setdefault(flow.connection, {})[kept.tag] = kept

    def _unplace(self, kept: UserSubscription) -> None:
        flow = kept.dialog.flow
        _decrease(self._sources, flow.remote.host)
        if flow.connection:
            _drop(self._by_connection, flow.connection, kept.tag)


def _drop(index: dict[K, dict[str, UserSubscription]], key: K, tag: str) -> None:
    found = index[key]
    del found[tag]
    if not found:
        del index[key]


def _decrease(counts: Counter[K], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
