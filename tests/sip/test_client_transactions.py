"""Requests of ours, seen from the wire: retransmission, ACK, CANCEL, failures, memory."""

from __future__ import annotations

import pytest

from sip.errors import LocalError
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Address
from sip.machines import State
from sip.message import Request
from sip.parser import parse_message
from sip.stack import Stack
from tests.simulation.wire import make_stack
from tests.sip.answers import answered
from tests.sip.peers import ALICE, BOB, Pair, request


class Lone:
    """Alice alone: what she sends is looked at, and what she receives is written by the test."""

    def __init__(self, transport: str = "udp") -> None:
        self.stack: Stack = make_stack("alice")
        self.flow = Pair(transport=transport).to_bob
        self.now_s = 0.0

    def send(self, method: str, **changes: str) -> Request:
        """Send a request; what went out is returned, and the transaction is ``tx``."""
        self.tx = self.stack.request(request(method, **changes), self.flow, self.now_s)
        return self.sent()[-1]

    def sent(self) -> list[Request]:
        """What went out since the last look."""
        messages = [parse_message(data) for data, _ in self.stack.take_outgoing()]
        return [message for message in messages if isinstance(message, Request)]

    def answer(self, asked: Request, status: int, to_tag: str | None = "bob") -> None:
        """Let a response come in."""
        self.stack.receive(bytes(answered(asked, status, to_tag=to_tag)), self.flow, self.now_s)

    def advance_to(self, now_s: float) -> list[float]:
        """Let time pass; the moments at which something was sent are returned."""
        moments = []
        while (at_s := self.stack.next_deadline_s()) is not None and at_s <= now_s:
            self.now_s = at_s
            self.stack.advance(at_s)
            moments += [at_s] * len(self.sent())
        self.now_s = now_s
        return moments

    def told(self) -> list[object]:
        """What the user was told since the last look: statuses and causes."""
        found: list[object] = []
        for event in self.stack.take_events():
            if isinstance(event, ResponseReceived):
                found.append(event.response.status)
            elif isinstance(event, RequestFailed):
                found.append(event.cause)
        return found


def test_a_request_gets_our_via_and_max_forwards() -> None:
    """RFC 3261 8.1.1.6 and 8.1.1.7, RFC 3581; what was given is left alone."""
    lone = Lone()
    given = request("OPTIONS", Via="SIP/2.0/UDP elsewhere;branch=z9hG4bKold")
    lone.stack.request(given, lone.flow, 0.0, sent_by=Address("203.0.113.1", 5070))
    sent = lone.sent()[0]
    assert sent.all("via") == ["SIP/2.0/UDP 203.0.113.1:5070;branch=z9hG4bKalice1;rport"]
    assert sent.max_forwards == 70
    assert given.all("via") == ["SIP/2.0/UDP elsewhere;branch=z9hG4bKold"]


def test_invite_is_repeated_with_doubling_intervals_and_times_out() -> None:
    """Timers A and B: 17.1.1.2's own series."""
    lone = Lone()
    lone.send("INVITE")
    assert lone.advance_to(40.0) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert lone.told() == ["timeout"]
    assert lone.stack.transactions == 0
    assert lone.stack.counters.retransmitted == 6


def test_a_provisional_response_ends_the_repetition_of_invite_but_not_of_bye() -> None:
    """17.1.1.2 against 17.1.2.2, where the request goes on every T2."""
    lone = Lone()
    lone.answer(lone.send("INVITE"), 180)
    assert lone.advance_to(100.0) == []
    lone = Lone()
    lone.answer(lone.send("BYE"), 100)
    assert lone.advance_to(20.0) == [0.5, 4.5, 8.5, 12.5, 16.5]


def test_non_invite_is_repeated_up_to_t2_and_times_out() -> None:
    """Timers E and F: 17.1.2.2's own series."""
    lone = Lone()
    lone.send("OPTIONS")
    assert lone.advance_to(40.0) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert lone.told() == ["timeout"]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_stream_repeats_nothing(method: str) -> None:
    """Timers A and E rest, B and F do not."""
    lone = Lone("tcp")
    lone.send(method)
    assert lone.advance_to(40.0) == []
    assert lone.told() == ["timeout"]


