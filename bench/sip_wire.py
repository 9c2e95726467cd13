"""The loop of the SIP load generator: a fixed pace of new units, sockets, one timer heap.

What a unit is (a call, a registration) is filled in by ``sip_load``.
"""

from __future__ import annotations

import gc
import heapq
import os
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.measure import percentile
from bench.sip_messages import Address

T1_S = 0.5
T2_S = 4.0
GIVE_UP_S = 8.0
READS_MAX = 64  # datagrams taken from one socket before timers and new units get their turn
BUFFER_BYTES = 8 << 20
SO_RCVBUFFORCE = 33


@dataclass
class Outcome:
    """What came of a run. Latencies in ms over all that succeeded."""

    kind: str
    rate: float
    started: int = 0
    done: int = 0
    failed: int = 0
    retransmissions: int = 0  # ours: the server was late
    repeated: int = 0  # the server's: requests or answers that we had already
    setup_ms_p50: float = 0.0
    setup_ms_p99: float = 0.0
    setup_ms_max: float = 0.0
    lag_ms: float = 0.0
    seconds: float = 0.0
    generator_cpu_s: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether the server kept up: nothing failed, nearly nothing was late."""
        return self.failed == 0 and self.retransmissions <= self.started * 0.001

    def summarize(self, latencies_s: list[float], codes: Counter[str]) -> None:
        """Fill in the latencies and the answers that were counted."""
        ordered = sorted(latency * 1000 for latency in latencies_s)
        self.setup_ms_p50 = round(percentile(ordered, 0.50), 3)
        self.setup_ms_p99 = round(percentile(ordered, 0.99), 3)
        self.setup_ms_max = round(ordered[-1], 3) if ordered else 0.0
        self.codes = dict(codes)


@dataclass(frozen=True)
class Plan:
    """One run. ``called`` and ``caller`` are the addresses of the two sides; ``hold_s`` is how long
    a call stays up; ``domain`` stands in the request URI; numbers begin with ``number_prefix`` and
    end with the call's index, so that both legs of a call can be told to belong together."""

    kind: str
    target: Address
    rate: float
    seconds: float
    caller: Address = ("127.7.0.2", 5060)
    called: Address = ("127.7.0.3", 5060)
    domain: str = "127.7.0.1"
    hold_s: float = 0.0
    keep: bool = False  # leave the calls up when all are answered
    number_prefix: str = "+3712"
    caller_number: str = "+37070044960"
    users: int = 1000
    user_format: str = "u{}"
    password: str = "bench-secret"
    expires_s: int = 3600
    media_host: str = ""
    media_ports: tuple[int, int, int] = (
        40000,
        42000,
        1,
    )  # caller's first, called's first, how many
    calls_max: int = 0

    @property
    def total(self) -> int:
        """How many units the run starts."""
        total = int(self.rate * self.seconds)
        return min(total, self.calls_max) if self.calls_max else total


class Wire:
    """The sockets, one loop over them, a timer heap, and a pace of new units."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome = Outcome(plan.kind, plan.rate)
        self.latencies_s: list[float] = []
        self.codes: Counter[str] = Counter()
        self.token = os.urandom(3).hex()
        self.caller = self._socket(plan.caller)
        self.send = self.caller.send
        self._timers: list[tuple[float, int, int]] = []  # when, unit, attempt
        self.caller.connect(plan.target)

    @staticmethod
    def _socket(address: Address) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        except OSError:  # not root: what the system allows
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        opened.bind(address)
        opened.setblocking(False)
        return opened

    # What a kind of load fills in.

    def begin(self, unit: int, now_s: float) -> None:
        """Start a unit."""
        raise NotImplementedError

    def to_caller(self, message: bytes, now_s: float) -> None:
        """A message came to the caller's side."""
        raise NotImplementedError

    def repeat(self, unit: int) -> bool:
        """Send the unit's pending request again; False when it needs none."""
        raise NotImplementedError

    def pending(self) -> int:
        """How many units are neither done nor failed."""
        raise NotImplementedError

    def called_sockets(self) -> list[socket.socket]:
        """More sockets to read."""
        return []

    def to_called(self, opened: socket.socket, now_s: float) -> None:
        """Read from one of them."""

    def due(self, now_s: float) -> None:
        """Do what a unit waits for, such as hanging up after its hold."""

    # The loop.

    def watch(self, unit: int, now_s: float) -> None:
        """Send the unit's pending request again from ``T1_S`` on while it is unanswered."""
        heapq.heappush(self._timers, (now_s + T1_S, unit, 1))

    def run(self) -> Outcome:
        """The whole run: a fixed pace of new units, then the rest of what is under way."""
        gc.disable()
        poller = select.epoll()
        called = {opened.fileno(): opened for opened in self.called_sockets()}
        for descriptor in (self.caller.fileno(), *called):
            poller.register(descriptor, select.EPOLLIN)
        total, rate = self.plan.total, self.plan.rate
        began_s = time.monotonic()
        cpu_s = time.process_time()
        worst_lag_s, unit = 0.0, 0
        stop_s = began_s + total / rate + self.plan.hold_s + GIVE_UP_S
        while True:
            now_s = time.monotonic()
            while unit < total and (due_s := began_s + unit / rate) <= now_s:
                worst_lag_s = max(worst_lag_s, now_s - due_s)
                self.begin(unit, now_s)
                unit += 1
            self.due(now_s)
            self._fire(now_s)
            if (unit >= total and not self.pending()) or now_s > stop_s:
                break
            for descriptor, _ in poller.poll(self._sleep_s(now_s, began_s, unit)):
                if descriptor in called:
                    self.to_called(called[descriptor], time.monotonic())
                else:
                    self._read_caller()
        return self._finish(began_s, cpu_s, worst_lag_s)

    def _sleep_s(self, now_s: float, began_s: float, unit: int) -> float:
        next_s = now_s + 0.02
        if unit < self.plan.total:
            next_s = min(next_s, began_s + unit / self.plan.rate)
        if self._timers:
            next_s = min(next_s, self._timers[0][0])
        return max(0.0, next_s - now_s)

    def _read_caller(self) -> None:
        receive = self.caller.recv
        for _ in range(READS_MAX):
            try:
                message = receive(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self.to_caller(message, time.monotonic())

    def _fire(self, now_s: float) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now_s:
            _, unit, attempt = heapq.heappop(timers)
            if self.repeat(unit):
                self.outcome.retransmissions += 1
                wait_s = min(T1_S * 2**attempt, T2_S)
                heapq.heappush(timers, (now_s + wait_s, unit, attempt + 1))

    def _finish(self, began_s: float, cpu_s: float, worst_lag_s: float) -> Outcome:
        outcome = self.outcome
        outcome.started = self.plan.total
        outcome.failed += self.pending()
        outcome.lag_ms = round(worst_lag_s * 1000, 2)
        outcome.seconds = round(time.monotonic() - began_s, 3)
        outcome.generator_cpu_s = round(time.process_time() - cpu_s, 3)
        outcome.summarize(self.latencies_s, self.codes)
        return outcome
