"""A carrier of several addresses behind one name: failover inside the trunk."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sip.dns_records import Answer, Srv
from sip.flow import Address
from softswitch.routing.model import Trunk
from tests.simulation.phone import Answering, Calling, Phone
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.test_calls import NEAR, RICH, caller_address, near_snapshot
from tests.simulation.wire import StackNode, Wire
from tests.softswitch.call.fake_dns import FakeDns

NUMBER = "+37120000001"
DEAD, BROKEN, GOOD = (Address(f"10.0.0.{last}", 5060) for last in (11, 12, 13))
CARRIER = Trunk("carrier", (), "sip:carrier.example", "e164", 1)
ZONE: dict[str, Answer] = {
    "SRV _sip._udp.carrier.example": (
        Srv(1, 1, 5060, "dead.example"),
        Srv(2, 1, 5060, "broken.example"),
        Srv(3, 1, 5060, "good.example"),
    ),
    "A dead.example": (DEAD.host,),
    "A broken.example": (BROKEN.host,),
    "A good.example": (GOOD.host,),
}


class Stage:
    """A switch whose only carrier has three servers: silent, failing, answering."""

    def __init__(self, dns: FakeDns, *trunks: Trunk) -> None:
        self.wire = Wire()
        self.trunks = {each.name: each for each in trunks}
        snapshot = replace(near_snapshot(), trunks=self.trunks, routes={"": tuple(self.trunks)})
        self.switch = SimulatedSwitch(self.wire, NEAR, snapshot, dns.ask)
        self.switch.store.fund(RICH, 1_000_000)
        self.caller = Phone(self.wire, caller_address(RICH), NEAR, Answering)
        Phone(self.wire, BROKEN, NEAR, lambda: Answering(503, ring_s=0.1))
        self.good = Phone(self.wire, GOOD, NEAR, Answering)

    def legs(self) -> list[tuple[str, int]]:
        """Name and status of each branch of the only call."""
        ((text,),) = self.switch.store.rows("SELECT legs FROM cdr")
        found: list[dict[str, Any]] = json.loads(text)
        return [(leg["name"], leg["status"]) for leg in found[1:]]

    def trace(self) -> list[str]:
        """The trace of the only call."""
        ((text,),) = self.switch.store.rows("SELECT trace FROM cdr")
        lines: list[str] = json.loads(text)
        return lines


def test_the_next_address_of_a_trunk_takes_over() -> None:
    """Silence, then 503, then an answer: one call on one channel, three legs of one trunk."""
    stage = Stage(FakeDns(ZONE), CARRIER)
    channels: list[int] = []
    for tenth in range(1, 200):
        stage.wire.call_later(
            tenth / 10, lambda: channels.append(stage.switch.live.trunk_calls("carrier"))
        )
    caller = stage.caller.call(Calling(NUMBER, "plain", talk_s=10))
    stage.wire.run()
    assert caller.outcome == "200"
    assert stage.legs() == [
        ("trunk carrier at 10.0.0.11:5060", 503),
        ("trunk carrier at 10.0.0.12:5060", 503),
        ("trunk carrier at 10.0.0.13:5060", 200),
    ]
    assert max(channels) == 1
    assert channels[-1] == 0
    assert stage.switch.leaks() == dict.fromkeys(stage.switch.leaks(), 0)


def test_a_late_end_of_the_silent_address_frees_nothing_twice() -> None:
    """The INVITE to the dead server times out during the talk: the channel stays taken."""
    stage = Stage(FakeDns(ZONE), CARRIER)
    channels: list[int] = []
    for second in (35, 45, 55):
        stage.wire.call_later(
            second, lambda: channels.append(stage.switch.live.trunk_calls("carrier"))
        )
    stage.caller.call(Calling(NUMBER, "plain", talk_s=60))
    stage.wire.run()
    assert channels == [1, 1, 1]


@pytest.mark.parametrize("down", [True, False])
def test_an_unknown_name_makes_the_next_trunk_take_the_call(down: bool) -> None:
    """At once, and the trace says which name."""
    dns = FakeDns()
    dns.down = down
    other = replace(CARRIER, name="other", destination=f"sip:{GOOD}")
    stage = Stage(dns, CARRIER, other)
    caller = stage.caller.call(Calling(NUMBER, "plain", talk_s=1))
    stage.wire.run()
    assert caller.outcome == "200"
    assert stage.legs() == [("trunk other", 200)]
    assert any(line.startswith("trunk carrier: ") and "carrier.example" in line
               for line in stage.trace())  # fmt: skip


def test_only_an_unknown_name_is_503() -> None:
    """Nothing to call, said at once."""
    stage = Stage(FakeDns(), CARRIER)
    caller = stage.caller.call(Calling(NUMBER, "plain"))
    stage.wire.run()
    assert caller.outcome == "503"


def test_requests_inside_the_dialog_follow_the_name_in_contact() -> None:
    """The ACK goes where the answer came from, the name being unknown; the BYE where it leads."""
    moved = Address("10.0.0.14", 5060)
    dns = FakeDns({**ZONE, "A moved.example": (moved.host,)})
    stage = Stage(dns, replace(CARRIER, destination=f"sip:{GOOD}"))
    stage.good.contact = "<sip:phone@moved.example:5060>"
    stage.wire.attach(StackNode(stage.good.stack, stage.good._told), moved)
    stage.wire.log = []
    stage.caller.call(Calling(NUMBER, "plain", talk_s=2))
    stage.wire.run()
    sent = {
        data.split(b" ", 1)[0]: flow.remote
        for _, data, flow in stage.wire.log
        if flow.local == NEAR
    }
    assert sent[b"ACK"] == GOOD
    assert sent[b"BYE"] == moved
    assert stage.switch.leaks() == dict.fromkeys(stage.switch.leaks(), 0)
