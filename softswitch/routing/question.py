"""One call being decided: what is asked of, and the trace that is written on the way."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from softswitch.routing.model import Account, Number, RoutingSnapshot
from softswitch.routing.plan import Refuse, RouteState

TAKES_CALLS = frozenset({"active", "awaiting_deletion"})  # number statuses, S59 and S60


class Question:
    """The inputs of ``route`` and the trace so far; ``say`` adds a plain line, one a decision."""

    __slots__ = ("at", "say", "snapshot", "state", "trace")

    def __init__(self, snapshot: RoutingSnapshot, state: RouteState, at: datetime) -> None:
        self.snapshot = snapshot
        self.state = state
        self.at = at
        self.trace: list[str] = []
        self.say = self.trace.append

    def refuse(self, status: int, cause: str, reason: str) -> Refuse:
        """A refusal that the trace tells too."""
        self.trace.append(f"refused with {status}: {reason}")
        return Refuse(status, cause, reason)

    def local_time(self, account: Account) -> datetime:
        """The time of the call on the account's wall clock."""
        return self.at.astimezone(ZoneInfo(account.time_zone))

    def working_number(self, number: str) -> Number | None:
        """The number of ours that takes calls, if it is one."""
        found = self.snapshot.numbers.get(number)
        return found if found is not None and found.status in TAKES_CALLS else None

    def owns(self, account: Account, number: str) -> bool:
        """Whether the account has paid for the number, so that it may show it (S80)."""
        found = self.snapshot.numbers.get(number)
        return found is not None and found.account == account.id and found.status in TAKES_CALLS
