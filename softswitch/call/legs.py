"""The SIP half of a call: transactions and dialogs of its legs, and the requests they send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from sip.dialog import Dialog
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Request
from sip.transaction import ClientTransaction, ServerTransaction
from softswitch.call.b2bua import Call
from softswitch.call.events import Side, Target
from softswitch.ids import AccountId
from softswitch.routing.plan import PhoneCaller, Plan

ALLOW = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "REFER", "INFO", "MESSAGE"),
    *("SUBSCRIBE", "NOTIFY"),
)
SUPPORTED = frozenset({"replaces"})  # by calls; a REGISTER may require more
SDP_TYPE = ("Content-Type", "application/sdp")

REASON_CHARS_MAX = 120  # a sentence; traces hold the whole text

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
    acked: bool = False
    bye: Request | None = None
    notifying: bool = False
    referrals: int = 0  # REFERs of this dialog so far

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


@runtime_checkable
class OwnRequest(Protocol):
    """The owner of a request that is no call's: what comes of it is told here."""

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """A response, provisional ones too."""

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """No final one came."""


@dataclass(slots=True)
class ReofferLegs:
    """A re-INVITE on its way through: the initiator's transaction (``None``: it is our own), and
    ours to the other side."""

    server: ServerTransaction | None
    client: ClientTransaction | None = None


@dataclass(slots=True)
class Referral:
    """A REFER that is being obeyed: in whose dialog NOTIFY goes back, under which event; "" when
    nothing is to be told (RFC 4488). ``by``: the Referred-By of the new INVITE (RFC 3892)."""

    leg: CallerLeg | BranchLeg
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
        numbers = (number for number, leg in enumerate(live.branches) if leg is self.leg)
        return Role(live, "notify", branch=next(numbers, -1))


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

    def leg(self, side: Side) -> CallerLeg | BranchLeg | None:
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

    def side_of(self, leg: CallerLeg | BranchLeg) -> Side | None:
        """Which party a leg is; ``None`` for one that answered too late, or has left."""
        if self.leg("a") is leg:
            return "a"
        return "b" if self.leg("b") is leg else None


class Role(NamedTuple):
    """What a transaction of ours is for: the ``owner`` that comes back with its events."""

    call: LiveCall
    part: str  # caller | branch | reoffer | bye | notify: the last one of a transfer
    side: Side = "a"
    branch: int = -1  # the caller's leg

    @property
    def leg(self) -> CallerLeg | BranchLeg:
        """The leg that ``branch`` names."""
        return self.call.caller if self.branch < 0 else self.call.branches[self.branch]


def moved_leg(leg: CallerLeg | BranchLeg) -> BranchLeg:
    """A leg as a branch of another call, which it goes on in; its channel of a trunk goes along."""
    dialog = leg.dialog
    assert dialog is not None, "only what was answered can move"
    if isinstance(leg, BranchLeg):
        moved = BranchLeg(leg.target, leg.contact, None, dialog, leg.on_trunk, allow=leg.allow)
        leg.on_trunk = False
        return moved
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
    )
    on_trunk, leg.trunk = leg.trunk is not None, None
    return BranchLeg(target, leg.contact, None, dialog, on_trunk, allow=leg.allow)


def reason_header(cause: int, text: str) -> Headers:
    """The Reason header (RFC 3326) that tells a phone or a trace why; none without a text. Causes
    below 100 are Q.850's, others SIP statuses."""
    if not text:
        return ()
    protocol = "SIP" if cause >= 100 else "Q.850"
    printable = "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
    return (("Reason", f'{protocol} ;cause={cause} ;text="{printable[:REASON_CHARS_MAX]}"'),)


ELSEWHERE: Headers = reason_header(200, "Call completed elsewhere")


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
        ("Allow", ", ".join(ALLOW)),
        *target.headers,
    ]
    if sdp:
        headers.append(SDP_TYPE)
    return Request.build("INVITE", target.uri, headers, sdp)


def content(sdp: bytes) -> Headers:
    """The header that a body needs."""
    return (SDP_TYPE,) if sdp else ()
