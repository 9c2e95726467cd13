"""One worker process, from the side of the service: spawned, spoken to, started again."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from rtp.control import WorkerControl
from rtp.messages import PlaneCommand, PlaneNotice

log = Logger()

RESTART_DELAY_MIN_S = 0.1
RESTART_DELAY_MAX_S = 10.0
STEADY_S = 30.0  # a worker that lived so long was well: its restart is not delayed
STOP_TIMEOUT_S = 3.0  # then it is killed
LOG_LINE_OCTETS_MAX = 4096


class WorkerCarrier:
    """A media plane in a child process. Commands are obeyed in order; a death loses its calls."""

    def __init__(
        self,
        reactor: Any,
        *,
        index: int,
        timeout_s: float,
        on_notice: Callable[[PlaneNotice], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._index = index
        self._timeout_s = timeout_s
        self._on_notice = on_notice
        self._on_lost = on_lost
        self._control: WorkerControl | None = None
        self._process: Any = None
        self._timer: DelayedCall | None = None
        self._restart_delay_s = RESTART_DELAY_MIN_S
        self._spawned_s = 0.0
        self._stopped: Deferred[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, ``None`` while there is no process."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether there is a worker to obey commands."""
        return self._control is not None

    def start(self) -> None:
        """Spawn the worker; commands may follow at once."""
        self._timer = None
        self._spawned_s = self._reactor.seconds()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = self._reactor.spawnProcess(
                WorkerProcess(self._index, self._ended),
                sys.executable,
                self._command_line(),
                env=_environment(),
                childFDs={0: theirs.fileno(), 1: "r", 2: "r"},
            )
        self._control = WorkerControl(
            self._reactor, ours, self._notice_received, self._control_lost
        )
        log.info("media worker {index} runs as process {pid}", index=self._index, pid=self.pid)

    def send(self, commands: Sequence[PlaneCommand]) -> None:
        """Pass commands on; without a worker they are lost, as all that it had."""
        if self._control is not None:
            self._control.say(commands)

    def stop(self) -> Deferred[None]:
        """End the worker; fires when its process is gone. No notice comes any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._process is None:
            return succeed(None)
        self._stopped = Deferred()
        if self._control is not None:
            self._control.hang_up()
        self._timer = self._reactor.callLater(STOP_TIMEOUT_S, self._kill)
        return self._stopped

    def _command_line(self) -> list[str]:
        return [sys.executable, "-m", "rtp.worker", "--timeout-s", str(self._timeout_s)]

    def _notice_received(self, notice: PlaneNotice) -> None:
        if self._stopped is None:
            self._on_notice(notice)

    def _control_lost(self) -> None:
        self._control = None
        if self._stopped is None:
            self._kill()

    def _kill(self) -> None:
        """End a process that has no control socket any more, or does not end by itself."""
        try:
            if self._process is not None:
                self._process.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def _ended(self, reason: Failure) -> None:
        self._process = self._control = None
        if self._stopped is not None:
            self._finish_stop(self._stopped)
            return
        delay_s = self._next_delay_s()
        log.error(
            "media worker {index} died ({reason}), again in {delay_s:.1f} s",
            index=self._index,
            reason=reason.getErrorMessage(),
            delay_s=delay_s,
        )
        self._timer = self._reactor.callLater(delay_s, self.start)
        self._on_lost()

    def _finish_stop(self, stopped: Deferred[None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        stopped.callback(None)

    def _next_delay_s(self) -> float:
        if self._reactor.seconds() - self._spawned_s >= STEADY_S:
            self._restart_delay_s = RESTART_DELAY_MIN_S
        delay_s = self._restart_delay_s
        self._restart_delay_s = min(RESTART_DELAY_MAX_S, 2 * delay_s)
        return delay_s


class WorkerProcess(ProcessProtocol):
    """What a worker prints goes to the log; its end is told."""

    def __init__(self, index: int, on_ended: Callable[[Failure], None]) -> None:
        self._index = index
        self._on_ended = on_ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Standard output or error: tracebacks and the reason of an exit."""
        text = data[:LOG_LINE_OCTETS_MAX].decode(errors="replace").rstrip()
        log.warn("media worker {index}: {text}", index=self._index, text=text)

    def processEnded(self, reason: Failure) -> None:
        """The process is gone and its pipes are read."""
        self._on_ended(reason)


def _environment() -> dict[str, str]:
    """Ours, with the place of these packages first, whatever the working directory is."""
    packages = str(Path(__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, (packages, inherited)))
    return {**os.environ, "PYTHONPATH": path}
