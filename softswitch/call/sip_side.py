"""Between the SIP stack and the call machines: events become inputs, actions become requests.

Whatever is late, crossed or repeated is answered here by what RFC 3261 says; the machines only see
what concerns the call.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    RequestFailed,
    ResponseReceived,
)
from sip.flow import Address, Flow
from sip.machines import State
from sip.message import Request
from sip.stack import Stack
from sip.transaction import ClientTransaction, ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.challenges import credentials, proved
from softswitch.call.legs import (
    ELSEWHERE,
    BranchLeg,
    CallerLeg,
    LiveCall,
    OwnRequest,
    Role,
    content,
    invite,
    reason_header,
)
from softswitch.call.sip_reoffers import Feed, SipReoffers

NO_SUCH_CALL = 481
REQUEST_TIMEOUT = 408
UNAVAILABLE = 503
CLEARED = 16  # Q.850 "normal call clearing": the cause beside the words of a Reason header

DialogKey = tuple[str, str]  # Call-ID and our tag
Leg = CallerLeg | BranchLeg


class SipSide:
    """Dialogs and transactions of all calls. ``feed`` gives an input to a call's machine;
    ``reoffers`` carries the re-INVITEs."""

    def __init__(
        self, stack: Stack, addresses: Addresses, feed: Feed, *, token: Callable[[], str]
    ) -> None:
        self.reoffers = SipReoffers(stack, addresses, feed, token=token)
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._token = token
        self._dialogs: dict[DialogKey, tuple[LiveCall, Leg]] = {}

    @property
    def dialogs(self) -> int:
        """How many dialogs are kept."""
        return len(self._dialogs)

    def caller_leg(self, tx: ServerTransaction, flow: Flow, trunk: str | None) -> CallerLeg:
        """The leg of a new INVITE. Raises RemoteError when no dialog can come of it."""
        contact = self._addresses.contact(flow)
        dialog = Dialog.uas(tx.request, local_tag="", contact=contact, flow=flow)
        if trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        return CallerLeg(tx, flow, contact, dialog, trunk)

    # --- events -----------------------------------------------------------------------------------

    def in_dialog(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        """A request with a To tag: re-INVITE, BYE, OPTIONS."""
        found = self._dialogs.get((request.call_id, request.to_tag or ""))
        dialog = found[1].dialog if found else None
        if found is None or dialog is None or dialog.remote_tag != (request.from_tag or ""):
            self._stack.respond(tx, NO_SUCH_CALL, now_s=now_s)
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
        elif request.method == "INVITE":
            self.reoffers.received(live, live.side_of(leg), tx, now_s)
        else:
            self._stack.respond(tx, 200, now_s=now_s)

    def _early(self, live: LiveCall, tx: ServerTransaction, request: Request, now_s: float) -> None:
        """A request in the dialog that our ringing made, before the answer."""
        if request.method == "INVITE":  # RFC 3261 14.2
            self._stack.respond(tx, 500, headers=(("Retry-After", "5"),), now_s=now_s)
            return
        self._stack.respond(tx, 200, now_s=now_s)
        if request.method == "BYE":  # RFC 3261 15: the caller may give up by BYE too
            self._feed(live, ev.CallerCancelled(request.first("reason") or ""), now_s)

    def _hung_up(
        self, live: LiveCall, leg: Leg, tx: ServerTransaction, request: Request, now_s: float
    ) -> None:
        self._stack.respond(tx, 200, now_s=now_s)
        self._forget(request.call_id, request.to_tag or "")
        side = live.side_of(leg)
        if side is not None:
            self._feed(live, ev.HungUp(side, request.first("reason") or ""), now_s)

    def acked(self, event: AckReceived, now_s: float) -> None:
        """The ACK of a 2xx of ours."""
        role = event.transaction.owner
        if not isinstance(role, Role):
            return
        if role.part == "caller":
            self._caller_acked(role.call, now_s)
            self._feed(role.call, ev.CallerAcked(event.request.body), now_s)
        else:
            self.reoffers.acked(role.call, event.request, now_s)

    def ack_timed_out(self, event: AckTimedOut, now_s: float) -> None:
        """No ACK: the dialog stands, so it is ended with BYE (RFC 3261 13.3.1.4)."""
        role = event.transaction.owner
        if isinstance(role, Role):
            if role.part == "caller":
                self._caller_acked(role.call, now_s)
            self._feed(role.call, ev.AckMissing(role.side), now_s)

    def _caller_acked(self, live: LiveCall, now_s: float) -> None:
        caller = live.caller
        caller.acked = True
        if caller.bye is not None:
            bye, caller.bye = caller.bye, None
            self._send_bye(live, caller.dialog, bye, now_s)

    def cancelled(self, event: CancelReceived, now_s: float) -> None:
        """The caller gave up."""
        role = event.transaction.owner
        if isinstance(role, Role) and role.part == "caller":
            reason = event.request.first("reason") or ""
            self._feed(role.call, ev.CallerCancelled(reason), now_s)
        elif isinstance(role, Role):
            self.reoffers.cancelled(role.call, now_s)

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """A response to a request of ours."""
        role, response = event.transaction.owner, event.response
        if not isinstance(role, Role):
            if isinstance(role, OwnRequest):
                role.responded(event, now_s)
            return
        if role.part == "branch":
            self._branch_responded(role, event, now_s)
        elif role.part == "reoffer" and response.status >= 200:
            self.reoffers.responded(role, event, now_s)
        elif role.part == "bye" and response.status >= 200:
            self._bye_responded(role, event, now_s)

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """A request of ours without an answer."""
        role = event.transaction.owner
        if not isinstance(role, Role):
            if isinstance(role, OwnRequest):
                role.failed(event, now_s)
            return
        timed_out = event.cause == "timeout"
        status, reason = (
            (REQUEST_TIMEOUT, "no answer") if timed_out else (UNAVAILABLE, "connection lost")
        )
        if role.part == "branch":
            self._feed(role.call, ev.BranchFailed(role.branch, status, reason), now_s)
        elif role.part == "reoffer":
            self._feed(role.call, ev.ReofferAnswered(status, b"", reason), now_s)
        else:
            self._bye_done(event.transaction)

    def _branch_responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        response, live = event.response, role.call
        if response.status < 200:
            self._feed(live, ev.BranchRang(role.branch, response.status, response.body), now_s)
        elif response.status < 300:
            self._branch_answered(role, event, now_s)
        elif not self._proved(role, event, now_s):
            failed = ev.BranchFailed(role.branch, response.status, response.reason)
            self._feed(live, failed, now_s)

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
        branch.proved = True
        branch.tx = self._stack.request(again, tx.flow, now_s, role, self._sent_by(tx.flow))
        return True

    def _branch_answered(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        live, branch = role.call, role.call.branches[role.branch]
        try:
            dialog = self._dialog_of(branch, event)
        except RemoteError as error:
            self._feed(live, ev.BranchFailed(role.branch, 502, str(error)), now_s)
            return
        if branch.dialog is not None:
            self._end_extra_fork(event.transaction, dialog, now_s)
            return
        branch.dialog = dialog
        self._dialogs[dialog.call_id, dialog.local_tag] = (live, branch)
        self._feed(live, ev.BranchAnswered(role.branch, event.response.body), now_s)

    def _dialog_of(self, branch: BranchLeg, event: ResponseReceived) -> Dialog:
        """The dialog of a 2xx. A phone is reached where its INVITE went (it may be behind NAT), a
        carrier where its Contact or its first proxy says (RFC 3261 12.2.1.1)."""
        flow = event.flow if event.flow.reliable else branch.target.flow
        dialog = Dialog.uac(
            event.transaction.request, event.response, contact=branch.contact, flow=flow
        )
        if branch.target.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        return dialog

    def _end_extra_fork(self, tx: ClientTransaction, dialog: Dialog, now_s: float) -> None:
        """A proxy behind the contact forked, and a second phone answered (RFC 3261 13.2.2.4)."""
        self._stack.ack(tx, dialog.ack(tx.request.cseq.number), dialog.flow, now_s)
        self._stack.request(dialog.request("BYE", ELSEWHERE), dialog.flow, now_s)

    def _sent_by(self, flow: Flow) -> Address:
        return self._addresses.sent_by(flow)

    def _bye_responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """The end of a dialog, unless its trunk wants the BYE proved."""
        tx = event.transaction
        key = (tx.request.call_id, tx.request.from_tag or "")
        leg = self._dialogs[key][1] if key in self._dialogs else None
        login = leg.target.login if isinstance(leg, BranchLeg) else None
        if login is not None:
            again = proved(tx.request, event.response, login, self._token())
            if again is not None:
                sent_by = self._sent_by(tx.flow)
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
        headers = content(action.sdp) + reason_header(action.status, action.reason)
        if action.status < 300:
            headers += (("Contact", caller.contact),)
        self._stack.respond(caller.tx, action.status, headers=headers, body=action.sdp, now_s=now_s)
        if action.status < 300:
            caller.dialog.local_tag = caller.tx.to_tag
            self._dialogs[caller.dialog.call_id, caller.tx.to_tag] = (live, caller)
        else:
            self._forget(caller.dialog.call_id, caller.tx.to_tag)

    def launch(self, live: LiveCall, action: ev.Launch, now_s: float) -> None:
        """Send the INVITE of a branch."""
        target = action.target
        contact = self._addresses.contact(target.flow)
        hops = live.caller.tx.request.max_forwards
        request = invite(
            target,
            contact=contact,
            call_id=self._token(),
            tag=self._token(),
            hops=70 if hops is None else hops - 1,
            sdp=action.sdp,
        )
        role = Role(live, "branch", "b", action.branch)
        tx = self._stack.request(
            request, target.flow, now_s, role, self._addresses.sent_by(target.flow)
        )
        live.branches.append(BranchLeg(target, contact, tx))

    def is_silent(self, live: LiveCall) -> bool:
        """Whether nothing at all, not even 100 Trying, came from the branch started last."""
        return live.branches[-1].tx.state is State.CALLING

    def cancel_branch(self, live: LiveCall, action: ev.CancelBranch, now_s: float) -> None:
        """Take an INVITE back."""
        headers = ELSEWHERE if action.elsewhere else ()
        self._stack.cancel(live.branches[action.branch].tx, now_s, headers)

    def ack_branch(self, live: LiveCall, action: ev.AckBranch, now_s: float) -> None:
        """Acknowledge a branch's 2xx."""
        branch = live.branches[action.branch]
        assert branch.dialog is not None, "it answered"
        headers, cseq = content(action.sdp), 1
        if branch.proved:
            headers, cseq = headers + credentials(branch.tx.request), branch.tx.request.cseq.number
        ack = branch.dialog.ack(cseq, action.sdp, headers)
        self._stack.ack(
            branch.tx, ack, branch.dialog.flow, now_s, self._addresses.sent_by(branch.dialog.flow)
        )

    def bye_branch(self, live: LiveCall, action: ev.ByeBranch, now_s: float) -> None:
        """End a branch's dialog."""
        dialog = live.branches[action.branch].dialog
        assert dialog is not None, "it answered"
        bye = dialog.request("BYE", reason_header(CLEARED, action.reason))
        self._send_bye(live, dialog, bye, now_s)

    def bye_caller(self, live: LiveCall, action: ev.ByeCaller, now_s: float) -> None:
        """End the caller's dialog, once its ACK is here."""
        caller = live.caller
        bye = caller.dialog.request("BYE", reason_header(CLEARED, action.reason))
        if caller.acked:
            self._send_bye(live, caller.dialog, bye, now_s)
        else:
            caller.bye = bye

    def _send_bye(self, live: LiveCall, dialog: Dialog, bye: Request, now_s: float) -> None:
        if (dialog.call_id, dialog.local_tag) not in self._dialogs:
            return  # that side hung up while we waited
        flow = dialog.flow
        self._stack.request(bye, flow, now_s, Role(live, "bye"), self._addresses.sent_by(flow))
