"""What goes into the B2BUA machine (inputs) and what comes out (actions).

Neither knows SIP transactions, sockets or tables: ``softswitch.call.service`` translates. A call
has one caller's leg ("a") and any number of *branches*, numbered in the order of their start; the
branch that answers is the other party ("b").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from rtp.messages import Command, LegPorts, LegSpec, LegStatistics
from sip.flow import Flow
from softswitch.ids import AccountId, CallId, Extension
from softswitch.routing.model import TrunkLogin
from softswitch.routing.plan import Payment, Plan, Record

if TYPE_CHECKING:
    from softswitch.call.charging import Charge

Side = Literal["a", "b"]


def other_side(side: Side) -> Side:
    """The one that a side talks to."""
    return "b" if side == "a" else "a"


def party_name(side: Side) -> str:
    """What records call a side."""
    return "caller" if side == "a" else "callee"


class Target(NamedTuple):
    """Where a branch goes. ``uri`` is the Request-URI, ``to`` and ``caller`` header values without
    tags, ``name`` what the call page calls it ("user 101", "trunk carrier"); ``is_configured``: its
    address is, so it is not behind NAT; ``login``: to answer a trunk's challenges with; ``srtp``:
    a trunk wants it."""

    uri: str
    flow: Flow
    to: str
    caller: str
    name: str
    account: AccountId | None = None
    extension: Extension | None = None
    trunk: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    is_configured: bool = False
    login: TrunkLogin | None = None
    srtp: bool = False


class Found(NamedTuple):
    """The branches of a step; ``notes`` tell the trace what cannot be tried, and why."""

    targets: Sequence[Target]
    notes: Sequence[str] = ()


# --- inputs ---------------------------------------------------------------------------------------


class Invited(NamedTuple):
    """The call begins: the plan was handed to the constructor."""


class MediaReady(NamedTuple):
    """The ports that ``AllocateMedia`` asked for."""

    legs: tuple[LegPorts, ...]


class MediaRefused(NamedTuple):
    """No ports."""

    reason: str


class CreditHeld(NamedTuple):
    """A hold was granted or extended; ``micros`` is its new total."""

    hold: str
    micros: int


class CreditDenied(NamedTuple):
    """A hold or its extension was refused, or the store could not be asked (``failed``), or the
    account may not go on (``blocked``)."""

    hold: str
    reason: str
    failed: bool = False
    blocked: bool = False


class BranchRang(NamedTuple):
    """A provisional response (101 to 199) from a branch."""

    branch: int
    status: int
    sdp: bytes


class BranchAnswered(NamedTuple):
    """A 2xx from a branch."""

    branch: int
    sdp: bytes


class BranchFailed(NamedTuple):
    """A final refusal, or 408/503 when nothing came or the flow broke (RFC 3261 8.1.3.1).

    ``onward``: it was a redirection by a user's phone, and this is where routing takes it.
    ``said``: its Reason (RFC 3326), for the caller."""

    branch: int
    status: int
    reason: str
    onward: Plan | None = None
    said: str = ""


class CallerCancelled(NamedTuple):
    """CANCEL, or the caller's connection is gone."""

    reason: str = ""


class CallerAcked(NamedTuple):
    """The ACK of our 200; it carries the answer when the INVITE had no offer."""

    sdp: bytes


class AckMissing(NamedTuple):
    """No ACK for a 2xx of ours in 64*T1."""

    side: Side


class PrackMissing(NamedTuple):
    """The caller did not acknowledge a provisional response in 64*T1 (RFC 3262 3)."""


class SessionLost(NamedTuple):
    """A side did not refresh its session in time (RFC 4028 10)."""

    side: Side


class HungUp(NamedTuple):
    """BYE (already answered), or the dialog is lost at that side."""

    side: Side
    reason: str = ""


class Reoffered(NamedTuple):
    """A re-INVITE from one side; empty ``sdp`` asks for an offer."""

    side: Side
    sdp: bytes


class ReofferAnswered(NamedTuple):
    """The final response of the other side to the re-INVITE that was passed on."""

    status: int
    sdp: bytes
    reason: str


class ReofferAcked(NamedTuple):
    """The initiator's ACK of the 2xx to its re-INVITE."""

    sdp: bytes


class RefreshDue(NamedTuple):
    """A session timer wants a re-INVITE to this side (RFC 4028); ``changed``: it is to be shown
    another description than it has."""

    side: Side
    changed: bool = False


class TransferAsked(NamedTuple):
    """A side wants the other one to talk to whom this plan reaches (RFC 3515); it was answered."""

    side: Side
    plan: Plan


class Handover(NamedTuple):
    """A party that leaves ``call`` to go on in another one: where it is, its latest description,
    what it costs and whom, and the records of the accounts that took part."""

    call: CallId
    target: Target
    sdp: bytes
    charges: tuple[Charge, ...]
    records: tuple[Record, ...]


class Joined(NamedTuple):
    """A side wants the other one to talk to a party of another call of its own (RFC 3891)."""

    side: Side
    party: Handover