def test_trying_is_not_told_and_the_rest_is() -> None:
    """100 says nothing to the user."""
    lone = Lone()
    sent = lone.send("INVITE")
    for status in (100, 180, 183, 486):
        lone.answer(sent, status)
    assert lone.told() == [180, 183, 486]
    assert lone.tx.final_status == 486


def test_a_refusal_is_acknowledged_on_the_same_branch_each_time_it_comes() -> None:
    """17.1.1.3: Request-URI, Via, From, Call-ID and Route of the INVITE, To of the response."""
    lone = Lone()
    sent = lone.send("INVITE", Route="<sip:proxy.example;lr>")
    lone.answer(sent, 486)
    ack = lone.sent()[0]
    assert (ack.method, ack.uri, ack.first("cseq")) == ("ACK", sent.uri, "1 ACK")
    for name in ("via", "from", "call-id", "route"):
        assert ack.all(name) == sent.all(name)
    assert ack.to_tag == "bob"
    lone.answer(sent, 486)
    assert [again.method for again in lone.sent()] == ["ACK"]
    assert lone.told() == [486]


def test_a_completed_invite_lives_for_timer_d() -> None:
    """32 s on UDP, none on a stream."""
    lone = Lone()
    lone.answer(lone.send("INVITE"), 486)
    lone.advance_to(31.9)
    assert lone.stack.transactions == 1
    lone.advance_to(32.0)
    assert lone.stack.transactions == 0
    lone = Lone("tcp")
    lone.answer(lone.send("INVITE"), 486)
    assert lone.stack.transactions == 0


def test_each_fork_is_told_once_and_acknowledged_with_its_own_ack() -> None:
    """RFC 6026: Accepted passes every 2xx; 13.2.2.4: a repeated one gets the same ACK again."""
    lone = Lone()
    sent = lone.send("INVITE")
    for tag in ("b1", "b2", "b1"):
        lone.answer(sent, 200, tag)
    assert lone.told() == [200, 200]
    for tag in ("b1", "b2"):
        ack = request("ACK", To=f"<sip:bob@192.0.2.2>;tag={tag}", CSeq="1 ACK")
        lone.stack.ack(lone.tx, ack, lone.flow, lone.now_s)
    first, second = lone.sent()
    assert first.branch not in (sent.branch, second.branch)
    lone.answer(sent, 200, "b1")
    again = lone.sent()
    assert [bytes(message) for message in again] == [bytes(first)]
    assert lone.told() == []


def test_a_flood_of_forks_is_bounded() -> None:
    """Memory that a hostile peer can fill has an end."""
    lone = Lone()
    sent = lone.send("INVITE")
    for number in range(100):
        lone.answer(sent, 200, f"b{number}")
    assert len(lone.told()) == 32


def test_accepted_lives_for_timer_m_and_then_a_late_2xx_is_dropped() -> None:
    """RFC 6026 7.2; the drop is counted."""
    lone = Lone()
    sent = lone.send("INVITE")
    lone.answer(sent, 200)
    assert lone.tx.state is State.ACCEPTED
    lone.advance_to(32.0)
    assert lone.stack.transactions == 0
    lone.answer(sent, 200)
    assert lone.told() == [200]
    assert lone.stack.counters.responses_unmatched == 1


def test_cancel_waits_for_the_first_provisional_response() -> None:
    """9.1: it could overtake the INVITE otherwise."""
    lone = Lone()
    sent = lone.send("INVITE", Route="<sip:proxy.example;lr>")
    lone.stack.cancel(lone.tx, 0.0, [("Reason", "SIP;cause=200")])
    assert lone.sent() == []
    lone.answer(sent, 100)
    cancel = lone.sent()[0]
    assert (cancel.method, cancel.uri, cancel.first("cseq")) == ("CANCEL", sent.uri, "1 CANCEL")
    for name in ("via", "from", "to", "call-id", "route"):
        assert cancel.all(name) == sent.all(name)
    assert cancel.first("reason") == "SIP;cause=200"
    lone.answer(cancel, 200)
    lone.answer(sent, 487)
    assert lone.told() == [487]


