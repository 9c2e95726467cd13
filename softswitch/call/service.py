"""The rim of call control: brings SIP, media and money together around the call machines.

    SIP event | media notice | credit answer | timer  ->  input  ->  machine  ->  actions  ->  here

One input is carried out whole before the next one: what an action causes comes back later.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from rtp.messages import SEEN_INTERVAL_S, Notice
from sip import events as sip_events
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.stack import Stack
from sip.timers import TimerHeap
from sip.transaction import ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses, SendsRequests
from softswitch.call.admission import Admission, Answered, CurrentState, TakesOver
from softswitch.call.b2bua import ALL_TIMERS, UP, Call
from softswitch.call.credit import CallCredit, RunsCallWork, WritesSettlements
from softswitch.call.dialling import SILENCE
from softswitch.call.instant_messages import InstantMessages
from softswitch.call.legs import SIP_TIMERS, BranchLeg, CallerLeg, LiveCall, OwnRequest, Role
from softswitch.call.media_session import Caller
from softswitch.call.media_side import MediaPlane, MediaSide
from softswitch.call.phone_probes import PROBE_TICK_S, PhoneProbes, ProbeSettings
from softswitch.call.records import hold_request, moved, settlement
from softswitch.call.registrar import Registrar
from softswitch.call.registrations import Registrations
from softswitch.call.sip_side import SipSide
from softswitch.call.subscriptions import Subscriptions
from softswitch.call.targets import TargetFinder, Where
from softswitch.call.user_subscriptions import UserSubscription
from softswitch.call.view import LiveCalls, decrease
from softswitch.clock import MonotonicClock
from softswitch.ids import AccountId, CallId
from softswitch.routing.free import INTERNAL, free_rate
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.permissions import why_stopped
from softswitch.routing.plan import Payment, PhoneCaller, Plan, Refuse, RouteState
from softswitch.snapshot import SnapshotHolder

log = Logger()

# Set by hand in tests of other sizes; a call that is up costs some 6 kB.
CALLS_MAX = 20_000
# From one address, a carrier's too, so that none takes all there is.
CALLS_PER_SOURCE_MAX = 10_000
DRAIN_POLL_S = 0.1


class SipListeners(SendsRequests, Protocol):
    """``sip.service.SipService`` as the calls use it."""

    def took_ping(self, flow: Flow) -> bool:
        """Whether a keep-alive came over a stream flow since this was asked last."""


class Timer(Protocol):
    """What ``callLater`` returns."""

    def cancel(self) -> None:
        """Disarm."""

    def active(self) -> bool:
        """Whether it has yet to fire."""


class DelayedCalls(Protocol):
    """The reactor's timers."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer:
        """Call it after so many seconds."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What configuration says of calls. ``phone_probe_s``: how often a registered phone is asked
    whether it is there, 0 never."""

    domain: str
    advertised: str
    call_max_s: float
    drain_s: float
    phone_probe_s: float = 0.0


