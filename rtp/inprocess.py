"""The media plane in the twistd process itself (``media.workers = 0``), beside SQL and pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from rtp.messages import PlaneCommand, PlaneNotice
from rtp.plane import MediaPlane
from rtp.sockets import PacketLoop
from rtp.worker import random_u32

log = Logger()


@implementer(IReadDescriptor)
class InProcessCarrier:
    """One plane on the reactor: its inner epoll is the only descriptor that the reactor sees.

    ``reactor`` gives ``addReader``, ``removeReader`` and ``callLater``; the loop's clock is the
    monotonic one, because ``reactor.seconds()`` is wall time.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        timeout_s: float,
        on_notice: Callable[[PlaneNotice], None],
        loop: PacketLoop | None = None,
    ) -> None:
        self._reactor = reactor
        self._on_notice = on_notice
        self._loop = loop or PacketLoop()
        self._timer: DelayedCall | None = None
        self._armed_s = math.inf  # when the timer fires
        self._plane = MediaPlane(
            wires=self._loop.open_wire,
            timeout_s=timeout_s,
            random_u32=random_u32,
        )

    # --- the carrier ----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Always, as long as this process does."""
        return True

    def start(self) -> None:
        """Begin to relay."""
        self._reactor.addReader(self)

    def send(self, commands: Sequence[PlaneCommand]) -> None:
        """Obey commands now; their notices come in a later turn of the reactor."""
        now_s = self._loop.now_s()
        for command in commands:
            self._plane.execute(command, now_s)
        self._arm(0.0)

    def stop(self) -> Deferred[None]:
        """Close all ports; nothing is told any more."""
        self._reactor.removeReader(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._plane.close(self._loop.now_s())
        self._loop.close()
        return succeed(None)

    # --- IReadDescriptor ------------------------------------------------------------------------

    def fileno(self) -> int:
        """The inner epoll."""
        return self._loop.fileno()

    def doRead(self) -> None:
        """One turn over the ports that are ready."""
        try:
            self._loop.turn(0)
        except Exception:
            # The reactor would drop this reader, and with it every call's sound.
            log.failure("media plane failed in a turn")
        self._tell()
        deadline_s = self._plane.next_deadline_s()
        if deadline_s is not None and deadline_s < self._armed_s:
            self._arm(max(0.0, deadline_s - self._loop.now_s()))

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends; ``stop`` closes what is open."""

    def logPrefix(self) -> str:
        """The name in Twisted's log."""
        return "media"

    # --- time -----------------------------------------------------------------------------------

    def _arm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = self._loop.now_s() + delay_s
        self._timer = self._reactor.callLater(delay_s, self._wake)

    def _tell(self) -> None:
        for notice in self._plane.take_notices():
            self._on_notice(notice)

    def _wake(self) -> None:
        self._timer = None
        self._armed_s = math.inf
        now_s = self._loop.now_s()
        try:
            deadline_s = self._plane.next_deadline_s()
            if deadline_s is not None and deadline_s <= now_s:
                self._plane.expire(now_s)
        except Exception:
            log.failure("media plane failed at a deadline")
        deadline_s = self._plane.next_deadline_s()
        if deadline_s is not None:
            self._arm(max(0.0, deadline_s - self._loop.now_s()))
        self._tell()
