"""Reliable provisional responses between the SIP stack and the call machines (RFC 3262).

To the called side we are the UAC: each reliable 1xx is acknowledged by a PRACK in its early dialog.
To a caller that requires 100rel we are the UAS: what rings is repeated until its PRACK comes. One
that only supports it gets plain provisionals: RFC 3262 3 leaves the choice to us, a lost 180 costs
a ring tone and no call, and four messages a call are saved.
"""

from __future__ import annotations

from collections.abc import Callable

from sip import reliable
from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import ResponseReceived
from sip.message import Request, Response
from sip.stack import Stack
from sip.timers import Timers
from sip.transaction import ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.early import EarlyAnswers, EarlyDialog
from softswitch.call.legs import SIP_TIMERS, Arm, BranchLeg, Feed, Headers, LiveCall
from softswitch.call.warnings import warning_header

PRACK_TIMER = SIP_TIMERS + "prack"
EARLY_DIALOGS_MAX = 32  # of one INVITE, as the stack takes 2xx of so many forks
NO_MATCH = 481

DialogKey = tuple[str, str]  # Call-ID and our tag
Answer = Callable[[LiveCall, ev.AnswerCaller, Headers, float], None]


class SipReliable:
    """All calls' reliable provisionals. ``answer`` sends a response to a caller's INVITE with
    headers of its own; ``arm`` starts a timer of a call, or stops it."""

    def __init__(
        self, stack: Stack, addresses: Addresses, feed: Feed, answer: Answer, arm: Arm
    ) -> None:
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._answer = answer
        self._arm = arm
        self._timers = Timers()
        self._early: dict[DialogKey, BranchLeg] = {}

    def __len__(self) -> int:
        """How many branches have early dialogs."""
        return len(self._early)

    # --- as UAC -----------------------------------------------------------------------------------

    def takes(self, branch: BranchLeg, event: ResponseReceived, now_s: float) -> bool:
        """Whether a provisional response of a branch counts: always, unless it is a reliable one
        that was seen before or is ahead of its turn (RFC 3262 4)."""
        rseq = reliable.rseq_of(event.response)
        if rseq is None:
            return True
        try:
            early = self._early_dialog(branch, event)
        except RemoteError:
            return False
        if early is None or not early.seen.takes(rseq):
            return False
        early.answer = event.response.body or early.answer
        request = event.transaction.request
        rack = reliable.RAck(rseq, request.cseq.number, "INVITE")
        prack = early.dialog.request("PRACK", (("RAck", str(rack)),))
        flow = early.dialog.flow
        self._stack.request(prack, flow, now_s, None, self._addresses.sent_by(flow))
        return True

    def _early_dialog(self, branch: BranchLeg, event: ResponseReceived) -> EarlyDialog | None:
        """The early dialog of a response's To tag. Raises RemoteError when none can come of it."""
        tag = event.response.to_tag
        if not tag:
            return None
        if branch.early is None:
            branch.early = {}
        if tag not in branch.early:
            if len(branch.early) >= EARLY_DIALOGS_MAX:
                return None
            dialog = self._dialog(branch, event.transaction.request, event.response)
            branch.early[tag] = EarlyDialog(dialog)
            self._early[dialog.call_id, dialog.local_tag] = branch
        return branch.early[tag]

    def _dialog(self, branch: BranchLeg, request: Request, response: Response) -> Dialog:
        """The dialog that a response makes. A phone is reached where its INVITE went (it may be
        behind NAT), a carrier where its Contact or its first proxy says (RFC 3261 12.2.1.1)."""
        dialog = Dialog.uac(request, response, contact=branch.contact, flow=branch.target.flow)
        if branch.target.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        return dialog

    def confirmed(self, branch: BranchLeg, request: Request, response: Response) -> Dialog:
        """The dialog of a 2xx: the early one with its To tag, whose requests go on being counted,
        or a new one. Raises RemoteError."""
        early = None if branch.early is None else branch.early.get(response.to_tag or "")
        if early is None:
            return self._dialog(branch, request, response)
        early.dialog.confirm(response)
        if branch.target.trunk is not None:
            early.dialog.flow = self._addresses.flow_of_carrier(early.dialog)
        return early.dialog

    @staticmethod
    def answer_of(branch: BranchLeg, response: Response) -> bytes:
        """The description that came before a 2xx without one."""
        early = (branch.early or {}).get(response.to_tag or "")
        return b"" if early is None else early.answer

    def find(self, request: Request, local_tag: str) -> EarlyDialog | None:
        """The early dialog that a request of the called side is in."""
        branch = self._early.get((request.headers["call-id"][0], local_tag))
        if branch is None or branch.early is None:
            return None
        return branch.early.get(request.from_tag or "")

    def settled(self, branch: BranchLeg) -> None:
        """The branch has its final response: its early dialogs are over, but for the one that a
        2xx confirmed and for 2xx of other forks, which still find theirs."""
        if branch.early is not None:
            for early in branch.early.values():
                self._early.pop((early.dialog.call_id, early.dialog.local_tag), None)

    # --- as UAS -----------------------------------------------------------------------------------

    def answers_to(self, tx: ServerTransaction) -> EarlyAnswers | None:
        """The state of a new INVITE that requires reliable provisionals. Raises RemoteError."""
        if not reliable.is_required(tx.request):
            return None
        first = reliable.first_rseq(tx.to_tag)
        return EarlyAnswers(reliable.Sent(tx.request.cseq.number, first, self._timers))

    def answer(
        self, live: LiveCall, answers: EarlyAnswers, action: ev.AnswerCaller, now_s: float
    ) -> None:
        """Answer the INVITE, in the order that RFC 3262 3 wants. Without an offer nothing rings:
        the first reliable response would have to bring ours (5), which only the 2xx knows."""
        sent = answers.sent
        if action.status < 200:
            if live.caller.tx.request.body and sent.send(action, now_s):
                self._send(live, answers, action, now_s)
            return
        sent.drop_waiting()
        answers.final = action.sdp
        if action.status < 300 and sent.out is not None and sent.out.sdp:
            answers.held = action
            return
        self._arm(live, PRACK_TIMER, None, now_s)
        self._answer(live, action, (), now_s)

    def _send(
        self, live: LiveCall, answers: EarlyAnswers, action: ev.AnswerCaller, now_s: float
    ) -> None:
        answers.described = answers.described or action.sdp
        headers = (("Require", reliable.OPTION), ("RSeq", str(answers.sent.rseq)))
        self._answer(live, action, headers, now_s)
        self._arm(live, PRACK_TIMER, answers.sent.due_s, now_s)

    def pracked(
        self, live: LiveCall, answers: EarlyAnswers | None, tx: ServerTransaction, now_s: float
    ) -> None:
        """A PRACK. An offer in it is refused, and yet it acknowledges: nobody could be asked who
        has not answered."""
        try:
            rack = reliable.parse_rack(tx.request.required("rack"))
        except RemoteError as error:
            self._stack.respond(tx, error.status_hint, str(error), now_s=now_s)
            return
        if answers is None or not answers.sent.acknowledged(rack):
            self._stack.respond(tx, NO_MATCH, now_s=now_s)
            return
        status = 488 if tx.request.body else 200
        host = self._addresses.sent_by(tx.flow).host
        headers = warning_header(status, "no change before the answer", None, host)
        self._stack.respond(tx, status, headers=headers, now_s=now_s)
        self._arm(live, PRACK_TIMER, None, now_s)
        if live.caller.tx.final_status:
            return
        held, answers.held = answers.held, None
        if held is not None:
            self._answer(live, held, (), now_s)
            return
        following = answers.sent.next()
        if following is not None and answers.sent.send(following, now_s):
            self._send(live, answers, following, now_s)

    def timer_fired(self, live: LiveCall, now_s: float) -> None:
        """Repeat what no PRACK came for, or give up."""
        caller, answers = live.caller, live.caller.answers
        if answers is None or answers.sent.out is None or caller.tx.final_status:
            return
        if answers.sent.repeat(now_s):
            self._send(live, answers, answers.sent.out, now_s)
            return
        if answers.held is not None:
            self.refuse_held(live, 504, now_s)
        self._feed(live, ev.PrackMissing(), now_s)

    def refuse_held(self, live: LiveCall, status: int, now_s: float) -> bool:
        """The 2xx that waits will not be sent. Whether there was one."""
        answers = live.caller.answers
        if answers is None or answers.held is None:
            return False
        answers.held = None
        self._arm(live, PRACK_TIMER, None, now_s)
        self._answer(live, ev.AnswerCaller(status), (), now_s)
        return True
