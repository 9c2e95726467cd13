"""Trying to reach somebody: the steps of one plan in their order. Pure; a part of the call machine.

Each step first gets what it needs (media ports, credit), then its branches go out: all contacts of
a user at once, trunks one after the other. A new call dials its plan, and so does a transfer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from softswitch.call import events as ev
from softswitch.call import failover
from softswitch.call.branches import Branch, Branches, BranchState
from softswitch.call.charging import INCOMING, Charges
from softswitch.call.media_session import MediaSession
from softswitch.routing.plan import DialTrunks, Payment, Plan, Record, Refuse, RingUser, Step

TRUNK_SILENCE_S = 4.0  # a carrier that has not even said 100 Trying by then is taken as dead
# Ports and credit take milliseconds; a store that is away is waited for some seconds. Beyond, a
# worker or a disk hangs, and the caller is told.
PREPARE_MAX_S = 15.0
NOT_ACCEPTABLE = 488
REDIRECTS_MAX = 5  # of one plan: two phones that redirect to each other must come to an end

# Timers of the call that belong to dialling.
STEP = "step"
SILENCE = "silence"  # fires only if not even 100 Trying came from the latest branch


class Directory(Protocol):
    """Where a step's branches go, as things stand now."""

    def targets(self, step: RingUser | DialTrunks) -> ev.Found:
        """All contacts of a user, or the addresses of each trunk that has room, in order."""

    def obstacle(self, target: ev.Target) -> str | None:
        """Why a trunk of the step cannot be tried when its turn comes; ``None`` when it can."""

    def media_host(self, local_host: str) -> str:
        """The address that SDP shows for a local one (``sip.advertised_address``)."""

    def new_key(self, octets: int) -> bytes:
        """So many octets that nobody can guess."""


