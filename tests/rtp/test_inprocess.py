"""The plane on the reactor: turns, timers and notices."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from rtp.inprocess import InProcessCarrier
from rtp.messages import LegAt, OpenPorts, PlaneNotice, PortsOpened, Release, Released, UsePorts
from rtp.wire import Address, Packet, PacketReceiver, Transmit, transmit_nowhere


class NullWire:
    """Ports that nobody uses."""

    closed = 0

    def begin(self, leg: Any) -> None:
        return

    def rest(self) -> None:
        return

    def aim(self, address: Address) -> Transmit:
        return transmit_nowhere

    def latch(self, source: Address) -> Transmit:
        return transmit_nowhere

    def silence(self) -> Transmit:
        return transmit_nowhere

    def transmit_rtcp(self, packet: Packet, address: Address) -> None:
        return

    def close(self) -> None:
        NullWire.closed += 1


class FakeLoop:
    """A packet loop without sockets, on the reactor's clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.turns = 0
        self.failure: Exception | None = None
        self.closed = False

    def now_s(self) -> float:
        return self.clock.seconds()

    def fileno(self) -> int:
        return 7

    def open_wire(self, host: str, port: int, receiver: PacketReceiver) -> NullWire:
        return NullWire()

    def turn(self, timeout_s: float) -> None:
        assert timeout_s == 0, "the reactor must not wait here"
        self.turns += 1
        if self.failure:
            raise self.failure

    def close(self) -> None:
        self.closed = True


class FakeReactor(Clock):
    """A clock with readers."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


HOST = "192.0.2.1"
CALL = (OpenPorts(HOST, (20000,)), UsePorts("1", (LegAt("a", HOST, 20000),)))


def started() -> tuple[InProcessCarrier, FakeReactor, FakeLoop, list[PlaneNotice]]:
    """A carrier on a fake reactor, started."""
    reactor = FakeReactor()
    loop = FakeLoop(reactor)
    notices: list[PlaneNotice] = []
    carrier = InProcessCarrier(
        reactor,
        timeout_s=60.0,
        on_notice=notices.append,
        loop=loop,  # type: ignore[arg-type]
    )
    carrier.start()
    return carrier, reactor, loop, notices


def test_the_reactor_sees_one_descriptor() -> None:
    """However many ports are open."""
    carrier, reactor, _, _ = started()
    assert reactor.readers == [carrier]
    assert carrier.fileno() == 7


def test_notices_come_in_a_later_turn() -> None:
    """So that a caller is never called back from within its call."""
    carrier, reactor, _, notices = started()
    carrier.send(CALL)
    assert notices == []
    reactor.advance(0)
    assert isinstance(notices[0], PortsOpened)


def test_one_timer_waits_for_the_next_deadline() -> None:
    """While there are calls; none when they are gone."""
    carrier, reactor, _, notices = started()
    carrier.send(CALL)
    reactor.pump([0.0, 0.5, 0.5, 1.0, 1.0])
    assert len(reactor.getDelayedCalls()) == 1
    carrier.send((Release("1"),))
    reactor.advance(0)
    assert isinstance(notices[-1], Released)
    assert reactor.getDelayedCalls() == []


def test_a_failing_turn_is_logged_and_the_next_one_comes() -> None:
    """The reactor would drop a reader that raises."""
    carrier, _, loop, _ = started()
    loop.failure = ZeroDivisionError()
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    carrier.doRead()
    globalLogPublisher.removeObserver(events.append)
    assert "failed in a turn" in events[0]["log_format"]
    loop.failure = None
    carrier.doRead()
    assert loop.turns == 2


def test_stop_closes_ports_and_leaves_no_timer() -> None:
    """And the reactor's reader is gone."""
    carrier, reactor, loop, _ = started()
    carrier.send(CALL)
    reactor.advance(0)
    before = NullWire.closed
    assert carrier.stop().called
    assert NullWire.closed == before + 1
    assert loop.closed
    assert reactor.readers == reactor.getDelayedCalls() == []
