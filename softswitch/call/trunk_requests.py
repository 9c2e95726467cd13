"""What goes out to carriers beside calls, and what comes of it: registrations and probes.

Each is the owner of its requests; ``softswitch.call.trunks`` gives it the time and the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.logger import Logger

from sip.events import RequestFailed, ResponseReceived
from sip.flow import Address, Flow
from sip.registration import Register, Registration, State
from softswitch.call.legs import OwnRequest
from softswitch.call.trunk_conditions import Health
from softswitch.routing.model import Trunk

log = Logger()

PROBE_WAIT_S = 4.0  # as a call waits: whoever has not said anything by then is taken as dead
ERRORS = {"timeout": "no answer", "transport": "no connection"}


class AsksCarriers(Protocol):
    """``softswitch.call.trunks.Trunks``, as its requests need it."""

    def send(self, owner: OwnRequest, requests: Iterable[Register]) -> None:
        """Send requests whose answers are told to ``owner``."""

    def options(self, trunk: Trunk, flow: Flow) -> Register:
        """A question that any SIP element answers."""

    def answered(self, trunk: str, address: Address) -> None:
        """A probe was answered."""

    def silent(self, trunk: str, address: Address, error: str) -> Health:
        """A probe was not; how the address does by it."""


class Line(OwnRequest):
    """The registration of one trunk."""

    def __init__(
        self, carriers: AsksCarriers, name: str, machine: Registration, start_s: float
    ) -> None:
        self.machine = machine
        self._carriers = carriers
        self._name = name
        self._start_s = start_s
        self._said: tuple[bool, str] = (False, "")

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.machine.state is State.ENDED

    def until_us(self, now_s: float, now_us: int) -> int | None:
        """When the binding is over; ``None`` when there is none."""
        left_s = self.machine.until_s - now_s
        return now_us + round(left_s * 1_000_000) if left_s > 0 else None

    def due(self, now_s: float) -> list[Register]:
        """What is to be sent now."""
        if self.machine.state is State.IDLE:
            return self.machine.start(now_s) if now_s >= self._start_s else []
        return self.machine.due(now_s)

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """An answer to a REGISTER."""
        if event.response.status >= 200:
            number = event.transaction.request.cseq.number
            self._carriers.send(self, self.machine.responded(event.response, number, now_s))
            self._tell()

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """None came."""
        number = event.transaction.request.cseq.number
        self._carriers.send(self, self.machine.failed(ERRORS[event.cause], number, now_s))
        self._tell()

    def _tell(self) -> None:
        """Log what is new, once."""
        bound, error = self.machine.state is State.BOUND, self.machine.error
        if self.machine.state not in (State.BOUND, State.RESTING) or (bound, error) == self._said:
            return
        self._said = (bound, error)
        if bound:
            log.info("trunk {trunk} is registered", trunk=self._name)
        else:
            log.warn("trunk {trunk} is not registered: {error}", trunk=self._name, error=error)


class Probe(OwnRequest):
    """The OPTIONS to one address of a trunk."""

    def __init__(self, carriers: AsksCarriers, trunk: Trunk, flow: Flow, first_s: float) -> None:
        self.trunk = trunk
        self._carriers = carriers
        self._flow = flow
        self._next_s = first_s
        self._judged_s: float | None = None  # while one is out: when it counts as unanswered

    def due(self, now_s: float) -> None:
        """Ask, or give up waiting."""
        if self._judged_s is not None:
            if now_s >= self._judged_s:
                self._unanswered("no answer to OPTIONS", now_s)
        elif now_s >= self._next_s:
            self._judged_s = now_s + PROBE_WAIT_S
            self._next_s = now_s + self.trunk.probe_s
            self._carriers.send(self, [self._carriers.options(self.trunk, self._flow)])

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """Whatever it says, something lives there."""
        self._judged_s = None
        self._carriers.answered(self.trunk.name, self._flow.remote)

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """A connection that cannot be made; silence has been judged before."""
        if event.cause == "transport" and self._judged_s is not None:
            self._unanswered(ERRORS[event.cause], now_s)

    def _unanswered(self, error: str, now_s: float) -> None:
        self._judged_s = None
        if self._carriers.silent(self.trunk.name, self._flow.remote, error) is Health.SUSPECT:
            self._next_s = now_s  # make sure at once