class Unreached(NamedTuple):
    """How a plan ended without an answer. ``traced``: the trace says it already."""

    status: int
    cause: str
    reason: str = ""
    traced: bool = False
    said_by_callee: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What tells the holds and media legs of one plan from those of the others of its call."""

    hold: str = ""
    leg: str = "b"


FIRST = Names()


class Dialling:
    """One plan. Inputs come in as calls, actions go out through ``do``; a method that may bring the
    plan to its end returns how. ``records`` and ``trace`` are the call's, and are added to.

    ``offer`` is shown to the called side, empty for a delayed offer.
    """

    __slots__ = ("_branches", "_charges", "_directory", "_do", "_media", "_names", "_records",
                 "_redirects", "_step", "_steps", "_targets", "_trace", "_waiting", "incoming",
                 "is_ringing", "offer")  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        offer: bytes,
        *,
        names: Names = FIRST,
        do: Callable[..., None],
        branches: Branches,
        charges: Charges,
        media: MediaSession,
        directory: Directory,
        records: list[Record],
        trace: list[str],
    ) -> None:
        self.offer = offer
        self.incoming = plan.incoming
        self.is_ringing = False  # branches of the present step are out
        self._steps: tuple[Step, ...] = plan.steps
        self._step = -1
        self._names = names
        self._do = do
        self._branches = branches
        self._charges = charges
        self._media = media
        self._directory = directory
        self._records = records
        self._trace = trace
        self._waiting: set[str] = set()
        self._targets: list[ev.Target] = []
        self._redirects = 0

    @property
    def step(self) -> Step:
        """The step that is tried now."""
        return self._steps[self._step]

    def begin(self, now_s: float) -> Unreached | None:
        """Try the first step."""
        if self.incoming is not None:
            self._hold(INCOMING, self.incoming)
        return self._next_step(480, now_s)

    # --- preparing --------------------------------------------------------------------------------

    def _next_step(self, status: int, now_s: float, said: str = "") -> Unreached | None:
        """Prepare the next step that can be tried; ``status`` is how the one before it failed, and
        ``said`` its Reason."""
        self.is_ringing = False
        while True:
            self._step += 1
            if self._step >= len(self._steps):
                cause = failover.cause_of(status)
                by_callee = cause in failover.SAID_BY_CALLEE
                shown = failover.caller_status(status)
                return Unreached(shown, cause, said, said_by_callee=by_callee)
            step = self.step
            if isinstance(step, Refuse):  # routing has written its reason into the trace
                return Unreached(step.status, step.cause, step.reason, traced=True)
            found = self._directory.targets(step)
            self._targets = list(found.targets)
            self._trace.extend(found.notes)
            if self._targets:
                return self._prepare(step, now_s)
            status, said = 503 if isinstance(step, DialTrunks) else 480, ""
            self._trace.append(f"{name_of(step)}: nothing to call, {status}")

    def _prepare(self, step: RingUser | DialTrunks, now_s: float) -> Unreached | None:
        self._records.extend(step.joins)
        payment = step.payment if isinstance(step, DialTrunks) else None
        if payment is not None:
            self._hold(str(self._step), payment)
        self._allocate()
        if self._waiting:
            self._do(ev.SetTimer(STEP, now_s + PREPARE_MAX_S))
            return None
        return self._launch_step(now_s)

    def _hold(self, part: str, payment: Payment) -> None:
        hold = self._charges.hold(self._names.hold + part, payment)
        self._waiting.add(hold.hold)
        self._do(hold)

    def _allocate(self) -> None:
        asked = self._media.allocate([self._leg(target) for target in self._targets])
        if asked:
            self._waiting.add("media")
            self._do(*asked)

    def _leg(self, target: ev.Target) -> str:
        """The name of a branch's ports: branches share those of one local address."""
        return f"{self._names.leg}:{target.flow.local.host}"

    def waits_for(self, what: str) -> bool:
        """Whether this hold, or "media", was asked for and is not there yet."""
        return what in self._waiting

    def media_ready(self, event: ev.MediaReady, now_s: float) -> Unreached | None:
        """The ports are there."""
        self._media.opened(event.legs)
        return self._prepared("media", now_s)

    def media_refused(self, event: ev.MediaRefused) -> Unreached:
        """There are no ports."""
        self._trace.append(f"no media ports: {event.reason}")
        return Unreached(503, "failed", event.reason)

    def credit_held(self, event: ev.CreditHeld, now_s: float) -> Unreached | None:
        """A hold was granted."""
        self._charges[event.hold].granted(event.micros)
        return self._prepared(event.hold, now_s)

    def credit_denied(self, event: ev.CreditDenied, now_s: float) -> Unreached | None:
        """A hold was refused: perhaps another step costs less."""
        charge = self._charges.pop(event.hold)
        self._waiting.discard(event.hold)
        account = charge.payment.account
        self._trace.append(f"credit refused for account {account}: {event.reason}")
        if event.failed:
            return Unreached(503, "failed", event.reason)
        if charge.is_incoming:
            return Unreached(480, "no_credit", event.reason)
        if self._step + 1 < len(self._steps):
            return self._next_step(402, now_s)
        return Unreached(402, "no_credit", event.reason)

    def _prepared(self, what: str, now_s: float) -> Unreached | None:
        self._waiting.discard(what)
        return None if self._waiting else self._launch_step(now_s)

    # --- branches ---------------------------------------------------------------------------------

    def _launch_step(self, now_s: float) -> Unreached | None:
        self.is_ringing = True
        step = self.step
        assert not isinstance(step, Refuse)
        self._do(ev.SetTimer(STEP, now_s + step.timeout_s))
        if isinstance(step, DialTrunks):
            return self._launch_trunk(step, now_s)
        for target in self._targets:
            self._launch(target, now_s, secure=self._offers_srtp(target))
        return None

    def _launch_trunk(self, step: DialTrunks, now_s: float) -> Unreached | None:
        """Call the next trunk that may be called now."""
        while self._targets:
            target = self._targets.pop(0)
            obstacle = None if step.emergency else self._directory.obstacle(target)
            if obstacle is None:
                self._launch(target, now_s, secure=target.srtp)
                self._do(ev.SetTimer(SILENCE, now_s + TRUNK_SILENCE_S))
                return None
            self._trace.append(f"{target.name} left out: {obstacle}")
        return self._step_failed(now_s)

    def _offers_srtp(self, target: ev.Target) -> bool:
        """A phone is offered what the caller has, but keys only where nobody can read them."""
        is_private = target.flow.transport == "tls"
        return is_private and bool(self.offer) and self._media.is_secure(self.offer)

    def _launch(self, target: ev.Target, now_s: float, *, secure: bool) -> Branch:
        leg = self._leg(target)
        branch = self._branches.start(self._hold_id(), leg, target, now_s)
        branch.secure = secure
        offer = self._media.shown(self.offer, leg, secure=secure)
        self._do(ev.Launch(branch.number, target, offer))
        return branch

    def rang(self, event: ev.BranchRang, now_s: float) -> Branch | None:
        """A branch rings; ``None`` when it does not count any more."""
        branch = self._branches[event.branch]
        if branch.state is not BranchState.CALLING:
            return None
        if branch.rang_s is None:
            branch.rang_s = now_s
            if self._is_trunk_step():
                self._do(ev.SetTimer(SILENCE, None))
        return branch

    def failed(self, event: ev.BranchFailed, now_s: float) -> Unreached | None:
        """A branch was refused, or could not be reached."""
        branch = self._branches[event.branch]
        branch.ended_s = now_s
        if branch.state is not BranchState.CALLING:
            return None
        branch.state, branch.status, branch.said = BranchState.FAILED, event.status, event.said
        self._trace.append(f"{branch.target.name}: {event.status} {event.reason}".rstrip())
        if self._may_want_other_profile(branch):
            other = "plain RTP" if branch.secure else "SRTP"
            self._trace.append(f"{branch.target.name}: asked again with {other}")
            self._launch(branch.target, now_s, secure=not branch.secure).again = True
            return None
        if event.onward is not None and self._redirects < REDIRECTS_MAX:
            return self._redirect(event.onward, now_s)
        step = self.step
        if isinstance(step, DialTrunks) and failover.tries_next_trunk(event.status):
            if not failover.tries_next_address(event.status):
                refused = branch.target.trunk
                self._targets = [other for other in self._targets if other.trunk != refused]
            if self._targets:
                return self._launch_trunk(step, now_s)
        if event.status >= 600:
            self._do(*self._branches.cancel())
        if not self._branches.live():
            return self._step_failed(now_s)
        return None

    def _may_want_other_profile(self, branch: Branch) -> bool:
        """Whether a phone refused what was offered, and is to be asked once more: nobody knows
        beforehand whether it insists on SRTP or lacks it. What a carrier has is configured."""
        is_phone = branch.target.trunk is None
        return (
            branch.status == NOT_ACCEPTABLE and is_phone and not branch.again and bool(self.offer)
        )

    def _redirect(self, onward: Plan, now_s: float) -> Unreached | None:
        """A phone of the user sends the call on (3xx): its other phones need not ring any more, and
        the new steps come before those that are left (RFC 3261 8.1.3.4)."""
        self._redirects += 1
        self._trace.extend(onward.trace)
        known = {record.account for record in self._records}
        self._records.extend(record for record in onward.records if record.account not in known)
        if onward.incoming is not None:
            self._hold(f"r{self._redirects}.{INCOMING}", onward.incoming)
        after = self._step + 1
        self._steps = (*self._steps[:after], *onward.steps, *self._steps[after:])
        self._do(*self._branches.cancel(480))
        return self._step_failed(now_s)

    def _hold_id(self) -> str:
        """What the present step is paid with, and what its branches are told apart by."""
        return self._charges.id_of(f"{self._names.hold}{self._step}")

    def _is_trunk_step(self) -> bool:
        return isinstance(self.step, DialTrunks)

    def _step_failed(self, now_s: float) -> Unreached | None:
        hold = self._hold_id()
        status = self._branches.failure(hold, on_trunks=self._is_trunk_step())
        self._do(ev.SetTimer(STEP, None), ev.SetTimer(SILENCE, None))
        if self._step + 1 < len(self._steps):
            self._do(*self._charges.void(hold))
        return self._next_step(status, now_s, self._branches.said(hold, status))

    def timer_fired(self, event: ev.TimerFired, now_s: float) -> Unreached | None:
        """Time is up for the step, or for a silent trunk."""
        if not self.is_ringing:
            missing = "media ports" if "media" in self._waiting else "the store"
            reason = f"{missing} did not answer in {PREPARE_MAX_S:g} s"
            return Unreached(503, "failed", reason) if event.name == STEP else None
        if event.name == SILENCE:
            return self._trunk_silent(now_s)
        if event.name != STEP:
            return None
        self._trace.append(f"{name_of(self.step)}: no answer in time")
        self._do(*self._branches.cancel(480))
        return self._step_failed(now_s)

    def _trunk_silent(self, now_s: float) -> Unreached | None:
        """No response at all: cancel (a late 200 is ended at once) and try the next one."""
        for branch in self._branches.live():
            self._trace.append(f"{branch.target.name}: silent for {TRUNK_SILENCE_S:g} s")
        self._do(*self._branches.cancel(503))
        step = self.step
        if self._targets and isinstance(step, DialTrunks):
            return self._launch_trunk(step, now_s)
        return self._step_failed(now_s)


def name_of(step: Step) -> str:
    """What the trace calls a step."""
    if isinstance(step, RingUser):
        return f"user {step.extension}"
    return f"number {step.number}" if isinstance(step, DialTrunks) else "refusal"