def test_cancel_is_sent_once_and_not_after_the_final_response() -> None:
    """Asking twice, or too late, sends nothing more."""
    lone = Lone()
    sent = lone.send("INVITE")
    lone.answer(sent, 180)
    lone.stack.cancel(lone.tx, 0.0)
    lone.stack.cancel(lone.tx, 0.0)
    assert [message.method for message in lone.sent()] == ["CANCEL"]
    lone = Lone()
    lone.answer(lone.send("INVITE"), 200)
    lone.stack.cancel(lone.tx, 0.0)
    assert lone.sent() == []


def test_a_cancelled_invite_that_stays_unanswered_ends_after_64_t1() -> None:
    """9.1, last paragraph; the CANCEL's own timeout is not told."""
    lone = Lone()
    lone.answer(lone.send("INVITE"), 180)
    lone.advance_to(10.0)
    lone.stack.cancel(lone.tx, 10.0)
    lone.advance_to(41.9)
    assert lone.told() == [180]
    lone.advance_to(42.0)
    assert lone.told() == ["timeout"]
    assert lone.stack.transactions == 0


@pytest.mark.parametrize(
    ("status", "told"), [(0, ["transport"]), (180, [180]), (200, [200]), (486, [486])]
)
def test_a_lost_connection_fails_an_invite_that_nobody_answered(
    status: int, told: list[object]
) -> None:
    """A ringing one may still be answered over another connection (18.2.2)."""
    lone = Lone("tcp")
    sent = lone.send("INVITE")
    if status:
        lone.answer(sent, status)
    lone.stack.flow_failed(lone.flow, 0.0)
    assert lone.told() == told


def test_a_lost_connection_fails_only_its_own_requests() -> None:
    """Flows are told apart by transport, remote and connection, not by the local address."""
    lone = Lone("tcp")
    lone.send("OPTIONS")
    lone.stack.flow_failed(lone.flow._replace(connection=2), 0.0)
    lone.stack.flow_failed(lone.flow._replace(remote=ALICE), 0.0)
    assert lone.told() == []
    lone.stack.flow_failed(lone.flow._replace(local=BOB), 0.0)
    assert lone.told() == ["transport"]
    lone.stack.flow_failed(lone.flow, 0.0)
    assert lone.told() == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_abandoned_request_leaves_nothing(transport: str) -> None:
    """It is repeated no more, its answer tells nothing, and doing it twice does nothing."""
    alice = Lone(transport)
    asked = alice.send("OPTIONS")
    alice.stack.abandon(alice.tx)
    alice.stack.abandon(alice.tx)
    assert (alice.stack.transactions, alice.stack.timers_armed) == (0, 0)
    alice.answer(asked, 200)
    assert alice.told() == []
    alice.stack.flow_failed(alice.flow, 1.0)
    assert alice.told() == []


def test_responses_that_match_nothing_are_dropped() -> None:
    """By branch, by method, or by a second Via (8.1.3.3)."""
    lone = Lone()
    sent = lone.send("OPTIONS")
    stranger = sent.copy()
    stranger.set("via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnobody")
    other_method = sent.copy()
    other_method.set("cseq", "1 BYE")
    two_vias = sent.copy()
    two_vias.set("via", *sent.all("via"), "SIP/2.0/UDP far;branch=z9hG4bKx")
    for asked in (stranger, other_method, two_vias):
        lone.answer(asked, 200)
    assert lone.told() == []
    assert lone.stack.counters.responses_unmatched == 3


def test_the_branch_of_a_response_is_compared_without_case() -> None:
    """It is a token (7.3.1)."""
    lone = Lone()
    sent = lone.send("OPTIONS")
    sent.set("via", sent.required("via").replace("z9hG4bKalice", "Z9HG4BKALICE"))
    lone.answer(sent, 200)
    assert lone.told() == [200]


def test_what_the_user_may_not_ask_raises_local_error() -> None:
    """Our own bugs are loud."""
    lone = Lone()
    for method in ("ACK", "CANCEL"):
        with pytest.raises(LocalError):
            lone.stack.request(request(method), lone.flow, 0.0)
    lone.send("OPTIONS")
    with pytest.raises(LocalError):
        lone.stack.cancel(lone.tx, 0.0)
    with pytest.raises(LocalError):
        lone.stack.ack(lone.tx, request("ACK"), lone.flow, 0.0)
