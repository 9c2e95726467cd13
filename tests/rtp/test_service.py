"""The service's part: which worker gets a call, and what is told when one is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from rtp.control import CHECK_INTERVAL_S, SILENT_CHECKS_AT_START_MAX, SILENT_CHECKS_MAX
from rtp.framing import CommandReader, frame
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    LegSpec,
    LegStatistics,
    MediaLost,
    Notice,
    OpenPorts,
    PlaneCommand,
    PlaneNotice,
    PortsOpened,
    Release,
    Released,
    StopTone,
)
from rtp.ports import PortRange
from rtp.service import GATHER_S, MediaService, descriptor_shortage, resolve_workers
from rtp.supervision import RESTART_DELAY_MAX_S, RESTART_DELAY_MIN_S, STEADY_S, STOP_TIMEOUT_S

LEGS = (LegSpec("a", "192.0.2.1"),)


class FakeProcess:
    """A worker process: what it was told, and how it ends."""

    def __init__(self, protocol: Any, arguments: list[str], pid: int) -> None:
        self.protocol = protocol
        self.arguments = arguments
        self.pid = pid
        self.control: Any = None
        self.socket: Any = None
        self.signals: list[str] = []
        self.heard: list[PlaneCommand] = []
        self.frames = 0
        self.opens_ports = True
        self._reader = CommandReader()

    def signalProcess(self, name: str) -> None:
        if "KILL" in self.signals:
            raise ProcessExitedAlready
        self.signals.append(name)

    def listen(self) -> None:
        """Read what was sent: ports are opened as told, the rest is ``heard``."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        for commands in self._reader.feed(data):
            self.frames += 1
            for command in commands:
                self.heard.append(command)
                if isinstance(command, OpenPorts) and self.opens_ports:
                    self.say(PortsOpened(command.bind_host, command.ports))

    def calls_heard(self) -> list[str]:
        """The calls of the commands so far, each once."""
        return list(dict.fromkeys(each.call for each in self.heard if hasattr(each, "call")))

    def say(self, *notices: PlaneNotice) -> None:
        self.send(frame(notices))

    def send(self, data: bytes) -> None:
        """Bytes as they come from the worker."""
        with suppress(BrokenPipeError):  # the service may have closed its end
            self.socket.send(data)
        if not self.is_told_to_end():
            self.control.doRead()

    def is_told_to_end(self) -> bool:
        """Whether the service closed its end."""
        return bool(self.control.fileno() == -1)

    def die(self) -> None:
        self.socket.close()
        if not self.is_told_to_end():
            self.control.doRead()
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9)))

    def end(self) -> None:
        self.protocol.processEnded(Failure(ProcessDone(0)))


class FakeReactor(Clock):
    """A clock that "spawns" fake workers."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []

    def spawnProcess(
        self, protocol: Any, executable: str, args: list[str], env: Any, childFDs: Any
    ) -> FakeProcess:
        assert childFDs.keys() == {0, 1, 2}
        process = FakeProcess(protocol, args, 1000 + len(self.processes))
        process.socket = socket.socket(fileno=os.dup(childFDs[0]))
        process.socket.setblocking(False)
        self.processes.append(process)
        return process

    def addReader(self, reader: Any) -> None:
        self.processes[-1].control = reader

    def removeReader(self, reader: Any) -> None:
        """Nothing is watched."""

    removeWriter = removeReader


class Bench:
    """A started service on a fake reactor."""

    def __init__(self, workers: int) -> None:
        self.reactor = FakeReactor()
        self.notices: list[Notice] = []
        self.service = MediaService(
            self.reactor,
            workers=workers,
            ports="20000-20099",
            timeout_s=60,
            on_notice=self.notices.append,
            now_s=self.reactor.seconds,
        )
        self.service.startService()

    def turn(self) -> None:
        """Time for commands to leave and for ports to be opened."""
        for _ in range(3):
            self.reactor.advance(GATHER_S)
            for worker in self.workers:
                if not worker.is_told_to_end():
                    worker.listen()

    def begin(self, *calls: str) -> None:
        """Calls with ports, and a command that their worker has to hear."""
        for call in calls:
            self.service.send(Allocate(call, LEGS))
            self.turn()
            self.service.send(StopTone(call, "a"))
            self.turn()
        self.notices.clear()

    @property
    def workers(self) -> list[FakeProcess]:
        return self.reactor.processes

    def told(self) -> list[Notice]:
        """What was told since the last look, after the reactor turned."""
        self.reactor.advance(0)
        told, self.notices[:] = list(self.notices), []
        return told


@contextmanager
def logged() -> Iterator[list[Any]]:
    """The events that are logged meanwhile."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(events.append)


