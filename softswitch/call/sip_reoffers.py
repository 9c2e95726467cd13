"""Re-INVITEs and UPDATEs between the SIP stack and the call machines: the initiator's transaction
and ours to the other side (``LiveCall.reoffer``).

The machines speak of offers only. Here a change becomes a re-INVITE, or an UPDATE (RFC 3311) when
it came as one and the other side takes it: that has no ACK, and is to be answered at once, without
asking anybody.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.dialog import Dialog
from sip.events import ResponseReceived
from sip.message import Request, Response
from sip.stack import Stack
from sip.transaction import ClientTransaction, ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.challenges import CHALLENGES, credentials, proved
from softswitch.call.legs import (
    Feed,
    Headers,
    LiveCall,
    ReofferLegs,
    Role,
    content,
    reason_header,
    refresh_target,
)
from softswitch.call.sip_session import UNKNOWN_METHOD, SipSessions
from softswitch.call.warnings import heard_warning, warning_header

RETRY_LATER: Headers = (("Retry-After", "5"),)  # RFC 3261 14.2, RFC 3311 5.2: 0 to 10 s


class SipReoffers:
    """All calls' changes. ``feed`` gives an input to a call's machine."""

    def __init__(
        self,
        stack: Stack,
        addresses: Addresses,
        feed: Feed,
        sessions: SipSessions,
        *,
        token: Callable[[], str],
    ) -> None:
        self._token = token
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._sessions = sessions

    # --- events -----------------------------------------------------------------------------------

    def received(
        self, live: LiveCall, side: ev.Side | None, tx: ServerTransaction, now_s: float
    ) -> None:
        """A re-INVITE or UPDATE; no ``side``: of a phone that answered too late, its BYE is on the
        way."""
        leg = None if side is None else live.leg(side)
        if side is None or leg is None:
            self._stack.respond(tx, 481, now_s=now_s)
            return
        if self._sessions.refuses(tx, now_s):
            return
        is_refresh = tx.request.method == "UPDATE" and not tx.request.body
        pending = live.reoffer
        if pending is not None and _still_asks(pending, side):
            # RFC 3261 14.2, RFC 3311 5.2: a second one before the first is answered.
            self._stack.respond(tx, 500, headers=RETRY_LATER, now_s=now_s)
        elif is_refresh:
            self._sessions.updated(live, leg, tx, now_s)
        elif pending is not None:
            # One change at a time; 491 to a change that crosses ours.
            self._stack.respond(tx, 491, now_s=now_s)
        else:
            tx.owner = Role(live, "reoffer", side)
            live.reoffer = ReofferLegs(tx)
            self._feed(live, ev.Reoffered(side, tx.request.body), now_s)

    def early(
        self, tx: ServerTransaction, contact: str, refusal: tuple[int, Headers], now_s: float
    ) -> None:
        """An UPDATE before the answer (RFC 3311 5.2). Without an offer it is taken; one with an
        offer would have to be answered at once by who has not answered yet."""
        if not tx.request.body:
            self._stack.respond(tx, 200, headers=(("Contact", contact),), now_s=now_s)
            return
        status, headers = refusal
        self._stack.respond(tx, status, headers=headers, now_s=now_s)

    def acked(self, live: LiveCall, ack: Request, now_s: float) -> None:
        """The initiator's ACK of our 2xx: the next change may come."""
        self._over(live, ack.body, now_s)

    def _over(self, live: LiveCall, sdp: bytes, now_s: float) -> None:
        self._feed(live, ev.ReofferAcked(sdp), now_s)
        live.reoffer = None

    def cancelled(self, live: LiveCall, now_s: float) -> None:
        """The initiator gave up. The other side decides: 487, or a 200 that crossed. Its answer
        goes back."""
        if live.reoffer and live.reoffer.client:
            self._stack.cancel(live.reoffer.client, now_s)

    def responded(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """The other side's final response."""
        live, response, leg = role.call, event.response, role.leg
        if live.side_of(leg) != role.side:
            self._left(role, event, now_s)
            return
        if response.status in CHALLENGES and self._proved(role, event, now_s):
            return
        if leg.dialog is not None:
            if 200 <= response.status < 300:
                refresh_target(leg.dialog, response)
                self._sessions.answered(live, leg, response, now_s)
            elif self._again(role, response, now_s):
                return
        if live.reoffer is not None:
            live.reoffer.warning = heard_warning(response, response.status)
        self._answered(live, response.status, response.body, response.reason, now_s)

    def _left(self, role: Role, event: ResponseReceived, now_s: float) -> None:
        """The answer of a party that was handed on meanwhile is none of who is there now; its 2xx
        gets its ACK all the same."""
        dialog, asked = role.leg.dialog, event.transaction
        if event.response.status < 300 and asked.request.method == "INVITE" and dialog is not None:
            self._acknowledge(asked, dialog, b"", now_s)
        self._answered(role.call, 491, b"", "another party is at the other side now", now_s)

    def failed(self, role: Role, status: int, reason: str, now_s: float) -> None:
        """The other side gave no answer."""
        self._answered(role.call, status, b"", reason, now_s)

    def _again(self, role: Role, response: Response, now_s: float) -> bool:
        """Whether a refusal was about how we asked, and the same is asked in another way: for a
        longer session, or by re-INVITE."""
        live = role.call
        leg, client = live.leg(role.side), live.reoffer.client if live.reoffer else None
        if leg is None or client is None or client.cancel_asked:
            return False
        method = client.request.method
        if method == "UPDATE" and response.status in UNKNOWN_METHOD:
            leg.takes_update = False
            method = "INVITE"
        elif not self._sessions.widens(leg, response):
            return False
        self._send(live, role.side, method, client.request.body, now_s)
        return True

    def _answered(self, live: LiveCall, status: int, sdp: bytes, reason: str, now_s: float) -> None:
        if live.reoffer is not None and live.reoffer.server is None and status >= 300:
            live.reoffer = None  # our own: nobody is to be told
        self._feed(live, ev.ReofferAnswered(status, sdp, reason), now_s)

    def _proved(self, role: Role, event: ResponseReceived, now_s: float) -> bool:
        """Whether this was a trunk's challenge, and the re-INVITE went out again."""
        live, tx, dialog, login = role.call, event.transaction, role.leg.dialog, role.leg.login
        if dialog is None or login is None or live.reoffer is None or tx.cancel_asked:
            return False
        used = dialog.local_cseq
        again = proved(tx.request, event.response, login, self._token(), after=used)
        if not again:
            return False
        dialog.local_cseq = again.cseq.number
        live.reoffer.client = self._stack.request(
            again, tx.flow, now_s, role, self._addresses.sent_by(tx.flow)
        )
        return True

    # --- actions ----------------------------------------------------------------------------------

    def send(self, live: LiveCall, action: ev.SendReoffer, now_s: float) -> None:
        """Pass a change on, or send one of our own."""
        if live.reoffer is None:
            live.reoffer = ReofferLegs(None)
        leg, asked = live.leg(action.side), live.reoffer.server
        is_update = asked is not None and asked.request.method == "UPDATE"
        method = "UPDATE" if is_update and leg is not None and leg.takes_update else "INVITE"
        self._send(live, action.side, method, action.sdp, now_s)

    def _send(self, live: LiveCall, side: ev.Side, method: str, sdp: bytes, now_s: float) -> None:
        leg = live.leg(side)
        assert leg is not None, "the call is up"
        assert leg.dialog is not None, "the call is up"
        assert live.reoffer is not None, "it is what is sent"
        dialog = leg.dialog
        if leg.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        request = dialog.request(method, (*self._sessions.asked(leg), *content(sdp)), sdp)
        live.reoffer.client = self._stack.request(
            request,
            dialog.flow,
            now_s,
            Role(live, "reoffer", side, live.number_of(leg)),
            self._addresses.sent_by(dialog.flow),
        )

    def answer(self, live: LiveCall, action: ev.AnswerReoffer, now_s: float) -> None:
        """Answer a change; unless with 2xx, the way is free for the next one.

        What the other side has not answered yet is taken back, and waited for: it may be answered
        all the same, and a device that never does must not keep our transaction.
        """
        reoffer, leg = live.reoffer, live.leg(action.side)
        if reoffer is None or reoffer.server is None or reoffer.server.final_status:
            return
        server, client = reoffer.server, reoffer.client
        headers = content(action.sdp) + reason_header(action.status, action.reason)
        if action.status < 300:
            contact = self._addresses.contact(server.flow, server.request.uri)
            headers += (("Contact", contact),)
            if leg is not None:
                headers += self._sessions.answer(live, leg, server, now_s)
        else:
            host = self._addresses.sent_by(server.flow).host
            headers += warning_header(action.status, action.reason, reoffer.warning, host)
            if client is None or client.final_status:
                live.reoffer = None
            elif client.request.method == "INVITE":
                self._stack.cancel(client, now_s)
        self._stack.respond(server, action.status, headers=headers, body=action.sdp, now_s=now_s)
        if action.status < 300 and server.request.method == "UPDATE":
            self._over(live, b"", now_s)

    def take_back(self, reoffer: ReofferLegs, now_s: float) -> None:
        """The call ends: a re-INVITE of our own that a device never answers must not stay."""
        client = reoffer.client
        if reoffer.server is None and client is not None and not client.final_status:
            self._stack.cancel(client, now_s)

    def ack(self, live: LiveCall, action: ev.AckReoffer, now_s: float) -> None:
        """Acknowledge the other side's 2xx to a re-INVITE that was passed on; an UPDATE has no
        ACK."""
        dialog = live.dialog(action.side)
        client = live.reoffer.client if live.reoffer else None
        if dialog is None or client is None:
            return
        if client.request.method == "INVITE":
            self._acknowledge(client, dialog, action.sdp, now_s)
        if live.reoffer is not None and live.reoffer.server is None:
            live.reoffer = None

    def _acknowledge(
        self, client: ClientTransaction, dialog: Dialog, sdp: bytes, now_s: float
    ) -> None:
        headers = content(sdp) + credentials(client.request)
        ack = dialog.ack(client.request.cseq.number, sdp, headers)
        self._stack.ack(client, ack, dialog.flow, now_s, self._addresses.sent_by(dialog.flow))


def _still_asks(pending: ReofferLegs, side: ev.Side) -> bool:
    """Whether a side waits for our final answer to a change of its own."""
    server = pending.server
    if server is None or server.final_status:
        return False
    return isinstance(server.owner, Role) and server.owner.side == side
