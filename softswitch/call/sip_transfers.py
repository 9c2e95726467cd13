"""REFER between the SIP stack and the call machines (RFC 3515, RFC 3891, RFC 4488).

A phone of ours may transfer whom it talks to: to a number, which is routed and paid as a call of
that phone's, or with Replaces to the other party of a second call of its account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.message import Request
from sip.reasons import reason_phrase
from sip.stack import Stack
from sip.transaction import ServerTransaction
from sip.transfer import ReferTo, Replaces, parse_refer_to, parse_replaces, referred_by
from sip.uri import parse_uri
from sip.usual_address import read_address
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.admission import wants_privacy
from softswitch.call.b2bua import UP, State
from softswitch.call.legs import Feed, Leg, LiveCall, Referral
from softswitch.call.negotiation import read_party
from softswitch.routing.plan import PhoneCaller, Plan

Near = tuple[LiveCall, Leg]  # a call, and the leg of it that was looked for
SUBSCRIPTION_S = 180  # told to the transferor; the last NOTIFY ends it long before
FRAGMENT_TYPE = ("Content-Type", "message/sipfrag;version=2.0")


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a transfer asks of the calls around it: where a number that a user dials leads; which
    leg has a dialog; and to join the far party of a second call, named by its near leg, to a side
    of the first one."""

    plan: Callable[[LiveCall, PhoneCaller, str], Plan]
    leg: Callable[[Replaces], Near | None]
    join: Callable[[LiveCall, ev.Side, Near, float], None]


class SipTransfers:
    """All calls' transfers. ``feed`` gives an input to a call's machine."""

    def __init__(self, stack: Stack, addresses: Addresses, feed: Feed, lookups: Lookups) -> None:
        self._stack = stack
        self._addresses = addresses
        self._feed = feed
        self._lookups = lookups

    def received(self, live: LiveCall, leg: Leg, tx: ServerTransaction, now_s: float) -> None:
        """A REFER in a call's dialog."""
        side, user = live.side_of(leg), leg.user
        refusal = _refusal(live, side, user)
        if refusal is None and side is not None and user is not None:
            try:
                self._obey(live, leg, side, user, tx, now_s)
            except RemoteError as error:
                self._stack.respond(tx, error.status_hint, str(error), now_s=now_s)
        else:
            status, reason = refusal or (481, "not a party of this call")
            self._stack.respond(tx, status, reason, now_s=now_s)

    def replaced(self, request: Request, user: PhoneCaller) -> Near:
        """Whose place the phone of ``user`` takes with an INVITE that has Replaces. Raises
        RemoteError with the status that refuses (RFC 3891 3). What only rings is not known here by
        its dialog, nor to any phone: to pick it up is a matter of dialling."""
        if not request.body:
            raise RemoteError("Replaces without a session description", 488)
        read_party(request.body)
        values = request.values("replaces")
        if len(values) != 1:
            raise RemoteError(f"Replaces: {len(values)} values, an INVITE has one")
        wanted = parse_replaces(values[0])
        live, leg = found = self._named(wanted, user)
        if live.machine.state is State.DIALLING:
            raise RemoteError("Replaces names a call that was not answered", 481)
        if live.machine.state not in UP or live.side_of(leg) is None:
            raise RemoteError("the call that Replaces names is over", 603)
        if wanted.early_only:
            raise RemoteError("the call that Replaces names was answered", 486)
        if not _may_transfer(live):
            raise RemoteError("another change is under way", 491)
        return found

    def _named(self, wanted: Replaces, user: PhoneCaller) -> Near:
        """Raises RemoteError: 481 when it is not one that this user may join (another account's is
        as good as none)."""
        found = self._lookups.leg(wanted)
        if found is None or found[1].user is None or found[1].user.account != user.account:
            raise RemoteError("Replaces names no call here", 481)
        return found

    def tell(self, live: LiveCall, action: ev.TellTransfer, now_s: float) -> None:
        """NOTIFY the transferor, if it wants to know and is still there."""
        referral = live.referral
        if referral is None:
            return
        if action.status >= 200:
            live.referral = None
        if referral.event and referral.leg.dialog is not None:
            self._notify(live, referral, referral.leg.dialog, action.status, now_s)

    def _obey(
        self,
        live: LiveCall,
        leg: Leg,
        side: ev.Side,
        user: PhoneCaller,
        tx: ServerTransaction,
        now_s: float,
    ) -> None:
        """Accept and begin. Raises RemoteError with the status that refuses."""
        request = tx.request
        refer_to, by = parse_refer_to(request), referred_by(request)
        other = self._other_call(live, user, refer_to)
        plan = None if other else self._plan(live, side, user, refer_to)
        silent = (request.first("refer-sub") or "").strip().lower() == "false"
        headers = [("Contact", leg.contact)]
        if silent:
            headers.append(("Refer-Sub", "false"))
        self._stack.respond(tx, 202, headers=headers, now_s=now_s)
        live.referral = Referral(
            leg, "" if silent else _event(leg, request), by or _name_of(leg, user)
        )
        leg.referrals += 1
        self.tell(live, ev.TellTransfer(side, 100), now_s)
        if plan is not None:
            self._feed(live, ev.TransferAsked(side, plan), now_s)
        elif other is not None:
            self._lookups.join(live, side, other, now_s)

    def _plan(self, live: LiveCall, side: ev.Side, user: PhoneCaller, refer_to: ReferTo) -> Plan:
        """Where the target is, for a call of the transferor's. Raises RemoteError for a target that
        names nobody."""
        if not refer_to.user:
            raise RemoteError("Refer-To names no user or number")
        return shown_as(self._lookups.plan(live, user, refer_to.user), live, ev.other_side(side))

    def _other_call(self, live: LiveCall, user: PhoneCaller, refer_to: ReferTo) -> Near | None:
        """The call that Replaces names; ``None`` when there is no Replaces. Raises RemoteError when
        it is not one that this user may join."""
        if refer_to.replaces is None:
            return None
        second, leg = found = self._named(refer_to.replaces, user)
        if second is live or not _may_transfer(second):
            raise RemoteError("the call that Replaces names is not up", 491)
        if second.side_of(leg) is None:
            raise RemoteError("Replaces names no party of that call", 481)
        return found

    def _notify(
        self, live: LiveCall, referral: Referral, dialog: Dialog, status: int, now_s: float
    ) -> None:
        over = status >= 200
        state = "terminated;reason=noresource" if over else f"active;expires={SUBSCRIPTION_S}"
        headers = (
            ("Event", referral.event),
            ("Subscription-State", state),
            FRAGMENT_TYPE,
        )
        body = f"SIP/2.0 {status} {reason_phrase(status)}\r\n".encode()
        notify = dialog.request("NOTIFY", headers, body)
        flow = dialog.flow
        role = referral.role(live) if over else None
        referral.leg.notifying = over
        self._stack.request(notify, flow, now_s, role, self._addresses.sent_by(flow))


