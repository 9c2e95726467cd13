"""Ports of one plane: opened ahead, taken, rested, and shared between addresses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.leases import (
    FREE_MIN,
    OPENED_AT_ONCE,
    QUARANTINE_MIN_S,
    QUARANTINE_S,
    READY_MAX,
    PortLeases,
)
from rtp.messages import ClosePorts, OpenPorts

HOST = "192.0.2.1"
OTHER = "192.0.2.2"


class Opener:
    """Leases whose plane opens at once whatever is asked for, but for ports in ``taken``."""

    def __init__(self, pairs: int, open_max: int = 1 << 20) -> None:
        self.leases = PortLeases(range(20000, 20000 + 2 * pairs, 2), open_max, pick=lambda n: n - 1)
        self.open: set[tuple[str, int]] = set()
        self.taken: set[int] = set()

    def open_more(self, host: str, now_s: float) -> int:
        """Have ports opened; gives how many were."""
        got = 0
        for command in self.leases.open_more(host, now_s):
            if isinstance(command, ClosePorts):
                self.close(command)
            else:
                got += self.obey(command)
        return got

    def obey(self, command: OpenPorts) -> int:
        ports = [port for port in command.ports if port not in self.taken]
        assert not {port for _, port in self.open} & set(ports), "opened twice"
        self.open.update((command.bind_host, port) for port in ports)
        self.leases.opened(command.bind_host, ports)
        return len(ports)

    def close(self, command: ClosePorts) -> None:
        self.open.difference_update((command.bind_host, port) for port in command.ports)

    def fill(self, host: str, now_s: float) -> None:
        """Until the plane holds as many as are wanted."""
        while self.open_more(host, now_s):
            pass


def test_nothing_is_open_for_an_address_that_was_never_used() -> None:
    """The first call has to wait for its ports."""
    bench = Opener(1000)
    assert bench.leases.take(HOST, 0.0) is None
    assert bench.open_more(HOST, 0.0) == OPENED_AT_ONCE
    assert bench.leases.take(HOST, 0.0) is not None


def test_ports_are_opened_ahead_of_need() -> None:
    """A few at a time, until there are enough; and again when they are taken."""
    bench = Opener(1000)
    bench.fill(HOST, 0.0)
    assert FREE_MIN <= bench.leases.ready < FREE_MIN + OPENED_AT_ONCE
    while bench.leases.ready >= FREE_MIN:
        bench.leases.take(HOST, 0.0)
    assert bench.open_more(HOST, 0.0) == OPENED_AT_ONCE


def test_one_opening_at_a_time() -> None:
    """Else a burst would open everything."""
    bench = Opener(1000)
    assert len(bench.leases.open_more(HOST, 0.0)) == 1
    assert bench.leases.is_opening(HOST)
    assert bench.leases.open_more(HOST, 0.0) == []


def test_a_port_that_was_used_rests() -> None:
    """As long as there are others to be had."""
    bench = Opener(1000)
    bench.fill(HOST, 0.0)
    port = bench.leases.take(HOST, 0.0)
    assert port is not None
    bench.leases.give_back(HOST, port, 10.0)
    taken = [bench.leases.take(HOST, 10.0 + QUARANTINE_S - 0.01) for _ in range(200)]
    assert port not in taken
    assert bench.leases.take(HOST, 10.0 + QUARANTINE_S) == port


def test_the_oldest_rests_less_when_there_is_no_other() -> None:
    """Down to a second, not below."""
    bench = Opener(2)
    bench.fill(HOST, 0.0)
    first, second = (bench.leases.take(HOST, 0.0) for _ in range(2))
    assert first is not None
    assert second is not None
    bench.leases.give_back(HOST, second, 1.0)
    bench.leases.give_back(HOST, first, 1.5)
    assert bench.leases.take(HOST, 1.0 + QUARANTINE_MIN_S - 0.01) is None
    assert bench.leases.take(HOST, 1.0 + QUARANTINE_MIN_S) == second
    assert bench.leases.take(HOST, 1.0 + QUARANTINE_MIN_S) is None


def test_a_thousand_calls_a_second_do_not_run_dry() -> None:
    """Of no length and two legs each, on the usual range: 5 s for each port would be all ports.

    And when it has gone on for a while nothing is opened or closed any more.
    """
    bench = Opener(10_000)
    bench.fill(HOST, 0.0)
    opened_s = 0.0
    in_use: list[int] = []
    for tick in range(1, 40_000):
        now_s = tick / 2000
        port = bench.leases.take(HOST, now_s)
        while port is None:
            assert bench.open_more(HOST, now_s)
            opened_s = now_s
            port = bench.leases.take(HOST, now_s)
        if bench.open_more(HOST, now_s):
            opened_s = now_s
        in_use.append(port)
        if len(in_use) > 20:
            bench.leases.give_back(HOST, in_use.pop(0), now_s)
        assert bench.leases.close_surplus(HOST, now_s) == []
    assert opened_s < 10
    assert bench.leases.ready < READY_MAX


def test_a_port_that_others_hold_is_left_alone() -> None:
    """And may be had when they let it go."""
    bench = Opener(3)
    bench.taken = {20002}
    bench.fill(HOST, 0.0)
    assert {bench.leases.take(HOST, 0.0) for _ in range(2)} == {20000, 20004}
    assert bench.open_more(HOST, 0.0) == 0
    bench.taken.clear()
    assert bench.open_more(HOST, 0.0) == 1
    assert bench.leases.take(HOST, 0.0) == 20002


def test_an_address_gets_the_ports_that_another_one_does_not_need() -> None:
    """A range that is all open for one address still serves a second one."""
    bench = Opener(40)
    bench.fill(HOST, 0.0)
    assert len(bench.open) == 40
    assert bench.open_more(OTHER, 0.0) == OPENED_AT_ONCE
    assert bench.leases.take(OTHER, 0.0) is not None
    assert len(bench.open) == 40


def test_no_more_ports_are_open_than_descriptors_allow() -> None:
    """The range may be larger."""
    bench = Opener(1000, open_max=5)
    bench.fill(HOST, 0.0)
    assert len(bench.open) == 5


def test_what_is_held_beyond_need_is_closed() -> None:
    """After a rush; a few at a time, and none that has rested for less than a second."""
    bench = Opener(READY_MAX + 100)
    used = []
    while len(used) < READY_MAX + 100:
        port = bench.leases.take(HOST, 0.0)
        if port is None:
            assert bench.open_more(HOST, 0.0)
        else:
            used.append(port)
    for port in used:
        bench.leases.give_back(HOST, port, 0.0)
    assert bench.leases.close_surplus(HOST, QUARANTINE_MIN_S - 0.01) == []
    while commands := bench.leases.close_surplus(HOST, QUARANTINE_MIN_S):
        for command in commands:
            assert len(command.ports) <= OPENED_AT_ONCE
            bench.close(command)
    assert bench.leases.ready == len(bench.open) == READY_MAX


def test_the_next_port_is_drawn_by_lot() -> None:
    """Whoever has seen all ports so far does not know the next one."""
    asked: list[int] = []

    def pick(count: int) -> int:
        asked.append(count)
        return 0

    leases = PortLeases(range(20000, 20200, 2), 100, pick)
    (command,) = leases.open_more(HOST, 0.0)
    assert isinstance(command, OpenPorts)
    leases.opened(HOST, command.ports)
    leases.take(HOST, 0.0)
    assert asked[0] == 100
    assert asked[-1] == len(command.ports)


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "give back", "open"]),
        st.sampled_from([HOST, OTHER]),
        st.floats(0, QUARANTINE_S),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(script=steps, pairs=st.integers(1, 8), held=st.sets(st.sampled_from([20000, 20002])))
def test_no_port_is_given_twice_or_too_early(
    script: list[tuple[str, str, float]], pairs: int, held: set[int]
) -> None:
    """Whatever is opened, taken and given back when, for whichever address."""
    bench = Opener(pairs)
    bench.taken = held
    now_s = 0.0
    in_use: list[tuple[str, int]] = []
    given_back_s: dict[int, float] = {}
    for what, host, pause_s in script:
        now_s += pause_s
        if what == "open":
            bench.open_more(host, now_s)
        elif what == "give back" and in_use:
            at = in_use.pop(0)
            bench.leases.give_back(*at, now_s)
            given_back_s[at[1]] = now_s
        elif (port := bench.leases.take(host, now_s)) is not None:
            assert (host, port) in bench.open
            assert port not in [used for _, used in in_use]
            assert given_back_s.get(port, -QUARANTINE_S) <= now_s - QUARANTINE_MIN_S
            in_use.append((host, port))
        assert bench.leases.ready == len(bench.open) - len(in_use)
