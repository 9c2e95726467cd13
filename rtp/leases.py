"""Which ports of one plane are open for which local address, and which of them may be taken.

Opening and closing sockets is most of what a short call would cost its plane, so ports are opened
ahead of need, held ready, and go from call to call. Every port is in one place:

    closed --OpenPorts--> opening --PortsOpened--> free --take--> in use
      ^                                             |  ^            |
      +-----------------ClosePorts------------------+  +--resting<--+ give_back

A port that was given back *rests*: packets of its last call are under way for a moment, and must
not reach the next one. It rests for ``QUARANTINE_S`` while there are others, and less, oldest first
and never below ``QUARANTINE_MIN_S``, when there are none. That is safe: packets that came before
are thrown away when the port is taken, later ones are judged by their source, and a stray packet of
a second ago can only pass for the peer's if the same phone talks to the same port again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from rtp.messages import ClosePorts, OpenPorts

QUARANTINE_S = 5.0
# Above the delay of any path on which people can talk. At 1,000 calls a second of two legs each,
# a second rests 2,000 of the usual 10,000 port pairs, five seconds would rest them all.
QUARANTINE_MIN_S = 1.0
# Free ports below which more are opened: enough for what comes while they are, and to choose from.
FREE_MIN = 64
# A few at once: opening a pair takes some 20 us, and meanwhile nothing is relayed.
OPENED_AT_ONCE = 32
# Held beyond the calls that are up. Below the first number more are opened rather than ports rest
# for less than 5 s: it is what 400 calls a second of two legs turn over in that time. Above the
# second they are closed. Between the two nothing is opened or closed, however fast calls come.
READY_ENOUGH = 4096
READY_MAX = 6144


@dataclass(slots=True)
class _HostPorts:
    """The ports that are open for one address; ``open`` counts those in use, too."""

    free: list[int] = field(default_factory=list)
    resting: deque[tuple[float, int]] = field(default_factory=deque)  # given back at, oldest first
    opening: tuple[int, ...] = ()
    open: int = 0

    def has_early(self, now_s: float) -> bool:
        """Whether the port that rests for longest may be taken when there is no other."""
        return bool(self.resting) and self.resting[0][0] <= now_s - QUARANTINE_MIN_S

    def end_rests(self, now_s: float) -> None:
        """Ports that have rested are free."""
        resting = self.resting
        while resting and resting[0][0] <= now_s - QUARANTINE_S:
            self.free.append(resting.popleft()[1])


class PortLeases:
    """All port pairs of one plane, known by their even port.

    At most ``open_max`` are open at a time (descriptors are limited). ``pick`` gives an unguessable
    number below its argument: which port comes next must not be known beforehand.
    """

    def __init__(self, ports: Iterable[int], open_max: int, pick: Callable[[int], int]) -> None:
        self._closed = list(ports)
        assert all(port % 2 == 0 for port in self._closed), "RTP ports are even"
        self._may_open = min(open_max, len(self._closed))
        self._pick = pick
        self._hosts: dict[str, _HostPorts] = {}
        self._ready = 0

    @property
    def ready(self) -> int:
        """How many port pairs are open and not in use."""
        return self._ready

    def take(self, host: str, now_s: float, *, last_resort: bool = False) -> int | None:
        """A port that is open for ``host``, or ``None``: then see ``open_more``.

        One that has rested for less than ``QUARANTINE_S`` only as a ``last_resort``, or when there
        is none to be opened.
        """
        ports = self._hosts.get(host)
        if ports is None:
            return None
        ports.end_rests(now_s)
        if ports.free:
            self._ready -= 1
            return self._draw(ports.free)
        others = bool(ports.opening) or self._may_grow()
        if not ports.has_early(now_s) or (others and not last_resort):
            return None
        self._ready -= 1
        return ports.resting.popleft()[1]

    def put_back(self, host: str, port: int) -> None:
        """Return a port that was taken and of which nobody was told."""
        self._ready += 1
        self._hosts[host].free.append(port)

    def give_back(self, host: str, port: int, now_s: float) -> None:
        """Return a port that was used; it rests."""
        self._ready += 1
        self._hosts[host].resting.append((now_s, port))

    def open_more(self, host: str, now_s: float) -> list[OpenPorts | ClosePorts]:
        """What the plane is to do so that ``host`` has free ports; empty if it need or can not.

        When all that may be are open, an address that has none left gets those of another one.
        """
        ports = self._hosts.setdefault(host, _HostPorts())
        if ports.opening or len(ports.free) >= FREE_MIN:
            return []
        commands: list[OpenPorts | ClosePorts] = []
        if not self._may_grow():
            if ports.free or ports.has_early(now_s):
                return []
            if not (self._closed and self._may_open):
                commands += self._close_elsewhere(host, now_s)
        count = min(OPENED_AT_ONCE, self._may_open, len(self._closed))
        if count:
            ports.opening = tuple(self._draw(self._closed) for _ in range(count))
            ports.open += count
            self._may_open -= count
            commands.append(OpenPorts(host, ports.opening))
        self._forget_empty(host)
        return commands

    def opened(self, host: str, opened: Collection[int]) -> None:
        """The plane holds these of the ports that it was told to open; the others it has not."""
        ports = self._hosts[host]
        refused = [port for port in ports.opening if port not in opened]
        ports.opening = ()
        ports.free.extend(opened)
        self._ready += len(opened)
        self._closed_again(host, refused)

    def close_surplus(self, host: str, now_s: float) -> list[ClosePorts]:
        """Close some of ``host``'s ports while more than ``READY_MAX`` are held."""
        return self._close(host, self._ready - READY_MAX, now_s)

    def is_opening(self, host: str) -> bool:
        """Whether ``opened`` is still to come for this address."""
        return host in self._hosts and bool(self._hosts[host].opening)

    def _may_grow(self) -> bool:
        return self._ready < READY_ENOUGH and self._may_open > 0 and bool(self._closed)

    def _draw(self, ports: list[int]) -> int:
        at = self._pick(len(ports))
        ports[at], ports[-1] = ports[-1], ports[at]
        return ports.pop()

    def _close_elsewhere(self, host: str, now_s: float) -> list[ClosePorts]:
        others = [each for each in self._hosts if each != host]
        richest = max(others, key=lambda each: _held(self._hosts[each]), default=None)
        return [] if richest is None else self._close(richest, OPENED_AT_ONCE, now_s)

    def _close(self, host: str, count: int, now_s: float) -> list[ClosePorts]:
        """Close at most so many, and at most ``OPENED_AT_ONCE``: it takes time, too."""
        ports = self._hosts[host]
        ports.end_rests(now_s)
        closing: list[int] = []
        while len(closing) < min(count, OPENED_AT_ONCE):
            if ports.free:
                closing.append(self._draw(ports.free))
            elif ports.has_early(now_s):
                closing.append(ports.resting.popleft()[1])
            else:
                break
        self._ready -= len(closing)
        self._closed_again(host, closing)
        return [ClosePorts(host, tuple(closing))] if closing else []

    def _closed_again(self, host: str, ports: Sequence[int]) -> None:
        self._closed.extend(ports)
        self._may_open += len(ports)
        self._hosts[host].open -= len(ports)
        self._forget_empty(host)

    def _forget_empty(self, host: str) -> None:
        """Addresses without ports are not kept, so there are never more of them than ports."""
        if not self._hosts[host].open:
            del self._hosts[host]


def _held(ports: _HostPorts) -> int:
    return len(ports.free) + len(ports.resting)
