"""One call through the switch as a machine: ``TABLE`` is all it does (DESIGN 3).

Inputs and ``now_s`` go in, actions come out; nothing here waits, sends or reads a clock. Every slow
thing (credit, media ports, the phones) is an action whose result comes back as an input, so CANCEL,
BYE and timeouts may come in any state.

    PREPARING   ports and credit are asked for
    DIALLING    branches are out; the caller hears ringing or early media
    TALKING     one branch answered
    ENDING      everyone was told; the ports' statistics are awaited
    ENDED       settled; only stragglers come
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

from rtp.messages import LegStatistics, PlayTone
from sip.errors import RemoteError
from softswitch.call import events as ev
from softswitch.call import failover
from softswitch.call.branches import Branch, Branches, BranchState
from softswitch.call.charging import CUT, INCOMING, RENEW, WARN, Charge, Charges
from softswitch.call.media_session import CALLER_LEG, Caller, MediaSession
from softswitch.call.reoffer import Reoffer
from softswitch.ids import CallId
from softswitch.routing.plan import DialTrunks, Payment, Plan, Refuse, RingUser, Step

TRUNK_SILENCE_S = 4.0  # a carrier that has not even said 100 Trying by then is taken as dead
WARNING_TONE_S = 1.0
# Ports and credit take milliseconds; a store that is away is waited for some seconds. Beyond, a
# worker or a disk hangs: the caller is told, and an ended call is settled without statistics.
PREPARE_MAX_S = 15.0
RELEASE_MAX_S = 10.0
SILENCE = "silence"  # fires only if not even 100 Trying came from the latest branch
ALL_TIMERS = ""  # the name that stands for every timer of the call


class State(Enum):
    """Where the call stands; see the head of this file."""

    PREPARING = "preparing"
    DIALLING = "dialling"
    TALKING = "talking"
    ENDING = "ending"
    ENDED = "ended"


class Directory(Protocol):
    """Where a step's branches go, as things stand now."""

    def targets(self, step: RingUser | DialTrunks) -> Sequence[ev.Target]:
        """All contacts of a user, or a target per trunk that has room, in order."""

    def obstacle(self, target: ev.Target) -> str | None:
        """Why a trunk of the step cannot be tried when its turn comes; ``None`` when it can."""

    def media_host(self, local_host: str) -> str:
        """The address that SDP shows for a local one (``sip.advertised_address``)."""


