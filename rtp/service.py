"""The media plane as one Twisted service, whichever way it is carried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from rtp.inprocess import InProcessCarrier
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Command,
    MediaLost,
    Notice,
    Release,
    Released,
)
from rtp.ports import PortRange
from rtp.supervision import WorkerCarrier
from rtp.worker import raise_descriptor_limit

log = Logger()

AUTO = "auto"
WORKERS_MAX = 64  # more cores than a switch of this kind will meet
DESCRIPTORS_RESERVED = 256  # beside the ports: listeners, browsers, database, log


class Carrier(Protocol):
    """What carries a plane."""

    @property
    def is_running(self) -> bool:
        """Whether commands are obeyed now."""

    def start(self) -> None:
        """Begin to relay."""

    def send(self, commands: Sequence[Command]) -> bool:
        """Have commands obeyed; False when they cannot be now, because nothing runs."""

    def stop(self) -> Deferred[None]:
        """End; fires when all ports are closed."""


class MediaService(Service):
    """Obeys ``rtp.messages`` commands and tells notices.

    ``send`` a command; what it leads to comes as a call of ``on_notice``, always in a later turn
    of the reactor and in order per call. ``workers`` 0 relays in this process; otherwise so many
    child processes share the ports, and all legs of a call are in one of them. ``timeout_s`` is
    the media timeout (0: none). ``on_notice`` may be set until the service starts.
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
    ) -> None:
        self.on_notice = on_notice
        self._reactor = reactor
        self._ports = ports if isinstance(ports, PortRange) else PortRange.parse(ports)
        self._timeout_s = timeout_s
        self._carriers: dict[int, Carrier] = self._make_carriers(workers)
        self._calls: dict[int, set[str]] = {index: set() for index in self._carriers}
        self._carrier_of: dict[str, int] = {}
        self._opened: set[str] = set()  # calls that were answered ``Allocated``

    def startService(self) -> None:
        """Open the carriers; a descriptor limit that is too low is said in one line."""
        super().startService()  # type: ignore[no-untyped-call]
        shortage = descriptor_shortage(self._ports, len(self._carriers), raise_descriptor_limit())
        if shortage:
            log.warn("{shortage}", shortage=shortage)
        for carrier in self._carriers.values():
            carrier.start()

    def stopService(self) -> Deferred[Any]:
        """Close every port; calls should have been released before."""
        super().stopService()  # type: ignore[no-untyped-call]
        return gatherResults([carrier.stop() for carrier in self._carriers.values()])

    def send(self, *commands: Command) -> None:
        """Obey commands of one call, in the order of sending per call.

        A command for a call that is not known is dropped, but a ``Release`` is always answered:
        whoever waits for ``Released`` gets it, also after ``MediaLost``.
        """
        call = commands[0].call
        index = self._carrier_of.get(call)
        if index is None and isinstance(commands[0], Allocate):
            index = self._assign(call)
        if index is not None and self._carriers[index].send(commands):
            return
        for command in commands:
            self._decline(command)

    def _decline(self, command: Command) -> None:
        if isinstance(command, Allocate):
            self._unassign(command.call)
            self._tell_later(AllocationFailed(command.call, "no media worker is running"))
        elif isinstance(command, Release):
            self._unassign(command.call)
            self._tell_later(Released(command.call))

    @property
    def calls(self) -> int:
        """Calls that have ports now."""
        return len(self._carrier_of)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers that run."""
        pids = (each.pid for each in self._carriers.values() if isinstance(each, WorkerCarrier))
        return tuple(pid for pid in pids if pid is not None)

    def _make_carriers(self, workers: int) -> dict[int, Carrier]:
        if not 0 <= workers <= WORKERS_MAX:
            raise ValueError(f"media workers {workers}, not 0 to {WORKERS_MAX}")
        if workers == 0:
            return {0: self._in_process_carrier()}
        shares = self._ports.split(workers)
        return {index: self._worker_carrier(index, share) for index, share in enumerate(shares)}

    def _in_process_carrier(self) -> Carrier:
        return InProcessCarrier(
            self._reactor, ports=self._ports, timeout_s=self._timeout_s, on_notice=self._receive
        )

    def _worker_carrier(self, index: int, share: PortRange) -> Carrier:
        return WorkerCarrier(
            self._reactor,
            index=index,
            ports=share,
            timeout_s=self._timeout_s,
            on_notice=self._receive,
            on_lost=lambda: self._lose(index),
        )

    def _assign(self, call: str) -> int | None:
        running = [index for index, carrier in self._carriers.items() if carrier.is_running]
        if not running:
            return None
        index = min(running, key=lambda each: len(self._calls[each]))
        self._calls[index].add(call)
        self._carrier_of[call] = index
        return index

    def _unassign(self, call: str) -> None:
        index = self._carrier_of.pop(call, None)
        if index is not None:
            self._calls[index].discard(call)
            self._opened.discard(call)

    def _receive(self, notice: Notice) -> None:
        if isinstance(notice, Allocated):
            self._opened.add(notice.call)
        elif isinstance(notice, Released) or self._is_refused(notice):
            self._unassign(notice.call)
        self._tell(notice)

    def _is_refused(self, notice: Notice) -> TypeGuard[AllocationFailed]:
        return isinstance(notice, AllocationFailed) and notice.call not in self._opened

    def _lose(self, index: int) -> None:
        calls = tuple(sorted(self._calls[index]))
        for call in calls:
            self._unassign(call)
        if calls:
            self._tell(MediaLost(calls))

    def _tell_later(self, notice: Notice) -> None:
        self._reactor.callLater(0, self._tell, notice)

    def _tell(self, notice: Notice) -> None:
        if self.on_notice is None:
            return
        try:
            self.on_notice(notice)
        except Exception:
            # Twisted would close the worker's socket, and with it all other calls.
            log.failure("{kind} was not taken", kind=type(notice).__name__)


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
