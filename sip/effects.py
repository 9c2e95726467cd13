"""What the transactions of one stack cause, collected until the rim takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sip.machines import Input
from sip.timers import TimerHeap

if TYPE_CHECKING:
    from sip.events import Event
    from sip.flow import Flow

# What to call with the transaction (client or server, as it takes) and the input, at a deadline.
Due = tuple[Callable[[Any, Input, float], None], Any, Input]


@dataclass(slots=True)
class Counters:
    """How often what happened since the stack was made."""

    requests_received: int = 0
    responses_received: int = 0
    banned: int = 0  # requests of banned sources, dropped unread
    over_rate: int = 0  # dropped unread
    malformed: int = 0  # could not be parsed, answered with 400 or dropped
    refused: int = 0  # answered by the stack itself with 4xx or 5xx
    overload: int = 0  # of the refused, for want of room
    absorbed: int = 0  # repeated requests and ACKs
    acks_unmatched: int = 0
    responses_unmatched: int = 0
    retransmitted: int = 0  # requests and responses that we repeated by timer
    timeouts: int = 0  # requests of ours that nobody answered


@dataclass(slots=True)
class Effects:
    """Bytes to send, events to tell, timers to wait for, and the counts."""

    outgoing: list[tuple[bytes, Flow]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    timers: TimerHeap[Due] = field(default_factory=TimerHeap)
    counters: Counters = field(default_factory=Counters)