def test_workers_share_the_ports() -> None:
    """Each has its part, and the timeout."""
    bench = Bench(2)
    for worker in bench.workers:
        assert " ".join(worker.arguments).endswith("-m rtp.worker --timeout-s 60")
    bench.begin("1", "2")
    shares = [
        {port for each in worker.heard if isinstance(each, OpenPorts) for port in each.ports}
        for worker in bench.workers
    ]
    assert shares == [set(range(20000, 20050, 2)), set(range(20050, 20100, 2))]


def test_the_first_call_waits_for_ports_and_the_next_one_does_not() -> None:
    """It is answered at once, and its worker hears of it with the first thing that it has to do."""
    bench = Bench(1)
    assert bench.service.send(Allocate("1", LEGS)) == []
    bench.turn()
    (allocated,) = bench.told()
    assert isinstance(allocated, Allocated)
    (answer,) = bench.service.send(Allocate("2", LEGS))
    assert isinstance(answer, Allocated)
    assert answer.legs != allocated.legs
    bench.turn()
    assert bench.workers[0].calls_heard() == []
    bench.service.send(StopTone("2", "a"))
    bench.turn()
    assert bench.workers[0].calls_heard() == ["2"]


def test_commands_of_several_calls_leave_together() -> None:
    """The first one at once, what follows within ``GATHER_S`` in one write."""
    bench = Bench(1)
    bench.begin("1", "2", "3")
    bench.turn()
    before = bench.workers[0].frames
    for call in ("1", "2", "3"):
        bench.service.send(StopTone(call, "a"))
    bench.workers[0].listen()
    assert bench.workers[0].frames == before + 1
    bench.reactor.advance(GATHER_S)
    bench.workers[0].listen()
    assert bench.workers[0].frames == before + 2
    assert [each.call for each in bench.workers[0].heard[-3:] if isinstance(each, StopTone)] == [
        "1",
        "2",
        "3",
    ]


def test_calls_are_spread_and_stay_where_they_are() -> None:
    """The emptiest worker gets a new call; later commands of a call follow it."""
    bench = Bench(2)
    bench.begin("1", "2", "3")
    bench.service.send(StopTone("2", "b"))
    bench.turn()
    assert [worker.calls_heard() for worker in bench.workers] == [["1", "3"], ["2"]]
    assert bench.workers[1].heard[-1] == StopTone("2", "b")
    assert bench.service.calls == 3


def test_a_released_call_makes_room() -> None:
    """Its worker is the emptiest again."""
    bench = Bench(2)
    bench.begin("1", "2")
    bench.service.send(Release("2"))
    bench.turn()
    bench.workers[1].say(Released("2"))
    assert bench.told() == [Released("2")]
    bench.begin("3")
    assert bench.workers[1].calls_heard() == ["2", "3"]


def test_a_call_that_no_worker_heard_of_is_released_at_once() -> None:
    """It never had a command for one."""
    bench = Bench(1)
    bench.begin("1")
    bench.service.send(Allocate("2", LEGS))
    assert bench.service.send(Release("2")) == [Released("2", (LegStatistics("a"),))]
    assert bench.service.calls == 1
    bench.turn()
    assert bench.workers[0].calls_heard() == ["1"]


def test_commands_for_unknown_calls_are_dropped_and_releases_answered() -> None:
    """Also where there is no worker."""
    bench = Bench(1)
    assert bench.service.send(StopTone("?", "a")) == []
    assert bench.service.send(Release("?")) == [Released("?")]
    bench.turn()
    assert bench.workers[0].heard == []
    bench.workers[0].die()
    assert bench.service.send(StopTone("?", "a")) == []
    assert bench.service.send(Release("?")) == [Released("?")]


