"""How the carriers do right now: who answers, how fast calls may begin, who registers where. Pure.

``softswitch.call.trunks`` and the calls tell; routing, identity and the targets ask. The state is
kept by trunk *and* address, since one trunk may stand for several hosts.

    UP        answers, or nobody has asked yet
    SUSPECT   left something unanswered; it is asked again at once and still gets calls
    DOWN      gets calls only when there is no other way; its first answer brings it back
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from sip.flow import Address
from softswitch.clock import iso
from softswitch.routing.model import Trunk

# Unanswered probes and calls in a row until an address is dead. One lost packet does not count,
# requests are repeated for 4 s; a second silence right after is no accident.
SILENCES_TO_DOWN = 2
SECOND_US = 1_000_000


class Health(Enum):
    """See the head of this file."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"


class Sign(Enum):
    """What an address showed."""

    ANSWERED = "answered"  # any SIP response, whatever it says
    SILENT = "silent"
    SILENT_AGAIN = "silent again"  # for the SILENCES_TO_DOWN-th time


HEALTH: dict[tuple[Health, Sign], Health] = {
    (Health.UP, Sign.ANSWERED): Health.UP,
    (Health.UP, Sign.SILENT): Health.SUSPECT,
    (Health.UP, Sign.SILENT_AGAIN): Health.DOWN,
    (Health.SUSPECT, Sign.ANSWERED): Health.UP,
    (Health.SUSPECT, Sign.SILENT): Health.SUSPECT,
    (Health.SUSPECT, Sign.SILENT_AGAIN): Health.DOWN,
    (Health.DOWN, Sign.ANSWERED): Health.UP,
    (Health.DOWN, Sign.SILENT): Health.DOWN,
    (Health.DOWN, Sign.SILENT_AGAIN): Health.DOWN,
}


@dataclass(slots=True)
class Condition:
    """One address of a trunk. ``since_us``: when ``health`` began; ``None`` before any sign."""

    health: Health = Health.UP
    since_us: int | None = None
    silences: int = 0
    error: str = ""  # the last one; kept when it is up again

    def saw(self, sign: Sign, error: str, now_us: int) -> bool:
        """Take a sign; whether the address went down or came back up by it."""
        self.silences = 0 if sign is Sign.ANSWERED else self.silences + 1
        if sign is not Sign.ANSWERED:
            self.error = error
            sign = Sign.SILENT_AGAIN if self.silences >= SILENCES_TO_DOWN else Sign.SILENT
        before, self.health = self.health, HEALTH[self.health, sign]
        if before is not self.health or self.since_us is None:
            self.since_us = now_us
        return before is not self.health and Health.DOWN in (before, self.health)


def _nobody(_trunk: str, _address: Address, _condition: Condition) -> None:
    """Nobody asked to be told."""


class TrunkConditions:
    """All trunks. ``registrars``: addresses that trunks register at -> those trunks. ``on_change``
    is told of an address that went down, or came back."""

    def __init__(self) -> None:
        self.registrars: Mapping[str, tuple[str, ...]] = {}
        self.on_change: Callable[[str, Address, Condition], None] = _nobody
        self._conditions: dict[str, dict[Address, Condition]] = {}
        self._begun: dict[str, deque[int]] = {}  # of trunks with a limit; the latest calls' times

    # --- told ---

    def keep(self, trunks: Mapping[str, Trunk]) -> None:
        """Follow the snapshot: forget trunks that are gone or not watched, take over limits."""
        watched = {name for name, trunk in trunks.items() if trunk.probe_s}
        for name in self._conditions.keys() - watched:
            del self._conditions[name]
        for name in watched:
            self._conditions.setdefault(name, {})
        self._begun = {
            name: deque(self._begun.get(name, ()), maxlen=trunk.calls_per_second_max)
            for name, trunk in trunks.items()
            if trunk.calls_per_second_max
        }

    def keep_addresses(self, trunk: str, addresses: Iterable[Address]) -> None:
        """Forget addresses that the trunk's name does not resolve to any more."""
        known = self._conditions.get(trunk, {})
        for address in known.keys() - set(addresses):
            del known[address]

    def answered(self, trunk: str, address: Address, now_us: int) -> None:
        """Any response came."""
        self._saw(trunk, address, Sign.ANSWERED, "", now_us)

    def silent(self, trunk: str, address: Address, error: str, now_us: int) -> None:
        """A probe or a call got no answer at all."""
        self._saw(trunk, address, Sign.SILENT, error, now_us)

    def _saw(self, trunk: str, address: Address, sign: Sign, error: str, now_us: int) -> None:
        known = self._conditions.get(trunk)
        if known is None:
            return
        condition = known.get(address)
        if condition is None:
            condition = known[address] = Condition()
        if condition.saw(sign, error, now_us):
            self.on_change(trunk, address, condition)

    def began(self, trunk: str, now_us: int) -> None:
        """A call to the trunk begins."""
        begun = self._begun.get(trunk)
        if begun is not None:
            begun.append(now_us)

    # --- asked ---

    def condition(self, trunk: str, address: Address) -> Condition | None:
        """What is known of an address."""
        return self._conditions.get(trunk, {}).get(address)

    def best(self, trunk: str) -> Condition | None:
        """The condition of the address that does best; ``None`` when nothing is known."""
        known = self._conditions.get(trunk)
        if not known:
            return None
        order = (Health.UP, Health.SUSPECT, Health.DOWN)
        return min(known.values(), key=lambda condition: order.index(condition.health))

    def down(self, trunk: str) -> str | None:
        """Since when no address of the trunk answers, in words; ``None`` when one does."""
        known = self._conditions.get(trunk)
        if not known:
            return None
        latest = 0
        for condition in known.values():
            if condition.health is not Health.DOWN:
                return None
            latest = max(latest, condition.since_us or 0)
        return f"down since {iso(latest)}"

    def is_limited(self, trunk: str) -> bool:
        """Whether ``busy`` may be anything but ``None``."""
        return trunk in self._begun

    def busy(self, trunk: str, now_us: int) -> str | None:
        """Why the trunk cannot take one more call in this second; ``None`` when it can."""
        begun = self._begun.get(trunk)
        if begun is None or begun.maxlen is None or len(begun) < begun.maxlen:
            return None
        if begun[0] <= now_us - SECOND_US:
            return None
        return f"{begun.maxlen} calls began within this second"
