"""One call through the switch as a machine: ``TABLE`` is all it does (DESIGN 3).

Inputs and ``now_s`` go in, actions come out; nothing here waits, sends or reads a clock. Every slow
thing (credit, media ports, the phones) is an action whose result comes back as an input, so CANCEL,
BYE and timeouts may come in any state.

    DIALLING      the plan is tried (``dialling.py``); the caller hears ringing or early media
    TALKING       two sides are connected: at first the caller ("a") and the branch that answered
                  ("b"); transfers put other branches in their places
    TRANSFERRING  they still are, while another party is dialled for one of them
    TAKING_OVER   the caller takes the place of another phone; the other party is asked
    ENDING        everyone was told; the ports' statistics are awaited
    ENDED         settled; only stragglers come
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from rtp.messages import LegStatistics, PlayTone, SendDigits
from sip.errors import RemoteError
from softswitch.call import events as ev
from softswitch.call import failover, takeover, transfers
from softswitch.call.branches import Branch, Branches, BranchState
from softswitch.call.charging import CUT, INCOMING, RENEW, WARN, Charge, Charges
from softswitch.call.dialling import FIRST, SILENCE, STEP, Dialling, Directory, Names, Unreached
from softswitch.call.key_presses import INFO, KeyPresses
from softswitch.call.media_session import CALLER_LEG, Caller, MediaSession
from softswitch.call.reoffer import Reoffer
from softswitch.call.resync import RETRY_S, Resync
from softswitch.call.transfers import Transfer
from softswitch.ids import CallId
from softswitch.routing.plan import Payment, Plan

WARNING_TONE_S = 1.0
RELEASE_MAX_S = 10.0  # an ended call whose worker hangs is settled without statistics
RESYNC = "resync"  # a re-INVITE of ours is to be tried again
ALL_TIMERS = ""  # the name that stands for every timer of the call


class State(Enum):
    """Where the call stands; see the head of this file."""

    DIALLING = "dialling"
    TALKING = "talking"
    TRANSFERRING = "transferring"
    TAKING_OVER = "taking over"
    ENDING = "ending"
    ENDED = "ended"


UP = (State.TALKING, State.TRANSFERRING)


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
        self.state = State.DIALLING
        self.trace = list(plan.trace)
        self.records = list(plan.records)
        self.branches = Branches()
        self.parties: dict[ev.Side, Branch | None] = {"a": None}  # None: the caller
        self.charges = Charges(call_id)
        self.statistics: tuple[LegStatistics, ...] = ()
        self.cause = "failed"
        self.hangup_by = "switch"
        self.status = 0
        self.started_s = now_s
        self.answered_s: float | None = None
        self.ended_s: float | None = None
        self.caller_ended_s: float | None = None  # it left a call that went on
        self._directory = directory
        self._journal_as = journal
        self._call_max_s = call_max_s
        self._actions: list[ev.Action] = []
        self.media = MediaSession(call_id, caller, directory.media_host, directory.new_key)
        self.dialling = self.dial(plan, offer)
        self._rang = 0
        self._keys = KeyPresses()
        self._reoffer: Reoffer | None = None  # a side's change
        self._resync: Resync | None = None  # one of ours
        self.transfer: Transfer | None = None
        self._transfers = 0
        self._owes_ack = False  # the callee's offer is answered by the caller's ACK (delayed offer)

    # --- the way in -------------------------------------------------------------------------------

    def receive(self, event: ev.Input, now_s: float) -> list[ev.Action]:
        """Feed one input. A pair that is not in ``TABLE`` changes nothing: it is late or crossed
        something that was decided already."""
        step = TABLE.get((self.state, type(event)))
        if step is not None:
            step(self, event, now_s)
        return self.take_actions()

    def take_actions(self) -> list[ev.Action]:
        """What is to be done since the last call, in order."""
        actions, self._actions = self._actions, []
        return actions

    def do(self, *actions: ev.Action) -> None:
        """Add to what is to be done."""
        self._actions.extend(actions)

    def dial(self, plan: Plan, offer: bytes, names: Names = FIRST) -> Dialling:
        """A plan of this call, to be begun."""
        return Dialling(
            plan,
            offer,
            names=names,
            do=self.do,
            branches=self.branches,
            charges=self.charges,
            media=self.media,
            directory=self._directory,
            records=self.records,
            trace=self.trace,
        )

    # --- dialling ---------------------------------------------------------------------------------

    def _begin(self, event: ev.Invited, now_s: float) -> None:
        if self.offer:
            try:
                self.media.read("a", self.offer)
            except RemoteError as error:
                return self._refuse(error.status_hint, "rejected", str(error), now_s)
        return self.go_on(self.dialling.begin(now_s), now_s)

    def go_on(self, unreached: Unreached | None, now_s: float) -> None:
        """The plan goes on, or has come to its end without an answer."""
        if unreached is None:
            return
        if self.transfer is not None:
            transfers.failed(self, self.transfer, unreached, now_s)
            return
        if unreached.said_by_callee:
            self.hangup_by = "callee"
        status, cause, reason, traced, _ = unreached
        self._refuse(status, cause, reason, now_s, traced=traced)

    def _media_ready(self, event: ev.MediaReady, now_s: float) -> None:
        self.go_on(self.dialling.media_ready(event, now_s), now_s)

    def _media_refused(self, event: ev.MediaRefused, now_s: float) -> None:
        self.go_on(self.dialling.media_refused(event), now_s)

    def _credit_held(self, event: ev.CreditHeld, now_s: float) -> None:
        self.go_on(self.dialling.credit_held(event, now_s), now_s)

    def credit_denied(self, event: ev.CreditDenied, now_s: float) -> None:
        self.go_on(self.dialling.credit_denied(event, now_s), now_s)

    def branch_failed(self, event: ev.BranchFailed, now_s: float) -> None:
        self.go_on(self.dialling.failed(event, now_s), now_s)

    def dialling_timer(self, event: ev.TimerFired, now_s: float) -> None:
        self.go_on(self.dialling.timer_fired(event, now_s), now_s)

    def _branch_rang(self, event: ev.BranchRang, now_s: float) -> None:
        branch = self.dialling.rang(event, now_s)
        if branch is None:
            return
        # Several phones ring: whose early media would it be? The caller hears its own ringing.
        if (
            event.sdp
            and self.offer
            and len(self.branches.live()) == 1
            and self._hear(branch, event)
        ):
            shown = self.media.shown(event.sdp, CALLER_LEG, answering=self.offer)
            self.do(ev.AnswerCaller(event.status, shown))
        elif event.status != self._rang:
            self.do(ev.AnswerCaller(180 if event.sdp else event.status))
        self._rang = event.status

    def _hear(self, branch: Branch, event: ev.BranchRang) -> bool:
        """Early media: connect the branch's ports. An SDP that we cannot read is not worth ending
        the call for; the answer will tell."""
        try:
            self.media.read_answer("b", event.sdp, branch)
        except RemoteError:
            return False
        self._connect(branch)
        return True

    def _connect(self, branch: Branch) -> None:
        self.do(*self.media.connect("b", branch, talking=self.state is State.TALKING))

    def _caller_cancelled(self, event: ev.CallerCancelled, now_s: float) -> None:
        self.hangup_by = "caller"
        self._refuse(487, "cancelled", event.reason, now_s)

    # --- answer -----------------------------------------------------------------------------------

    def _branch_answered(self, event: ev.BranchAnswered, now_s: float) -> None:
        branch = self.branches[event.branch]
        if branch.state is not BranchState.CALLING:
            return self.late_answer(event, now_s)
        try:
            if self.offer:
                self.media.read_answer("b", event.sdp, branch)
            else:
                self.media.read("b", event.sdp)
        except RemoteError as error:
            return self.answer_refused(event, error, now_s)
        self.accept(branch, now_s)
        self.answered_s = now_s
        self.parties["b"] = branch
        self.state = State.TALKING
        self._connect(branch)
        if self.offer:
            self.do(ev.AckBranch(branch.number))
        self._owes_ack = not self.offer
        shown = self.media.shown(event.sdp, CALLER_LEG, answering=self.offer)
        self.do(ev.AnswerCaller(200, shown))
        if how := self.media.transports():
            self.trace.append(how)
        return self._start_talking(now_s)

    def answer_refused(self, event: ev.BranchAnswered, error: RemoteError, now_s: float) -> None:
        """A 2xx with a description that we cannot carry."""
        self.late_answer(event, now_s)
        self.branches[event.branch].again = True  # it took the profile: another is no help
        status = failover.answer_status(error.status_hint)
        self.branch_failed(ev.BranchFailed(event.branch, status, str(error)), now_s)

    def accept(self, branch: Branch, now_s: float) -> None:
        """This branch is the one: take the others back."""
        branch.state, branch.status, branch.answered_s = BranchState.ANSWERED, 200, now_s
        self.trace.append(f"{branch.target.name}: answered")
        self.do(
            *self.branches.cancel(elsewhere=True),
            ev.SetTimer(STEP, None),
            ev.SetTimer(SILENCE, None),
        )

    def _start_talking(self, now_s: float) -> None:
        self.do(ev.SetTimer("max", now_s + self._call_max_s))
        self.do(*self.charges.answer(self._journal_as, now_s))

    def late_answer(self, event: ev.BranchAnswered, now_s: float) -> None:
        self.do(ev.AckBranch(event.branch), ev.ByeBranch(event.branch, "answered too late"))
        self.branches[event.branch].ended_s = now_s

    def _caller_acked(self, event: ev.CallerAcked, now_s: float) -> None:
        """Only a delayed offer has something to do here: the answer is in the caller's ACK."""
        branch = self.parties.get("b")
        if not self._owes_ack or branch is None:
            return
        try:
            self.media.read_answer("a", event.sdp)
        except RemoteError as error:
            self.end("switch", "answered", str(error), now_s)
            return
        self._owes_ack = False
        self.do(*self.media.update())
        offer = self.media.description("b")
        answer = self.media.shown(event.sdp, branch.leg, answering=offer)
        self.do(ev.AckBranch(branch.number, answer))

    # --- re-INVITE --------------------------------------------------------------------------------

    def _reoffered(self, event: ev.Reoffered, now_s: float) -> None:
        ours = self._resync is not None and self._resync.waiting
        if self._reoffer is not None or ours or self._owes_ack:
            self.do(ev.AnswerReoffer(event.side, 491, b"", "another change is under way"))
            return
        if self.transfer is not None and self.transfer.gone:
            self.do(ev.AnswerReoffer(event.side, 491, b"", "nobody is at the other side yet"))
            return
        asked = self.parties[ev.other_side(event.side)]
        reoffer = Reoffer(event.side, event.sdp, self.media, asked)
        try:
            self.do(reoffer.pass_on())
        except RemoteError as error:
            self.do(ev.AnswerReoffer(event.side, error.status_hint, b"", str(error)))
            return
        self._reoffer = reoffer

    def _reoffer_answered(self, event: ev.ReofferAnswered, now_s: float) -> None:
        if self._reoffer is not None:
            asked = self._reoffer.other
            if self.parties[asked] is not self._reoffer.asked:
                # Handed on meanwhile: what it says is no answer of who is there now.
                event = ev.ReofferAnswered(491, b"", "another party is at the other side now")
            self.do(*self._reoffer.answered(event))
            if self._reoffer.over:
                self._reoffer = None
        elif self._resync is not None:
            asked = self._resync.asked
            self._resync_answered(self._resync, event, now_s)
        else:
            return
        if event.status in (408, 481):  # RFC 3261 12.2.1.2: that dialog is gone
            self.end(ev.party_name(asked), "answered", event.reason, now_s)

    def _resync_answered(self, resync: Resync, event: ev.ReofferAnswered, now_s: float) -> None:
        self.do(*resync.answered(event))
        if resync.over:
            self._resync = None
        elif not resync.waiting:
            self.do(ev.SetTimer(RESYNC, now_s + RETRY_S))

    def start_resync(self, resync: Resync, now_s: float) -> None:
        """Show a side what it has not seen; a change that is under way comes first."""
        self._resync = resync
        if self._reoffer is None:
            self.do(resync.start())
        else:
            self.do(ev.SetTimer(RESYNC, now_s + RETRY_S))

    def _refresh(self, event: ev.RefreshDue, now_s: float) -> None:
        if self._reoffer is None and self._resync is None:
            if event.changed:
                self.media.next_version()
            self.start_resync(Resync(self.media, event.side), now_s)

    def _reoffer_acked(self, event: ev.ReofferAcked, now_s: float) -> None:
        if self._reoffer is None:
            return
        try:
            self.do(*self._reoffer.acked(event.sdp))
        except RemoteError as error:
            self.end("switch", "answered", str(error), now_s)
            return
        self._reoffer = None

    # --- transfer (the rest is in ``transfers``) --------------------------------------------------

    def join(self, party: ev.Handover, letter: str, part: str, now_s: float) -> Branch:
        """A party of another call becomes a branch of this one; what it costs goes on as before.
        ``letter`` begins the name of its leg, ``part`` is that of its hold if it costs nothing."""
        self.trace.append(f"{party.target.name} joins from call {party.call}")
        leg = f"{letter}:{party.target.flow.local.host}"
        hold = party.charges[0].hold if party.charges else self.charges.id_of(part)
        branch = self.branches.start(hold, leg, party.target, now_s)
        branch.state, branch.status, branch.answered_s = BranchState.ANSWERED, 200, now_s
        for charge in party.charges:
            self.do(*self.charges.take_over(charge, now_s))
        return branch

    def taking_over(self) -> None:
        """The rest is in ``takeover``."""
        self.state = State.TAKING_OVER

    def taken_over(self, sdp: bytes, now_s: float) -> None:
        """The other party has agreed to the caller's offer with this answer."""
        self.answered_s = now_s
        self.state = State.TALKING
        self.do(*self.media.update())
        self.do(ev.AnswerCaller(200, self.media.shown(sdp, CALLER_LEG, answering=self.offer)))
        if how := self.media.transports():
            self.trace.append(how)
        self._start_talking(now_s)

    @property
    def may_transfer(self) -> bool:
        """Whether a side may be handed on now: both have described themselves, no change is under
        way, and nobody else is dialled."""
        if self._owes_ack or self._reoffer is not None:
            return False
        ours = self._resync is not None and self._resync.waiting
        return self.state is State.TALKING and not ours

    def begin_transfer(self, transfer: Transfer) -> int:
        """Its number, from 1."""
        self.transfer = transfer
        self.state = State.TRANSFERRING
        self._transfers += 1
        return self._transfers

    def transfer_over(self) -> None:
        """The two sides are connected, with or without a new party."""
        self.transfer = None
        self.state = State.TALKING

    # --- money while talking ----------------------------------------------------------------------

    def extended(self, event: ev.CreditHeld, now_s: float) -> None:
        charge = self.charges.get(event.hold)
        if charge is None:
            self.do(ev.VoidCredit(event.hold))
        else:
            self.do(*charge.extended(event.micros, now_s))

    def not_extended(self, event: ev.CreditDenied, now_s: float) -> None:
        charge = self.charges.get(event.hold)
        if charge is not None:
            self.do(*charge.not_extended(event, now_s))

    def timer_fired(self, event: ev.TimerFired, now_s: float) -> None:
        name, _, hold = event.name.partition(" ")
        if name == "max":
            self.end("switch", "answered", "the longest call allowed is over", now_s)
        elif name == RESYNC:
            if self._resync is not None and not self._resync.waiting:
                self.start_resync(self._resync, now_s)
        elif hold in self.charges:
            _CHARGE_TIMERS[name](self, self.charges[hold], now_s)

    def _renew(self, charge: Charge, now_s: float) -> None:
        self.do(ev.ExtendCredit(charge.hold, charge.payment))

    def _warn(self, charge: Charge, now_s: float) -> None:
        leg = self.media.leg("b" if charge.is_incoming else "a")
        self.do(ev.Media(PlayTone(self.id, leg, "warning", WARNING_TONE_S)))

    def _cut(self, charge: Charge, now_s: float) -> None:
        if charge.blocked:
            return self.end("switch", "blocked", charge.blocked, now_s)
        return self.end("switch", "credit_exhausted", "the balance is used up", now_s)

    # --- the end ----------------------------------------------------------------------------------

    def _hung_up(self, event: ev.HungUp, now_s: float) -> None:
        self.end(ev.party_name(event.side), "answered", event.reason, now_s, gone=(event.side,))

    def _ack_missing(self, event: ev.AckMissing, now_s: float) -> None:
        self.end("switch", "answered", f"no ACK from side {event.side}", now_s)

    def _prack_missing(self, event: ev.PrackMissing, now_s: float) -> None:
        reason = "no PRACK from the caller"
        if self.state is State.DIALLING:
            return self._refuse(504, "failed", reason, now_s)
        return self.end("switch", "answered", reason, now_s, gone=("a",))

    def _session_lost(self, event: ev.SessionLost, now_s: float) -> None:
        reason = f"no session refresh from the {ev.party_name(event.side)}"
        self.end("switch", "answered", reason, now_s)

    def _media_silent(self, event: ev.MediaSilent, now_s: float) -> None:
        for side in self.parties:
            if event.leg == self.media.leg(side):
                reason = f"no media from the {ev.party_name(side)}"
                return self.end("switch", "answered", reason, now_s)
        return None  # of a leg that was left behind

    def _digit_pressed(self, event: ev.DigitPressed, now_s: float) -> None:
        """The media plane has passed it on; what is signalled besides is to be told from it."""
        for side in self.parties:
            if event.leg == self.media.leg(side):
                self._keys.is_new(side, event.digit, event.how, now_s)

    def _digit_signalled(self, event: ev.DigitSignalled, now_s: float) -> None:
        if self._keys.is_new(event.side, event.digit, INFO, now_s):
            leg = self.media.leg(ev.other_side(event.side))
            self.do(ev.Media(SendDigits(self.id, leg, event.digit)))

    def _media_gone(self, event: ev.MediaGone, now_s: float) -> None:
        self.media.allocated = False
        self._break_off("failed", "the media worker of this call died", now_s)

    def _shut_down(self, event: ev.Shutdown, now_s: float) -> None:
        self._break_off("answered", "the switch is shutting down", now_s)

    def _break_off(self, cause: str, reason: str, now_s: float) -> None:
        if self.state in UP:
            self.end("switch", cause, reason, now_s)
        else:
            self._refuse(503, "failed", reason, now_s)

    def _refuse(
        self, status: int, cause: str, reason: str, now_s: float, *, traced: bool = False
    ) -> None:
        """End a call that was not answered."""
        self.status, self.cause = status, cause
        if not traced:
            self.trace.append(f"refused with {status}: {reason or cause}")
        cancelled = self.branches.cancel(reason=reason)
        self.do(*cancelled, ev.AnswerCaller(status, b"", reason))
        self._close(now_s)

    def end(
        self, by: str, cause: str, reason: str, now_s: float, *, gone: tuple[ev.Side, ...] = ()
    ) -> None:
        """End an answered call; the sides that are ``gone`` need no BYE."""
        self.hangup_by, self.cause, self.status = by, cause, 200
        self.trace.append(f"ended by the {by}" + (f": {reason}" if reason else ""))
        if self.transfer is not None:
            gone = (*gone, *transfers.broken_off(self, self.transfer, now_s))
        self.charges.end(now_s)
        self._finish_offers()
        for side, party in self.parties.items():
            if party is not None and party.ended_s is None:
                party.ended_s = now_s
            if side not in gone:
                self.bye(side, reason)
        self._close(now_s)

    def give_away(self, side: ev.Side, target: ev.Target, now_s: float) -> ev.Handover:
        """Let the party of a side go on in another call, which ends this one: what is to be done
        is for ``take_actions``. The call must be talking."""
        party = self.parties[side]
        hold = self.charges.id_of(INCOMING) if party is None else party.hold
        charges, actions = self.charges.hand_over(hold)
        self.do(*actions)
        sdp, records = self.media.description(side), tuple(self.records)
        self.end("switch", "answered", "a transfer took the other side", now_s, gone=(side,))
        return ev.Handover(self.id, target, sdp, tuple(charges), records)

    def bye(self, side: ev.Side, reason: str) -> None:
        party = self.parties[side]
        self.do(ev.ByeCaller(reason) if party is None else ev.ByeBranch(party.number, reason))

    def _finish_offers(self) -> None:
        """What was still being agreed on: each 2xx gets its ACK all the same (13.2.2.4)."""
        branch = self.parties.get("b")
        if self._owes_ack and branch is not None:
            self.do(ev.AckBranch(branch.number))
        if self._reoffer is not None:
            self.do(*self._reoffer.abandon())

    def _close(self, now_s: float) -> None:
        self.ended_s = now_s
        self.do(ev.SetTimer(ALL_TIMERS, None))
        if self.media.allocated:
            self.state = State.ENDING
            self.do(ev.ReleaseMedia(), ev.SetTimer("release", now_s + RELEASE_MAX_S))
        else:
            self._settle()

    def _media_closed(self, event: ev.MediaClosed, now_s: float) -> None:
        self.statistics = event.legs
        self.do(ev.SetTimer("release", None))
        self._settle()

    def _settle_without_media(self, event: ev.MediaGone | ev.TimerFired, now_s: float) -> None:
        self.do(ev.SetTimer("release", None))
        self._settle()

    def _settle(self) -> None:
        self.state = State.ENDED
        self.do(ev.Settle())

    # --- stragglers -------------------------------------------------------------------------------

    def _late_reoffer(self, event: ev.Reoffered, now_s: float) -> None:
        self.do(ev.AnswerReoffer(event.side, 481, b"", "the call has ended"))

    def _late_reoffer_answer(self, event: ev.ReofferAnswered, now_s: float) -> None:
        if not 200 <= event.status < 300:
            return
        if self._reoffer is not None:
            self.do(ev.AckReoffer(self._reoffer.other))
        elif self._resync is not None and self._resync.waiting:
            self.do(ev.AckReoffer(self._resync.asked))


