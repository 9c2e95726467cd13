"""The SIP half of a call: transactions and dialogs of its legs, and the requests they send."""

from __future__ import annotations

from dataclasses import dataclass, field

from sip.dialog import Dialog
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Request
from sip.transaction import ClientTransaction, ServerTransaction
from softswitch.call.b2bua import Call
from softswitch.call.events import Side, Target
from softswitch.ids import AccountId
from softswitch.routing.plan import Plan

ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER")
SDP_TYPE = ("Content-Type", "application/sdp")

REASON_CHARS_MAX = 120  # a sentence; traces hold the whole text

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class CallerLeg:
    """The calling side. ``dialog`` gets its local tag with our 200; ``bye`` is a hang-up of ours
    that waits for the ACK, before which a UAS must not send BYE (RFC 3261 15)."""

    tx: ServerTransaction
    flow: Flow
    contact: str
    dialog: Dialog
    trunk: str | None = None
    acked: bool = False
    bye: Request | None = None


@dataclass(slots=True)
class BranchLeg:
    """One branch. ``dialog`` exists from the first 2xx on; ``on_trunk``: it takes a channel of
    its trunk."""

    target: Target
    contact: str
    tx: ClientTransaction
    dialog: Dialog | None = None
    on_trunk: bool = False
    proved: bool = False  # its INVITE went out again, with the answer to a challenge


class OwnRequest:
    """The owner of a request that belongs to no call: what came of it is told here."""

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """A response, provisional ones too."""
        raise NotImplementedError

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """No final one came."""
        raise NotImplementedError


@dataclass(slots=True)
class ReofferLegs:
    """A re-INVITE on its way through: the initiator's transaction and ours to the other side."""

    side: Side
    server: ServerTransaction
    client: ClientTransaction | None = None


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
    timers: dict[str, int] = field(default_factory=dict)
    media_seen: bool = False  # RTP came since the last journal beat
    media_ever: bool = False

    def dialog(self, side: Side) -> Dialog | None:
        """The dialog with the caller, or with the branch that answered."""
        if side == "a":
            return self.caller.dialog
        answered = self.machine.answered
        return None if answered is None else self.branches[answered.number].dialog

    def side_of(self, leg: CallerLeg | BranchLeg) -> Side | None:
        """Which party a leg is; ``None`` for a branch that answered too late to be one."""
        if leg is self.caller:
            return "a"
        answered = self.machine.answered
        return "b" if answered is not None and self.branches[answered.number] is leg else None


@dataclass(frozen=True, slots=True)
class Role:
    """What a transaction of ours is for: the ``owner`` that comes back with its events."""

    call: LiveCall
    part: str  # caller | branch | reoffer | bye
    side: Side = "a"
    branch: int = -1


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