class CallService(Service):
    """All calls of this process. ``where`` resolves SIP URIs from what is known of DNS."""

    def __init__(
        self,
        *,
        reactor: DelayedCalls,
        stack: Stack,
        sip: SipListeners,
        where: Where,
        media: MediaPlane,
        database: RunsCallWork,
        settlements: WritesSettlements,
        snapshots: SnapshotHolder,
        registrar: Registrar,
        registrations: Registrations,
        admission: Admission,
        live: LiveCalls,
        subscriptions: Subscriptions,
        settings: CallSettings,
        now_s: MonotonicClock,
        now_us: Callable[[], int],
        new_id: Callable[[], CallId],
        random_octets: Callable[[int], bytes] = secrets.token_bytes,
        token: Callable[[], str],
    ) -> None:
        self._reactor = reactor
        self._stack = stack
        self._sip = sip
        self._where = where
        self._snapshots = snapshots
        self._registrar = registrar
        self._registrations = registrations
        self._admission = admission
        self._live = live
        self._subscriptions = subscriptions
        self._watch = subscriptions.watch
        self._settings = settings
        self._now_s = now_s
        self._now_us = now_us
        self._new_id = new_id
        self._random_octets = random_octets
        self._calls: dict[CallId, LiveCall] = {}
        self._per_source: dict[str, int] = {}
        self._watch.all_calls = self._calls.values
        self._timers: TimerHeap[tuple[LiveCall, str]] = TimerHeap()
        self._timer: Timer | None = None
        self._timer_at_s = 0.0
        self._ticks: list[Timer] = []
        self._draining = False
        addresses = Addresses(sip, settings.advertised, where)
        self._probes = PhoneProbes(
            stack,
            registrar,
            addresses,
            ProbeSettings(settings.domain, settings.phone_probe_s),
            took_ping=sip.took_ping,
            changed=registrations.tell_changed,
            token=token,
        )
        self._messages = InstantMessages(stack, admission, addresses, self._targets, token=token)
        registrations.on_changes = lambda changes: self._probes.take(changes, now_s())
        self._sip_side = SipSide(
            stack,
            addresses,
            self._feed,
            self._perform,
            self._onward,
            lambda live, name, at_s, now_s: self._set_timer(live, ev.SetTimer(name, at_s), now_s),
            token=token,
        )
        self._media_side = MediaSide(media, self._tell, self._media_seen)
        self._credit = CallCredit(database, settlements, self._tell)

    @property
    def calls_up(self) -> int:
        """How many calls are not settled yet."""
        return len(self._calls)

    @property
    def dialogs(self) -> int:
        """How many dialogs are kept."""
        return self._sip_side.dialogs

    @property
    def timers_armed(self) -> int:
        """How many call timers wait."""
        return len(self._timers)

    def has_flow(self, flow: Flow) -> bool:
        """Whether a call lives on a stream connection."""
        return self._sip_side.has_flow(flow)

    def route_state(self, snapshot: RoutingSnapshot) -> RouteState:
        """The state that a call would see now, for the route tester."""
        return CurrentState(snapshot, self._registrar, self._live, self._now_us())

    # --- life of the service ----------------------------------------------------------------------

    def startService(self) -> None:
        """Begin the periodic work."""
        super().startService()  # type: ignore[no-untyped-call]
        self._every(Registrations.WRITE_INTERVAL_S, self._registrations.tick)
        self._every(SEEN_INTERVAL_S, self._journal)
        if self._settings.phone_probe_s:
            self._every(PROBE_TICK_S, self._probe)
        self._every(Subscriptions.TICK_S, self._tell_subscribers)

    def stopService(self) -> Deferred[None]:
        """Refuse new calls, let running ones end for ``drain_s``, then end and settle them."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._draining = True
        for tick in self._ticks:
            tick.cancel()
        self._ticks.clear()
        self._registrations.tick()
        self._subscriptions.write(self._now_s(), None)
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        deadline_s = self._now_s() + self._settings.drain_s
        while self._calls and self._now_s() < deadline_s:
            await self._pause(DRAIN_POLL_S)
        for live in list(self._calls.values()):
            self._tell(live.machine.id, ev.Shutdown())
        # Media answers and BYEs are a matter of milliseconds; what does not answer is not awaited.
        for _ in range(20):
            if not self._calls:
                break
            await self._pause(DRAIN_POLL_S)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _pause(self, seconds: float) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._reactor.callLater(seconds, done.callback, None)
        return done

    def _every(self, seconds: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._ticks.remove(scheduled[0])
            self._every(seconds, work)
            try:
                work()
            except Exception:
                log.failure("periodic work failed {work}", work=work)

        scheduled = [self._reactor.callLater(seconds, run)]
        self._ticks.append(scheduled[0])

    # --- what comes in ----------------------------------------------------------------------------

    def sip_event(self, event: sip_events.Event, now_s: float) -> None:
        """An event of the stack; the SIP service sends what it causes."""
        _SIP_EVENTS[type(event)](self, event, now_s)

    def media_notice(self, notice: Notice) -> None:
        """A notice of the media plane."""
        self._media_side.noticed(notice)

    def _request(self, event: sip_events.RequestReceived, now_s: float) -> None:
        tx, request, flow = event.transaction, event.request, event.flow
        if tx.in_dialog:
            if request.method != "SUBSCRIBE" or not self._subscriptions.in_dialog(
                tx, request, flow, now_s
            ):
                self._sip_side.in_dialog(tx, request, flow, now_s)
        elif request.method == "INVITE":
            self._invited(tx, request, flow, now_s)
        elif request.method == "REGISTER":
            self._registrations.received(tx, request, flow, now_s)
        elif request.method == "OPTIONS":
            self._admission.note_options(request, flow, now_s)
            headers = (("Accept", "application/sdp"),)
            self._stack.respond(tx, 503 if self._draining else 200, headers=headers, now_s=now_s)
        elif request.method == "MESSAGE" and not self._draining:
            self._messages.received(tx, flow, self._snapshots.current, now_s)
        elif request.method == "MESSAGE":
            self._stack.respond(tx, 503, headers=(("Retry-After", "10"),), now_s=now_s)
        elif request.method == "SUBSCRIBE":
            if self._draining:  # it would not be kept
                self._stack.respond(tx, 503, headers=(("Retry-After", "10"),), now_s=now_s)
            else:
                self._subscriptions.received(tx, request, flow, now_s)
        else:  # BYE or INFO outside a dialog, NOTIFY of what nobody subscribed to
            self._stack.respond(tx, 481, now_s=now_s)

    def _tell_subscribers(self) -> None:
        self._subscriptions.tick(self._now_s())
        self._sip.flush()

    def _invited(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        if (
            self._draining
            or len(self._calls) >= CALLS_MAX
            or self._per_source.get(flow.remote.host, 0) >= CALLS_PER_SOURCE_MAX
        ):
            self._stack.respond(tx, 503, headers=(("Retry-After", "10"),), now_s=now_s)
            return
        snapshot, now_us = self._snapshots.current, self._now_us()
        decided = self._admission.decide(request, flow, snapshot, now_s=now_s, now_us=now_us)
        if isinstance(decided, Answered):
            self._stack.respond(
                tx, decided.status, decided.reason or None, headers=decided.headers, now_s=now_s
            )
            return
        if self._sip_side.sessions.refuses(tx, now_s):
            return
        try:
            if isinstance(decided, TakesOver):
                self._taken_over(tx, decided.user, flow, now_s)
                return
            trunk = snapshot.trunks.get(decided.trunk) if decided.trunk else None
            login = None if trunk is None else trunk.login
            caller = self._sip_side.caller_leg(tx, flow, decided.trunk, decided.user, login)
        except RemoteError as error:
            self._stack.respond(tx, error.status_hint, str(error), now_s=now_s)
            return
        if self._registrar.any_dead and decided.user is not None:
            self._heard(decided.user, flow, snapshot, now_s)
        currencies = _currencies(decided.plan, snapshot)
        live = self._started(caller, decided.plan, currencies, now_s)
        if decided.trunk is not None:
            self._live.trunk_taken(decided.trunk)
        self._feed(live, ev.Invited(), now_s)

    def _taken_over(
        self, tx: ServerTransaction, user: PhoneCaller, flow: Flow, now_s: float
    ) -> None:
        """An INVITE with Replaces. Raises RemoteError with the status that refuses it."""
        caller = self._sip_side.caller_leg(tx, flow, None, user)
        other = self._sip_side.transfers.replaced(tx.request, user)
        second = other[0]
        plan = Plan(
            steps=(),
            trace=(f"user {user.extension} takes over call {second.machine.id}",),
            records=tuple(second.machine.records),
        )
        live = self._started(caller, plan, second.currencies.copy(), now_s)
        self._sip_side.take_over(live, other, now_s)

    def _started(
        self, caller: CallerLeg, plan: Plan, currencies: dict[AccountId, str], now_s: float
    ) -> LiveCall:
        """One more call; its first input is still to come."""
        request, flow, now_us = caller.tx.request, caller.flow, self._now_us()
        machine = Call(
            self._new_id(),
            plan,
            request.body,
            Caller(
                local_host=flow.local.host,
                signalling_host=flow.remote.host,
                is_secure=flow.transport == "tls",
                is_trunk=caller.trunk is not None,
            ),
            self._targets(),
            journal=_journal_payment(plan, currencies),
            now_s=now_s,
            call_max_s=self._settings.call_max_s,
        )
        live = LiveCall(machine, plan, caller, now_us, currencies)
        caller.tx.owner = Role(live, "caller")
        self._calls[machine.id] = live
        source = flow.remote.host
        self._per_source[source] = self._per_source.get(source, 0) + 1
        self._live.started(machine.id, plan, now_us)
        return live

    def _heard(
        self, caller: PhoneCaller, flow: Flow, snapshot: RoutingSnapshot, now_s: float
    ) -> None:
        """A caller's phone is there, whatever the probes say."""
        account = snapshot.accounts.get(caller.account)
        user = None if account is None else account.users.get(caller.extension)
        if user is not None and user.login:
            self._probes.heard(user.login, flow, now_s)

    def _targets(self) -> TargetFinder:
        return TargetFinder(
            self._snapshots.current,
            self._registrar,
            self._live,
            flow_to=self._sip.flow_to,
            now_us=self._now_us,
            domain=self._settings.domain,
            advertised=self._settings.advertised,
            where=self._where,
            random_octets=self._random_octets,
        )

    def _responded(self, event: sip_events.ResponseReceived, now_s: float) -> None:
        owner = event.transaction.owner
        if type(owner) is Role:
            self._sip_side.responded(owner, event, now_s)
        elif type(owner) is UserSubscription:
            self._subscriptions.responded(owner, event, now_s)
        elif owner is not None:
            cast(OwnRequest, owner).responded(event, now_s)

    def _failed(self, event: sip_events.RequestFailed, now_s: float) -> None:
        owner = event.transaction.owner
        if type(owner) is Role:
            # One that timed out was silent before, and counted then.
            if owner.part == "branch" and event.cause == "transport":
                self._trunk_silent(owner.call.branches[owner.branch], "no connection")
            self._sip_side.failed(owner, event, now_s)
        elif type(owner) is UserSubscription:
            self._subscriptions.failed(owner, event, now_s)
        elif owner is not None:
            cast(OwnRequest, owner).failed(event, now_s)

    def _probe(self) -> None:
        self._probes.tick(self._now_s())
        self._sip.flush()

    def _tell(self, call_id: CallId, event: ev.Input) -> None:
        """An input from outside SIP: whatever it sends must be flushed by us."""
        live = self._calls.get(call_id)
        if live is None:
            return
        self._feed(live, event, self._now_s())
        self._sip.flush()

    def _feed(self, live: LiveCall, event: ev.Input, now_s: float) -> None:
        if type(event) is ev.BranchFailed:
            self._free_trunk(live.branches[event.branch])  # before the next one is looked for
        for action in live.machine.receive(event, now_s):
            _ACTIONS[type(action)](self, live, action, now_s)
        if self._watch.on:
            self._watch.call(live)
        self._media_side.flush()

    def _perform(self, live: LiveCall, now_s: float) -> None:
        """Carry out what a machine has to do without an input."""
        for action in live.machine.take_actions():
            _ACTIONS[type(action)](self, live, action, now_s)
        if self._watch.on:
            self._watch.call(live)
        self._media_side.flush()

    def _onward(self, live: LiveCall, user: PhoneCaller, dialled: str) -> Plan:
        """Where a number leads that a user's phone sends a call on to; accounts that the call
        reaches there get records too."""
        snapshot = self._snapshots.current
        plan = self._admission.onward(user, dialled, snapshot, self._now_us())
        live.currencies.update(_currencies(plan, snapshot))
        return plan

    # --- actions ----------------------------------------------------------------------------------

    def _answer_caller(self, live: LiveCall, action: ev.AnswerCaller, now_s: float) -> None:
        self._sip_side.answer_caller(live, action, now_s)
        if action.status == 200:
            self._live.answered(live.machine.id, live.plan, self._wall_us(live, now_s))

    def _launch(self, live: LiveCall, action: ev.Launch, now_s: float) -> None:
        self._sip_side.launch(live, action, now_s)
        trunk = action.target.trunk
        if trunk is not None:
            # The next address of a trunk has the channel of the one that is silent.
            for earlier in live.branches:
                if earlier.trunk == trunk and earlier.dialog is None:
                    self._free_trunk(earlier)
            self._live.trunk_taken(trunk)
            self._live.trunks.began(trunk, self._wall_us(live, now_s))
            live.branches[action.branch].on_trunk = True

    def _bye_branch(self, live: LiveCall, action: ev.ByeBranch, now_s: float) -> None:
        self._sip_side.bye_branch(live, action, now_s)
        self._free_trunk(live.branches[action.branch])

    def _free_trunk(self, branch: BranchLeg) -> None:
        if branch.on_trunk and branch.trunk is not None:
            branch.on_trunk = False
            self._live.trunk_freed(branch.trunk)
            if branch.tx is not None and branch.tx.final_status:
                remote = branch.target.flow.remote
                self._live.trunks.answered(branch.trunk, remote, self._now_us())

    def _allocate(self, live: LiveCall, action: ev.AllocateMedia, now_s: float) -> None:
        self._media_side.allocate(live.machine.id, action)

    def _media(self, live: LiveCall, action: ev.Media, now_s: float) -> None:
        self._media_side.command(action)

    def _release(self, live: LiveCall, action: ev.ReleaseMedia, now_s: float) -> None:
        self._media_side.release(live.machine.id)

    def _hold(self, live: LiveCall, action: ev.HoldCredit, now_s: float) -> None:
        request = hold_request(
            live.machine,
            action.hold,
            action.payment,
            started_us=live.started_us,
            now_us=self._wall_us(live, now_s),
            currencies=live.currencies,
        )
        self._credit.hold(live.machine.id, request)

    def _extend(self, live: LiveCall, action: ev.ExtendCredit, now_s: float) -> None:
        charge = live.machine.charges[action.hold]
        account = self._snapshots.current.accounts.get(charge.payment.account)
        why = why_stopped(account, incoming=charge.is_incoming)
        if why is None:
            self._credit.extend(live.machine.id, charge)
        else:
            self._feed(live, ev.CreditDenied(charge.hold, why, blocked=True), now_s)

    def _mark_answered(self, live: LiveCall, action: ev.MarkAnswered, now_s: float) -> None:
        self._credit.answered(action.holds, self._wall_us(live, now_s))

    def _void(self, live: LiveCall, action: ev.VoidCredit, now_s: float) -> None:
        self._credit.void(action.hold)

    def _move(self, live: LiveCall, action: ev.MoveCredit, now_s: float) -> None:
        self._credit.moved(
            moved(
                live.machine,
                action.hold,
                started_us=live.started_us,
                currencies=live.currencies,
            )
        )

    def _set_timer(self, live: LiveCall, action: ev.SetTimer, now_s: float) -> None:
        if action.name == ALL_TIMERS:
            for timer in live.timers.values():
                self._timers.cancel(timer)
            live.timers.clear()
            return
        name, at_s = action
        if name in live.timers:
            self._timers.cancel(live.timers.pop(name))
        if at_s is not None:
            live.timers[name] = self._timers.schedule(at_s, (live, name))
            self._arm(at_s, now_s)

    def _settle(self, live: LiveCall, action: ev.Settle, now_s: float) -> None:
        machine = live.machine
        self._credit.settle(
            settlement(machine, started_us=live.started_us, currencies=live.currencies),
            # Balance and reports have changed only then: the boards look once more.
            partial(self._live.changed_all, live.currencies),
        )
        del self._calls[machine.id]
        decrease(self._per_source, live.caller.flow.remote.host)
        self._live.ended(machine.id, live.plan)
        for branch in live.branches:
            self._free_trunk(branch)
        if live.caller.trunk is not None:
            self._live.trunk_freed(live.caller.trunk)

    def _wall_us(self, live: LiveCall, now_s: float) -> int:
        return live.started_us + round((now_s - live.machine.started_s) * 1_000_000)

    # --- time -------------------------------------------------------------------------------------

    def _arm(self, deadline_s: float, now_s: float) -> None:
        """Keep one reactor timer, for the earliest deadline; one that fires early does no harm."""
        if self._timer is not None:
            if self._timer_at_s <= deadline_s:
                return
            self._timer.cancel()
        self._timer_at_s = deadline_s
        self._timer = self._reactor.callLater(max(0.0, deadline_s - now_s), self._timers_due)

    def _timers_due(self) -> None:
        self._timer = None
        now_s = max(self._now_s(), self._timer_at_s)
        while (due := self._timers.pop_due(now_s)) is not None:
            live, name = due
            live.timers.pop(name, None)
            if name.startswith(SIP_TIMERS):
                self._sip_side.timer_fired(live, name, now_s)
            elif name == SILENCE and self._sip_side.is_silent(live):
                self._trunk_silent(live.branches[-1], "a call got no answer")
                self._feed(live, ev.TimerFired(name), now_s)
            elif name != SILENCE:
                self._feed(live, ev.TimerFired(name), now_s)
        self._sip.flush()
        deadline_s = self._timers.next_deadline_s()
        if deadline_s is not None:
            self._arm(deadline_s, now_s)

    def _trunk_silent(self, branch: BranchLeg, error: str) -> None:
        if branch.target.trunk is not None:
            remote = branch.target.flow.remote
            self._live.trunks.silent(branch.target.trunk, remote, error, self._now_us())

    def _media_seen(self, calls: Iterable[CallId]) -> None:
        for call_id in calls:
            live = self._calls.get(call_id)
            if live is not None:
                live.media_seen = True
                live.media_ever = True

    def _journal(self) -> None:
        """Every ``SEEN_INTERVAL_S``: which answered calls are still up (rule 22). A call that had
        RTP counts while RTP comes; one that never had any counts while it stands."""
        holds: list[str] = []
        for live in self._calls.values():
            if live.machine.state in UP and (live.media_seen or not live.media_ever):
                holds.extend(live.machine.charges.running())
            live.media_seen = False
        self._credit.seen(holds, self._now_us())