_CHARGE_TIMERS: dict[str, Callable[[Call, Charge, float], None]] = {
    RENEW: Call._renew,
    WARN: Call._warn,
    CUT: Call._cut,
}

_D, _T, _R = State.DIALLING, State.TALKING, State.TRANSFERRING
_O = State.TAKING_OVER
_E, _X = State.ENDING, State.ENDED

# Every pair that does something; all others are stragglers and change nothing.
TABLE: dict[tuple[State, type[ev.Input]], Callable[[Call, Any, float], None]] = {
    # caller
    (_D, ev.Invited): Call._begin,
    (_D, ev.CallerCancelled): Call._caller_cancelled,
    (_T, ev.CallerAcked): Call._caller_acked,
    (_D, ev.PrackMissing): Call._prack_missing,
    (_T, ev.PrackMissing): Call._prack_missing,
    (_T, ev.AckMissing): Call._ack_missing,
    (_R, ev.AckMissing): Call._ack_missing,
    (_T, ev.SessionLost): Call._session_lost,
    (_R, ev.SessionLost): Call._session_lost,
    (_T, ev.HungUp): Call._hung_up,
    (_R, ev.HungUp): transfers.hung_up,
    # credit
    (_D, ev.CreditHeld): Call._credit_held,
    (_D, ev.CreditDenied): Call.credit_denied,
    (_T, ev.CreditHeld): Call.extended,
    (_T, ev.CreditDenied): Call.not_extended,
    (_R, ev.CreditHeld): transfers.credit_held,
    (_R, ev.CreditDenied): transfers.credit_denied,
    # media
    (_D, ev.MediaReady): Call._media_ready,
    (_R, ev.MediaReady): transfers.media_ready,
    (_D, ev.MediaRefused): Call._media_refused,
    (_R, ev.MediaRefused): transfers.media_refused,
    (_D, ev.MediaGone): Call._media_gone,
    (_T, ev.MediaGone): Call._media_gone,
    (_R, ev.MediaGone): Call._media_gone,
    (_E, ev.MediaGone): Call._settle_without_media,
    (_T, ev.MediaSilent): Call._media_silent,
    (_E, ev.MediaClosed): Call._media_closed,
    (_T, ev.DigitPressed): Call._digit_pressed,
    (_T, ev.DigitSignalled): Call._digit_signalled,
    # branches
    (_D, ev.BranchRang): Call._branch_rang,
    (_R, ev.BranchRang): transfers.rang,
    (_D, ev.BranchAnswered): Call._branch_answered,
    (_R, ev.BranchAnswered): transfers.answered,
    (_T, ev.BranchAnswered): Call.late_answer,
    (_E, ev.BranchAnswered): Call.late_answer,
    (_X, ev.BranchAnswered): Call.late_answer,
    (_D, ev.BranchFailed): Call.branch_failed,
    (_R, ev.BranchFailed): Call.branch_failed,
    # re-INVITE
    (_T, ev.Reoffered): Call._reoffered,
    (_R, ev.Reoffered): Call._reoffered,
    (_T, ev.ReofferAnswered): Call._reoffer_answered,
    (_R, ev.ReofferAnswered): Call._reoffer_answered,
    (_T, ev.ReofferAcked): Call._reoffer_acked,
    (_R, ev.ReofferAcked): Call._reoffer_acked,
    (_T, ev.RefreshDue): Call._refresh,
    (_E, ev.Reoffered): Call._late_reoffer,
    (_X, ev.Reoffered): Call._late_reoffer,
    (_E, ev.ReofferAnswered): Call._late_reoffer_answer,
    (_X, ev.ReofferAnswered): Call._late_reoffer_answer,
    # transfer
    (_T, ev.TransferAsked): transfers.asked,
    (_T, ev.Joined): transfers.joined,
    # taking a call over
    (_D, ev.TakenOver): takeover.begun,
    (_O, ev.MediaReady): takeover.media_ready,
    (_O, ev.MediaRefused): takeover.media_refused,
    (_O, ev.MediaGone): takeover.media_gone,
    (_O, ev.ReofferAnswered): takeover.answered,
    (_O, ev.Reoffered): takeover.reoffered,
    (_O, ev.HungUp): takeover.hung_up,
    (_O, ev.CallerCancelled): takeover.cancelled,
    (_O, ev.CreditHeld): Call.extended,
    (_O, ev.CreditDenied): Call.not_extended,
    (_O, ev.TimerFired): takeover.timer_fired,
    (_O, ev.Shutdown): takeover.shut_down,
    # time and the end
    (_D, ev.TimerFired): Call.dialling_timer,
    (_T, ev.TimerFired): Call.timer_fired,
    (_R, ev.TimerFired): transfers.timer_fired,
    (_E, ev.TimerFired): Call._settle_without_media,
    (_D, ev.Shutdown): Call._shut_down,
    (_T, ev.Shutdown): Call._shut_down,
    (_R, ev.Shutdown): Call._shut_down,
}
