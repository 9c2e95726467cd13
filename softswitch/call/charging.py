"""The money of a running call: what is reserved, until when that lasts, when to ask for more.

Pure: times are monotonic seconds. Billing rules 15 to 19 and 23.
"""

from __future__ import annotations

from dataclasses import dataclass

from billing.rating import chargeable_s, paid_until_s
from softswitch.routing.plan import Payment

RENEW_AHEAD_S = 35.0  # ask before the warning is due, so that a refusal leaves 30 s for it
WARN_AHEAD_S = 30.0  # rule 17
LAST_TRY_AHEAD_S = 3.0  # money that came after the refusal still saves the call (rule 23)
WARN_MIN_S = 2.0  # less is not worth a tone
CUT_AHEAD_S = 0.15  # BYE leaves before the next interval starts (rule 19)
STORE_RETRY_S = 5.0  # the store did not answer: the call goes on and it is asked again


@dataclass(slots=True)
class Charge:
    """One paid leg. ``reserved_micros`` is what the hold has; ``trusted``: the store was away when
    more was needed, so the call went on unreserved."""

    hold: str
    payment: Payment
    reserved_micros: int = 0
    answered_s: float | None = None
    ended_s: float | None = None
    refused: bool = False
    blocked: str = ""  # why the account may not go on, when that is what refused it
    trusted: bool = False

    def answer(self, now_s: float) -> None:
        """Charging begins."""
        self.answered_s = now_s

    def end(self, now_s: float) -> None:
        """Charging ends; the first call counts."""
        if self.ended_s is None:
            self.ended_s = now_s

    def granted(self, micros: int) -> None:
        """The hold's new total."""
        self.reserved_micros = micros
        self.refused = self.trusted = False
        self.blocked = ""

    def paid_until_s(self) -> float | None:
        """When the reservation is used up; ``None``: never, or not running."""
        if self.answered_s is None or self.ended_s is not None:
            return None
        seconds = paid_until_s(self.payment.rate, self.reserved_micros)
        return None if seconds is None else self.answered_s + seconds

    def duration_s(self) -> int:
        """Chargeable whole seconds (rule 5); never more than was reserved, unless trusted."""
        if self.answered_s is None or self.ended_s is None:
            return 0
        return chargeable_s(self.answered_s, self.ended_s)
