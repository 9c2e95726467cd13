"""What goes into the B2BUA machine (inputs) and what comes out (actions).

Neither knows SIP transactions, sockets or tables: ``softswitch.call.service`` translates. A call
has one caller's leg ("a") and any number of *branches*, numbered in the order of their start; the
branch that answers is the other party ("b").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rtp.messages import Command, LegPorts, LegSpec, LegStatistics
from sip.flow import Flow
from softswitch.ids import AccountId, Extension
from softswitch.routing.plan import Payment

Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a branch goes. ``uri`` is the Request-URI, ``to`` and ``caller`` header values without
    tags, ``name`` what the call page calls it ("user 101", "trunk carrier")."""

    uri: str
    flow: Flow
    to: str
    caller: str
    name: str
    account: AccountId | None = None
    extension: Extension | None = None
    trunk: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


# --- inputs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Invited:
    """The call begins: the plan was handed to the constructor."""


@dataclass(frozen=True, slots=True)
class MediaReady:
    """The ports that ``AllocateMedia`` asked for."""

    legs: tuple[LegPorts, ...]


@dataclass(frozen=True, slots=True)
class MediaRefused:
    """No ports."""

    reason: str


@dataclass(frozen=True, slots=True)
class CreditHeld:
    """A hold was granted or extended; ``micros`` is its new total."""

    hold: str
    micros: int


@dataclass(frozen=True, slots=True)
class CreditDenied:
    """A hold or its extension was refused, or the store could not be asked (``failed``)."""

    hold: str
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class BranchRang:
    """A provisional response (101 to 199) from a branch."""

    branch: int
    status: int
    sdp: bytes


@dataclass(frozen=True, slots=True)
class BranchAnswered:
    """A 2xx from a branch."""

    branch: int
    sdp: bytes


@dataclass(frozen=True, slots=True)
class BranchFailed:
    """A final refusal, or 408/503 when nothing came or the flow broke (RFC 3261 8.1.3.1)."""

    branch: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallerCancelled:
    """CANCEL, or the caller's connection is gone."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallerAcked:
    """The ACK of our 200; it carries the answer when the INVITE had no offer."""

    sdp: bytes


@dataclass(frozen=True, slots=True)
class AckMissing:
    """No ACK for a 2xx of ours in 64*T1."""

    side: Side


@dataclass(frozen=True, slots=True)
class HungUp:
    """BYE (already answered), or the dialog is lost at that side."""

    side: Side
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A re-INVITE from one side; empty ``sdp`` asks for an offer."""

    side: Side
    sdp: bytes


@dataclass(frozen=True, slots=True)
class ReofferAnswered:
    """The final response of the other side to the re-INVITE that was passed on."""

    status: int
    sdp: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ReofferAcked:
    """The initiator's ACK of the 2xx to its re-INVITE."""

    sdp: bytes


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that ``SetTimer`` started."""

    name: str


@dataclass(frozen=True, slots=True)
class MediaSilent:
    """No RTP from a side that should send."""

    leg: str


@dataclass(frozen=True, slots=True)
class MediaGone:
    """The media worker of this call died."""


@dataclass(frozen=True, slots=True)
class MediaClosed:
    """All ports are closed; the statistics of the legs."""

    legs: tuple[LegStatistics, ...]


@dataclass(frozen=True, slots=True)
class Shutdown:
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
    | HungUp
    | Reoffered
    | ReofferAnswered
    | ReofferAcked
    | TimerFired
    | MediaSilent
    | MediaGone
    | MediaClosed
    | Shutdown
)

# --- actions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AllocateMedia:
    """Open ports; answered by ``MediaReady`` or ``MediaRefused``."""

    legs: tuple[LegSpec, ...]


@dataclass(frozen=True, slots=True)
class Media:
    """Tell the media plane; nothing comes back."""

    command: Command


@dataclass(frozen=True, slots=True)
class ReleaseMedia:
    """Close the ports; answered by ``MediaClosed``."""


@dataclass(frozen=True, slots=True)
class HoldCredit:
    """Reserve for a leg; answered by ``CreditHeld`` or ``CreditDenied``."""

    hold: str
    payment: Payment


@dataclass(frozen=True, slots=True)
class ExtendCredit:
    """Reserve the next slice of a running hold; answered as ``HoldCredit``."""

    hold: str
    payment: Payment


@dataclass(frozen=True, slots=True)
class MarkAnswered:
    """Write the answer time to these holds, so that a crash settles them."""

    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VoidCredit:
    """Give a hold back: its step was not answered."""

    hold: str


@dataclass(frozen=True, slots=True)
class AnswerCaller:
    """A response to the caller's INVITE: provisional, 200, or a refusal with its reason."""

    status: int
    sdp: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Send INVITE on a new branch."""

    branch: int
    target: Target
    sdp: bytes


@dataclass(frozen=True, slots=True)
class CancelBranch:
    """CANCEL a branch; ``elsewhere``: another one answered (RFC 3326 Reason)."""

    branch: int
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class AckBranch:
    """ACK the 2xx of a branch, with the answer when its INVITE had no offer."""

    branch: int
    sdp: bytes = b""


@dataclass(frozen=True, slots=True)
class ByeBranch:
    """End the dialog of an answered branch."""

    branch: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ByeCaller:
    """End the dialog with the caller."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class SendReoffer:
    """Pass a re-INVITE on to this side."""

    side: Side
    sdp: bytes


@dataclass(frozen=True, slots=True)
class AnswerReoffer:
    """Answer the re-INVITE that this side sent."""

    side: Side
    status: int
    sdp: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AckReoffer:
    """ACK the 2xx that this side gave to a re-INVITE of ours."""

    side: Side
    sdp: bytes = b""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start a timer (again), or stop it when ``at_s`` is ``None``."""

    name: str
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Settle:
    """The call is over: write what it costs and its records, once."""


Action = (
    AllocateMedia
    | Media
    | ReleaseMedia
    | HoldCredit
    | ExtendCredit
    | MarkAnswered
    | VoidCredit
    | AnswerCaller
    | Launch
    | CancelBranch
    | AckBranch
    | ByeBranch
    | ByeCaller
    | SendReoffer
    | AnswerReoffer
    | AckReoffer
    | SetTimer
    | Settle
)
