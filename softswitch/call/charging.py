"""The money of a call: what is reserved, until when that lasts, when to ask for more.

Pure: times are monotonic seconds. Billing rules 15 to 19, 22 and 23.
"""

from __future__ import annotations

from dataclasses import dataclass

from billing.rating import chargeable_s, paid_until_s
from softswitch.call import events as ev
from softswitch.ids import CallId
from softswitch.routing.plan import Payment

RENEW_AHEAD_S = 35.0  # ask before the warning is due, so that a refusal leaves 30 s for it
WARN_AHEAD_S = 30.0  # rule 17
LAST_TRY_AHEAD_S = 3.0  # money that came after the refusal still saves the call (rule 23)
WARN_MIN_S = 2.0  # less is not worth a tone
CUT_AHEAD_S = 0.15  # BYE leaves before the next interval starts (rule 19)
STORE_RETRY_S = 5.0  # the store did not answer: the call goes on and it is asked again

# The timers of a charge, before the id of its hold.
RENEW = "renew"
WARN = "warn"
CUT = "cut"

# The parts of a call that cost money, behind its id in the id of a hold; a step is its number.
# Those of a transfer have its name before them ("t1.0", "t1.in").
INCOMING = "in"  # the owner of the number that was called pays
FREE = "free"  # nobody pays


@dataclass(slots=True)
class Charge:
    """One paid leg. ``reserved_micros`` is what the hold has; ``trusted``: the store was away when
    more was needed, so the call went on unreserved."""

    hold: str
    payment: Payment
    is_incoming: bool = False  # the owner of the number that was called pays
    reserved_micros: int = 0
    answered_s: float | None = None
    ended_s: float | None = None
    refused: bool = False
    blocked: str = ""  # why the account may not go on, when that is what refused it
    trusted: bool = False

    def granted(self, micros: int) -> None:
        """The hold's new total."""
        self.reserved_micros = micros
        self.refused = self.trusted = False
        self.blocked = ""

    def answer(self, now_s: float) -> list[ev.Action]:
        """Charging begins."""
        self.answered_s = now_s
        return self.timers(now_s)

    def extended(self, micros: int, now_s: float) -> list[ev.Action]:
        """There is money for more."""
        self.granted(micros)
        return [ev.SetTimer(f"{WARN} {self.hold}", None), *self.timers(now_s)]

    def not_extended(self, denied: ev.CreditDenied, now_s: float) -> list[ev.Action]:
        """There is none: warn, try once more, cut. Or the store is away: go on and ask again."""
        if denied.failed:
            self.trusted = True
            return [
                ev.SetTimer(f"{RENEW} {self.hold}", now_s + STORE_RETRY_S),
                ev.SetTimer(f"{CUT} {self.hold}", None),
            ]
        warning = [] if self.refused else self._warning(now_s)
        self.refused = True
        self.blocked = denied.reason if denied.blocked else ""
        return [*warning, *self.timers(now_s)]

    def _warning(self, now_s: float) -> list[ev.Action]:
        end_s = self.paid_until_s()
        if end_s is None or end_s - now_s < WARN_MIN_S:
            return []
        return [ev.SetTimer(f"{WARN} {self.hold}", max(now_s, end_s - WARN_AHEAD_S))]

    def timers(self, now_s: float) -> list[ev.Action]:
        """When to ask for more and when to cut, as things stand."""
        end_s = self.paid_until_s()
        if end_s is None:
            return []
        ahead_s = LAST_TRY_AHEAD_S if self.refused else RENEW_AHEAD_S
        renew_s: float | None = max(now_s, end_s - ahead_s)
        if self.refused and end_s - now_s <= LAST_TRY_AHEAD_S:
            renew_s = None
        return [
            ev.SetTimer(f"{RENEW} {self.hold}", renew_s),
            ev.SetTimer(f"{CUT} {self.hold}", end_s - CUT_AHEAD_S),
        ]

    def end(self, now_s: float) -> None:
        """Charging ends; the first call counts."""
        if self.ended_s is None:
            self.ended_s = now_s

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


class Charges(dict[str, Charge]):
    """The paid legs of one call by their holds. ``voided`` were given back: they are a part of the
    settlement too, which makes good a void that the store did not get."""

    __slots__ = ("_call_id", "voided")

    def __init__(self, call_id: CallId) -> None:
        super().__init__()
        self.voided: list[Charge] = []
        self._call_id = call_id

    def id_of(self, part: str) -> str:
        """The hold of a part of this call."""
        return f"{self._call_id}:{part}"

    def hold(self, part: str, payment: Payment) -> ev.HoldCredit:
        """One more leg costs money."""
        hold = self.id_of(part)
        self[hold] = Charge(hold, payment, part.rpartition(".")[2] == INCOMING)
        return ev.HoldCredit(hold, payment)

    def void(self, hold: str) -> list[ev.Action]:
        """A leg comes to nothing: give back what it had reserved, if it had."""
        charge = self.pop(hold, None)
        if charge is None:
            return []
        self.voided.append(charge)
        return [ev.VoidCredit(charge.hold)]

    def void_unanswered(self) -> list[ev.Action]:
        """Nobody answered of those who were called last; what they had reserved must not wait for
        the end of the call, nor be charged with the next one that answers."""
        waiting = [hold for hold, charge in self.items() if charge.answered_s is None]
        return [action for hold in waiting for action in self.void(hold)]

    def answer(self, journal: Payment | None, now_s: float) -> list[ev.Action]:
        """Charging begins. A call that costs nobody anything is written down under ``journal``, so
        that a crash does not lose it (rule 22)."""
        actions: list[ev.Action] = []
        if not self and journal is not None:
            actions.append(self.hold(FREE, journal))
        begun = [charge for charge in self.values() if charge.answered_s is None]
        if begun:
            actions.append(ev.MarkAnswered(tuple(charge.hold for charge in begun)))
        for charge in begun:
            actions += charge.answer(now_s)
        return actions

    def end(self, now_s: float) -> None:
        """Charging ends."""
        for charge in self.values():
            charge.end(now_s)

    def running(self) -> list[str]:
        """The holds of the legs that are not over."""
        return [hold for hold, charge in self.items() if charge.ended_s is None]

    def end_one(self, hold: str, now_s: float) -> list[ev.Action]:
        """The party of one paid leg leaves a call that goes on (rule 12)."""
        charge = self.get(hold)
        if charge is None:
            return []
        charge.end(now_s)
        return _no_timers(hold)

    def hand_over(self, hold: str) -> tuple[list[Charge], list[ev.Action]]:
        """The party of one paid leg goes on in another call, and its charge with it."""
        charge = self.pop(hold, None)
        return ([], []) if charge is None else ([charge], _no_timers(hold))

    def take_over(self, charge: Charge, now_s: float) -> list[ev.Action]:
        """A paid leg of another call goes on in this one; its payer stays (rule 12)."""
        self[charge.hold] = charge
        return [ev.MoveCredit(charge.hold), *charge.timers(now_s)]


def _no_timers(hold: str) -> list[ev.Action]:
    return [ev.SetTimer(f"{timer} {hold}", None) for timer in (RENEW, WARN, CUT)]