class TakenOver(NamedTuple):
    """The caller's INVITE has Replaces: it takes a party of another call over (RFC 3891)."""

    party: Handover


class TimerFired(NamedTuple):
    """A timer that ``SetTimer`` started."""

    name: str


class MediaSilent(NamedTuple):
    """No RTP from a side that should send."""

    leg: str


class DigitPressed(NamedTuple):
    """A key at a leg of the media plane; ``how`` and ``passed`` as of ``rtp.messages.Digit``."""

    leg: str
    digit: str
    how: str
    passed: bool


class DigitSignalled(NamedTuple):
    """A key that a side pressed by SIP INFO, for an other side that does not take INFO itself."""

    side: Side
    digit: str


class MediaGone(NamedTuple):
    """The media worker of this call died."""


class MediaClosed(NamedTuple):
    """All ports are closed; the statistics of the legs."""

    legs: tuple[LegStatistics, ...]


class Shutdown(NamedTuple):
    """The service is going down: end now, and settle."""


Input = (
    Invited
    | MediaReady
    | MediaRefused
    | CreditHeld
    | CreditDenied
    | BranchRang
    | BranchAnswered
    | BranchFailed
    | CallerCancelled
    | CallerAcked
    | AckMissing
    | PrackMissing
    | SessionLost
    | HungUp
    | Reoffered
    | ReofferAnswered
    | ReofferAcked
    | RefreshDue
    | TransferAsked
    | Joined
    | TakenOver
    | TimerFired
    | MediaSilent
    | DigitPressed
    | DigitSignalled
    | MediaGone
    | MediaClosed
    | Shutdown
)

# --- actions --------------------------------------------------------------------------------------


class AllocateMedia(NamedTuple):
    """Open ports; answered by ``MediaReady`` or ``MediaRefused``."""

    legs: tuple[LegSpec, ...]


class Media(NamedTuple):
    """Tell the media plane; nothing comes back."""

    command: Command


class ReleaseMedia(NamedTuple):
    """Close the ports; answered by ``MediaClosed``."""


class HoldCredit(NamedTuple):
    """Reserve for a leg; answered by ``CreditHeld`` or ``CreditDenied``."""

    hold: str
    payment: Payment


class ExtendCredit(NamedTuple):
    """Reserve the next slice of a running hold; answered as ``HoldCredit``."""

    hold: str
    payment: Payment


class MarkAnswered(NamedTuple):
    """Write the answer time to these holds, so that a crash settles them."""

    holds: tuple[str, ...]


class VoidCredit(NamedTuple):
    """Give a hold back: its step was not answered."""

    hold: str


class MoveCredit(NamedTuple):
    """A hold of another call goes on in this one."""

    hold: str


class AnswerCaller(NamedTuple):
    """A response to the caller's INVITE: provisional, 200, or a refusal with its reason."""

    status: int
    sdp: bytes = b""
    reason: str = ""


class Launch(NamedTuple):
    """Send INVITE on a new branch."""

    branch: int
    target: Target
    sdp: bytes


class CancelBranch(NamedTuple):
    """CANCEL a branch; ``elsewhere``: another one answered (RFC 3326 Reason); ``reason``: the
    caller's."""

    branch: int
    elsewhere: bool = False
    reason: str = ""


class AckBranch(NamedTuple):
    """ACK the 2xx of a branch, with the answer when its INVITE had no offer."""

    branch: int
    sdp: bytes = b""


class ByeBranch(NamedTuple):
    """End the dialog of an answered branch."""

    branch: int
    reason: str = ""


class ByeCaller(NamedTuple):
    """End the dialog with the caller."""

    reason: str = ""


class SendReoffer(NamedTuple):
    """Pass a re-INVITE on to this side."""

    side: Side
    sdp: bytes


class AnswerReoffer(NamedTuple):
    """Answer the re-INVITE that this side sent."""

    side: Side
    status: int
    sdp: bytes = b""
    reason: str = ""


class AckReoffer(NamedTuple):
    """ACK the 2xx that this side gave to a re-INVITE of ours."""

    side: Side
    sdp: bytes = b""


class TellTransfer(NamedTuple):
    """Tell who asked for the transfer how it goes; a status of 200 and up is the last word."""

    side: Side
    status: int
    reason: str = ""


class SetTimer(NamedTuple):
    """Start a timer (again), or stop it when ``at_s`` is ``None``."""

    name: str
    at_s: float | None


class Settle(NamedTuple):
    """The call is over: write what it costs and its records, once."""


Action = (
    AllocateMedia
    | Media
    | ReleaseMedia
    | HoldCredit
    | ExtendCredit
    | MarkAnswered
    | VoidCredit
    | MoveCredit
    | AnswerCaller
    | Launch
    | CancelBranch
    | AckBranch
    | ByeBranch
    | ByeCaller
    | SendReoffer
    | AnswerReoffer
    | AckReoffer
    | TellTransfer
    | SetTimer
    | Settle
)
