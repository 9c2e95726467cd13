"""Which calls have which ports, as the service knows it: answered at once, told when needed."""

from __future__ import annotations

import pytest

from rtp.bookings import LEGS_MAX, Bookings
from rtp.leases import QUARANTINE_MIN_S, PortLeases
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Command,
    LegAt,
    LegPorts,
    LegSpec,
    LegStatistics,
    MediaTimedOut,
    Notice,
    OpenPorts,
    PlaneCommand,
    PortsOpened,
    Release,
    Released,
    StopTone,
    UsePorts,
)

HOST = "192.0.2.1"
FOREIGN = "203.0.113.1"
A, B = LegSpec("a", HOST), LegSpec("b", HOST)


class Desk:
    """Bookings, and a plane that opens ports as it is told."""

    def __init__(self, pairs: int = 100) -> None:
        # Ports come in their order, so that tests can name them.
        ports = range(20000 + 2 * pairs - 2, 19998, -2)
        leases = PortLeases(ports, 1 << 20, pick=lambda count: count - 1)
        self.bookings = Bookings(leases)
        self.now_s = 100.0
        self.taken: set[int] = set()

    def tell(self, *commands: Command) -> list[Notice]:
        """The answers, also those that wait for ports."""
        answers = self.bookings.obey(commands, self.now_s)
        while self.bookings.must_leave and not answers:
            if not (later := self.open_ports()):
                break
            answers += later
        return answers

    def open_ports(self) -> list[Notice]:
        """Obey ``OpenPorts`` in order; what else was to leave waits for ``leaving``."""
        answers: list[Notice] = []
        self.left = self.bookings.take_commands()
        for command in self.left:
            if isinstance(command, OpenPorts):
                answers += self.bookings.noticed(self.opened(command), self.now_s)
        return answers

    def opened(self, command: OpenPorts) -> PortsOpened:
        host = command.bind_host
        if host == FOREIGN:
            return PortsOpened(host, (), "not ours")
        ports = tuple(port for port in command.ports if port not in self.taken)
        return PortsOpened(host, ports, "in use" if len(ports) < len(command.ports) else "")

    def leaving(self) -> list[PlaneCommand]:
        """What leaves for the plane but what concerns ports that no call has."""
        assert self.bookings.must_leave
        return [each for each in self.bookings.take_commands() if not isinstance(each, OpenPorts)]


def test_ports_in_the_order_asked_for() -> None:
    """Even ports, one per leg; nobody has to hear of it yet."""
    desk = Desk()
    (first,) = desk.tell(Allocate("1", (A, B)))
    (second,) = desk.bookings.obey((Allocate("2", (A, B)),), desk.now_s)
    for notice in (first, second):
        assert isinstance(notice, Allocated)
        assert [leg.leg for leg in notice.legs] == ["a", "b"]
        assert all(leg.rtp_port % 2 == 0 for leg in notice.legs)
    assert not desk.bookings.must_leave


def test_the_plane_hears_of_a_call_with_its_first_command() -> None:
    """And once; legs that are added, too."""
    desk = Desk()
    (one,) = desk.tell(Allocate("1", (A,)))
    assert isinstance(one, Allocated)
    desk.tell(StopTone("1", "a"))
    port = one.legs[0].rtp_port
    assert desk.left[-2:] == [UsePorts("1", (LegAt("a", HOST, port),)), StopTone("1", "a")]
    (two,) = desk.tell(Allocate("1", (B,)))
    assert isinstance(two, Allocated)
    desk.bookings.obey((StopTone("1", "b"), StopTone("1", "a")), desk.now_s)
    assert desk.leaving() == [
        UsePorts("1", (LegAt("b", HOST, two.legs[0].rtp_port),)),
        StopTone("1", "b"),
        StopTone("1", "a"),
    ]


def test_a_call_that_the_plane_never_heard_of_is_released_at_once() -> None:
    """Its statistics are empty and its ports come back."""
    desk = Desk(pairs=2)
    desk.tell(Allocate("1", (A, B)))
    answer = desk.tell(Release("1"))
    assert answer == [Released("1", (LegStatistics("a"), LegStatistics("b")))]
    assert not desk.bookings.must_leave
    assert not desk.bookings.calls
    desk.now_s += QUARANTINE_MIN_S
    assert isinstance(desk.tell(Allocate("2", (A, B)))[0], Allocated)