def test_a_dead_worker_loses_its_calls_alone() -> None:
    """The other worker's go on, and gets the calls that come meanwhile."""
    bench = Bench(2)
    bench.begin("1", "2", "3")
    bench.workers[0].die()
    assert bench.told() == [MediaLost(("1", "3"))]
    assert bench.service.calls == 1
    bench.begin("4")
    assert bench.workers[1].calls_heard() == ["2", "4"]
    assert bench.service.send(Release("1")) == [Released("1")]


def test_a_call_that_waits_for_ports_is_lost_with_its_worker() -> None:
    """Whoever waits for them is told."""
    bench = Bench(1)
    bench.workers[0].opens_ports = False
    bench.service.send(Allocate("1", LEGS))
    bench.turn()
    bench.workers[0].die()
    assert bench.told() == [MediaLost(("1",))]


def test_without_a_worker_an_allocation_fails() -> None:
    """At once, not after a restart."""
    bench = Bench(1)
    bench.workers[0].die()
    failed = AllocationFailed("1", "no media worker is running")
    assert bench.service.send(Allocate("1", LEGS)) == [failed]
    assert bench.service.calls == 0


def test_an_idle_worker_that_dies_is_nobodys_loss() -> None:
    """There is no empty ``MediaLost``."""
    bench = Bench(1)
    bench.workers[0].die()
    assert bench.told() == []


def test_a_dead_worker_is_replaced() -> None:
    """After a moment, with the same ports, all of them closed, and it gets new calls."""
    bench = Bench(1)
    bench.begin("1")
    bench.workers[0].die()
    bench.told()
    bench.reactor.advance(RESTART_DELAY_MIN_S)
    assert len(bench.workers) == 2
    assert bench.workers[1].arguments == bench.workers[0].arguments
    bench.service.send(Allocate("2", LEGS))
    bench.turn()
    assert isinstance(bench.workers[1].heard[0], OpenPorts)
    assert isinstance(bench.told()[0], Allocated)


def test_restarts_back_off_and_recover() -> None:
    """A worker that dies at once is restarted ever later; one that lived for long, soon."""
    bench = Bench(1)
    delays_s = []
    for _ in range(10):
        bench.workers[-1].die()
        (call,) = bench.reactor.getDelayedCalls()
        delays_s.append(call.getTime() - bench.reactor.seconds())
        bench.reactor.advance(delays_s[-1])
    assert delays_s[:3] == pytest.approx([0.1, 0.2, 0.4])
    assert delays_s[-1] == RESTART_DELAY_MAX_S
    bench.reactor.advance(STEADY_S)
    bench.workers[-1].die()
    (call,) = bench.reactor.getDelayedCalls()
    assert call.getTime() - bench.reactor.seconds() == pytest.approx(RESTART_DELAY_MIN_S)


def test_a_worker_that_sends_garbage_is_ended() -> None:
    """Closing its socket is followed by a kill, its end by a restart."""
    bench = Bench(1)
    with logged() as events:
        bench.workers[0].send(b"\x00\x00\x00\x02{}")
    assert bench.workers[0].is_told_to_end()
    assert any("garbage" in event["log_format"] for event in events)
    assert bench.workers[0].signals == ["KILL"]


def test_a_worker_that_hangs_is_ended() -> None:
    """It answers no question for some seconds: its calls are lost, another one is started."""
    bench = Bench(1)
    bench.begin("1")
    bench.workers[0].say()
    with logged() as events:
        bench.reactor.pump([CHECK_INTERVAL_S] * SILENT_CHECKS_MAX)
        assert not bench.workers[0].is_told_to_end()
        bench.reactor.advance(CHECK_INTERVAL_S)
    assert any("hangs" in event["log_format"] for event in events)
    assert bench.workers[0].signals == ["KILL"]
    bench.workers[0].die()
    assert bench.told() == [MediaLost(("1",))]
    bench.reactor.advance(RESTART_DELAY_MIN_S)
    assert len(bench.workers) == 2


