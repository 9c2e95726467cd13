"""A network in memory with a clock of its own: seeded loss, duplication, delay and reordering.

Stacks (or whole switches) are attached as nodes at addresses; ``run`` moves the clock from one
happening to the next until nothing is left to happen. Equal seeds give equal runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from sip.events import Event
from sip.flow import Address, Flow
from sip.stack import Stack
from sip.timers import Timers

OnEvent = Callable[[Event, float], None]


class Node(Protocol):
    """What the wire needs of what is attached to it; the service's loop, without sockets."""

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None: ...
    def advance(self, now_s: float) -> None: ...
    def next_deadline_s(self) -> float | None: ...
    def take_outgoing(self) -> list[tuple[bytes, Flow]]: ...


class StackNode:
    """A stack and its user, who gets each event at once and may call the stack in return."""

    def __init__(self, stack: Stack, on_event: OnEvent) -> None:
        self.stack = stack
        self._on_event = on_event

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None:
        self.stack.receive(data, flow, now_s)
        self._tell(now_s)

    def advance(self, now_s: float) -> None:
        self.stack.advance(now_s)
        self._tell(now_s)

    def next_deadline_s(self) -> float | None:
        return self.stack.next_deadline_s()

    def take_outgoing(self) -> list[tuple[bytes, Flow]]:
        return self.stack.take_outgoing()

    def _tell(self, now_s: float) -> None:
        while events := self.stack.take_events():
            for event in events:
                self._on_event(event, now_s)


@dataclass(frozen=True)
class Weather:
    """What befalls a datagram: shares from 0 to 1, and its time under way, evenly spread.

    Streams lose nothing and keep their order; each message takes ``delay_min_s``.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay_min_s: float = 0.001
    delay_max_s: float = 0.001


class Wire:
    """Nodes at addresses, and everything under way between them."""

    def __init__(self, seed: int = 0, weather: Weather = Weather()) -> None:
        self.now_s = 0.0
        self.weather = weather
        self.random = random.Random(seed)
        self.sent = 0
        self.lost = 0
        self.log: list[tuple[float, bytes, Flow]] | None = None  # set to [] to keep what is sent
        self._nodes: list[Node] = []
        self._hosts: dict[Address, Node] = {}
        self._happenings: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def attach(self, node: Node, *addresses: Address) -> None:
        """Make a node reachable at addresses; several belong to one switch or phone."""
        self._nodes.append(node)
        for address in addresses:
            self._hosts[address] = node

    def call_later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let a script act in the middle of a run."""
        self._at(self.now_s + delay_s, action)

    def run(self, until_s: float = float("inf")) -> None:
        """Let everything happen up to a moment, or until nothing is left to happen."""
        self.flush()
        while (next_s := self._next_s()) <= until_s and next_s != float("inf"):
            self.now_s = max(self.now_s, next_s)
            self._happen()
            self.flush()
        if until_s != float("inf"):
            self.now_s = max(self.now_s, until_s)

    def flush(self) -> None:
        """Take what the nodes want to send and put it under way."""
        for node in self._nodes:
            for data, flow in node.take_outgoing():
                self._carry(data, flow)

    def _next_s(self) -> float:
        deadlines = [self._happenings[0][0]] if self._happenings else []
        deadlines += [at_s for node in self._nodes if (at_s := node.next_deadline_s()) is not None]
        return min(deadlines, default=float("inf"))

    def _happen(self) -> None:
        while self._happenings and self._happenings[0][0] <= self.now_s:
            heappop(self._happenings)[2]()
        for node in self._nodes:
            deadline_s = node.next_deadline_s()
            if deadline_s is not None and deadline_s <= self.now_s:
                node.advance(self.now_s)

    def _carry(self, data: bytes, flow: Flow) -> None:
        self.sent += 1
        if self.log is not None:
            self.log.append((self.now_s, data, flow))
        if flow.reliable:
            self._arrive_after(self.weather.delay_min_s, data, flow)
            return
        copies = 1 + (self.random.random() < self.weather.duplication)
        for _ in range(copies):
            if self.random.random() < self.weather.loss:
                self.lost += 1
            else:
                delay_s = self.random.uniform(self.weather.delay_min_s, self.weather.delay_max_s)
                self._arrive_after(delay_s, data, flow)

    def _arrive_after(self, delay_s: float, data: bytes, flow: Flow) -> None:
        node = self._hosts.get(flow.remote)
        if node is None:
            self.lost += 1
            return
        mirrored = flow._replace(local=flow.remote, remote=flow.local)
        self._at(self.now_s + delay_s, lambda: node.receive(data, mirrored, self.now_s))

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heappush(self._happenings, (at_s, next(self._order), action))


METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO", "NOTIFY", "PRACK")


def make_stack(name: str, timers: Timers | None = None, allow: tuple[str, ...] = METHODS) -> Stack:
    """A stack with readable, never repeating tokens."""
    numbers = count(1)
    return Stack(
        token=lambda: f"{name}{next(numbers)}",
        timers=timers,
        server_name=name,
        allow=allow,
        supported=frozenset({"replaces", "timer", "100rel"}),
    )