def test_the_ports_of_a_call_come_back_with_its_statistics() -> None:
    """Not before: the plane uses them until then."""
    desk = Desk(pairs=1)
    desk.tell(Allocate("1", (A,)))
    desk.tell(StopTone("1", "a"))
    assert desk.tell(Release("1")) == []
    assert desk.left[-1:] == [Release("1")]
    desk.now_s += 10
    assert desk.tell(Allocate("2", (A,))) == [AllocationFailed("2", "ports exhausted")]
    released = Released("1", (LegStatistics("a", packets_received=7),))
    assert desk.bookings.noticed(released, desk.now_s) == [released]
    desk.now_s += QUARANTINE_MIN_S
    assert isinstance(desk.tell(Allocate("2", (A,)))[0], Allocated)


def test_exhausted_ports_are_said() -> None:
    """All legs or none: the port that there was is there for the next call."""
    desk = Desk(pairs=1)
    assert desk.tell(Allocate("1", (A, B))) == [AllocationFailed("1", "ports exhausted")]
    assert not desk.bookings.calls
    assert desk.tell(Allocate("2", (A,))) == [Allocated("2", (LegPorts("a", 20000),))]


def test_an_address_that_is_not_ours_is_refused() -> None:
    """With the reason; the leg that could be opened is free again."""
    desk = Desk(pairs=40)
    assert desk.tell(Allocate("1", (LegSpec("b", FOREIGN),))) == [AllocationFailed("1", "not ours")]
    assert isinstance(desk.tell(Allocate("2", (A,)))[0], Allocated)


def test_an_address_that_cannot_be_bound_is_no_harm_to_others() -> None:
    """Who waits for ports of another one goes on waiting."""
    desk = Desk()
    for call, host in (("1", FOREIGN), ("2", HOST)):
        assert desk.bookings.obey((Allocate(call, (LegSpec("a", host),)),), desk.now_s) == []
    failed, allocated = desk.open_ports()
    assert failed == AllocationFailed("1", "not ours")
    assert isinstance(allocated, Allocated)


def test_ports_that_others_hold_are_said_when_there_is_no_other() -> None:
    """Until then they are skipped."""
    desk = Desk(pairs=2)
    desk.taken = {20000}
    assert desk.tell(Allocate("1", (A,))) == [Allocated("1", (LegPorts("a", 20002),))]
    assert desk.tell(Allocate("2", (A,))) == [AllocationFailed("2", "in use")]


def test_calls_that_wait_are_served_in_order() -> None:
    """As far as the ports reach."""
    desk = Desk(pairs=2)
    for call in ("1", "2", "3"):
        assert desk.bookings.obey((Allocate(call, (A,)),), desk.now_s) == []
    assert desk.open_ports() == [
        Allocated("1", (LegPorts("a", 20002),)),
        Allocated("2", (LegPorts("a", 20000),)),
        AllocationFailed("3", "ports exhausted"),
    ]


def test_a_call_that_ends_while_it_waits_gets_no_ports() -> None:
    """Its release is answered at once."""
    desk = Desk()
    desk.bookings.obey((Allocate("1", (A,)),), desk.now_s)
    assert desk.bookings.obey((Release("1"),), desk.now_s) == [Released("1")]
    assert desk.open_ports() == []
    assert not desk.bookings.calls


def test_a_call_with_legs_survives_the_refusal_of_another_leg() -> None:
    """It still has to be released."""
    desk = Desk(pairs=1)
    desk.tell(Allocate("1", (A,)))
    assert desk.tell(Allocate("1", (B,))) == [AllocationFailed("1", "ports exhausted")]
    assert list(desk.bookings.calls) == ["1"]


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ((A, A), "two legs of one name"),
        ((LegSpec("a", "localhost"),), "'localhost' is not an address"),
        (tuple(LegSpec(str(n), HOST) for n in range(LEGS_MAX + 1)), "more than 32 legs"),
    ],
)
def test_wrong_allocations_are_refused(legs: tuple[LegSpec, ...], reason: str) -> None:
    """With the reason, and nothing is taken."""
    desk = Desk()
    assert desk.tell(Allocate("call", legs)) == [AllocationFailed("call", reason)]
    assert not desk.bookings.calls


def test_a_leg_may_not_be_added_twice() -> None:
    """Its name is taken."""
    desk = Desk()
    desk.tell(Allocate("1", (A,)))
    assert desk.tell(Allocate("1", (A,))) == [AllocationFailed("1", "two legs of one name")]


def test_commands_for_what_is_gone_go_nowhere() -> None:
    """They crossed with the release, which is answered whoever asks."""
    desk = Desk()
    assert desk.tell(StopTone("?", "a"), Release("?")) == [Released("?")]
    assert not desk.bookings.must_leave


def test_other_notices_are_the_calls() -> None:
    """They pass."""
    silent = MediaTimedOut("1", "a")
    assert Desk().bookings.noticed(silent, 0.0) == [silent]