class Call:
    """The machine. ``receive`` is the only way in; it returns what is to be done, in order.

    ``offer``: the SDP of the caller's INVITE, empty for a delayed offer. ``journal``: the free
    payment under which a call that nobody pays for is journaled (billing rule 22).
    """

    def __init__(
        self,
        call_id: CallId,
        plan: Plan,
        offer: bytes,
        caller: Caller,
        directory: Directory,
        *,
        journal: Payment | None,
        now_s: float,
        call_max_s: float,
    ) -> None:
        self.id = call_id
        self.plan = plan
        self.offer = offer
        self.state = State.PREPARING
        self.trace = list(plan.trace)
        self.records = list(plan.records)
        self.branches = Branches()
        self.answered: Branch | None = None
        self.charges = Charges(call_id)
        self.statistics: tuple[LegStatistics, ...] = ()
        self.cause = "failed"
        self.hangup_by = "switch"
        self.status = 0
        self.started_s = now_s
        self.answered_s: float | None = None
        self.ended_s: float | None = None
        self._directory = directory
        self._journal_as = journal
        self._call_max_s = call_max_s
        self._actions: list[ev.Action] = []
        self._step = -1
        self._waiting: set[str] = set()
        self._targets: list[ev.Target] = []
        self._media = MediaSession(call_id, caller, directory.media_host)
        self._rang = 0
        self._reoffer: Reoffer | None = None
        self._owes_ack = False  # the callee's offer is answered by the caller's ACK (delayed offer)

    # --- the way in -------------------------------------------------------------------------------

    def receive(self, event: ev.Input, now_s: float) -> list[ev.Action]:
        """Feed one input. A pair that is not in ``TABLE`` changes nothing: it is late or crossed
        something that was decided already."""
        step = TABLE.get((self.state, type(event)))
        if step is not None:
            step(self, event, now_s)
        actions, self._actions = self._actions, []
        return actions

    def _do(self, *actions: ev.Action) -> None:
        self._actions.extend(actions)

    # --- preparing --------------------------------------------------------------------------------

    def _begin(self, event: ev.Invited, now_s: float) -> None:
        if self.offer:
            try:
                self._media.read("a", self.offer)
            except RemoteError as error:
                return self._refuse(error.status_hint, "rejected", str(error), now_s)
        if self.plan.incoming is not None:
            self._hold(INCOMING, self.plan.incoming)
        return self._next_step(480, now_s)

    def _next_step(self, status: int, now_s: float) -> None:
        """Prepare the next step that can be tried; ``status`` is how the one before it failed."""
        while True:
            self._step += 1
            if self._step >= len(self.plan.steps):
                cause = failover.cause_of(status)
                if cause in failover.SAID_BY_CALLEE:
                    self.hangup_by = "callee"
                return self._refuse(failover.caller_status(status), cause, "", now_s)
            step = self.plan.steps[self._step]
            if isinstance(step, Refuse):  # routing has written its reason into the trace
                return self._refuse(step.status, step.cause, step.reason, now_s, traced=True)
            self._targets = list(self._directory.targets(step))
            if self._targets:
                return self._prepare(step, now_s)
            status = 503 if isinstance(step, DialTrunks) else 480
            self.trace.append(f"{_name(step)}: nothing to call, {status}")

    def _prepare(self, step: RingUser | DialTrunks, now_s: float) -> None:
        self.state = State.PREPARING
        self.records.extend(step.joins)
        payment = step.payment if isinstance(step, DialTrunks) else None
        if payment is not None:
            self._hold(str(self._step), payment)
        self._allocate()
        if self._waiting:
            self._do(ev.SetTimer("step", now_s + PREPARE_MAX_S))
        else:
            self._launch_step(now_s)

    def _hold(self, part: str, payment: Payment) -> None:
        hold = self.charges.hold(part, payment)
        self._waiting.add(hold.hold)
        self._do(hold)

    def _allocate(self) -> None:
        asked = self._media.allocate(target.flow.local.host for target in self._targets)
        if asked:
            self._waiting.add("media")
            self._do(*asked)

    def _media_ready(self, event: ev.MediaReady, now_s: float) -> None:
        self._media.opened(event.legs)
        self._prepared("media", now_s)

    def _media_refused(self, event: ev.MediaRefused, now_s: float) -> None:
        self.trace.append(f"no media ports: {event.reason}")
        self._refuse(503, "failed", event.reason, now_s)

    def _not_prepared(self, event: ev.TimerFired, now_s: float) -> None:
        missing = "media ports" if "media" in self._waiting else "the store"
        self._refuse(503, "failed", f"{missing} did not answer in {PREPARE_MAX_S:g} s", now_s)

    def _credit_held(self, event: ev.CreditHeld, now_s: float) -> None:
        self.charges[event.hold].granted(event.micros)
        self._prepared(event.hold, now_s)

    def _prepared(self, what: str, now_s: float) -> None:
        self._waiting.discard(what)
        if not self._waiting:
            self._launch_step(now_s)

    def _credit_denied(self, event: ev.CreditDenied, now_s: float) -> None:
        charge = self.charges.pop(event.hold)
        self._waiting.discard(event.hold)
        self.trace.append(f"credit refused for account {charge.payment.account}: {event.reason}")
        if event.failed:
            return self._refuse(503, "failed", event.reason, now_s)
        if charge.is_incoming:
            return self._refuse(480, "no_credit", event.reason, now_s)
        if self._step + 1 < len(self.plan.steps):
            return self._next_step(402, now_s)
        return self._refuse(402, "no_credit", event.reason, now_s)

    # --- dialling ---------------------------------------------------------------------------------

    def _launch_step(self, now_s: float) -> None:
        self.state = State.DIALLING
        step = self.plan.steps[self._step]
        assert not isinstance(step, Refuse)
        self._do(ev.SetTimer("step", now_s + step.timeout_s))
        if isinstance(step, RingUser):
            for target in self._targets:
                self._launch(target, now_s)
        else:
            self._launch_trunk(now_s)

    def _launch_trunk(self, now_s: float) -> None:
        """Call the next trunk that may be called now."""
        while self._targets:
            target = self._targets.pop(0)
            obstacle = None if self._is_emergency() else self._directory.obstacle(target)
            if obstacle is None:
                self._launch(target, now_s)
                self._do(ev.SetTimer(SILENCE, now_s + TRUNK_SILENCE_S))
                return
            self.trace.append(f"{target.name} left out: {obstacle}")
        self._step_failed(now_s)

    def _is_emergency(self) -> bool:
        step = self.plan.steps[self._step]
        return isinstance(step, DialTrunks) and step.emergency

    def _launch(self, target: ev.Target, now_s: float) -> None:
        branch = self.branches.start(self._step, target, now_s)
        self._do(ev.Launch(branch.number, target, self._media.shown(self.offer, branch.leg)))

    def _branch_rang(self, event: ev.BranchRang, now_s: float) -> None:
        branch = self.branches[event.branch]
        if branch.state is not BranchState.CALLING:
            return
        if branch.rang_s is None:
            branch.rang_s = now_s
            self._do(ev.SetTimer(SILENCE, None))
        # Several phones ring: whose early media would it be? The caller hears its own ringing.
        if (
            event.sdp
            and self.offer
            and len(self.branches.live()) == 1
            and self._hear(branch, event)
        ):
            self._do(ev.AnswerCaller(event.status, self._media.shown(event.sdp, CALLER_LEG)))
        elif event.status != self._rang:
            self._do(ev.AnswerCaller(180 if event.sdp else event.status))
        self._rang = event.status

    def _hear(self, branch: Branch, event: ev.BranchRang) -> bool:
        """Early media: connect the branch's ports. An SDP that we cannot read is not worth ending
        the call for; the answer will tell."""
        try:
            self._media.read("b", event.sdp)
        except RemoteError:
            return False
        self._connect(branch)
        return True

    def _connect(self, branch: Branch) -> None:
        host, talking = branch.target.flow.remote.host, self.state is State.TALKING
        self._do(*self._media.connect(branch.leg, host, talking=talking))

    def _branch_failed(self, event: ev.BranchFailed, now_s: float) -> None:
        branch = self.branches[event.branch]
        branch.ended_s = now_s
        if branch.state is not BranchState.CALLING:
            return None
        branch.state, branch.status = BranchState.FAILED, event.status
        self.trace.append(f"{branch.target.name}: {event.status} {event.reason}".rstrip())
        if self._targets and self._is_trunk_step() and failover.tries_next_trunk(event.status):
            return self._launch_trunk(now_s)
        if event.status >= 600:
            self._do(*self.branches.cancel())
        if not self.branches.live():
            return self._step_failed(now_s)
        return None

    def _is_trunk_step(self) -> bool:
        return isinstance(self.plan.steps[self._step], DialTrunks)

    def _step_failed(self, now_s: float) -> None:
        status = self.branches.failure(self._step, on_trunks=self._is_trunk_step())
        self._do(ev.SetTimer("step", None), ev.SetTimer(SILENCE, None))
        if self._step + 1 < len(self.plan.steps):
            self._do(*self.charges.void(str(self._step)))
        self._next_step(status, now_s)

    def _dialling_timer(self, event: ev.TimerFired, now_s: float) -> None:
        if event.name == SILENCE:
            self._trunk_silent(now_s)
        else:
            self._step_timed_out(now_s)

    def _step_timed_out(self, now_s: float) -> None:
        self.trace.append(f"{_name(self.plan.steps[self._step])}: no answer in time")
        self._do(*self.branches.cancel(480))
        self._step_failed(now_s)

    def _trunk_silent(self, now_s: float) -> None:
        """No response at all: cancel (a late 200 is ended at once) and try the next one."""
        for branch in self.branches.live():
            self.trace.append(f"{branch.target.name}: silent for {TRUNK_SILENCE_S:g} s")
        self._do(*self.branches.cancel(503))
        if self._targets:
            self._launch_trunk(now_s)
        else:
            self._step_failed(now_s)

    def _caller_cancelled(self, event: ev.CallerCancelled, now_s: float) -> None:
        self.hangup_by = "caller"
        self._refuse(487, "cancelled", event.reason, now_s)

    # --- answer -----------------------------------------------------------------------------------

    def _branch_answered(self, event: ev.BranchAnswered, now_s: float) -> None:
        branch = self.branches[event.branch]
        if branch.state is not BranchState.CALLING:
            return self._late_answer(event, now_s)
        try:
            self._media.read("b", event.sdp)
        except RemoteError as error:
            self._late_answer(event, now_s)
            status = failover.answer_status(error.status_hint)
            return self._branch_failed(ev.BranchFailed(event.branch, status, str(error)), now_s)
        branch.state, branch.status = BranchState.ANSWERED, 200
        branch.answered_s = self.answered_s = now_s
        self.answered = branch
        self.trace.append(f"{branch.target.name}: answered")
        self._do(*self.branches.cancel(elsewhere=True))
        self.state = State.TALKING
        self._connect(branch)
        if self.offer:
            self._do(ev.AckBranch(branch.number))
        self._owes_ack = not self.offer
        self._do(ev.AnswerCaller(200, self._media.shown(event.sdp, CALLER_LEG)))
        return self._start_talking(now_s)

    def _start_talking(self, now_s: float) -> None:
        self._do(
            ev.SetTimer("step", None),
            ev.SetTimer(SILENCE, None),
            ev.SetTimer("max", now_s + self._call_max_s),
        )
        self._do(*self.charges.answer(self._journal_as, now_s))

    def _late_answer(self, event: ev.BranchAnswered, now_s: float) -> None:
        self._do(ev.AckBranch(event.branch), ev.ByeBranch(event.branch, "answered too late"))
        self.branches[event.branch].ended_s = now_s

    def _caller_acked(self, event: ev.CallerAcked, now_s: float) -> None:
        """Only a delayed offer has something to do here: the answer is in the caller's ACK."""
        if not self._owes_ack or self.answered is None:
            return
        try:
            self._media.read("a", event.sdp)
        except RemoteError as error:
            self._end("switch", "answered", str(error), now_s)
            return
        self._owes_ack = False
        self._do(*self._media.update())
        answer = self._media.shown(event.sdp, self.answered.leg)
        self._do(ev.AckBranch(self.answered.number, answer))

    # --- re-INVITE --------------------------------------------------------------------------------

    def _reoffered(self, event: ev.Reoffered, now_s: float) -> None:
        if self._reoffer is not None:
            self._do(ev.AnswerReoffer(event.side, 491, b"", "another change is under way"))
            return
        reoffer = Reoffer(event.side, event.sdp, self._media)
        try:
            self._do(reoffer.pass_on())
        except RemoteError as error:
            self._do(ev.AnswerReoffer(event.side, error.status_hint, b"", str(error)))
            return
        self._reoffer = reoffer

    def _reoffer_answered(self, event: ev.ReofferAnswered, now_s: float) -> None:
        reoffer = self._reoffer
        if reoffer is None:
            return
        self._do(*reoffer.answered(event))
        if reoffer.over:
            self._reoffer = None
        if event.status in (408, 481):  # RFC 3261 12.2.1.2: that dialog is gone
            by = "callee" if reoffer.other == "b" else "caller"
            self._end(by, "answered", event.reason, now_s)

    def _reoffer_acked(self, event: ev.ReofferAcked, now_s: float) -> None:
        if self._reoffer is None:
            return
        try:
            self._do(*self._reoffer.acked(event.sdp))
        except RemoteError as error:
            self._end("switch", "answered", str(error), now_s)
            return
        self._reoffer = None

    # --- money while talking ----------------------------------------------------------------------

    def _extended(self, event: ev.CreditHeld, now_s: float) -> None:
        charge = self.charges.get(event.hold)
        if charge is None:
            self._do(ev.VoidCredit(event.hold))
        else:
            self._do(*charge.extended(event.micros, now_s))

    def _not_extended(self, event: ev.CreditDenied, now_s: float) -> None:
        charge = self.charges.get(event.hold)
        if charge is not None:
            self._do(*charge.not_extended(event, now_s))

    def _timer_fired(self, event: ev.TimerFired, now_s: float) -> None:
        name, _, hold = event.name.partition(" ")
        if name == "max":
            self._end("switch", "answered", "the longest call allowed is over", now_s)
        elif hold in self.charges:
            _CHARGE_TIMERS[name](self, self.charges[hold], now_s)

    def _renew(self, charge: Charge, now_s: float) -> None:
        self._do(ev.ExtendCredit(charge.hold, charge.payment))

    def _warn(self, charge: Charge, now_s: float) -> None:
        leg = self._media.leg("b" if charge.is_incoming else "a")
        self._do(ev.Media(PlayTone(self.id, leg, "warning", WARNING_TONE_S)))

    def _cut(self, charge: Charge, now_s: float) -> None:
        if charge.blocked:
            return self._end("switch", "blocked", charge.blocked, now_s)
        return self._end("switch", "credit_exhausted", "the balance is used up", now_s)

    # --- the end ----------------------------------------------------------------------------------

    def _hung_up(self, event: ev.HungUp, now_s: float) -> None:
        by = "caller" if event.side == "a" else "callee"
        self._end(by, "answered", event.reason, now_s, gone=event.side)

    def _ack_missing(self, event: ev.AckMissing, now_s: float) -> None:
        self._end("switch", "answered", f"no ACK from side {event.side}", now_s)

    def _media_silent(self, event: ev.MediaSilent, now_s: float) -> None:
        side = "caller" if event.leg == "a" else "called side"
        self._end("switch", "answered", f"no media from the {side}", now_s)

    def _media_gone(self, event: ev.MediaGone, now_s: float) -> None:
        self._media.allocated = False
        reason = "the media worker of this call died"
        if self.state is State.TALKING:
            self._end("switch", "failed", reason, now_s)
        else:
            self._refuse(503, "failed", reason, now_s)

    def _shut_down(self, event: ev.Shutdown, now_s: float) -> None:
        reason = "the switch is shutting down"
        if self.state is State.TALKING:
            self._end("switch", "answered", reason, now_s)
        else:
            self._refuse(503, "failed", reason, now_s)

    def _refuse(
        self, status: int, cause: str, reason: str, now_s: float, *, traced: bool = False
    ) -> None:
        """End a call that was not answered."""
        self.status, self.cause = status, cause
        if not traced:
            self.trace.append(f"refused with {status}: {reason or cause}")
        self._do(*self.branches.cancel(), ev.AnswerCaller(status, b"", reason))
        self._close(now_s)

    def _end(
        self, by: str, cause: str, reason: str, now_s: float, *, gone: ev.Side | None = None
    ) -> None:
        """End an answered call; ``gone`` is the side that needs no BYE."""
        assert self.answered is not None
        self.hangup_by, self.cause, self.status = by, cause, 200
        self.trace.append(f"ended by the {by}" + (f": {reason}" if reason else ""))
        self.charges.end(now_s)
        self.answered.ended_s = now_s
        self._finish_offers()
        if gone != "a":
            self._do(ev.ByeCaller(reason))
        if gone != "b":
            self._do(ev.ByeBranch(self.answered.number, reason))
        self._close(now_s)

    def _finish_offers(self) -> None:
        """What was still being agreed on: each 2xx gets its ACK all the same (13.2.2.4)."""
        if self._owes_ack and self.answered is not None:
            self._do(ev.AckBranch(self.answered.number))
        if self._reoffer is not None:
            self._do(*self._reoffer.abandon())

    def _close(self, now_s: float) -> None:
        self.ended_s = now_s
        self._do(ev.SetTimer(ALL_TIMERS, None))
        if self._media.allocated:
            self.state = State.ENDING
            self._do(ev.ReleaseMedia(), ev.SetTimer("release", now_s + RELEASE_MAX_S))
        else:
            self._settle()

    def _media_closed(self, event: ev.MediaClosed, now_s: float) -> None:
        self.statistics = event.legs
        self._do(ev.SetTimer("release", None))
        self._settle()

    def _settle_without_media(self, event: ev.MediaGone | ev.TimerFired, now_s: float) -> None:
        self._do(ev.SetTimer("release", None))
        self._settle()

    def _settle(self) -> None:
        self.state = State.ENDED
        self._do(ev.Settle())

    # --- stragglers -------------------------------------------------------------------------------

    def _late_reoffer(self, event: ev.Reoffered, now_s: float) -> None:
        self._do(ev.AnswerReoffer(event.side, 481, b"", "the call has ended"))

    def _late_reoffer_answer(self, event: ev.ReofferAnswered, now_s: float) -> None:
        if self._reoffer is not None and 200 <= event.status < 300:
            self._do(ev.AckReoffer(self._reoffer.other))


