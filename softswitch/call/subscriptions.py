"""SUBSCRIBE and NOTIFY on the rim: who may, what is sent and when, and what outlives a restart.

SUBSCRIBE -> here -> 200, NOTIFY          a call, a phone, a message -> Watch
                                                                          |  every ``TICK_S``
answer to NOTIFY -> Subscription.step <------------- NOTIFY <-- what is told is not what is
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection
from twisted.logger import Logger

from sip import subscription as sub
from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Request
from sip.stack import Stack
from sip.subscription import Action, Asked, Input, Reason, Subscription
from sip.timers import TimerHeap
from sip.transaction import Headers, ServerTransaction
from softswitch.call.addresses import Addresses
from softswitch.call.admission import Answered
from softswitch.call.credit import RunsCallWork
from softswitch.call.subscribe_admission import SubscribeAdmission, Wanted
from softswitch.call.subscription_table import OVERLOADED, SubscriptionLimits, SubscriptionTable
from softswitch.call.user_states import ALLOW_EVENTS, PACKAGES, UserStates
from softswitch.call.user_subscriptions import (
    SubscriptionRow,
    UserSubscription,
    revive,
    to_row,
)
from softswitch.call.watch import Watch
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import RoutingSnapshot, User
from softswitch.routing.plan import PhoneCaller
from softswitch.snapshot import SnapshotHolder
from softswitch.store.subscriptions import read_subscriptions, write_subscriptions

log = Logger()

NOTIFIES_PER_TURN = 40
"""Sent in one tick: with some 80 us each the reactor is kept for 3 ms, and 800 a second go out.
After a restart, when everybody is told, the last of 10,000 waits for 13 s."""
LOOKS_PER_TURN = 250
"""Looked at in one tick, whether there is news or not: some 6 us each."""
WRITE_INTERVAL_S = 1.0
ROWS_PER_WRITE = 500
RETRY_AFTER_S = 60  # to whom there is no room for

_EXTRA: dict[int, Headers] = {
    423: (("Min-Expires", str(sub.EXPIRES_MIN_S)),),
    489: (("Allow-Events", ALLOW_EVENTS),),
    OVERLOADED: (("Retry-After", str(RETRY_AFTER_S)),),
}


class SubscriptionView(NamedTuple):
    """A subscription, for people. ``contact``: the subscriber's."""

    account: AccountId
    extension: Extension
    package: str
    resource: Extension
    contact: str
    expires_us: int


