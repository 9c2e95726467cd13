"""The SIP half of a call: transactions and dialogs of its legs, and the requests they send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from twisted.logger import Logger

from sip import reliable, session_timer
from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Message, Request, Response
from sip.reason_header import is_reason_value, reason_value
from sip.session_timer import INTERVAL_MIN_S, INTERVAL_S, Session
from sip.transaction import ClientTransaction, ServerTransaction
from sip.warning import Warning
from softswitch.call.b2bua import Call
from softswitch.call.early import Early, EarlyAnswers
from softswitch.call.events import Input, Side, Target
from softswitch.ids import AccountId
from softswitch.routing.model import TrunkLogin
from softswitch.routing.plan import PhoneCaller, Plan

log = Logger()

ALLOW = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "REFER", "UPDATE", "PRACK"),
    *("INFO", "MESSAGE", "SUBSCRIBE", "NOTIFY"),
)
SDP_TYPE = ("Content-Type", "application/sdp")

CALL_EXTENSIONS = frozenset({reliable.OPTION, session_timer.OPTION, "replaces"})
"""What a request of a call may require (RFC 3262, RFC 4028, RFC 3891)."""

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class CallerLeg:
    """The calling side. ``dialog`` gets its local tag with our 200. ``bye`` is a hang-up of ours
    that waits: for the ACK, before which a UAS must not send BYE (RFC 3261 15), or for the answer
    to the last NOTIFY of a transfer, which it must not overtake (``notifying``)."""

    tx: ServerTransaction
    flow: Flow
    contact: str
    dialog: Dialog
    trunk: str | None = None
    user: PhoneCaller | None = None
    login: TrunkLogin | None = None  # to answer the trunk's challenges with
    acked: bool = False
    bye: Request | None = None
    notifying: bool = False
    referrals: int = 0  # REFERs of this dialog so far
    session: Session | None = None  # RFC 4028; None: it lasts until it is ended
    min_se_s: int = INTERVAL_MIN_S  # the least interval that the peer takes
    takes_update: bool = False  # RFC 3311 4
    refreshing: bool = False  # an UPDATE of ours is out
    answers: EarlyAnswers | None = None  # of a caller that takes reliable provisionals only

    @property
    def allow(self) -> Sequence[str]:
        """The peer's Allow lines: what it takes inside the dialog."""
        return self.tx.request.all("allow")

    @property
    def may_leave(self) -> bool:
        """Whether BYE may go out now."""
        return self.acked and not self.notifying


@dataclass(slots=True)
class BranchLeg:
    """One branch. ``dialog`` exists from the first 2xx on; ``on_trunk``: it takes a channel of
    its trunk. ``tx`` is the INVITE's; a leg that came from another call has none here.
    ``udp_target``: where it goes if the TCP that it was too large for does not work."""

    target: Target
    contact: str
    tx: ClientTransaction | None
    dialog: Dialog | None = None
    on_trunk: bool = False
    bye: Request | None = None
    notifying: bool = False
    referrals: int = 0
    ringing_to: str = ""  # To of the latest provisional response, with the phone's tag
    udp_target: Target | None = None
    proved: bool = False  # its INVITE went out again, with the answer to a challenge
    allow: Sequence[str] = ()  # the Allow lines of its 2xx
    session: Session | None = None  # as ``CallerLeg``'s
    min_se_s: int = INTERVAL_MIN_S
    takes_update: bool = False
    refreshing: bool = False
    cseq: int = 1  # of its INVITE
    early: Early | None = None  # dialogs that reliable provisionals made
    warning: Warning | None = None  # of its refusal

    @property
    def may_leave(self) -> bool:
        """As ``CallerLeg.may_leave``."""
        return not self.notifying

    @property
    def user(self) -> PhoneCaller | None:
        """Whose phone it is, ``None`` for a carrier's."""
        target = self.target
        if target.account is None or target.extension is None:
            return None
        return PhoneCaller(target.account, target.extension)

    @property
    def trunk(self) -> str | None:
        """The carrier that it goes to, if it does."""
        return self.target.trunk

    @property
    def login(self) -> TrunkLogin | None:
        """As ``CallerLeg.login``."""
        return self.target.login


Leg = CallerLeg | BranchLeg


@runtime_checkable
class OwnRequest(Protocol):
    """The owner of a request that is no call's: what comes of it is told here."""

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """A response, provisional ones too."""

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """No final one came."""


@dataclass(slots=True)
class ReofferLegs:
    """A re-INVITE or UPDATE on its way through: the initiator's transaction (``None``: it is our
    own), ours to the other side, and the warning of that one's refusal."""

    server: ServerTransaction | None
    client: ClientTransaction | None = None
    warning: Warning | None = None


@dataclass(slots=True)
class Referral:
    """A REFER that is being obeyed: in whose dialog NOTIFY goes back, under which event; "" when
    nothing is to be told (RFC 4488). ``by``: the Referred-By of the new INVITE (RFC 3892)."""

    leg: Leg
    event: str
    by: str = ""

    def shown_to(self, target: Target) -> Headers:
        """What the new party is told of the transferor, if it is of the same account: to others,
        who that is would be a secret told."""
        user = self.leg.user
        if user is None or user.account != target.account:
            return ()
        return (("Referred-By", self.by),)

    def role(self, live: LiveCall) -> Role:
        """The owner of the last NOTIFY."""
        return Role(live, "notify", branch=live.number_of(self.leg))


