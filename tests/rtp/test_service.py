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

from rtp.framing import CommandReader, frame
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Command,
    LegSpec,
    MediaLost,
    Notice,
    Release,
    Released,
    StopTone,
)
from rtp.ports import PortRange
from rtp.service import MediaService, descriptor_shortage, resolve_workers
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
        self._reader = CommandReader()

    def signalProcess(self, name: str) -> None:
        if "KILL" in self.signals:
            raise ProcessExitedAlready
        self.signals.append(name)

    def told(self) -> list[Command]:
        """The commands since the last look."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            data = b""
        return list(self._reader.feed(data))

    def say(self, notice: Notice) -> None:
        self.send(frame(notice))

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
        )
        self.service.startService()

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
    """Each is told its part and the timeout."""
    arguments = [" ".join(process.arguments) for process in Bench(2).workers]
    assert arguments[0].endswith("-m rtp.worker --ports 20000-20049 --timeout-s 60")
    assert arguments[1].endswith("-m rtp.worker --ports 20050-20099 --timeout-s 60")


def test_calls_are_spread_and_stay_where_they_are() -> None:
    """The emptiest worker gets a new call; later commands of a call follow it."""
    bench = Bench(2)
    for call in ("1", "2", "3"):
        bench.service.send(Allocate(call, LEGS))
    bench.service.send(StopTone("2", "a"))
    first, second = (worker.told() for worker in bench.workers)
    assert [command.call for command in first] == ["1", "3"]
    assert second == [Allocate("2", LEGS), StopTone("2", "a")]
    assert bench.service.calls == 3


def test_a_released_call_makes_room() -> None:
    """Its worker is the emptiest again."""
    bench = Bench(2)
    for call in ("1", "2"):
        bench.service.send(Allocate(call, LEGS))
    bench.service.send(Release("2"))
    bench.workers[1].say(Released("2"))
    bench.service.send(Allocate("3", LEGS))
    assert [command.call for command in bench.workers[1].told()] == ["2", "2", "3"]
    assert bench.told() == [Released("2")]


def test_a_refused_call_is_forgotten() -> None:
    """Without ports there is nothing to release."""
    bench = Bench(1)
    bench.service.send(Allocate("1", LEGS))
    bench.workers[0].say(AllocationFailed("1", "ports exhausted"))
    assert bench.service.calls == 0


def test_a_call_with_legs_survives_the_refusal_of_another_leg() -> None:
    """It still has to be released in its worker."""
    bench = Bench(1)
    bench.service.send(Allocate("1", LEGS))
    bench.workers[0].say(Allocated("1", ()))
    bench.workers[0].say(AllocationFailed("1", "ports exhausted"))
    assert bench.service.calls == 1


def test_commands_for_unknown_calls_are_dropped_and_releases_answered() -> None:
    """The answer comes in a later turn, as all do."""
    bench = Bench(1)
    bench.service.send(StopTone("?", "a"))
    bench.service.send(Release("?"))
    assert bench.notices == []
    assert bench.told() == [Released("?")]
    assert bench.workers[0].told() == []


def test_a_dead_worker_loses_its_calls_alone() -> None:
    """The other worker's go on, and gets the calls that come meanwhile."""
    bench = Bench(2)
    for call in ("1", "2", "3"):
        bench.service.send(Allocate(call, LEGS))
    bench.workers[0].die()
    assert bench.told() == [MediaLost(("1", "3"))]
    assert bench.service.calls == 1
    bench.service.send(Allocate("4", LEGS))
    assert Allocate("4", LEGS) in bench.workers[1].told()


def test_without_a_worker_an_allocation_fails() -> None:
    """At once, not after a restart."""
    bench = Bench(1)
    bench.workers[0].die()
    bench.service.send(Allocate("1", LEGS))
    assert bench.told() == [AllocationFailed("1", "no media worker is running")]
    assert bench.service.calls == 0


def test_an_idle_worker_that_dies_is_nobodys_loss() -> None:
    """There is no empty ``MediaLost``."""
    bench = Bench(1)
    bench.workers[0].die()
    assert bench.told() == []


def test_a_dead_worker_is_replaced() -> None:
    """After a moment, with the same ports, and it gets new calls."""
    bench = Bench(1)
    bench.workers[0].die()
    bench.reactor.advance(RESTART_DELAY_MIN_S)
    assert len(bench.workers) == 2
    assert bench.workers[1].arguments == bench.workers[0].arguments
    bench.service.send(Allocate("1", LEGS))
    assert bench.workers[1].told() == [Allocate("1", LEGS)]


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
    bench.service.send(Allocate("1", LEGS))
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