def _currencies(plan: Plan, snapshot: RoutingSnapshot) -> dict[AccountId, str]:
    """That of every account that may get a record."""
    tried = [step for step in plan.steps if not isinstance(step, Refuse)]
    joining = [record for step in tried for record in step.joins]
    accounts = {record.account for record in (*plan.records, *joining)}
    return {account: snapshot.accounts[account].currency for account in accounts}


def _journal_payment(plan: Plan, currencies: Mapping[AccountId, str]) -> Payment | None:
    """The zero row under which a call that nobody pays for is journaled."""
    if plan.free is not None or not plan.records:
        return plan.free
    account = plan.records[0].account
    return Payment(account, free_rate(INTERNAL, currencies[account]))


# Any: each function takes its own member of the union that the key names.
_SIP_EVENTS: dict[type, Callable[[CallService, Any, float], None]] = {
    sip_events.RequestReceived: CallService._request,
    sip_events.AckReceived: lambda self, event, now_s: self._sip_side.acked(event, now_s),
    sip_events.AckTimedOut: lambda self, event, now_s: self._sip_side.ack_timed_out(event, now_s),
    sip_events.CancelReceived: lambda self, event, now_s: self._sip_side.cancelled(event, now_s),
    sip_events.ResponseReceived: CallService._responded,
    sip_events.RequestFailed: CallService._failed,
}

