"""A campaign of spoilt messages against one whole switch, in the middle of true calls.

True phones and carriers register, call, hold, transfer, cancel and hang up through the switch. A
garbler between them and the switch passes on what they send, and sends spoilt copies of it along:
so mutations meet live dialogs and transactions, with credentials that are good. Strangers send what
no phone here does. Equal seeds give equal campaigns.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from itertools import count
from pathlib import Path

from twisted.internet.defer import Deferred, succeed

from sip.dns_records import Failed, Question
from sip.flow import Address, Flow
from sip.message import Request
from softswitch.call.dns_client import Answered
from softswitch.call.trunks import Trunks
from tests.simulation.devices import (
    ACCOUNT,
    CARRIER,
    LOGINS,
    NUMBERS,
    PICKY,
    STATIC,
    SWITCH,
    TCP_PHONE,
    UDP_PHONE,
    Device,
    PickyCarrier,
    snapshot,
)
from tests.simulation.garbler import SPOILT_PER_MESSAGE, Garbler
from tests.simulation.mutation import Mutations
from tests.simulation.phone import Answering, Calling, Phone
from tests.simulation.rim import RimNode
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.wire import Node, Wire

OURS = ("sip", "rtp", "billing", "softswitch")

VECTORS = Path(__file__).parent.parent / "sip" / "vectors"

CALLS_PER_S = 4.0

END_S = 4_600.0
"""After this long bindings (an hour), transactions (32 s) and calls without an end are over, and
connections that nobody needs any more (15 minutes after the hour)."""


class TorturedSwitch(SimulatedSwitch):
    """The switch with its rim and its trunks' side, behind a garbler."""

    def __init__(self, wire: Wire, mutations: Mutations, path: str) -> None:
        self._mutations = mutations
        super().__init__(wire, SWITCH, snapshot(), ask=_no_answer, path=path)
        self._trunks = self._make_trunks()

    def _node(self) -> Node:
        rim = RimNode(
            self.stack,
            self.address,
            self._told,
            on_flow_lost=lambda flow: self.registrations.flow_lost(flow),
            is_flow_needed=lambda flow: self.registrar.has_flow(flow) or self.calls.has_flow(flow),
        )
        self.rim = rim
        self.garbler = Garbler(rim, self._mutations)
        return self.garbler

    def _make_trunks(self) -> Trunks:
        tokens = count(1)
        return Trunks(
            reactor=self.reactor,
            stack=self.stack,
            sip=self,
            snapshots=self.snapshots,
            live=self.live,
            where=self.names.where,
            advertised="",
            now_s=self.now_s,
            now_us=self.now_us,
            token=lambda: f"k{self.wire.now_s:.3f}x{next(tokens)}",
            chance=self.wire.random.random,
        )

    def start(self) -> None:
        """Register with the carrier, and probe."""
        self._trunks = self._make_trunks()
        self._trunks.startService()

    def stop(self) -> None:
        """No more periodic work, so that the wire comes to rest."""
        self._trunks.stopService()

    def flush(self) -> None:
        """The rim tells and sends."""
        self.rim.service.flush()

    def leaks(self) -> dict[str, int]:
        """What should be zero when all is over."""
        return super().leaks() | {
            "bindings": len(self.registrar),
            "connections": self.rim.service.connections,
        }


def _no_answer(question: Question) -> Deferred[Answered]:
    """Names in spoilt Contacts are asked for, and nobody knows them."""
    return succeed(Answered(Failed(f"{question}: no name server answers")))


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    leaks: dict[str, int]
    slowest_s: float  # CPU time of the message that took longest