def _refusal(
    live: LiveCall, side: ev.Side | None, user: PhoneCaller | None
) -> tuple[int, str] | None:
    if side is None:
        return 481, "not a party of this call"
    if user is None:
        return 403, "only phones of this switch may transfer"
    if not _may_transfer(live):
        return 491, "another change is under way"
    return None


def _may_transfer(live: LiveCall) -> bool:
    """A caller whose 200 waits for a PRACK has not been answered yet."""
    answers = live.caller.answers
    return live.machine.may_transfer and (answers is None or answers.held is None)


def _name_of(leg: Leg, user: PhoneCaller) -> str:
    """A user as the other phones of the account may call it."""
    assert leg.dialog is not None, "the REFER came in it"
    _, uri_text, _ = read_address(leg.dialog.remote, "remote")
    return f"<sip:{user.extension}@{parse_uri(uri_text).host_port}>"


def _event(leg: Leg, request: Request) -> str:
    """The first REFER of a dialog needs no id; those after it are told apart (RFC 3515 2.4.6)."""
    return f"refer;id={request.cseq.number}" if leg.referrals else "refer"


def shown_as(plan: Plan, live: LiveCall, kept: ev.Side) -> Plan:
    """The plan as the new party's phones see it: not the transferor calls, but whom it hands on,
    unless that one asked not to be shown."""
    if kept == "a" and wants_privacy(live.caller.tx.request):
        return plan
    record = live.machine.records[0] if live.machine.records else None
    number = "" if record is None else record.caller if kept == "a" else record.called
    return plan.shown_to_phones(number) if number else plan