_ACTIONS: dict[type, Callable[[CallService, LiveCall, Any, float], None]] = {
    ev.AllocateMedia: CallService._allocate,
    ev.Media: CallService._media,
    ev.ReleaseMedia: CallService._release,
    ev.HoldCredit: CallService._hold,
    ev.ExtendCredit: CallService._extend,
    ev.MarkAnswered: CallService._mark_answered,
    ev.VoidCredit: CallService._void,
    ev.MoveCredit: CallService._move,
    ev.AnswerCaller: CallService._answer_caller,
    ev.Launch: CallService._launch,
    ev.CancelBranch: lambda self, live, a, now_s: self._sip_side.cancel_branch(live, a, now_s),
    ev.AckBranch: lambda self, live, a, now_s: self._sip_side.ack_branch(live, a, now_s),
    ev.ByeBranch: CallService._bye_branch,
    ev.ByeCaller: lambda self, live, a, now_s: self._sip_side.bye_caller(live, a, now_s),
    ev.SendReoffer: lambda self, live, a, now_s: self._sip_side.reoffers.send(live, a, now_s),
    ev.AnswerReoffer: lambda self, live, a, now_s: self._sip_side.reoffers.answer(live, a, now_s),
    ev.AckReoffer: lambda self, live, a, now_s: self._sip_side.reoffers.ack(live, a, now_s),
    ev.TellTransfer: lambda self, live, a, now_s: self._sip_side.transfers.tell(live, a, now_s),
    ev.SetTimer: CallService._set_timer,
    ev.Settle: CallService._settle,
}
