"""The service's end of a worker's control socket: ``rtp.framing`` on a plain socket. Rim.

A call sends a few commands at a time, some hundred calls a second: what one input has to say leaves
in one system call and at once, where Twisted's transport would wait for the reactor's next turn.

A worker that hangs keeps its socket open, so it is asked from time to time whether it lives.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from rtp.errors import MalformedMessage
from rtp.framing import NoticeReader, frame
from rtp.messages import PlaneCommand, PlaneNotice

log = Logger()

READ_OCTETS = 65536
# A worker that reads nothing for so long hangs; it is ended, and another one started.
UNSENT_OCTETS_MAX = 8 << 20
CHECK_INTERVAL_S = 2.0
# Counted in checks, not seconds: when this process was held up, it has read nothing either.
SILENT_CHECKS_MAX = 2
SILENT_CHECKS_AT_START_MAX = 15  # Python starts within a second, on a host that starts all at once


@implementer(IReadWriteDescriptor)
class WorkerControl:
    """Speaks to one worker. ``on_broken`` is told once when the socket is of no more use."""

    def __init__(
        self,
        reactor: Any,
        control: socket.socket,
        on_notice: Callable[[PlaneNotice], None],
        on_broken: Callable[[], None],
    ) -> None:
        control.setblocking(False)
        self._reactor = reactor
        self._socket = control
        self._on_notice = on_notice
        self._on_broken = on_broken
        self._reader = NoticeReader()
        self._unsent = bytearray()
        self._is_open = True
        self._heard = False
        self._checks_left = SILENT_CHECKS_AT_START_MAX
        self._check_timer = reactor.callLater(CHECK_INTERVAL_S, self._check)
        reactor.addReader(self)

    def say(self, commands: Sequence[PlaneCommand]) -> None:
        """Send commands, in this order."""
        if not self._is_open:
            return
        waiting = bool(self._unsent)
        self._unsent += frame(commands)
        if not waiting:
            self.doWrite()

    def hang_up(self) -> None:
        """Close the socket, at which the worker ends."""
        if self._is_open:
            self._is_open = False
            self._check_timer.cancel()
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._socket.close()
            self._on_broken()

    # --- IReadWriteDescriptor -------------------------------------------------------------------

    def fileno(self) -> int:
        """The socket's number, -1 once closed."""
        return self._socket.fileno()

    def doRead(self) -> None:
        """Notices; anything else is a bug of ours, and that worker is ended."""
        try:
            data = self._socket.recv(READ_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
            return
        self._heard = True
        try:
            for notices in self._reader.feed(data):
                for notice in notices:
                    self._tell(notice)
        except MalformedMessage as error:
            log.error("a media worker sent garbage: {error}", error=error)
            self.hang_up()

    def doWrite(self) -> None:
        """Send what waits; what the kernel does not take now it takes when the worker has read."""
        try:
            sent = self._socket.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.hang_up()
            return
        if not self._unsent:
            self._reactor.removeWriter(self)
        elif len(self._unsent) > UNSENT_OCTETS_MAX:
            log.error("a media worker reads nothing, it is ended")
            self.hang_up()
        else:
            self._reactor.addWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gives the socket up."""
        self.hang_up()

    def logPrefix(self) -> str:
        """The name in Twisted's log."""
        return "media worker"

    def _check(self) -> None:
        """Whatever came since the last check is a sign of life, as is the answer to our asking."""
        self._check_timer = self._reactor.callLater(CHECK_INTERVAL_S, self._check)
        self._checks_left = SILENT_CHECKS_MAX if self._heard else self._checks_left - 1
        self._heard = False
        if self._checks_left > 0:
            self.say(())
        else:
            log.error("a media worker hangs, it is ended")
            self.hang_up()

    def _tell(self, notice: PlaneNotice) -> None:
        try:
            self._on_notice(notice)
        except Exception:
            # The call of this notice may be lost; the worker and its other calls are well.
            log.failure("a notice was not understood")