def test_a_worker_that_answers_lives() -> None:
    """However long it has nothing else to say."""
    bench = Bench(1)
    for _ in range(10 * SILENT_CHECKS_AT_START_MAX):
        bench.reactor.advance(CHECK_INTERVAL_S)
        bench.workers[0].say()
    assert not bench.workers[0].is_told_to_end()


def test_a_worker_has_time_to_start() -> None:
    """A host that starts all at once is slow; but not for ever."""
    bench = Bench(1)
    bench.reactor.pump([CHECK_INTERVAL_S] * (SILENT_CHECKS_AT_START_MAX - 1))
    assert not bench.workers[0].is_told_to_end()
    bench.reactor.advance(CHECK_INTERVAL_S)
    assert bench.workers[0].is_told_to_end()


def test_time_that_passed_unseen_is_no_silence() -> None:
    """When this process was held up, it has read nothing for just as long."""
    bench = Bench(1)
    bench.workers[0].say()
    bench.reactor.advance(100 * CHECK_INTERVAL_S)
    assert not bench.workers[0].is_told_to_end()


def test_what_a_worker_prints_is_logged() -> None:
    """A traceback would be lost otherwise."""
    bench = Bench(1)
    with logged() as events:
        bench.workers[0].protocol.childDataReceived(2, b"Traceback\xff\n")
    assert [event["text"] for event in events] == ["Traceback\ufffd"]
    assert events[0]["log_level"] is LogLevel.warn


def test_stop_hangs_up_and_waits_for_the_processes() -> None:
    """No restart, no notice, no timer left."""
    bench = Bench(2)
    bench.begin("1")
    for number in range(3):
        bench.service.send(StopTone("1", str(number)))
    stopped = bench.service.stopService()
    for worker in bench.workers:
        assert worker.is_told_to_end()
        worker.say(Released("1"))
        worker.end()
    assert stopped.called
    assert bench.told() == []
    assert bench.reactor.getDelayedCalls() == []
    assert [worker.signals for worker in bench.workers] == [[], []]


def test_stop_kills_a_worker_that_hangs() -> None:
    """After its time."""
    bench = Bench(1)
    stopped = bench.service.stopService()
    bench.reactor.advance(STOP_TIMEOUT_S)
    assert bench.workers[0].signals == ["KILL"]
    bench.workers[0].end()
    assert stopped.called


def test_stop_while_a_restart_is_due() -> None:
    """Nothing is started any more."""
    bench = Bench(1)
    bench.workers[0].die()
    assert bench.service.stopService().called
    bench.reactor.advance(RESTART_DELAY_MAX_S)
    assert len(bench.workers) == 1


@pytest.mark.parametrize(
    ("setting", "cores", "workers"),
    [("auto", 1, 0), ("auto", 2, 1), ("auto", 8, 7), (0, 8, 0), (3, 1, 3), ("2", 1, 2)],
)
def test_workers_by_cores(setting: str | int, cores: int, workers: int) -> None:
    """ "auto" leaves a core to twistd; a number is a number."""
    assert resolve_workers(setting, cores) == workers


@pytest.mark.parametrize("setting", ["many", -1, "", 65])
def test_wrong_settings_are_refused(setting: str | int) -> None:
    """With the key's name."""
    with pytest.raises(ValueError, match=r"media\.workers"):
        resolve_workers(setting, 4)


def test_more_workers_than_ports_are_refused() -> None:
    """At once, not at the first call."""
    with pytest.raises(ValueError, match="2 pairs for 3 workers"):
        MediaService(FakeReactor(), workers=3, ports="20000-20003", timeout_s=60)


def test_a_low_descriptor_limit_is_said_by_name() -> None:
    """With what is needed and how far it reaches; enough is silence."""
    ports = PortRange.parse("20000-39999")
    assert descriptor_shortage(ports, 1, 1 << 20) is None
    line = descriptor_shortage(ports, 1, 1024)
    assert line is not None
    assert "RLIMIT_NOFILE 1024 is too low for media ports 20000-39999" in line
    assert "at most 192 calls" in line
