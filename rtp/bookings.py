"""The calls of one plane, from the side of the service: answers ``Allocate``, says what must leave.

A call gets ports that the plane holds open already, so nobody waits for the plane, and what the
plane has to know of a call goes out with the first command that it has to obey. A call that ends
before that was never heard of. Sans-IO: commands and notices go in with the time; answers come
out, and ``take_commands`` gives what is to be sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rtp.leases import READY_MAX, PortLeases
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Command,
    LegAt,
    LegCommand,
    LegPorts,
    LegSpec,
    LegStatistics,
    Notice,
    PlaneCommand,
    PlaneNotice,
    PortsOpened,
    Release,
    Released,
    UsePorts,
)
from rtp.wire import canonical_host

LEGS_MAX = 32  # of one call: a fork to all contacts of a group with some transfers
EXHAUSTED = "ports exhausted"


class _Booked:
    """The legs of a call, and those of them that the plane has not been told of."""

    __slots__ = ("legs", "untold")

    def __init__(self) -> None:
        self.legs: tuple[LegAt, ...] = ()
        self.untold: tuple[LegAt, ...] = ()

    def is_told(self) -> bool:
        """Whether the plane has heard of the call."""
        return len(self.untold) < len(self.legs)


class Bookings:
    """Which calls have which ports of one plane, and which wait for ports.

    ``must_leave``: there are commands that somebody waits for. Others leave with what follows.
    """

    def __init__(self, leases: PortLeases) -> None:
        self._leases = leases
        self._calls: dict[str, _Booked] = {}
        self._waiting: list[Allocate] = []
        self._commands: list[PlaneCommand] = []
        self.must_leave = False

    @property
    def calls(self) -> Collection[str]:
        """The calls that have ports or wait for them."""
        return self._calls.keys()

    def obey(self, commands: Sequence[Command], now_s: float) -> list[Notice]:
        """Take commands; gives what can be answered at once."""
        answers: list[Notice] = []
        for command in commands:
            if isinstance(command, Allocate):
                answers += self._allocate(command, now_s)
            elif isinstance(command, Release):
                answers += self._release(command, now_s)
            else:
                self._pass_on(command)
        return answers

    def noticed(self, notice: PlaneNotice, now_s: float) -> list[Notice]:
        """Take a notice of the plane; gives what it means for the calls."""
        if isinstance(notice, PortsOpened):
            return self._opened(notice, now_s)
        if isinstance(notice, Released) and notice.call in self._calls:
            self._give_back(notice.call, now_s)
        return [notice]

    def take_commands(self) -> list[PlaneCommand]:
        """What is to be sent to the plane, in order."""
        commands, self._commands, self.must_leave = self._commands, [], False
        return commands

    # --- ports ------------------------------------------------------------------------------------

    def _allocate(self, command: Allocate, now_s: float) -> list[Notice]:
        booked = self._calls.get(command.call)
        refusal = _refusal(command, booked.legs if booked else ())
        if refusal:
            return [AllocationFailed(command.call, refusal)]
        if booked is None:
            self._calls[command.call] = _Booked()
        return self._serve(command, now_s, "")

    def _opened(self, notice: PortsOpened, now_s: float) -> list[Notice]:
        self._leases.opened(notice.bind_host, notice.ports)
        refused = "" if notice.ports else notice.reason or EXHAUSTED
        waiting, self._waiting = self._waiting, []
        answers: list[Notice] = []
        for command in waiting:
            if any(spec.bind_host == notice.bind_host for spec in command.legs):
                answers += self._serve(command, now_s, refused)
            else:
                self._waiting.append(command)
        return answers

    def _serve(self, command: Allocate, now_s: float, refused: str) -> list[Notice]:
        """The answer; none while ports are opened for it. ``refused``: why none could be."""
        taken = self._take(command.legs, now_s, last_resort=bool(refused))
        if len(taken) == len(command.legs):
            booked = self._calls[command.call]
            booked.legs += taken
            booked.untold += taken
            return [Allocated(command.call, tuple([LegPorts(at.leg, at.port) for at in taken]))]
        for at in taken:
            self._leases.put_back(at.bind_host, at.port)
        if not refused and self._leases.is_opening(command.legs[len(taken)].bind_host):
            self._waiting.append(command)
            self.must_leave = True
            return []
        if not self._calls[command.call].legs:
            del self._calls[command.call]
        return [AllocationFailed(command.call, refused or EXHAUSTED)]

    def _take(
        self, legs: Sequence[LegSpec], now_s: float, *, last_resort: bool
    ) -> tuple[LegAt, ...]:
        """Ports for the first so many of the legs, and see to it that there are more."""
        leases, taken = self._leases, []
        for leg, host in legs:
            port = leases.take(host, now_s, last_resort=last_resort)
            if not last_resort:
                self._commands += leases.open_more(host, now_s)
            if port is None:
                break
            taken.append(LegAt(leg, host, port))
        return tuple(taken)

    def _give_back(self, call: str, now_s: float) -> None:
        leases = self._leases
        for _, host, port in self._calls.pop(call).legs:
            leases.give_back(host, port, now_s)
            if leases.ready > READY_MAX:
                self._commands += leases.close_surplus(host, now_s)

    # --- what the plane is told -------------------------------------------------------------------

    def _pass_on(self, command: LegCommand) -> None:
        booked = self._calls.get(command.call)
        if booked is None:
            return
        if booked.untold:
            self._commands.append(UsePorts(command.call, booked.untold))
            booked.untold = ()
        self._commands.append(command)
        self.must_leave = True

    def _release(self, command: Release, now_s: float) -> list[Notice]:
        self._waiting = [each for each in self._waiting if each.call != command.call]
        booked = self._calls.get(command.call)
        if booked is None:
            return [Released(command.call)]
        if booked.is_told():
            self._pass_on(command)
            return []
        self._give_back(command.call, now_s)
        return [Released(command.call, tuple([LegStatistics(at.leg) for at in booked.legs]))]


def _refusal(command: Allocate, known: Sequence[LegAt]) -> str:
    """Why these legs cannot be opened, "" if they can. Our own caller's mistakes, not a peer's."""
    names = {at.leg for at in known}.union(spec.leg for spec in command.legs)
    wanted = len(known) + len(command.legs)
    if wanted > LEGS_MAX:
        return f"more than {LEGS_MAX} legs"
    if len(names) < wanted:
        return "two legs of one name"
    for spec in command.legs:
        if not canonical_host(spec.bind_host):
            return f"{spec.bind_host!r} is not an address"
    return ""
