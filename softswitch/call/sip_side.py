"""Between the SIP stack and the call machines: events become inputs, actions become requests.

Whatever is late, crossed or repeated is answered here by what RFC 3261 says; the machines only see
what concerns the call.
"""

from __future__ import annotations

from collections.abc import Callable

from sip import session_timer
from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    RequestFailed,
    ResponseReceived,
)
from sip.flow import Flow
from sip.machines import State
from sip.message import Request, Response
from sip.reason_header import is_reason_value, read_reason
from sip.stack import Stack
from sip.transaction import ClientTransaction, ServerTransaction
from sip.transfer import Replaces
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.challenges import CHALLENGES, credentials, proved
from softswitch.call.events import Target
from softswitch.call.large_requests import LargeRequests
from softswitch.call.legs import (
    ELSEWHERE,
    Arm,
    BranchLeg,
    CallerLeg,
    Feed,
    Headers,
    Leg,
    LiveCall,
    Role,
    content,
    invite,
    moved_leg,
    reason_header,
    takes_update,
)
from softswitch.call.sip_info import SipInfo
from softswitch.call.sip_reliable import PRACK_TIMER, SipReliable
from softswitch.call.sip_reoffers import RETRY_LATER, SipReoffers
from softswitch.call.sip_session import SipSessions
from softswitch.call.sip_transfers import Lookups, Near, SipTransfers, shown_as
from softswitch.call.user_states import ALLOW_EVENTS
from softswitch.call.warnings import NOT_ACCEPTABLE, heard_warning, warning_header
from softswitch.routing.model import TrunkLogin
from softswitch.routing.plan import PhoneCaller, Plan

NO_SUCH_CALL = 481
BAD_EVENT = 489
REQUEST_TIMEOUT = 408
UNAVAILABLE = 503
UNAVAILABLE_NOW = 480  # who answered has hung up before our 2xx could go out
CLEARED = 16  # Q.850 "normal call clearing": the cause beside the words of a Reason header

DialogKey = tuple[str, str]  # Call-ID and our tag


