"""The branches of one call: each INVITE that went out, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from softswitch.call import events as ev
from softswitch.call import failover


class BranchState(Enum):
    """Where one branch stands."""

    CALLING = "calling"
    CANCELLED = "cancelled"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass(slots=True)
class Branch:
    """One INVITE of ours and what became of it. ``hold`` is that of the step that it rings for,
    whether that costs money or not; ``leg`` its ports in the media plane. ``secure``: it offers
    SRTP; ``again``: no other profile is to be tried after it."""

    number: int
    hold: str
    leg: str
    target: ev.Target
    started_s: float
    state: BranchState = BranchState.CALLING
    status: int = 0
    rang_s: float | None = None
    answered_s: float | None = None
    ended_s: float | None = None
    said: str = ""  # the Reason of its refusal
    secure: bool = False
    again: bool = False


class Branches(list[Branch]):
    """All branches of a call, in the order of their start: a branch's number is its index."""

    __slots__ = ()

    def start(self, hold: str, leg: str, target: ev.Target, now_s: float) -> Branch:
        """One more, that rings for a step of a plan."""
        branch = Branch(len(self), hold, leg, target, now_s)
        self.append(branch)
        return branch

    def live(self) -> list[Branch]:
        """Those that may still answer."""
        return [branch for branch in self if branch.state is BranchState.CALLING]

    def cancel(
        self, status: int = 487, *, elsewhere: bool = False, reason: str = ""
    ) -> list[ev.Action]:
        """Take back all that may still answer; ``elsewhere``: another one did; ``reason``: why the
        caller does."""
        actions: list[ev.Action] = []
        for branch in self.live():
            branch.state, branch.status = BranchState.CANCELLED, status
            actions.append(ev.CancelBranch(branch.number, elsewhere, reason))
        return actions

    def failure(self, hold: str, *, on_trunks: bool) -> int:
        """The status of a step whose branches have all failed: of phones the one that tells most,
        of trunks that of the one tried last."""
        statuses = [branch.status for branch in self if branch.hold == hold]
        if not on_trunks:
            return failover.phones_status(statuses)
        return statuses[-1] if statuses else 503

    def said(self, hold: str, status: int) -> str:
        """The Reason of the branch of a step that failed with this status, "" without one."""
        found = (branch.said for branch in self if branch.hold == hold and branch.status == status)
        return next(found, "")