class Subscriptions:
    """All subscriptions of phones. ``watch`` is noted what changes."""

    TICK_S = 0.05

    def __init__(
        self,
        stack: Stack,
        addresses: Addresses,
        admission: SubscribeAdmission,
        snapshots: SnapshotHolder,
        states: UserStates,
        watch: Watch,
        database: RunsCallWork,
        *,
        now_us: Callable[[], int],
        limits: SubscriptionLimits | None = None,
    ) -> None:
        self.watch = watch
        self._stack = stack
        self._addresses = addresses
        self._admission = admission
        self._snapshots = snapshots
        self._states = states
        self._database = database
        self._now_us = now_us
        self._table = SubscriptionTable(limits)
        self._timers: TimerHeap[UserSubscription] = TimerHeap()
        self._to_look_at: dict[str, UserSubscription] = {}
        self._write_at_s = 0.0
        self._sent = 0

    def __len__(self) -> int:
        return len(self._table)

    async def load(self, now_s: float) -> int:
        """Read the subscriptions that were kept; their number. The next ticks tell each of them the
        whole state: nobody knows what the subscribers missed."""
        rows: list[dict[str, Any]] = await self._database.run_call(read_subscriptions)
        for row in rows:
            kept = revive(SubscriptionRow(**row), now_s, self._now_us())
            self._table.add(kept)
            self._to_look_at[kept.tag] = kept
            self._rearm(kept)
        if rows:
            self.watch.begin()
        return len(rows)

    # --- SUBSCRIBE --------------------------------------------------------------------------------

    def received(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        """A SUBSCRIBE outside a dialog."""
        try:
            wanted = self._admission.decide(request, flow, self._snapshot, now_s)
            if isinstance(wanted, Answered):
                headers = wanted.headers or _EXTRA.get(wanted.status, ())
                self._stack.respond(
                    tx, wanted.status, wanted.reason or None, headers=headers, now_s=now_s
                )
            else:
                self._begin(tx, request, flow, wanted, now_s)
        except RemoteError as error:
            self._refuse(tx, error, now_s)

    def in_dialog(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> bool:
        """A SUBSCRIBE with a To tag; whether it was for a subscription."""
        kept = self._table.get(tx.to_tag)
        if kept is None or kept.dialog.call_id != request.headers["call-id"][0]:
            return False
        if kept.dialog.remote_tag != (request.from_tag or "") or kept.subscription.is_ending:
            self._stack.respond(tx, 481, now_s=now_s)
            return True
        try:
            self._refresh(kept, tx, request, flow, now_s)
        except RemoteError as error:
            self._refuse(tx, error, now_s)
        return True

    def _begin(
        self, tx: ServerTransaction, request: Request, flow: Flow, wanted: Wanted, now_s: float
    ) -> None:
        """Raises RemoteError when no dialog can come of it, or there is no room."""
        contact = self._addresses.contact(flow, request.uri)
        dialog = Dialog.uas(request, local_tag=tx.to_tag, contact=contact, flow=flow)
        sub.check_size(request, dialog)
        asked, user = wanted.asked, wanted.user
        for old in self._table.of_user(user):
            if _is_same(old, dialog, asked):  # a phone that does not refresh but begins again
                self._do(old, old.subscription.vanish(now_s), now_s)
        full = self._table.refusal(user, flow.remote.host)
        if full is not None:
            raise RemoteError(full.reason, full.status)
        subscription = Subscription(dialog, asked.event, now_s)
        kept = UserSubscription(user, wanted.resource, wanted.entity, asked.package, subscription)
        self._table.add(kept)
        self.watch.begin()
        self._subscribe(kept, tx, asked, now_s)

    def _refresh(
        self, kept: UserSubscription, tx: ServerTransaction, request: Request, flow: Flow,
        now_s: float,
    ) -> None:  # fmt: skip
        """Raises RemoteError with the status that refuses."""
        sub.check_size(request)
        kept.dialog.accepts(request)
        asked = sub.parse_subscribe(request)
        if (asked.package, asked.event) != (kept.package, kept.subscription.event):
            raise RemoteError("a dialog has one subscription here", 489)
        self._table.move(kept, flow)
        kept.dialog.contact = self._addresses.contact(flow, request.uri)
        reason = self._why_over(kept)
        if reason is None:
            self._subscribe(kept, tx, asked, now_s)
        else:
            self._stack.respond(tx, 404, now_s=now_s)
            self._do(kept, kept.subscription.end(reason, now_s), now_s)

    def _subscribe(
        self, kept: UserSubscription, tx: ServerTransaction, asked: Asked, now_s: float
    ) -> None:
        headers = (("Expires", str(asked.expires_s)), ("Contact", kept.dialog.contact))
        self._stack.respond(tx, 200, headers=headers, now_s=now_s)
        self._do(kept, kept.subscription.subscribe(asked.expires_s, now_s), now_s)
        self._table.note(kept)

    def _refuse(self, tx: ServerTransaction, error: RemoteError, now_s: float) -> None:
        status = error.status_hint
        self._stack.respond(tx, status, str(error), headers=_EXTRA.get(status, ()), now_s=now_s)

    # --- NOTIFY -----------------------------------------------------------------------------------

    def responded(self, kept: UserSubscription, event: ResponseReceived, now_s: float) -> None:
        """An answer to a NOTIFY."""
        if event.response.status >= 200:
            self._do(kept, kept.subscription.answered(event.response, now_s), now_s)

    def failed(self, kept: UserSubscription, event: RequestFailed, now_s: float) -> None:
        """No answer to a NOTIFY: the phone is not there (RFC 6665 4.2.2)."""
        self._do(kept, kept.subscription.vanish(now_s), now_s)

    def flow_lost(self, flow: Flow, now_s: float) -> None:
        """A connection is gone, and with it what came over it: a phone subscribes again."""
        for kept in self._table.on_connection(flow):
            self._do(kept, kept.subscription.vanish(now_s), now_s)

    def has_flow(self, flow: Flow) -> bool:
        """Whether a subscription lives on a stream connection."""
        return self._table.has_flow(flow)

    def has_subscribed(self, user: PhoneCaller, package: str) -> bool:
        """Whether a user subscribed to something of his own."""
        found = self._table.of_resource(user).values()
        return any(kept.user == user and kept.package == package for kept in found)

    def tick(self, now_s: float) -> None:
        """Tell what changed, end what is over, write what is to be kept; every ``TICK_S``."""
        for user in self.watch.take_changed() if self.watch.on else ():
            self._to_look_at.update(self._table.of_resource(user))
        sent_most = self._sent + NOTIFIES_PER_TURN
        for _ in range(LOOKS_PER_TURN):
            kept = self._next(now_s)
            if kept is None:
                break
            self._look(kept, now_s)
            if self._sent >= sent_most:
                break
        if now_s >= self._write_at_s:
            self._write_at_s = now_s + WRITE_INTERVAL_S
            self.write(now_s)

    def _next(self, now_s: float) -> UserSubscription | None:
        """What is to be looked at: what is due, then what may have news."""
        kept = self._timers.pop_due(now_s)
        if kept is None and self._to_look_at:
            kept = self._to_look_at.pop(next(iter(self._to_look_at)))
        return kept

    def _look(self, kept: UserSubscription, now_s: float) -> None:
        subscription, reason = kept.subscription, self._why_over(kept)
        due_s = subscription.due_s
        if reason is not None:
            action = subscription.end(reason, now_s)
        elif due_s is not None and due_s <= now_s:
            action = subscription.wake(now_s)
        elif self._state(kept) != subscription.told:
            action = subscription.step(Input.NEWS, now_s)
        else:
            return
        self._do(kept, action, now_s)

    def _do(self, kept: UserSubscription, action: Action | None, now_s: float) -> None:
        if action is Action.FORGET:
            self._forget(kept)
            return
        if action is Action.NOTIFY:
            self._notify(kept, now_s)
        if kept.subscription.is_ending or (kept.kept_cseq and kept.is_used_up):
            self._table.note(kept)
        self._rearm(kept)

    def _notify(self, kept: UserSubscription, now_s: float) -> None:
        package, subscription = PACKAGES[kept.package], kept.subscription
        state, body = self._state(kept), b""
        if state is not None:
            body = package.document(kept.entity, subscription.version, state, subscription.told)
        subscription.told = state
        notify = subscription.notify(package.content_type, body, now_s)
        flow = kept.dialog.flow
        self._sent += 1
        self._stack.request(notify, flow, now_s, kept, self._addresses.sent_by(flow))

    def _rearm(self, kept: UserSubscription) -> None:
        self._timers.cancel(kept.timer)
        due_s = kept.subscription.due_s
        kept.timer = 0 if due_s is None else self._timers.schedule(due_s, kept)

    def _forget(self, kept: UserSubscription) -> None:
        self._timers.cancel(kept.timer)
        self._to_look_at.pop(kept.tag, None)
        self._table.remove(kept)
        if not self._table:
            self.watch.stop()

    # --- what there is ----------------------------------------------------------------------------

    @property
    def _snapshot(self) -> RoutingSnapshot:
        return self._snapshots.current

    def _user(self, who: PhoneCaller) -> User | None:
        account = self._snapshot.accounts.get(who.account)
        return None if account is None else account.users.get(who.extension)

    def _why_over(self, kept: UserSubscription) -> Reason | None:
        if self._user(kept.user) is None:
            return Reason.REJECTED
        return Reason.NO_RESOURCE if self._user(kept.resource) is None else None

    def _state(self, kept: UserSubscription) -> object:
        """What is to be told, ``None`` when the user is gone."""
        user = self._user(kept.resource)
        if user is None or self._user(kept.user) is None:
            return None
        state: object = PACKAGES[kept.package].state(self._states, kept.resource, user)
        return state

    def later_views(
        self, account: AccountId | None, now_s: float
    ) -> Callable[[], list[SubscriptionView]]:
        """What there is now, put into words by whoever calls the result, in any thread."""
        found, now_us = list(self._table), self._now_us()
        return lambda: [
            SubscriptionView(
                *kept.user,
                kept.package,
                kept.resource.extension,
                kept.dialog.remote_target,
                now_us + round((kept.subscription.expires_s - now_s) * 1_000_000),
            )
            for kept in found
            if account is None or kept.user.account == account
        ]

    def write(self, now_s: float, most: int | None = ROWS_PER_WRITE) -> None:
        """Write behind what changed; ``None``: all of it."""
        changes = self._table.take_changes(most)
        if changes.upserts or changes.deletes:
            now_us = self._now_us()
            rows = [to_row(kept, now_s, now_us) for kept in changes.upserts]
            deferred = self._database.run_call(_write, rows, changes.deletes)
            deferred.addErrback(
                lambda failure: log.warn("subscriptions not written: {error}", error=failure.value)
            )


def _write(connection: Connection, rows: Sequence[SubscriptionRow], deletes: list[str]) -> None:
    """In the database's thread."""
    write_subscriptions(connection, [row._asdict() for row in rows], deletes)


def _is_same(old: UserSubscription, dialog: Dialog, asked: Asked) -> bool:
    """Whether a new SUBSCRIBE comes from where an old subscription does."""
    return (old.dialog.call_id, old.dialog.remote_tag, old.package, old.subscription.event) == (
        dialog.call_id,
        dialog.remote_tag,
        asked.package,
        asked.event,
    )