@dataclass(slots=True)
class LiveCall:
    """A call that is up: its machine, its legs, its timers (ids by name)."""

    machine: Call
    plan: Plan
    caller: CallerLeg
    started_us: int
    currencies: dict[AccountId, str]
    branches: list[BranchLeg] = field(default_factory=list)
    reoffer: ReofferLegs | None = None
    referral: Referral | None = None
    timers: dict[str, int] = field(default_factory=dict)
    media_seen: bool = False  # RTP came since the last journal beat
    media_ever: bool = False

    def leg(self, side: Side) -> Leg | None:
        """The leg that is a party of the call, ``None`` before there is one."""
        parties = self.machine.parties
        if side not in parties:
            return None
        party = parties[side]
        return self.caller if party is None else self.branches[party.number]

    def dialog(self, side: Side) -> Dialog | None:
        """The dialog with a party."""
        leg = self.leg(side)
        return None if leg is None else leg.dialog

    def trunk(self, side: Side) -> str | None:
        """The carrier at a side, ``None`` for a phone."""
        leg = self.leg(side)
        return None if leg is None else leg.trunk

    def numbered(self, number: int) -> Leg:
        """A branch by its number, the caller's leg below 0."""
        return self.caller if number < 0 else self.branches[number]

    def number_of(self, leg: Leg) -> int:
        """What ``numbered`` finds a leg by."""
        return next((number for number, each in enumerate(self.branches) if each is leg), -1)

    def side_of(self, leg: Leg) -> Side | None:
        """Which party a leg is; ``None`` for one that answered too late, or has left."""
        if self.leg("a") is leg:
            return "a"
        return "b" if self.leg("b") is leg else None


class Role(NamedTuple):
    """What a transaction of ours is for: the ``owner`` that comes back with its events."""

    call: LiveCall
    part: str  # caller | branch | reoffer | refresh | bye | notify: the last one of a transfer
    side: Side = "a"
    branch: int = -1  # the caller's leg

    @property
    def leg(self) -> Leg:
        """The leg that ``branch`` names."""
        return self.call.numbered(self.branch)


Feed = Callable[[LiveCall, Input, float], None]
"""Gives an input to a call's machine."""

Arm = Callable[[LiveCall, str, float | None, float], None]
"""Starts a timer of a call by its name and time, or stops it; the last is ``now_s``."""

SIP_TIMERS = "sip "
"""How the names of the SIP half's own timers begin: the machine never sees them."""


def moved_leg(leg: Leg) -> BranchLeg:
    """A leg as a branch of another call, which it goes on in; its channel of a trunk goes along."""
    dialog = leg.dialog
    assert dialog is not None, "only what was answered can move"
    if isinstance(leg, BranchLeg):
        moved = BranchLeg(leg.target, leg.contact, None, dialog, leg.on_trunk, allow=leg.allow)
        leg.on_trunk = False
        return _with_session(moved, leg)
    user = leg.user
    target = Target(
        uri=dialog.remote_target,
        flow=dialog.flow,
        to=dialog.remote,
        caller=dialog.local,
        name="caller" if user is None else f"user {user.extension}",
        account=None if user is None else user.account,
        extension=None if user is None else user.extension,
        trunk=leg.trunk,
        login=leg.login,
    )
    on_trunk, leg.trunk = leg.trunk is not None, None
    return _with_session(
        BranchLeg(target, leg.contact, None, dialog, on_trunk, allow=leg.allow), leg
    )


def _with_session(moved: BranchLeg, leg: Leg) -> BranchLeg:
    moved.session, moved.min_se_s = leg.session, leg.min_se_s
    moved.takes_update = leg.takes_update
    return moved


def takes_update(message: Message) -> bool:
    """Whether a peer's Allow names UPDATE (RFC 3311 4)."""
    return "UPDATE" in "".join(message.headers.get("allow", ()))


def refresh_target(dialog: Dialog, response: Response) -> None:
    """Take the new target of a 2xx, or keep the old one when it cannot be read."""
    try:
        dialog.refresh(response)
    except RemoteError as error:
        log.debug("target not refreshed: {error}", error=error)


def reason_header(cause: int, text: str) -> Headers:
    """The Reason header (RFC 3326) that tells a phone or a trace why; none without a text. What
    the other leg gave as its reason goes on as it is; words of ours get this cause, of Q.850 below
    100, else a SIP status."""
    if not text:
        return ()
    return (("Reason", text if is_reason_value(text) else reason_value(cause, text)),)


ELSEWHERE: Headers = reason_header(200, "Call completed elsewhere")


# A delayed offer comes back in a 2xx only: in a reliable provisional it would want its answer in
# the PRACK (RFC 3262 5), before the caller has got the offer.
_WITH_OFFER = ("Supported", f"{reliable.OPTION}, {session_timer.OPTION}, replaces")
WITHOUT_OFFER = ("Supported", f"{session_timer.OPTION}, replaces")
_SESSION = (("Session-Expires", str(INTERVAL_S)), ("Min-SE", str(INTERVAL_MIN_S)))
_ALLOW_FIELD = ("Allow", ", ".join(ALLOW))


def invite(
    target: Target, *, contact: str, call_id: str, tag: str, hops: int, sdp: bytes
) -> Request:
    """The INVITE of a branch: a dialog of its own, nothing of the caller's but its name."""
    headers = [
        ("Max-Forwards", str(hops)),
        ("From", f"{target.caller};tag={tag}"),
        ("To", target.to),
        ("Call-ID", call_id),
        ("CSeq", "1 INVITE"),
        ("Contact", contact),
        _ALLOW_FIELD,
        _WITH_OFFER if sdp else WITHOUT_OFFER,
        *_SESSION,
        *target.headers,
    ]
    if sdp:
        headers.append(SDP_TYPE)
    return Request.build("INVITE", target.uri, headers, sdp)


def content(sdp: bytes) -> Headers:
    """The header that a body needs."""
    return (SDP_TYPE,) if sdp else ()
