"""Session timers between the SIP stack and the call machines (RFC 4028): each leg has its own.

What a timer needs is an UPDATE to a peer that takes it, else a re-INVITE, which is the machine's to
send (``RefreshDue``). Who should refresh and does not is hung up on (``SessionLost``).
"""

from __future__ import annotations

from sip import session_timer
from sip.errors import RemoteError
from sip.message import Response
from sip.session_timer import Session
from sip.stack import Stack
from sip.transaction import ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.b2bua import UP, State
from softswitch.call.challenges import CHALLENGES
from softswitch.call.legs import (
    SIP_TIMERS,
    WITHOUT_OFFER,
    Arm,
    Feed,
    Headers,
    Leg,
    LiveCall,
    Role,
    refresh_target,
)

SESSION_TIMER = SIP_TIMERS + "session"
MIN_SE: Headers = (("Min-SE", str(session_timer.INTERVAL_MIN_S)),)
GONE = (408, 481)  # of a refresh: that dialog is lost (RFC 4028 7.4)
UNKNOWN_METHOD = (405, 501)  # what Allow says is not so


class SipSessions:
    """All legs' session timers. ``arm`` starts a timer of a call, or stops it."""

    def __init__(self, stack: Stack, addresses: Addresses, feed: Feed, arm: Arm) -> None:
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._arm = arm

    # --- as UAS -----------------------------------------------------------------------------------

    def refuses(self, tx: ServerTransaction, now_s: float) -> bool:
        """Whether an INVITE or UPDATE was refused: 422 for too short an interval (RFC 4028 9)."""
        if "session-expires" not in tx.request.headers:
            return False
        try:
            if not session_timer.is_too_small(tx.request):
                return False
        except RemoteError as error:
            self._stack.respond(tx, error.status_hint, str(error), now_s=now_s)
            return True
        self._stack.respond(tx, 422, headers=MIN_SE, now_s=now_s)
        return True

    def answer(self, live: LiveCall, leg: Leg, tx: ServerTransaction, now_s: float) -> Headers:
        """What a 2xx of ours to an INVITE or UPDATE says; the session begins anew."""
        try:
            answer = session_timer.answer(tx.request)
        except RemoteError:  # a list that cannot be read names nothing
            answer = None
        if answer is None:
            self.end(live, leg, now_s)
            return ()
        self._begin(live, leg, answer.begun(now_s), now_s)
        return answer.headers

    def updated(self, live: LiveCall, leg: Leg, tx: ServerTransaction, now_s: float) -> None:
        """An UPDATE without an offer: the peer is there, and its target may be new."""
        headers = (("Contact", leg.contact), *self.answer(live, leg, tx, now_s))
        self._stack.respond(tx, 200, headers=headers, now_s=now_s)

    # --- as UAC -----------------------------------------------------------------------------------

    @staticmethod
    def asked(leg: Leg) -> Headers:
        """What a re-INVITE or UPDATE of ours says."""
        if leg.session is None:
            return (WITHOUT_OFFER,)
        expires = ("Session-Expires", str(leg.session.asked(leg.min_se_s)))
        return (WITHOUT_OFFER, expires, ("Min-SE", str(leg.min_se_s)))

    def answered(self, live: LiveCall, leg: Leg, response: Response, now_s: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours: the session begins anew, with or without a timer
        (RFC 4028 7.2)."""
        session = session_timer.agreed(response, now_s)
        if session is None:
            self.end(live, leg, now_s)
        else:
            self._begin(live, leg, session, now_s)

    @staticmethod
    def widens(leg: Leg, response: Response) -> bool:
        """Whether a response is a 422 that asks for more than we did: worth another try (7.3)."""
        least_s = session_timer.wanted(response) if response.status == 422 else None
        if least_s is None or least_s <= leg.min_se_s:
            return False
        leg.min_se_s = least_s
        return True

    # --- time -------------------------------------------------------------------------------------

    def _begin(self, live: LiveCall, leg: Leg, session: Session | None, now_s: float) -> None:
        leg.session = session
        self.arm(live, leg, now_s)

    def arm(self, live: LiveCall, leg: Leg, now_s: float) -> None:
        """Wait for what the leg's session needs next; for nothing, without one."""
        if live.machine.state in UP or live.machine.state is State.TAKING_OVER:
            due_s = None if leg.session is None else leg.session.due_s
            self._arm(live, _timer_of(live, leg), due_s, now_s)

    def end(self, live: LiveCall, leg: Leg, now_s: float) -> None:
        """The leg leaves, or goes on without a timer."""
        if leg.session is not None:
            self._begin(live, leg, None, now_s)

    def timer_fired(self, live: LiveCall, name: str, now_s: float) -> None:
        """Refresh, or give the peer up."""
        leg = live.numbered(int(name.removeprefix(SESSION_TIMER)))
        session, side = leg.session, live.side_of(leg)
        if session is None or live.machine.state not in UP:
            return
        if side is not None and now_s >= session.over_s:
            self._feed(live, ev.SessionLost(side), now_s)
            return
        # A leg that joins a call is no side of it for a moment, and then waits too.
        again_s = session.retry_s(now_s) if side else now_s + session_timer.RETRY_S
        self._arm(live, name, again_s, now_s)
        if side is not None and session.is_ours:
            self._refresh(live, leg, side, now_s)

    def _refresh(self, live: LiveCall, leg: Leg, side: ev.Side, now_s: float) -> None:
        if live.reoffer is not None or leg.refreshing:
            return  # what is under way refreshes too, or this is tried again
        if leg.takes_update:
            self._update(live, leg, side, now_s)
        else:
            self._feed(live, ev.RefreshDue(side), now_s)

    def _update(self, live: LiveCall, leg: Leg, side: ev.Side, now_s: float) -> None:
        dialog = leg.dialog
        assert dialog is not None, "a session is that of a dialog"
        if leg.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        flow = dialog.flow
        leg.refreshing = True
        role = Role(live, "refresh", side, live.number_of(leg))
        update = dialog.request("UPDATE", self.asked(leg))
        self._stack.request(update, flow, now_s, role, self._addresses.sent_by(flow))

    def refreshed(self, role: Role, response: Response, now_s: float) -> None:
        """The final response to an UPDATE of ours."""
        live, leg = role.call, role.leg
        leg.refreshing = False
        side = live.side_of(leg)
        if side is None or leg.dialog is None:
            return
        if response.status < 300:
            refresh_target(leg.dialog, response)
            self.answered(live, leg, response, now_s)
        elif response.status in GONE:
            self._feed(live, ev.SessionLost(side), now_s)
        elif response.status in UNKNOWN_METHOD or response.status in CHALLENGES:
            leg.takes_update = False  # a challenge is answered in a re-INVITE
            self._refresh(live, leg, side, now_s)
        elif self.widens(leg, response):
            self._refresh(live, leg, side, now_s)

    def failed(self, role: Role, now_s: float) -> None:
        """No answer to an UPDATE of ours: that dialog is lost (RFC 4028 7.4)."""
        role.leg.refreshing = False
        side = role.call.side_of(role.leg)
        if side is not None:
            self._feed(role.call, ev.SessionLost(side), now_s)


def _timer_of(live: LiveCall, leg: Leg) -> str:
    return f"{SESSION_TIMER} {live.number_of(leg)}"