class SipSide:
    """Dialogs and transactions of all calls. ``feed`` gives an input to a call's machine,
    ``perform`` carries out what a machine has to do; ``plan`` tells where a number leads that a
    user dials. ``reoffers`` carries the re-INVITEs and UPDATEs, ``sessions`` the session timers,
    ``reliable`` the PRACKs, ``transfers`` the REFERs; ``arm`` starts and stops their timers."""

    def __init__(
        self,
        stack: Stack,
        addresses: Addresses,
        feed: Feed,
        perform: Callable[[LiveCall, float], None],
        plan: Callable[[LiveCall, PhoneCaller, str], Plan],
        arm: Arm,
        *,
        token: Callable[[], str],
    ) -> None:
        self.sessions = SipSessions(stack, addresses, feed, arm)
        self.reliable = SipReliable(stack, addresses, feed, self._answer, arm)
        self.reoffers = SipReoffers(stack, addresses, feed, self.sessions, token=token)
        lookups = Lookups(plan, self._find, self._join)
        self._info = SipInfo(stack, addresses, feed)
        self.transfers = SipTransfers(stack, addresses, feed, lookups)
        self._perform = perform
        self._plan = plan
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._token = token
        self._large = LargeRequests(addresses.listeners)
        self._dialogs: dict[DialogKey, tuple[LiveCall, Leg]] = {}

    @property
    def dialogs(self) -> int:
        """How many dialogs are kept."""
        return len(self._dialogs) + len(self.reliable)

    def has_flow(self, flow: Flow) -> bool:
        """Whether a dialog lives on a stream connection. Walks all dialogs: for rare questions."""
        return any(
            leg.dialog is not None and leg.dialog.flow.connection == flow.connection
            for _, leg in self._dialogs.values()
        )

    def caller_leg(
        self,
        tx: ServerTransaction,
        flow: Flow,
        trunk: str | None,
        user: PhoneCaller | None,
        login: TrunkLogin | None = None,
    ) -> CallerLeg:
        """The leg of a new INVITE; ``login`` is the trunk's. Raises RemoteError when no dialog can
        come of it."""
        contact = self._addresses.contact(flow, tx.request.uri)
        dialog = Dialog.uas(tx.request, local_tag="", contact=contact, flow=flow)
        if trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        leg = CallerLeg(tx, flow, contact, dialog, trunk, user, login)
        leg.takes_update = takes_update(tx.request)
        if "require" in tx.request.headers:
            leg.answers = self.reliable.answers_to(tx)
        return leg

    # --- events -----------------------------------------------------------------------------------

    def in_dialog(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        """A request with a To tag: re-INVITE, UPDATE, PRACK, BYE, REFER, INFO, OPTIONS."""
        found = self._dialogs.get((request.headers["call-id"][0], tx.to_tag))
        dialog = found[1].dialog if found else None
        if found is None or dialog is None or dialog.remote_tag != (request.from_tag or ""):
            self._in_early_dialog(tx, request, now_s)
            return
        live, leg = found
        try:
            dialog.accepts(request)
        except RemoteError as error:
            self._stack.respond(tx, error.status_hint, now_s=now_s)
            return
        if leg is live.caller and not leg.tx.final_status:
            self._early(live, tx, request, now_s)
        elif request.method == "BYE":
            self._hung_up(live, leg, tx, request, now_s)
        elif request.method in ("INVITE", "UPDATE"):
            self.reoffers.received(live, live.side_of(leg), tx, now_s)
        elif request.method == "PRACK":
            answers = live.caller.answers if leg is live.caller else None
            self.reliable.pracked(live, answers, tx, now_s)
        elif request.method == "REFER":
            self.transfers.received(live, leg, tx, now_s)
        else:
            self._at_any_time(live, leg, tx, now_s)

    def _at_any_time(self, live: LiveCall, leg: Leg, tx: ServerTransaction, now_s: float) -> None:
        """What changes nothing of the call, and may come before its answer too."""
        method = tx.request.method
        if method == "INFO":
            self._info.received(live, leg, tx, now_s)
        elif method == "MESSAGE":
            self._stack.respond(tx, 403, "Messages Go Outside Of Calls", now_s=now_s)
        elif method in ("SUBSCRIBE", "NOTIFY"):  # a call's dialog has no events to tell
            headers = (("Allow-Events", ALLOW_EVENTS),)
            self._stack.respond(tx, BAD_EVENT, headers=headers, now_s=now_s)
        else:
            self._stack.respond(tx, 200, now_s=now_s)

    def _early(self, live: LiveCall, tx: ServerTransaction, request: Request, now_s: float) -> None:
        """A request in the dialog that our ringing made, before the answer."""
        answers = live.caller.answers
        if request.method == "INVITE":  # RFC 3261 14.2
            self._stack.respond(tx, 500, headers=RETRY_LATER, now_s=now_s)
        elif request.method == "PRACK":
            self.reliable.pracked(live, answers, tx, now_s)
        elif request.method == "UPDATE":
            described = answers is not None and answers.described
            refusal = (504, ()) if described else (500, RETRY_LATER)
            self.reoffers.early(tx, live.caller.contact, refusal, now_s)
        elif request.method == "BYE":  # RFC 3261 15: the caller may give up by BYE too
            self._stack.respond(tx, 200, now_s=now_s)
            self._given_up(live, read_reason(request), now_s)
        elif request.method == "REFER":
            self.transfers.received(live, live.caller, tx, now_s)
        else:
            self._at_any_time(live, live.caller, tx, now_s)

    def _in_early_dialog(self, tx: ServerTransaction, request: Request, now_s: float) -> None:
        """A request of a called side that has not answered yet: only an UPDATE is expected."""
        early = self.reliable.find(request, tx.to_tag)
        if early is None or request.method != "UPDATE":
            self._stack.respond(tx, NO_SUCH_CALL, now_s=now_s)
            return
        try:
            early.dialog.accepts(request)
        except RemoteError as error:
            self._stack.respond(tx, error.status_hint, now_s=now_s)
            return
        refusal = (504 if early.answer else 491, ())
        self.reoffers.early(tx, early.dialog.contact, refusal, now_s)

    def _given_up(self, live: LiveCall, reason: str, now_s: float) -> None:
        """The caller does not want the call any more; the callee may have answered, and our 2xx
        may wait for a PRACK."""
        if self.reliable.refuse_held(live, 487, now_s):
            self._feed(live, ev.HungUp("a", reason), now_s)
        else:
            self._feed(live, ev.CallerCancelled(reason), now_s)

    def _hung_up(
        self, live: LiveCall, leg: Leg, tx: ServerTransaction, request: Request, now_s: float
    ) -> None:
        self._stack.respond(tx, 200, now_s=now_s)
        self._forget(request.headers["call-id"][0], tx.to_tag)
        side = live.side_of(leg)
        if leg.session is not None:
            self.sessions.end(live, leg, now_s)
        if side is not None:
            self._feed(live, ev.HungUp(side, read_reason(request)), now_s)

    def acked(self, event: AckReceived, now_s: float) -> None:
        """The ACK of a 2xx of ours."""
        role = event.transaction.owner
        if not isinstance(role, Role):
            return
        if role.part == "caller":
            self._caller_acked(role.call, now_s)
            self._feed(role.call, ev.CallerAcked(event.request.body), now_s)
            if role.call.caller.answers is not None:
                self._show_change(role.call, now_s)
        else:
            self.reoffers.acked(role.call, event.request, now_s)

    def _show_change(self, live: LiveCall, now_s: float) -> None:
        """A caller that got a description in a reliable provisional takes no other one from the 2xx
        (RFC 3261 13.2.1): when a later branch answered with its own, a re-INVITE shows it."""
        answers = live.caller.answers
        if answers is not None and answers.described not in (b"", answers.final):
            self._feed(live, ev.RefreshDue("a", changed=True), now_s)

    def ack_timed_out(self, event: AckTimedOut, now_s: float) -> None:
        """No ACK: the dialog stands, so it is ended with BYE (RFC 3261 13.3.1.4)."""
        role = event.transaction.owner
        if isinstance(role, Role):
            if role.part == "caller":
                self._caller_acked(role.call, now_s)
            self._feed(role.call, ev.AckMissing(role.side), now_s)

    def _caller_acked(self, live: LiveCall, now_s: float) -> None:
        live.caller.acked = True
        self._leave(live, live.caller, now_s)

    def _leave(self, live: LiveCall, leg: Leg, now_s: float) -> None:
        """Send the BYE that waits, if it need not wait any longer."""
        if leg.bye is not None and leg.dialog is not None and leg.may_leave:
            bye, leg.bye = leg.bye, None
            self._send_bye(live, leg, bye, now_s)

    def _notified(self, role: Role, now_s: float) -> None:
        role.leg.notifying = False
        self._leave(role.call, role.leg, now_s)

    def cancelled(self, event: CancelReceived, now_s: float) -> None:
        """The caller gave up."""
        role = event.transaction.owner
        if isinstance(role, Role) and role.part == "caller":
            self._given_up(role.call, read_reason(event.request), now_s)
        elif isinstance(role, Role):
            self.reoffers.cancelled(role.call, now_s)

    def responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """A response to a request of ours."""
        response = event.response
        if role.part == "branch":
            self._branch_responded(role, event, now_s)
        elif role.part == "reoffer" and response.status >= 200:
            self.reoffers.responded(role, event, now_s)
        elif role.part == "refresh" and response.status >= 200:
            self.sessions.refreshed(role, response, now_s)
        elif role.part == "bye" and response.status >= 200:
            self._bye_responded(role, event, now_s)
        elif role.part == "notify" and response.status >= 200:
            self._notified(role, now_s)

    def failed(self, role: Role, event: RequestFailed, now_s: float) -> None:
        """A request of ours without an answer."""
        timed_out = event.cause == "timeout"
        status, reason = (
            (REQUEST_TIMEOUT, "no answer") if timed_out else (UNAVAILABLE, "connection lost")
        )
        if role.part == "branch":
            if timed_out or not self._again_over_udp(role, now_s):
                self.reliable.settled(role.call.branches[role.branch])
                self._feed(role.call, ev.BranchFailed(role.branch, status, reason), now_s)
        elif role.part == "reoffer":
            self.reoffers.failed(role, status, reason, now_s)
        elif role.part == "refresh":
            self.sessions.failed(role, now_s)
        elif role.part == "notify":
            self._notified(role, now_s)
        else:
            self._bye_done(event.transaction)

    def _branch_responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        response, live = event.response, role.call
        branch = live.branches[role.branch]
        branch.udp_target = None  # it answers: TCP works
        if response.status < 200:
            branch.ringing_to = response.headers["to"][0]
            if "rseq" not in response.headers or self.reliable.takes(branch, event, now_s):
                self._feed(live, ev.BranchRang(role.branch, response.status, response.body), now_s)
        elif response.status < 300:
            self._branch_answered(role, event, now_s)
        elif not (self._proved(role, event, now_s) or self._longer(role, event, now_s)):
            self._branch_refused(role, response, now_s)

    def _branch_refused(self, role: Role, response: Response, now_s: float) -> None:
        live, branch = role.call, role.call.branches[role.branch]
        self.reliable.settled(branch)
        branch.warning = heard_warning(response, response.status)
        onward = self._onward(live, role.branch, response) if response.status < 400 else None
        failed = ev.BranchFailed(
            role.branch, response.status, response.reason, onward, read_reason(response)
        )
        self._feed(live, failed, now_s)

    def _longer(self, role: Role, event: ResponseReceived, now_s: float) -> bool:
        """Whether this was a 422, and the INVITE went out again, once, with the interval that it
        asks for (RFC 4028 7.3). One that was cancelled meanwhile ends here."""
        branch, tx = role.call.branches[role.branch], event.transaction
        if branch.min_se_s > session_timer.INTERVAL_MIN_S or tx.cancel_asked:
            return False
        if not self.sessions.widens(branch, event.response):
            return False
        least_s = branch.min_se_s
        again = tx.request.copy()
        for _, name in CHALLENGES.values():  # a nonce is used once: it may be challenged again
            again.set(name)
        branch.proved = False
        branch.cseq += 1
        again.set("cseq", f"{branch.cseq} INVITE")
        again.set("session-expires", str(max(session_timer.INTERVAL_S, least_s)))
        again.set("min-se", str(least_s))
        sent_by = self._addresses.sent_by(tx.flow)
        branch.tx = self._stack.request(again, tx.flow, now_s, role, sent_by)
        return True

    def _onward(self, live: LiveCall, branch: int, response: Response) -> Plan | None:
        """Where a user's phone redirects to: the first Contact that names a number. What a carrier
        redirects to is not paid for, so it is not followed."""
        user = live.branches[branch].user
        if user is None:
            return None
        try:
            numbers = [contact.uri.user for contact in response.contacts]
        except RemoteError:
            return None
        number = next((number for number in numbers if number), None)
        return None if number is None else shown_as(self._plan(live, user, number), live, "a")

    def _proved(self, role: Role, event: ResponseReceived, now_s: float) -> bool:
        """Whether this was a trunk's challenge, and the INVITE went out again with the answer. One
        that was cancelled meanwhile ends here."""
        branch = role.call.branches[role.branch]
        tx = event.transaction
        if branch.target.login is None or branch.proved or tx.cancel_asked:
            return False
        again = proved(tx.request, event.response, branch.target.login, self._token())
        if again is None:
            return False
        branch.proved, branch.cseq = True, again.cseq.number
        sent_by = self._addresses.sent_by(tx.flow)
        branch.tx = self._stack.request(again, tx.flow, now_s, role, sent_by)
        return True

    def _branch_answered(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        live, branch, response = role.call, role.call.branches[role.branch], event.response
        try:
            dialog = self.reliable.confirmed(branch, event.transaction.request, response)
        except RemoteError as error:
            self.reliable.settled(branch)
            self._feed(live, ev.BranchFailed(role.branch, 502, str(error)), now_s)
            return
        if branch.dialog is not None:
            self._end_extra_fork(event.transaction, dialog, now_s)
            return
        branch.dialog = dialog
        if branch.early is not None:
            self.reliable.settled(branch)
        branch.takes_update = takes_update(response)
        branch.allow = response.all("allow")
        self._dialogs[dialog.call_id, dialog.local_tag] = (live, branch)
        sdp = response.body or self.reliable.answer_of(branch, response)
        self._feed(live, ev.BranchAnswered(role.branch, sdp), now_s)
        if "session-expires" in response.headers and live.side_of(branch) is not None:
            self.sessions.answered(live, branch, response, now_s)

    def _find(self, wanted: Replaces) -> Near | None:
        found = self._dialogs.get((wanted.call_id, wanted.to_tag))
        if found is None or found[1].dialog is None:
            return None
        return found if found[1].dialog.remote_tag == wanted.from_tag else None

    def _join(self, live: LiveCall, side: ev.Side, other: Near, now_s: float) -> None:
        """The far party of another call becomes a branch of this one; that call ends."""
        self._feed(live, ev.Joined(side, self._hand_over(live, other, now_s)), now_s)

    def take_over(self, live: LiveCall, other: Near, now_s: float) -> None:
        """The caller of a new call takes the place of the near party of another one."""
        self._feed(live, ev.TakenOver(self._hand_over(live, other, now_s)), now_s)

    def _hand_over(self, live: LiveCall, other: Near, now_s: float) -> ev.Handover:
        second, near = other
        far: ev.Side = "b" if second.side_of(near) == "a" else "a"
        leg = second.leg(far)
        assert leg is not None, "that call is up"
        assert leg.dialog is not None, "that call is up"
        moved = moved_leg(leg)
        handover = second.machine.give_away(far, moved.target, now_s)
        self._perform(second, now_s)
        live.currencies.update(second.currencies)
        live.branches.append(moved)
        self._dialogs[leg.dialog.call_id, leg.dialog.local_tag] = (live, moved)
        self.sessions.arm(live, moved, now_s)
        return handover

    def _end_extra_fork(self, tx: ClientTransaction, dialog: Dialog, now_s: float) -> None:
        """A proxy behind the contact forked, and a second phone answered (RFC 3261 13.2.2.4)."""
        self._stack.ack(tx, dialog.ack(tx.request.cseq.number), dialog.flow, now_s)
        self._stack.request(dialog.request("BYE", ELSEWHERE), dialog.flow, now_s)

    def _bye_responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """The end of a dialog, unless its trunk wants the BYE proved."""
        tx = event.transaction
        key = (tx.request.call_id, tx.request.from_tag or "")
        leg = self._dialogs[key][1] if key in self._dialogs else None
        if leg is not None and leg.dialog is not None and leg.login is not None:
            used = leg.dialog.local_cseq
            again = proved(tx.request, event.response, leg.login, self._token(), after=used)
            if again is not None:
                sent_by = self._addresses.sent_by(tx.flow)
                self._stack.request(again, tx.flow, now_s, role, sent_by)
                return
        self._bye_done(tx)

    def _bye_done(self, tx: ClientTransaction) -> None:
        self._forget(tx.request.call_id, tx.request.from_tag or "")

    def _forget(self, call_id: str, local_tag: str) -> None:
        self._dialogs.pop((call_id, local_tag), None)

    # --- actions ----------------------------------------------------------------------------------

    def answer_caller(self, live: LiveCall, action: ev.AnswerCaller, now_s: float) -> None:
        """Respond to the caller's INVITE; ringing makes an early dialog, a 2xx confirms it."""
        caller = live.caller
        if caller.tx.final_status:
            return
        if caller.answers is None:
            self._answer(live, action, (), now_s)
        else:
            self.reliable.answer(live, caller.answers, action, now_s)

    def _answer(
        self, live: LiveCall, action: ev.AnswerCaller, headers: Headers, now_s: float
    ) -> None:
        caller = live.caller
        headers += content(action.sdp) + reason_header(action.status, action.reason)
        if action.status < 300:
            headers += (("Contact", caller.contact),)
        if action.status == 200:
            headers += self.sessions.answer(live, caller, caller.tx, now_s)
        elif action.status in NOT_ACCEPTABLE:
            heard = next((leg.warning for leg in live.branches[::-1] if leg.warning), None)
            host = self._addresses.sent_by(caller.flow).host
            headers += warning_header(action.status, action.reason, heard, host)
        self._stack.respond(caller.tx, action.status, headers=headers, body=action.sdp, now_s=now_s)
        if action.status < 300:
            caller.dialog.local_tag = caller.tx.to_tag
            self._dialogs[caller.dialog.call_id, caller.tx.to_tag] = (live, caller)
        else:
            self._forget(caller.dialog.call_id, caller.tx.to_tag)

    def launch(self, live: LiveCall, action: ev.Launch, now_s: float) -> None:
        """Send the INVITE of a branch."""
        target = action.target
        if live.referral is not None:
            target = target._replace(headers=target.headers + live.referral.shown_to(target))
        leg = self._invited(live, action.branch, target, action.sdp, now_s)
        live.branches.append(leg)

    def _invited(
        self, live: LiveCall, number: int, target: Target, sdp: bytes, now_s: float
    ) -> BranchLeg:
        contact, request = self._invite(live, target, sdp)
        over_tcp = self._large.over_tcp(request, target, now_s)
        udp_target = None
        if over_tcp is not None:
            udp_target, target = target, over_tcp
            contact, request = self._invite(live, target, sdp)
        role = Role(live, "branch", "b", number)
        sent_by = self._addresses.sent_by(target.flow)
        tx = self._stack.request(request, target.flow, now_s, role, sent_by)
        return BranchLeg(target, contact, tx, udp_target=udp_target)

    def _invite(self, live: LiveCall, target: Target, sdp: bytes) -> tuple[str, Request]:
        contact = self._addresses.contact(target.flow, target.uri)
        hops = live.caller.tx.request.max_forwards
        request = invite(
            target,
            contact=contact,
            call_id=self._token(),
            tag=self._token(),
            hops=70 if hops is None else hops - 1,
            sdp=sdp,
        )
        return contact, request

    def _again_over_udp(self, role: Role, now_s: float) -> bool:
        """Whether an INVITE whose TCP connection failed could be sent by UDP (18.1.1)."""
        branches = role.call.branches
        failed = branches[role.branch]
        target, tx = failed.udp_target, failed.tx
        if target is None or tx is None or tx.cancel_asked or failed.dialog is not None:
            return False
        sdp = tx.request.body
        self._large.refused(target.flow.remote, now_s)
        again = self._invited(role.call, role.branch, target, sdp, now_s)
        failed.target, failed.contact, failed.tx = again.target, again.contact, again.tx
        failed.udp_target = None
        return True

    def is_silent(self, live: LiveCall) -> bool:
        """Whether nothing at all, not even 100 Trying, came from the branch started last."""
        tx = live.branches[-1].tx
        return tx is not None and tx.state is State.CALLING

    def cancel_branch(self, live: LiveCall, action: ev.CancelBranch, now_s: float) -> None:
        """Take an INVITE back."""
        headers = ELSEWHERE if action.elsewhere else _passed_on(action.reason)
        tx = live.branches[action.branch].tx
        assert tx is not None, "it was launched here"
        self._stack.cancel(tx, now_s, headers)

    def ack_branch(self, live: LiveCall, action: ev.AckBranch, now_s: float) -> None:
        """Acknowledge a branch's 2xx."""
        branch = live.branches[action.branch]
        assert branch.dialog is not None, "it answered"
        assert branch.tx is not None, "it was launched here"
        headers = content(action.sdp)
        if branch.proved:
            headers += credentials(branch.tx.request)
        ack = branch.dialog.ack(branch.cseq, action.sdp, headers)
        self._stack.ack(
            branch.tx, ack, branch.dialog.flow, now_s, self._addresses.sent_by(branch.dialog.flow)
        )

    def bye_branch(self, live: LiveCall, action: ev.ByeBranch, now_s: float) -> None:
        """End a branch's dialog."""
        self._bye(live, live.branches[action.branch], action.reason, now_s)

    def bye_caller(self, live: LiveCall, action: ev.ByeCaller, now_s: float) -> None:
        """End the caller's dialog, once its ACK is here."""
        if not self.reliable.refuse_held(live, UNAVAILABLE_NOW, now_s):
            self._bye(live, live.caller, action.reason, now_s)

    def _bye(self, live: LiveCall, leg: Leg, reason: str, now_s: float) -> None:
        assert leg.dialog is not None, "it answered"
        if leg.session is not None:
            self.sessions.end(live, leg, now_s)
        if live.reoffer is not None:
            self.reoffers.take_back(live.reoffer, now_s)
        leg.bye = leg.dialog.request("BYE", reason_header(CLEARED, reason))
        self._leave(live, leg, now_s)

    def _send_bye(self, live: LiveCall, leg: Leg, bye: Request, now_s: float) -> None:
        dialog = leg.dialog
        if dialog is None or (dialog.call_id, dialog.local_tag) not in self._dialogs:
            return  # that side hung up while we waited
        if leg.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        flow = dialog.flow
        self._stack.request(bye, flow, now_s, Role(live, "bye"), self._addresses.sent_by(flow))

    # --- time -------------------------------------------------------------------------------------

    def timer_fired(self, live: LiveCall, name: str, now_s: float) -> None:
        """A timer that was armed here, and not by the machine."""
        if name == PRACK_TIMER:
            self.reliable.timer_fired(live, now_s)
        else:
            self.sessions.timer_fired(live, name, now_s)


def _passed_on(reason: str) -> Headers:
    """The caller's reason, for the called side; our own words would tell it nothing."""
    return (("Reason", reason),) if is_reason_value(reason) else ()