class Campaign:
    """Rounds of spoilt messages; each ends when every timer has run."""

    def __init__(self, seed: int, path: Path) -> None:
        """``path``: where the records of so many calls go, to be no part of the memory measured."""
        self.wire = Wire(seed)
        self.mutations = Mutations(seed)
        self.switch = TorturedSwitch(self.wire, self.mutations, str(path))
        self.switch.store.fund(ACCOUNT, 10_000_000_000_000)
        pick = self.wire.random
        behaviours = (
            lambda: Answering(ring_s=pick.uniform(0.1, 2)),
            lambda: Answering(ring_s=0.2, hang_up_s=pick.uniform(1, 6)),
            lambda: Answering(ring_s=0.2, reinvite_s=1.0),
            lambda: Answering(pick.choice((302, 404, 486, 503, 603)), 0.2),
            lambda: Answering(480, 30.0),
        )

        def behave() -> Answering:
            return pick.choice(behaviours)()

        self.static = Phone(self.wire, STATIC, SWITCH, behave)
        self.udp = Device(self.wire, UDP_PHONE, behave)
        self.tcp = Device(self.wire, TCP_PHONE, behave, "tcp")
        self.carrier = Phone(self.wire, CARRIER, SWITCH, behave)
        self.picky = PickyCarrier(self.wire, PICKY, SWITCH, behave)
        self.phones: Sequence[Phone] = (
            self.static, self.udp, self.tcp, self.carrier, self.picky,
        )  # fmt: skip
        self._tick()
        self._strange = [path.read_bytes() for path in sorted(VECTORS.glob("*/*.dat"))]

    def run(self, messages: int) -> Round:
        """Send so many spoilt messages, then let everything come to its end."""
        garbler = self.switch.garbler
        garbler.left, garbler.slowest_s = messages, 0.0
        self.switch.start()
        self.wire.run(until_s=self.wire.now_s + 1)
        while garbler.left:
            self._act()
            self.wire.run(until_s=self.wire.now_s + 1 / CALLS_PER_S)
        self.switch.stop()
        self.wire.run(until_s=self.wire.now_s + END_S)
        for phone in self.phones:
            phone.parties.clear()
            phone.dialogs.clear()
        return Round(self.switch.leaks(), garbler.slowest_s)

    def forget(self) -> None:
        """Empty what is remembered up to a cap and no further: parsed texts, used nonces, wrong
        passwords. What is left should not grow at all."""
        authenticator = self.switch.authenticator
        authenticator._counts._seen.clear()
        authenticator.bans._failures._entries.clear()
        for each in gc.get_objects():
            if isinstance(each, _lru_cache_wrapper) and (each.__module__ or "").startswith(OURS):
                each.cache_clear()

    def _tick(self) -> None:
        """What the service does each second beside calls."""
        self.switch.registrations.tick()
        self.wire.call_later(1.0, self._tick)

    def _act(self) -> None:
        pick = self.wire.random
        if pick.random() < 0.15:
            self._strangers()
        elif pick.random() < 0.3:
            pick.choice((self.udp, self.tcp)).register()
        else:
            self._call()

    def _call(self) -> None:
        pick = self.wire.random
        caller = pick.choice(self.phones)
        if caller in (self.carrier, self.picky):
            number = pick.choice(list(NUMBERS.values()))
        else:
            number = pick.choice(("+37120000001", "+37060000002", "+35780000000", "102", "103"))
        caller.call(
            Calling(
                number,
                "call",
                talk_s=pick.uniform(0.5, 6),
                cancel_s=pick.choice((0.0, 0.0, 0.0, pick.uniform(0.05, 2))),
                reinvite_s=pick.choice((0.0, pick.uniform(0.3, 3))),
                transfer_s=pick.choice((0.0, 0.0, pick.uniform(0.3, 3))),
                transfer_to=pick.choice(("103", "+37120000001", "nobody")),
            )
        )

    def _strangers(self) -> None:
        """What no phone of ours sends: the vectors, and each method out of the blue, from strangers
        and from addresses that are known."""
        pick = self.wire.random
        host = pick.choice(("10.66.0.1", STATIC.host, CARRIER.host, UDP_PHONE.host))
        transport = pick.choice(("udp", "tcp"))
        remote = Address(host, pick.choice((5060, 6000)))
        flow = Flow(transport, SWITCH, remote, int(transport == "tcp"))
        for data in [*pick.sample(self._strange, 4), self._unusual(host)]:
            for _ in range(SPOILT_PER_MESSAGE):
                self.switch.garbler.spoil(data, flow, self.wire.now_s)

    def _unusual(self, host: str) -> bytes:
        pick = self.wire.random
        method = pick.choice(
            ("SUBSCRIBE", "MESSAGE", "NOTIFY", "PUBLISH", "INFO", "UPDATE", "PRACK", "REFER", "BYE")
        )
        headers = [
            ("Via", f"SIP/2.0/UDP {host}:6000;branch=z9hG4bK{pick.random()};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{LOGINS[UDP_PHONE]}@{SWITCH.host}>;tag=s{pick.random()}"),
            ("To", f"<sip:102@{SWITCH.host}>" + pick.choice(("", ";tag=nobody"))),
            ("Call-ID", f"s{pick.random()}@{host}"),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<sip:102@{host}:6000>"),
            ("Event", pick.choice(("presence", "dialog", "message-summary", "reg"))),
            ("Expires", "600"),
            ("Content-Type", pick.choice(("text/plain", "application/pidf+xml", "a/b"))),
        ]
        return Request.build(method, f"sip:102@{SWITCH.host}", headers, b"hello").to_bytes()