def _name(step: Step) -> str:
    if isinstance(step, RingUser):
        return f"user {step.extension}"
    return f"number {step.number}" if isinstance(step, DialTrunks) else "refusal"


_CHARGE_TIMERS: dict[str, Callable[[Call, Charge, float], None]] = {
    RENEW: Call._renew,
    WARN: Call._warn,
    CUT: Call._cut,
}

_P, _D, _T, _E, _X = State.PREPARING, State.DIALLING, State.TALKING, State.ENDING, State.ENDED

# Every pair that does something; all others are stragglers and change nothing.
TABLE: dict[tuple[State, type[ev.Input]], Callable[[Call, Any, float], None]] = {
    # caller
    (_P, ev.Invited): Call._begin,
    (_P, ev.CallerCancelled): Call._caller_cancelled,
    (_D, ev.CallerCancelled): Call._caller_cancelled,
    (_T, ev.CallerAcked): Call._caller_acked,
    (_T, ev.AckMissing): Call._ack_missing,
    (_T, ev.HungUp): Call._hung_up,
    # credit
    (_P, ev.CreditHeld): Call._credit_held,
    (_P, ev.CreditDenied): Call._credit_denied,
    (_T, ev.CreditHeld): Call._extended,
    (_T, ev.CreditDenied): Call._not_extended,
    # media
    (_P, ev.MediaReady): Call._media_ready,
    (_P, ev.MediaRefused): Call._media_refused,
    (_P, ev.MediaGone): Call._media_gone,
    (_D, ev.MediaGone): Call._media_gone,
    (_T, ev.MediaGone): Call._media_gone,
    (_E, ev.MediaGone): Call._settle_without_media,
    (_T, ev.MediaSilent): Call._media_silent,
    (_E, ev.MediaClosed): Call._media_closed,
    # branches
    (_D, ev.BranchRang): Call._branch_rang,
    (_D, ev.BranchAnswered): Call._branch_answered,
    (_P, ev.BranchAnswered): Call._late_answer,
    (_T, ev.BranchAnswered): Call._late_answer,
    (_E, ev.BranchAnswered): Call._late_answer,
    (_X, ev.BranchAnswered): Call._late_answer,
    (_D, ev.BranchFailed): Call._branch_failed,
    # re-INVITE
    (_T, ev.Reoffered): Call._reoffered,
    (_T, ev.ReofferAnswered): Call._reoffer_answered,
    (_T, ev.ReofferAcked): Call._reoffer_acked,
    (_E, ev.Reoffered): Call._late_reoffer,
    (_X, ev.Reoffered): Call._late_reoffer,
    (_E, ev.ReofferAnswered): Call._late_reoffer_answer,
    (_X, ev.ReofferAnswered): Call._late_reoffer_answer,
    # time and the end
    (_P, ev.TimerFired): Call._not_prepared,
    (_E, ev.TimerFired): Call._settle_without_media,
    (_D, ev.TimerFired): Call._dialling_timer,
    (_T, ev.TimerFired): Call._timer_fired,
    (_P, ev.Shutdown): Call._shut_down,
    (_D, ev.Shutdown): Call._shut_down,
    (_T, ev.Shutdown): Call._shut_down,
}
