"""The media plane as one Twisted service, whichever way it is carried."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from rtp.bookings import Bookings
from rtp.inprocess import InProcessCarrier
from rtp.leases import PortLeases
from rtp.messages import (
    Allocate,
    AllocationFailed,
    Command,
    MediaLost,
    Notice,
    PlaneCommand,
    PlaneNotice,
    Release,
    Released,
)
from rtp.ports import PortRange
from rtp.supervision import WorkerCarrier
from rtp.worker import raise_descriptor_limit

log = Logger()

AUTO = "auto"
LOTS_PER_BLOCK = 512
WORKERS_MAX = 64  # more cores than a switch of this kind will meet
# Commands of several calls go to a plane together. Waking a worker costs it more than obeying does:
# at 200 calls a second this halves what a call costs it. Half a packet's time, so nobody hears it;
# what comes after a pause leaves at once.
GATHER_S = 0.01
DESCRIPTORS_RESERVED = 256  # beside the ports: listeners, browsers, database, log


class Carrier(Protocol):
    """What carries a plane."""

    @property
    def is_running(self) -> bool:
        """Whether commands are obeyed now."""

    def start(self) -> None:
        """Begin to relay."""

    def send(self, commands: Sequence[PlaneCommand]) -> None:
        """Have commands obeyed."""

    def stop(self) -> Deferred[None]:
        """End; fires when all ports are closed."""


class Share:
    """A carrier, its share of the ports, and the calls that it carries."""

    def __init__(self, ports: PortRange) -> None:
        self.carrier: Carrier
        self.bookings: Bookings
        self.sent_s = 0.0  # when commands left last
        self.timer: DelayedCall | None = None  # until those leave that wait
        self._ports = ports
        self.vacate(0)

    def vacate(self, pairs_max: int) -> None:
        """Begin anew, with no port open and no call; at most so many ports may be opened."""
        self.bookings = Bookings(PortLeases(self._ports.even_ports, pairs_max, pick=Lots()))


class Lots:
    """Unguessable numbers below a bound of some thousands, read from the system in blocks: a system
    call for each was 4 % of a call's processor time. Of 32 bits the remainder's bias is nothing."""

    def __init__(self) -> None:
        self._rest: list[int] = []

    def __call__(self, below: int) -> int:
        """The next one."""
        if not self._rest:
            self._rest = array("I", os.urandom(LOTS_PER_BLOCK * 4)).tolist()
        return self._rest.pop() % below


class MediaService(Service):
    """Obeys ``rtp.messages`` commands and tells notices.

    ``send`` a command; what it leads to is returned when it is known at once, or comes later as a
    call of ``on_notice``, in order per call. ``workers`` 0 relays in this process; otherwise so
    many child processes share the ports, and all legs of a call are in one of them. ``timeout_s``
    is the media timeout (0: none). ``on_notice`` may be set until the service starts.
    ``ValueError`` when there are not ports enough for the workers.
    """

    name = "media"

    def __init__(
        self,
        reactor: Any,
        *,
        workers: int,
        ports: PortRange | str,
        timeout_s: float,
        on_notice: Callable[[Notice], None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_notice = on_notice
        self._reactor = reactor
        self._now_s = now_s
        self._ports = ports if isinstance(ports, PortRange) else PortRange.parse(ports)
        self._timeout_s = timeout_s
        self._pairs_max = 0
        self._shares = self._make_shares(workers)

    def startService(self) -> None:
        """Open the carriers; a descriptor limit that is too low is said in one line."""
        super().startService()  # type: ignore[no-untyped-call]
        limit = raise_descriptor_limit()
        shortage = descriptor_shortage(self._ports, len(self._shares), limit)
        if shortage:
            log.warn("{shortage}", shortage=shortage)
        self._pairs_max = max(0, limit - DESCRIPTORS_RESERVED) // 2
        for share in self._shares:
            share.vacate(self._pairs_max)
            share.carrier.start()

    def stopService(self) -> Deferred[Any]:
        """Close every port; calls should have been released before."""
        super().stopService()  # type: ignore[no-untyped-call]
        for share in self._shares:
            if share.timer is not None:
                share.timer.cancel()
                share.timer = None
        return gatherResults([share.carrier.stop() for share in self._shares])

    def send(self, *commands: Command) -> Sequence[Notice]:
        """Obey commands of one call, in the order of sending per call; the answers known at once.

        A command for a call that is not known is dropped, but a ``Release`` is always answered:
        whoever waits for ``Released`` gets it, also after ``MediaLost``.
        """
        share = self._share_of(commands[0])
        if share is None or not share.carrier.is_running:
            return [answer for each in commands for answer in _declined(each)]
        now_s = self._now_s()
        answers = share.bookings.obey(commands, now_s)
        self._send_soon(share, now_s)
        return answers

    @property
    def calls(self) -> int:
        """Calls that have ports now."""
        return sum(len(share.bookings.calls) for share in self._shares)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers that run."""
        carriers = [share.carrier for share in self._shares]
        pids = (each.pid for each in carriers if isinstance(each, WorkerCarrier))
        return tuple(pid for pid in pids if pid is not None)

    def _make_shares(self, workers: int) -> list[Share]:
        if not 0 <= workers <= WORKERS_MAX:
            raise ValueError(f"media workers {workers}, not 0 to {WORKERS_MAX}")
        shares = [Share(ports) for ports in self._ports.split(max(1, workers))]
        for index, share in enumerate(shares):
            if workers:
                share.carrier = self._worker_carrier(index, share)
            else:
                share.carrier = self._in_process_carrier(share)
        return shares

    def _in_process_carrier(self, share: Share) -> Carrier:
        return InProcessCarrier(
            self._reactor,
            timeout_s=self._timeout_s,
            on_notice=lambda notice: self._receive(share, notice),
        )

    def _worker_carrier(self, index: int, share: Share) -> Carrier:
        return WorkerCarrier(
            self._reactor,
            index=index,
            timeout_s=self._timeout_s,
            on_notice=lambda notice: self._receive(share, notice),
            on_lost=lambda: self._lose(share),
        )

    def _share_of(self, command: Command) -> Share | None:
        """Where a call is, or for a new one the running carrier with the fewest calls."""
        for share in self._shares:
            if command.call in share.bookings.calls:
                return share
        if not isinstance(command, Allocate):
            return None
        running = [share for share in self._shares if share.carrier.is_running]
        return min(running, key=lambda share: len(share.bookings.calls), default=None)

    def _receive(self, share: Share, notice: PlaneNotice) -> None:
        now_s = self._now_s()
        for each in share.bookings.noticed(notice, now_s):
            self._tell(each)
        self._send_soon(share, now_s)

    def _send_soon(self, share: Share, now_s: float) -> None:
        if share.timer is not None or not share.bookings.must_leave:
            return
        wait_s = share.sent_s + GATHER_S - now_s
        if wait_s > 0:
            share.timer = self._reactor.callLater(wait_s, self._send_gathered, share)
        else:
            share.sent_s = now_s
            share.carrier.send(share.bookings.take_commands())

    def _send_gathered(self, share: Share) -> None:
        share.timer = None
        share.sent_s = self._now_s()
        share.carrier.send(share.bookings.take_commands())

    def _lose(self, share: Share) -> None:
        calls = tuple(sorted(share.bookings.calls))
        share.vacate(self._pairs_max)
        if calls:
            self._tell(MediaLost(calls))

    def _tell(self, notice: Notice) -> None:
        if self.on_notice is None:
            return
        try:
            self.on_notice(notice)
        except Exception:
            # Twisted would close the worker's socket, and with it all other calls.
            log.failure("{kind} was not taken", kind=type(notice).__name__)


