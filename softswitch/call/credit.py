"""The call path's way to the money: asks the db-call thread, brings the answers back as inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from billing import work
from billing.cdr import Settlement
from billing.credit import (
    Answered,
    CreditRefused,
    HoldGranted,
    HoldRequest,
    Moved,
    Order,
    SliceRequest,
    Void,
)
from billing.rating import next_slice
from softswitch.call.charging import Charge
from softswitch.call.events import CreditDenied, CreditHeld, Input
from softswitch.ids import CallId

log = Logger()

STORE_AWAY = "the store does not answer"

Tell = Callable[[CallId, Input], None]


class RunsCallWork(Protocol):
    """``softswitch.store.database.Database`` as the call path sees it."""

    def order(self, order: Order, done: Callable[[Any], object]) -> None:
        """Carry out an order in the db-call thread; ``done`` is told its outcome or a Failure."""

    def run_call(self, fn: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Run ``fn(connection, *args)`` in the db-call thread."""


class WritesSettlements(Protocol):
    """``softswitch.store.spool``: writes a settlement, or keeps it until the store is back."""

    def write(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """What cannot be written now is spooled; ``then`` is called after that."""


class CallCredit:
    """Holds, slices, the journal and settlements. ``tell`` gets every answer as an input."""

    def __init__(self, database: RunsCallWork, settlements: WritesSettlements, tell: Tell) -> None:
        self._database = database
        self._settlements = settlements
        self._tell = tell

    def hold(self, call_id: CallId, request: HoldRequest) -> None:
        """Reserve for a leg before it starts."""
        self._database.order(request, partial(self._answer, call_id, request.id))

    def extend(self, call_id: CallId, charge: Charge) -> None:
        """Reserve the next slice, at least the next interval."""
        amounts = next_slice(charge.payment.rate, charge.reserved_micros)
        if amounts is None:
            self._tell(call_id, CreditHeld(charge.hold, charge.reserved_micros))
            return
        request = SliceRequest(charge.hold, amounts.want_micros, amounts.first_micros)
        self._database.order(request, partial(self._answer, call_id, charge.hold))

    def answered(self, holds: tuple[str, ...], answered_us: int) -> None:
        """Journal the answer."""
        self._database.order(Answered(holds, answered_us), _noted)

    def seen(self, holds: list[str], seen_us: int) -> None:
        """Journal that these legs are up."""
        if holds:
            self._database.run_call(work.seen, holds, seen_us).addErrback(_noted)

    def moved(self, move: Moved) -> None:
        """A leg goes on in another call."""
        self._database.order(move, _noted)

    def void(self, hold: str) -> None:
        """Give back what a step that nobody answered had reserved."""
        self._database.order(Void(hold), _noted)

    def settle(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """Write the end of a call; ``then`` is called when that is done or kept for later."""
        self._settlements.write(settlement, then)

    def _answer(
        self, call_id: CallId, hold: str, outcome: HoldGranted | CreditRefused | Failure
    ) -> None:
        if isinstance(outcome, HoldGranted):
            self._tell(call_id, CreditHeld(hold, outcome.amount_micros))
        elif isinstance(outcome, CreditRefused):
            self._tell(call_id, CreditDenied(hold, outcome.reason))
        else:
            log.error("hold not answered {hold}: {error}", hold=hold, error=outcome.value)
            self._tell(call_id, CreditDenied(hold, STORE_AWAY, failed=True))


def _noted(outcome: Failure | None) -> None:
    """A note whose loss costs nothing while the service runs: settlement repeats it all."""
    if outcome is not None:
        log.warn("journal not written: {error}", error=outcome.value)
