"""The service: sockets, stack, user and one timer, on a reactor in memory."""

from __future__ import annotations

from itertools import count
from typing import Any
from unittest import mock

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from sip import service as service_module
from sip.events import Event, RequestFailed, RequestReceived
from sip.flow import Address, Flow
from sip.parser import HEAD_BYTES_MAX, parse_message
from sip.service import SipService
from sip.transport import Listener, ListenFailed, Unreachable
from tests.simulation.wire import make_stack
from tests.sip.fakes import FakeSockets, FakeTcp
from tests.sip.peers import ALICE, request, wire_bytes

UDP = Listener("udp", Address("192.0.2.2", 5060))
TCP = Listener("tcp", Address("192.0.2.2", 5060))


class ServiceTests(SynchronousTestCase):
    """One service with a UDP and a TCP listener; its user answers 200 to everything."""

    def setUp(self) -> None:
        """Start it."""
        self.reactor = MemoryReactorClock()
        self.sockets = FakeSockets()
        self.told: list[Event] = []
        self.answers_at_once = True
        self.numbers = count(1)
        self.stack = make_stack("s")
        self.service = self.make(UDP, TCP)
        self.service.startService()
        self.socket = self.sockets.made[0]

    def make(self, *listeners: Listener) -> SipService:
        """A service on listeners."""
        return SipService(
            self.stack,
            listeners,
            reactor=self.reactor,
            clock=self.reactor.seconds,
            on_event=self.on_event,
            make_socket=self.sockets,
        )

    def on_event(self, event: Event, now_s: float) -> None:
        """The user: answers, or trips over requests of the method INFO."""
        self.told.append(event)
        if isinstance(event, RequestReceived):
            if event.request.method == "INFO":
                raise ValueError("a bug of the user")
            if self.answers_at_once:
                self.stack.respond(event.transaction, 200, now_s=now_s)

    def arrive(self, *messages: bytes) -> None:
        """Let datagrams come in together."""
        self.socket.incoming = [(data, tuple(ALICE)) for data in messages]
        self.service._udp[UDP.address].doRead()

    def data(self, method: str) -> bytes:
        """A request of its own transaction."""
        return wire_bytes(request(method), branch=f"z9hG4bK{next(self.numbers)}")

    def statuses(self) -> list[int]:
        """What was answered."""
        found = [parse_message(data) for data, _, _ in self.socket.sent]
        return [message.status for message in found]  # type: ignore[union-attr]

    def send_options(self, transport: str = "udp") -> Flow:
        """Let the user send a request outside of an event."""
        flow = self.service.local_flow_to(ALICE, transport)
        self.stack.request(request("OPTIONS"), flow, self.reactor.seconds())
        self.service.flush()
        return flow

    def test_a_datagram_is_answered(self) -> None:
        """Receive, tell, send, all in one turn."""
        self.arrive(self.data("OPTIONS"))
        assert self.statuses() == [200]
        assert self.socket.sent[0][1] == ALICE

    def test_one_timer_is_armed_whatever_happens(self) -> None:
        """Hundreds of transactions, one call of the reactor's."""
        self.arrive(*[self.data("OPTIONS") for _ in range(50)])
        self.send_options()
        assert len(self.reactor.getDelayedCalls()) == 1

    def test_timers_come_up_on_time(self) -> None:
        """Retransmissions at 0.5 s and 1.5 s, at most one tick late, and the end at 32 s."""
        self.send_options()
        self.reactor.pump([0.51, 1.02])
        assert len(self.socket.sent) == 3
        self.reactor.pump([0.1] * 320)
        assert isinstance(self.told[-1], RequestFailed)
        assert self.reactor.getDelayedCalls() == []

    def test_an_earlier_deadline_replaces_the_timer(self) -> None:
        """Timer J waits for 32 s, timer E of a later request for 0.5 s."""
        self.arrive(self.data("OPTIONS"))
        self.send_options()
        self.reactor.pump([0.51])
        assert len(self.socket.sent) == 3

    def test_a_bug_of_the_user_costs_one_message(self) -> None:
        """It is logged, and the messages around it are served."""
        self.arrive(self.data("OPTIONS"), self.data("INFO"), self.data("OPTIONS"))
        assert self.statuses() == [200, 200]
        assert len(self.flushLoggedErrors(ValueError)) == 1

    def test_a_bug_of_the_stack_costs_one_message(self) -> None:
        """The same for what the stack trips over."""
        receive = self.stack.receive

        def trip(data: bytes, flow: Flow, now_s: float) -> None:
            if b"INFO" in data:
                raise KeyError("a bug of the stack")
            receive(data, flow, now_s)

        self.patch(self.stack, "receive", trip)
        self.arrive(self.data("INFO"), self.data("OPTIONS"))
        assert self.statuses() == [200]
        assert len(self.flushLoggedErrors(KeyError)) == 1

    def test_a_connection_that_fails_is_told(self) -> None:
        """The request over it fails at once, not after 32 s."""
        self.send_options("tcp")
        factory: Any = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(None, None)
        event = self.told[-1]
        assert isinstance(event, RequestFailed)
        assert event.cause == "transport"

    def test_a_flow_is_told_that_is_lost_before_it_is_sent_on(self) -> None:
        """Sending on a connection that is gone fails the request in the same turn."""
        flow = Flow("tcp", TCP.address, ALICE, 99)
        self.stack.request(request("OPTIONS"), flow, 0.0)
        self.service.flush()
        assert isinstance(self.told[-1], RequestFailed)

    def accepted(self) -> tuple[Any, FakeTcp]:
        """A peer's connection."""
        wire = self.reactor.tcpServers[0][1].buildProtocol(IPv4Address("TCP", *ALICE))
        tcp = FakeTcp(TCP.address, ALICE)
        wire.makeConnection(tcp)
        return wire, tcp

    def test_a_message_that_cannot_be_framed_is_answered_and_its_connection_closed(self) -> None:
        """RFC 3261 18.3: Content-Length is mandatory on a stream; what came before is served."""
        wire, tcp = self.accepted()
        nameless = self.data("OPTIONS").replace(b"Content-Length: 0\r\n", b"")
        wire.dataReceived(self.data("OPTIONS") + nameless + self.data("OPTIONS"))
        _, first, second = tcp.written.split(b"SIP/2.0 ")
        assert first.startswith(b"200 OK")
        assert second.startswith(b"400 0 Content-Length fields on a stream, one is needed\r\n")
        assert tcp.closing

    def test_a_head_without_an_end_is_refused_as_too_large(self) -> None:
        """It says enough for an answer."""
        wire, tcp = self.accepted()
        wire.dataReceived(self.data("OPTIONS")[:-2] + b"X: " + b"x" * HEAD_BYTES_MAX)
        assert tcp.written.startswith(b"SIP/2.0 513 ")
        assert tcp.closing

    def test_an_answer_that_comes_after_its_connection_opens_another_one(self) -> None:
        """RFC 3261 18.2.2: the user took its time, and the peer has connected anew meanwhile."""
        self.answers_at_once = False
        wire, _ = self.accepted()
        wire.dataReceived(self.data("OPTIONS"))
        wire.connectionLost()
        (event,) = self.told
        assert isinstance(event, RequestReceived)
        self.stack.respond(event.transaction, 200, now_s=self.reactor.seconds())
        self.service.flush()
        host, port, factory, _, _ = self.reactor.tcpClients[0]
        assert (host, port) == ALICE
        tcp = FakeTcp(TCP.address, ALICE)
        factory.buildProtocol(None).makeConnection(tcp)
        assert tcp.written.startswith(b"SIP/2.0 200 OK")

    def test_flows_leave_from_a_listener_of_their_kind(self) -> None:
        """By transport and address family; what is not there is named."""
        assert self.service.local_flow_to(ALICE, "udp") == Flow("udp", UDP.address, ALICE)
        with pytest.raises(Unreachable, match=r"no tls listener can reach 192\.0\.2\.1:5060"):
            self.service.local_flow_to(ALICE, "tls")
        with pytest.raises(Unreachable, match=r"no udp listener can reach \[2001:db8::1\]:5060"):
            self.service.local_flow_to(Address("2001:db8::1", 5060), "udp")

    def test_among_several_listeners_the_kernels_choice_decides(self) -> None:
        """An exact address before a wildcard one, whose port goes with the kernel's address."""
        exact = Listener("udp", Address("127.0.0.1", 5070))
        other = Listener("udp", Address("127.0.0.2", 5070))
        wildcard = Listener("udp", Address("0.0.0.0", 5080))
        peer = Address("127.0.0.1", 9)
        for listeners, local in (
            ((other, exact), exact.address),
            ((other, wildcard), Address("127.0.0.1", 5080)),
            ((other, UDP), other.address),
        ):
            service = self.make(*listeners)
            assert service.local_flow_to(peer, "udp").local == local

    def test_what_is_remembered_of_peers_is_bounded(self) -> None:
        """The kernel is asked anew when there were more of them."""
        service = self.make(Listener("udp", Address("0.0.0.0", 5080)))
        with mock.patch.object(service_module, "LOCAL_HOSTS_MAX", 3):
            for number in range(10):
                service.local_flow_to(Address(f"127.0.0.{number + 1}", 9), "udp")
                assert len(service._hosts) <= 3

    def test_a_wildcard_listener_sends_from_the_flows_address(self) -> None:
        """The flow's local address is not bound by itself."""
        service = self.make(Listener("udp", Address("0.0.0.0", 5090)))
        service.startService()
        self.addCleanup(service.stopService)
        flow = Flow("udp", Address("198.51.100.7", 5090), ALICE)
        self.stack.request(request("OPTIONS"), flow, 0.0)
        service.flush()
        assert self.sockets.made[-1].sent[0][2] == "198.51.100.7"

    def test_starting_twice_opens_nothing_twice(self) -> None:
        """Nor does stopping twice."""
        self.service.startService()
        assert len(self.sockets.made) == 1
        self.arrive(self.data("OPTIONS"))
        self.successResultOf(self.service.stopService())
        assert self.service.stopService() is None
        assert self.socket.closed
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.getReaders() == []

    def test_after_stopping_calls_of_the_stack_go_nowhere(self) -> None:
        """The last words of a call that ends late are lost quietly."""
        flow = self.service.local_flow_to(ALICE, "udp")
        self.service.stopService()
        self.stack.request(request("OPTIONS"), flow, 0.0)
        self.service.flush()
        assert (self.socket.sent, self.reactor.getDelayedCalls()) == ([], [])

    def test_when_one_listener_fails_none_stays_open(self) -> None:
        """The error names the port; a later start can succeed."""
        made = len(self.sockets.made)
        self.sockets.busy_ports = {5099}
        busy = Listener("udp", Address("192.0.2.2", 5099))
        service = self.make(Listener("udp", Address("192.0.2.2", 5098)), busy)
        with pytest.raises(ListenFailed, match=r"udp 192\.0\.2\.2:5099: address already in use"):
            service.startService()
        assert all(sock.closed for sock in self.sockets.made[made:])
        assert not service.running
        self.sockets.busy_ports = set()
        service.startService()
        assert service.running
        service.stopService()