def _declined(command: Command) -> list[Notice]:
    """The answer where no plane carries the call."""
    if isinstance(command, Allocate):
        return [AllocationFailed(command.call, "no media worker is running")]
    return [Released(command.call)] if isinstance(command, Release) else []


def resolve_workers(setting: str | int, cores: int) -> int:
    """``media.workers`` as a number: "auto" leaves one core to twistd, 0 on a single-core host.

    ``ValueError`` for anything but "auto" and 0 to ``WORKERS_MAX``.
    """
    if setting == AUTO:
        return 0 if cores <= 1 else min(cores - 1, WORKERS_MAX)
    try:
        workers = int(setting)
    except ValueError:
        workers = -1
    if not 0 <= workers <= WORKERS_MAX:
        raise ValueError(f'media.workers is {setting!r}, not "auto" or 0 to {WORKERS_MAX}')
    return workers


def descriptor_shortage(ports: PortRange, carriers: int, limit: int) -> str | None:
    """One line when RLIMIT_NOFILE is too low for the ports that one process may open."""
    needed = 2 * len(ports.even_ports) // carriers + DESCRIPTORS_RESERVED
    if limit >= needed:
        return None
    usable = max(0, limit - DESCRIPTORS_RESERVED) // 4 * carriers
    return (
        f"RLIMIT_NOFILE {limit} is too low for media ports {ports}: {needed} are needed, "
        f"so at most {usable} calls can have media"
    )
