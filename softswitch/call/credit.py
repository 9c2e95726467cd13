"""The call path's way to the money: asks the db-call thread, brings the answers back as inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from billing import work
from billing.cdr import Settlement
from billing.credit import CreditRefused, HoldGranted, HoldRequest
from billing.rating import next_slice
from softswitch.call.charging import Charge
from softswitch.call.events import CreditDenied, CreditHeld, Input
from softswitch.ids import CallId

log = Logger()

STORE_AWAY = "the store does not answer"

Tell = Callable[[CallId, Input], None]


class RunsCallWork(Protocol):
    """``softswitch.store.database.Database`` as the call path sees it."""

    def run_call(self, fn: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Run ``fn(connection, *args)`` in the db-call thread."""


class WritesSettlements(Protocol):
    """``softswitch.store.spool``: writes a settlement, or keeps it until the store is back."""

    def write(self, settlement: Settlement) -> Deferred[Any]:
        """Never fails; what cannot be written now is spooled."""


class CallCredit:
    """Holds, slices, the journal and settlements. ``tell`` gets every answer as an input."""

    def __init__(self, database: RunsCallWork, settlements: WritesSettlements, tell: Tell) -> None:
        self._database = database
        self._settlements = settlements
        self._tell = tell

    def hold(self, call_id: CallId, request: HoldRequest) -> None:
        """Reserve for a leg before it starts."""
        self._ask(call_id, request.id, work.hold, request)

    def extend(self, call_id: CallId, charge: Charge) -> None:
        """Reserve the next slice, at least the next interval."""
        amounts = next_slice(charge.payment.rate, charge.reserved_micros)
        if amounts is None:
            self._tell(call_id, CreditHeld(charge.hold, charge.reserved_micros))
            return
        self._ask(
            call_id,
            charge.hold,
            work.extend,
            charge.hold,
            amounts.want_micros,
            amounts.first_micros,
        )

    def answered(self, holds: Iterable[str], answered_us: int) -> None:
        """Journal the answer."""
        for hold in holds:
            self._write(work.answered, hold, answered_us)

    def seen(self, holds: list[str], seen_us: int) -> None:
        """Journal that these legs are up."""
        if holds:
            self._write(work.seen, holds, seen_us)

    def void(self, hold: str) -> None:
        """Give back what a step that nobody answered had reserved."""
        self._write(work.void, hold)

    def settle(self, settlement: Settlement) -> Deferred[Any]:
        """Write the end of a call; fires when that is done or kept for later, and never fails."""
        return self._settlements.write(settlement)

    def _ask(self, call_id: CallId, hold: str, fn: Callable[..., Any], *args: Any) -> None:
        def answer(outcome: HoldGranted | CreditRefused) -> None:
            if isinstance(outcome, HoldGranted):
                self._tell(call_id, CreditHeld(hold, outcome.amount_micros))
            else:
                self._tell(call_id, CreditDenied(hold, outcome.reason))

        def failed(failure: Failure) -> None:
            log.error("hold not answered {hold}: {error}", hold=hold, error=failure.value)
            self._tell(call_id, CreditDenied(hold, STORE_AWAY, failed=True))

        deferred = self._database.run_call(fn, *args)
        deferred.addCallbacks(answer, failed)
        deferred.addErrback(_log_bug, hold)

    def _write(self, fn: Callable[..., Any], *args: Any) -> None:
        """A note whose loss costs nothing while the service runs: settlement repeats it all."""
        deferred = self._database.run_call(fn, *args)
        deferred.addErrback(
            lambda failure: log.warn("journal not written: {error}", error=failure.value)
        )


def _log_bug(failure: Failure, hold: str) -> None:
    log.failure("bug while answering for hold {hold}", failure, hold=hold)
