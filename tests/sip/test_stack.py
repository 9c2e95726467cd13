"""Two stacks back to back: whole exchanges, on a good wire and on a bad one."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sip import stun
from sip.dialog import Dialog
from sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    Event,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from sip.flow import Flow
from sip.transaction import ClientTransaction
from tests.simulation.wire import Weather, make_stack
from tests.sip.peers import ALICE, BOB, Pair, request, wire_bytes

BAD = Weather(loss=0.1, duplication=0.05, delay_min_s=0.001, delay_max_s=0.2)
UDP_FLOW = Flow("udp", BOB, ALICE)
CONTACT = ("Contact", "<sip:bob@192.0.2.2:5060>")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_from_invite_to_bye(transport: str) -> None:
    """Each side is told each thing once, and at the end nothing is left."""
    pair = Pair(transport=transport)
    tx = pair.send(request("INVITE"))
    pair.wire.run(1.0)
    pair.answer(180, CONTACT)
    pair.answer(200, CONTACT, body=b"v=0\r\n")
    pair.wire.run(2.0)
    assert pair.statuses() == [180, 200]
    dialog = pair.acknowledge(tx, pair.responses()[-1])
    pair.wire.run(3.0)
    pair.send(dialog.request("BYE"))
    pair.wire.run(4.0)
    pair.answer(200)
    pair.wire.run()
    assert [type(event) for event in pair.bob_told] == [
        RequestReceived,
        AckReceived,
        RequestReceived,
    ]
    assert pair.statuses() == [180, 200, 200]
    pair.assert_nothing_left()


def test_a_good_wire_carries_no_message_too_many() -> None:
    """INVITE, 100, 180, 200, ACK, BYE, 200."""
    pair = Pair()
    tx = pair.send(request("INVITE"))
    pair.wire.run(0.1)
    pair.answer(180, CONTACT)
    pair.answer(200, CONTACT)
    pair.wire.run(0.2)
    dialog = pair.acknowledge(tx, pair.responses()[-1])
    pair.send(dialog.request("BYE"))
    pair.wire.run(0.3)
    pair.answer(200)
    pair.wire.run()
    assert pair.wire.sent == 7


def test_a_lost_ack_is_sent_again_when_the_2xx_comes_again() -> None:
    """13.2.2.4, also when the 2xx came twice before the user acknowledged it."""
    pair = Pair()
    tx = pair.send(request("INVITE"))
    pair.wire.run(0.1)
    pair.answer(200, CONTACT)
    pair.wire.run(1.0)  # the 2xx is repeated at 0.6 s, before any ACK
    pair.wire.weather = Weather(loss=1.0)
    pair.acknowledge(tx, pair.responses()[0])
    pair.wire.run(1.1)
    pair.wire.weather = Weather()
    pair.wire.run()
    assert pair.statuses() == [200]
    assert [type(event) for event in pair.bob_told] == [RequestReceived, AckReceived]


def test_cancel_that_crosses_the_2xx() -> None:
    """Both are true: Bob has a call, Alice is told the 2xx and has to end it."""
    pair = Pair()
    tx = pair.send(request("INVITE"))
    pair.wire.run(0.1)
    pair.answer(180, CONTACT)
    pair.wire.run(0.2)
    pair.alice.cancel(tx, pair.wire.now_s)
    pair.answer(200, CONTACT)
    pair.wire.run(0.3)
    assert pair.statuses() == [180, 200]
    assert CancelReceived not in [type(event) for event in pair.bob_told]
    dialog = pair.acknowledge(tx, pair.responses()[-1])
    pair.send(dialog.request("BYE"))
    pair.wire.run(0.4)
    pair.answer(200)
    pair.wire.run()
    pair.assert_nothing_left()


def test_cancel_that_arrives_in_time() -> None:
    """9.1 and 9.2: Bob is told and refuses the INVITE with 487."""
    pair = Pair()
    tx = pair.send(request("INVITE"))
    pair.alice.cancel(tx, pair.wire.now_s, [("Reason", 'SIP;cause=200;text="Call completed"')])
    pair.wire.run(0.1)  # the 100 Trying sets the CANCEL free
    told = pair.bob_told[-1]
    assert isinstance(told, CancelReceived)
    assert told.request.first("reason") == 'SIP;cause=200;text="Call completed"'
    pair.answer(487)
    pair.wire.run()
    assert pair.statuses() == [487]
    pair.assert_nothing_left()


def test_nobody_there() -> None:
    """Every datagram is lost: the INVITE times out, and no timer is left."""
    pair = Pair(weather=Weather(loss=1.0))
    tx = pair.send(request("INVITE"))
    pair.wire.run()
    assert pair.alice_told == [RequestFailed(tx, "timeout")]
    pair.assert_nothing_left()


def test_a_caller_that_vanishes_after_the_answer() -> None:
    """Bob is told that no ACK came, and may end the dialog."""
    pair = Pair()
    pair.send(request("INVITE"))
    pair.wire.run(0.1)
    pair.wire.weather = Weather(loss=1.0)
    pair.answer(200, CONTACT)
    pair.wire.run(100.0)
    assert isinstance(pair.bob_told[-1], AckTimedOut)


class Script:
    """Alice calls; Bob rings and answers, or Alice takes the call back; then somebody hangs up."""

    def __init__(self, seed: int, weather: Weather, transport: str = "udp") -> None:
        self.random = random.Random(seed)
        self.pair = Pair(seed=seed, weather=weather, transport=transport)
        self.pair.on_alice = self.alice
        self.pair.on_bob = self.bob
        self.outcomes: list[str] = []
        self.dialog: Dialog | None = None

    def run(self) -> list[str]:
        """The outcomes that Alice saw, once nothing is left to happen."""
        self.tx = self.pair.send(request("INVITE"))
        if self.random.random() < 0.5:
            self.pair.wire.call_later(self.random.uniform(0, 4), self.take_back)
        self.pair.wire.run()
        return self.outcomes

    def take_back(self) -> None:
        self.pair.alice.cancel(self.tx, self.pair.wire.now_s)

    def alice(self, event: Event, now_s: float) -> None:
        if isinstance(event, RequestFailed):
            self.outcomes.append(f"{event.transaction.request.method} {event.cause}")
        elif isinstance(event, ResponseReceived) and event.response.status >= 200:
            self.alice_answered(event.transaction, event, now_s)

    def alice_answered(self, tx: ClientTransaction, event: ResponseReceived, now_s: float) -> None:
        self.outcomes.append(f"{tx.request.method} {event.response.status}")
        if tx.request.method == "INVITE" and event.response.status == 200:
            self.dialog = self.pair.acknowledge(tx, event.response)
            self.pair.wire.call_later(self.random.uniform(0, 3), self.hang_up)

    def hang_up(self) -> None:
        assert self.dialog is not None
        self.pair.send(self.dialog.request("BYE"))

    def bob(self, event: Event, now_s: float) -> None:
        if isinstance(event, CancelReceived):
            self.pair.bob.respond(event.transaction, 487, now_s=now_s)
        elif isinstance(event, RequestReceived) and event.request.method == "BYE":
            self.pair.bob.respond(event.transaction, 200, now_s=now_s)
        elif isinstance(event, RequestReceived):
            self.pair.bob.respond(event.transaction, 180, headers=[CONTACT], now_s=now_s)
            self.pair.wire.call_later(self.random.uniform(0, 4), self.pick_up)

    def pick_up(self) -> None:
        tx = self.pair.received()
        if tx.request.method == "INVITE" and not tx.final_status:
            self.pair.bob.respond(tx, 200, headers=[CONTACT], now_s=self.pair.wire.now_s)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), transport=st.sampled_from(["udp", "tcp"]))
@example(seed=1, transport="udp")
def test_calls_on_a_bad_wire_end_well(seed: int, transport: str) -> None:
    """Loss, doubles and reordering change nothing but the time it takes; nothing is left."""
    script = Script(seed, BAD, transport)
    outcomes = script.run()
    assert outcomes in (["INVITE 200", "BYE 200"], ["INVITE 487"])
    script.pair.assert_nothing_left()
    told = script.pair.bob_told
    requests = [event.request.method for event in told if isinstance(event, RequestReceived)]
    assert len(requests) == len(set(requests))


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda junk: _spoilt(junk)))
def test_no_bytes_raise_anything(data: bytes) -> None:
    """Junk, and requests with junk in the middle, are answered or dropped."""
    stack = make_stack("s")
    stack.receive(data, Pair().to_alice, 0.0)
    stack.advance(100.0)


def _spoilt(junk: bytes) -> bytes:
    data = wire_bytes(request("INVITE"))
    at = len(junk) * 7 % len(data)
    return data[:at] + junk + data[at:]


def test_a_stack_never_mixes_two_calls_of_one_peer() -> None:
    """A thousand calls at once from one address keep their owners."""
    pair = Pair()
    transactions = [pair.send(request("OPTIONS")) for _ in range(1000)]
    pair.on_bob = lambda event, now_s: (
        pair.bob.respond(event.transaction, 200, now_s=now_s)
        if isinstance(event, RequestReceived)
        else None
    )
    pair.wire.run()
    answered = [
        event.transaction for event in pair.alice_told if isinstance(event, ResponseReceived)
    ]
    assert sorted(map(id, answered)) == sorted(map(id, transactions))
    for event in pair.alice_told:
        assert isinstance(event, ResponseReceived)
        assert event.response.call_id == event.transaction.request.call_id
    assert ALICE.host not in pair.bob._servers._per_source


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"])
def test_a_keep_alive_over_udp_is_no_error_and_gets_no_answer(data: bytes) -> None:
    """Phones send them for their NAT's sake."""
    stack = make_stack("s")
    stack.receive(data, UDP_FLOW, 0.0)
    assert stack.take_outgoing() == []
    assert stack.counters.malformed == 0


def test_stun_is_answered_on_the_port_of_sip() -> None:
    """RFC 5626 4.4.2, over UDP; on a stream it is garbage."""
    asked = b"\0\1\0\0\x21\x12\xa4\x42" + b"transaction!"
    stack = make_stack("s")
    stack.receive(asked, UDP_FLOW, 0.0)
    assert stack.take_outgoing() == [(stun.answer(asked, ALICE), UDP_FLOW)]
    stack.receive(asked, UDP_FLOW._replace(transport="tcp", connection=1), 0.0)
    assert stack.take_outgoing() == []
    assert stack.counters.malformed == 1
