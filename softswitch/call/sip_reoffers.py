"""Re-INVITEs between the SIP stack and the call machines: the initiator's transaction and ours to
the other side (``LiveCall.reoffer``)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import ResponseReceived
from sip.message import Request, Response
from sip.stack import Stack
from sip.transaction import ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.challenges import CHALLENGES, credentials, proved
from softswitch.call.legs import BranchLeg, LiveCall, ReofferLegs, Role, content, reason_header

log = Logger()

Feed = Callable[[LiveCall, ev.Input, float], None]


class SipReoffers:
    """All calls' re-INVITEs. ``feed`` gives an input to a call's machine."""

    def __init__(
        self, stack: Stack, addresses: Addresses, feed: Feed, *, token: Callable[[], str]
    ) -> None:
        self._token = token
        self._stack = stack
        self._addresses = addresses
        self._feed = feed

    # --- events -----------------------------------------------------------------------------------

    def received(
        self, live: LiveCall, side: ev.Side | None, tx: ServerTransaction, now_s: float
    ) -> None:
        """A re-INVITE; no ``side``: of a phone that answered too late, its BYE is on the way."""
        if side is None:
            self._stack.respond(tx, 481, now_s=now_s)
            return
        if live.reoffer is not None:
            # RFC 3261 14.2: one change at a time; 491 to a change that crosses ours.
            self._stack.respond(tx, 491, now_s=now_s)
            return
        tx.owner = Role(live, "reoffer", side)
        live.reoffer = ReofferLegs(tx)
        self._feed(live, ev.Reoffered(side, tx.request.body), now_s)

    def acked(self, live: LiveCall, ack: Request, now_s: float) -> None:
        """The initiator's ACK of our 2xx: the next change may come."""
        self._feed(live, ev.ReofferAcked(ack.body), now_s)
        live.reoffer = None

    def cancelled(self, live: LiveCall, now_s: float) -> None:
        """The initiator gave up. The other side decides: 487, or a 200 that crossed. Its answer
        goes back."""
        if live.reoffer and live.reoffer.client:
            self._stack.cancel(live.reoffer.client, now_s)

    def responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """The other side's final response."""
        live, response = role.call, event.response
        if response.status in CHALLENGES and self._proved(role, event, now_s):
            return
        if 200 <= response.status < 300:
            dialog = live.dialog(role.side)
            if dialog is not None:
                _refresh(dialog, response)
        self._answered(live, response.status, response.body, response.reason, now_s)

    def failed(self, role: Role, status: int, reason: str, now_s: float) -> None:
        """The other side gave no answer."""
        self._answered(role.call, status, b"", reason, now_s)

    def _answered(self, live: LiveCall, status: int, sdp: bytes, reason: str, now_s: float) -> None:
        if live.reoffer is not None and live.reoffer.server is None and status >= 300:
            live.reoffer = None  # our own: nobody is to be told
        self._feed(live, ev.ReofferAnswered(status, sdp, reason), now_s)

    def _proved(self, role: Role, event: ResponseReceived, now_s: float) -> bool:
        """Whether this was a trunk's challenge, and the re-INVITE went out again."""
        live, tx, dialog = role.call, event.transaction, role.call.dialog(role.side)
        leg = live.leg(role.side)
        if dialog is None or live.reoffer is None or tx.cancel_asked:
            return False
        login = leg.target.login if isinstance(leg, BranchLeg) else None
        again = login and proved(tx.request, event.response, login, self._token())
        if not again:
            return False
        dialog.local_cseq = again.cseq.number
        live.reoffer.client = self._stack.request(
            again, tx.flow, now_s, role, self._addresses.sent_by(tx.flow)
        )
        return True

    # --- actions ----------------------------------------------------------------------------------

    def send(self, live: LiveCall, action: ev.SendReoffer, now_s: float) -> None:
        """Pass a re-INVITE on, or send one of our own."""
        dialog = live.dialog(action.side)
        assert dialog is not None, "the call is up"
        if live.reoffer is None:
            live.reoffer = ReofferLegs(None)
        if live.trunk(action.side) is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        request = dialog.request("INVITE", content(action.sdp), action.sdp)
        live.reoffer.client = self._stack.request(
            request,
            dialog.flow,
            now_s,
            Role(live, "reoffer", action.side),
            self._addresses.sent_by(dialog.flow),
        )

    def answer(self, live: LiveCall, action: ev.AnswerReoffer, now_s: float) -> None:
        """Answer a re-INVITE; unless with 2xx, the way is free for the next one.

        What the other side has not answered yet is taken back, and waited for: it may be answered
        all the same, and a device that never does must not keep our transaction.
        """
        reoffer = live.reoffer
        if reoffer is None or reoffer.server is None or reoffer.server.final_status:
            return
        headers = content(action.sdp) + reason_header(action.status, action.reason)
        if action.status < 300:
            server = reoffer.server
            contact = self._addresses.contact(server.flow, server.request.uri)
            headers += (("Contact", contact),)
        elif reoffer.client is None or reoffer.client.final_status:
            live.reoffer = None
        else:
            self._stack.cancel(reoffer.client, now_s)
        self._stack.respond(
            reoffer.server, action.status, headers=headers, body=action.sdp, now_s=now_s
        )

    def ack(self, live: LiveCall, action: ev.AckReoffer, now_s: float) -> None:
        """Acknowledge the other side's 2xx to a re-INVITE that was passed on."""
        dialog = live.dialog(action.side)
        client = live.reoffer.client if live.reoffer else None
        if dialog is None or client is None:
            return
        headers = content(action.sdp) + credentials(client.request)
        ack = dialog.ack(client.request.cseq.number, action.sdp, headers)
        self._stack.ack(client, ack, dialog.flow, now_s, self._addresses.sent_by(dialog.flow))
        if live.reoffer is not None and live.reoffer.server is None:
            live.reoffer = None


def _refresh(dialog: Dialog, response: Response) -> None:
    try:
        dialog.refresh(response)
    except RemoteError as error:
        log.debug("target not refreshed: {error}", error=error)
