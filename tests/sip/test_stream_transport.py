"""TCP listeners and connections on a reactor in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from sip import stream_transport
from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.stream_connection import (
    CLOSE_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    FIRST_MESSAGE_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    MESSAGE_TIMEOUT_S,
    UNSENT_BYTES_MAX,
    SipConnection,
)
from sip.stream_transport import StreamTransport
from sip.transport import Listener, ListenFailed
from tests.sip.answers import answered
from tests.sip.fakes import FakeTcp
from tests.sip.peers import request, wire_bytes

LOCAL = Address("192.0.2.2", 5060)
PHONE = Address("192.0.2.1", 49152)
TRUNK = Flow("tcp", LOCAL, Address("192.0.2.9", 5060))
MESSAGE = wire_bytes(request("OPTIONS"), transport="TCP")


class Streams:
    """The transport, what it delivered and which flows it lost."""

    def __init__(self, reactor: MemoryReactorClock | None = None) -> None:
        self.reactor = reactor or MemoryReactorClock()
        self.delivered: list[tuple[bytes, Flow]] = []
        self.lost: list[Flow] = []
        self.refused: list[tuple[bytes, Flow, int]] = []
        self.needed: set[int] = set()
        self.streams = StreamTransport(
            self.reactor,
            self.delivered.extend,
            self.lost.append,
            self.refuse,
            is_needed=lambda flow: flow.connection in self.needed,
        )
        self.streams.listen(Listener("tcp", LOCAL))

    def refuse(self, head: bytes, flow: Flow, error: RemoteError) -> None:
        """Keep what could not be framed."""
        self.refused.append((head, flow, error.status_hint))

    def accept(self, remote: Address = PHONE) -> tuple[SipConnection, FakeTcp] | None:
        """Let a peer connect; ``None`` when it is refused."""
        factory = self.reactor.tcpServers[0][1]
        protocol = factory.buildProtocol(IPv4Address("TCP", remote.host, remote.port))
        return None if protocol is None else connected(protocol, FakeTcp(LOCAL, remote))

    def accepted(self, remote: Address = PHONE) -> tuple[SipConnection, FakeTcp]:
        """Let a peer connect that is not refused."""
        found = self.accept(remote)
        assert found is not None
        return found

    def opened(self, number: int = 0) -> tuple[SipConnection, FakeTcp]:
        """Let an attempt of ours succeed."""
        host, port, factory, _, _ = self.reactor.tcpClients[number]
        tcp = FakeTcp(Address("192.0.2.2", 33333), Address(host, port))
        return connected(factory.buildProtocol(IPv4Address("TCP", host, port)), tcp)


def connected(protocol: Any, tcp: FakeTcp) -> tuple[SipConnection, FakeTcp]:
    """Join both ends."""
    protocol.makeConnection(tcp)
    return protocol, tcp


def answer_to(sent_by: str) -> bytes:
    """A 200 to somebody whose Via says this."""
    asked = request("OPTIONS")
    asked.headers["via"] = [f"SIP/2.0/TCP {sent_by};branch=z9hG4bKx"]
    return bytes(answered(asked, 200, to_tag="b"))


def lose(connection: SipConnection) -> None:
    """End a connection from outside."""
    connection.connectionLost(Failure(ConnectionDone()))


def test_messages_are_cut_out_of_the_stream_with_the_connections_flow() -> None:
    """However the bytes are divided."""
    streams = Streams()
    phone, _ = streams.accepted()
    phone.dataReceived(MESSAGE[:30])
    phone.dataReceived(MESSAGE[30:] + MESSAGE)
    assert streams.delivered == [(MESSAGE, Flow("tcp", LOCAL, PHONE, phone.number))] * 2


def test_a_phone_is_called_over_its_own_connection() -> None:
    """A flow's number leads back to it; no new connection is opened."""
    streams = Streams()
    first, first_tcp = streams.accepted()
    _, second_tcp = streams.accepted()
    assert first.flow is not None
    streams.streams.send(b"INVITE", first.flow)
    assert (first_tcp.written, second_tcp.written) == (b"INVITE", b"")
    assert streams.reactor.tcpClients == []


def test_a_keep_alive_is_answered() -> None:
    """RFC 5626 4.4.1: CRLF CRLF, then CRLF."""
    streams = Streams()
    phone, tcp = streams.accepted()
    phone.dataReceived(b"\r\n\r\n")
    assert tcp.written == b"\r\n"
    assert streams.delivered == []
    assert phone.flow is not None
    looks = [streams.streams.took_ping(phone.flow) for _ in range(2)]
    assert looks == [True, False]


def test_a_stream_that_cannot_be_cut_is_closed() -> None:
    """What was complete before is still delivered, and the rest is answered."""
    streams = Streams()
    phone, tcp = streams.accepted()
    head = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -1"
    phone.dataReceived(MESSAGE + head + b"\r\n\r\n")
    assert len(streams.delivered) == 1
    assert streams.refused == [(head, phone.flow, 400)]
    assert tcp.closing
    phone.dataReceived(MESSAGE)
    assert len(streams.delivered) == 1


@given(st.lists(st.binary(max_size=40) | st.sampled_from([MESSAGE, MESSAGE[:50], b"\r\n"])))
def test_nothing_that_a_peer_sends_raises(chunks: list[bytes]) -> None:
    """It gets messages in, or its connection closed."""
    streams = Streams()
    phone, tcp = streams.accepted()
    for chunk in chunks:
        phone.dataReceived(chunk)
    assert tcp.closing == bool(streams.refused)
    assert len(streams.refused) <= 1


def test_a_lost_connection_is_told_and_forgotten() -> None:
    """Sending on it afterwards is told as lost again, and opens nothing."""
    streams = Streams()
    phone, _ = streams.accepted()
    flow = phone.flow
    assert flow is not None
    lose(phone)
    assert streams.lost == [flow]
    streams.streams.send(b"x", flow)
    assert streams.lost == [flow, flow]
    assert (len(streams.streams), streams.streams._per_source) == (0, {})


def test_a_flow_numbered_0_opens_one_connection_and_uses_it_again() -> None:
    """What is sent meanwhile waits; it leaves from the flow's local address."""
    streams = Streams()
    streams.streams.send(b"one", TRUNK)
    streams.streams.send(b"two", TRUNK)
    assert [client[:2] for client in streams.reactor.tcpClients] == [("192.0.2.9", 5060)]
    assert streams.reactor.tcpClients[0][4] == ("192.0.2.2", 0)
    connection, tcp = streams.opened()
    assert tcp.written == b"onetwo"
    streams.streams.send(b"three", TRUNK)
    assert tcp.written == b"onetwothree"
    connection.dataReceived(MESSAGE)
    assert streams.delivered == [(MESSAGE, TRUNK._replace(connection=connection.number))]


def test_a_connection_that_we_opened_is_lost_under_both_its_numbers() -> None:
    """Requests were sent on flow 0; the next one opens a new connection."""
    streams = Streams()
    streams.streams.send(b"one", TRUNK)
    connection, _ = streams.opened()
    lose(connection)
    assert streams.lost == [TRUNK, TRUNK._replace(connection=connection.number)]
    streams.streams.send(b"two", TRUNK)
    assert len(streams.reactor.tcpClients) == 2


def test_a_connection_that_cannot_be_opened_is_told() -> None:
    """A refusal ends the attempt, and the next request tries again."""
    streams = Streams()
    streams.streams.send(b"one", TRUNK)
    _, _, factory, timeout_s, _ = streams.reactor.tcpClients[0]
    assert timeout_s == CONNECT_TIMEOUT_S
    factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert streams.lost == [TRUNK]
    assert len(streams.streams) == 0


def test_a_source_may_keep_only_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are not hurt, and a closed one makes room."""
    monkeypatch.setattr(stream_transport, "CONNECTIONS_PER_SOURCE_MAX", 2)
    streams = Streams()
    first, _ = streams.accepted()
    streams.accepted()
    assert streams.accept() is None
    streams.accepted(Address("192.0.2.77", 1))
    lose(first)
    streams.accepted()


def test_a_banned_source_is_not_connected() -> None:
    """For as long as it is banned."""
    streams = Streams()
    banned: set[str] = set()
    streams.streams._banned = banned
    streams.accepted()
    banned.add(PHONE.host)
    assert streams.accept() is None
    banned.clear()
    streams.accepted()


def test_all_connections_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted and opened ones."""
    monkeypatch.setattr(stream_transport, "CONNECTIONS_MAX", 1)
    streams = Streams()
    streams.accepted()
    assert streams.accept(Address("192.0.2.77", 1)) is None
    streams.streams.send(b"x", TRUNK)
    assert streams.lost == [TRUNK]


def test_a_silent_connection_is_closed_early_and_an_idle_one_late() -> None:
    """Keep-alives alone do not hold a connection that nobody needs."""
    streams = Streams()
    _, silent = streams.accepted()
    phone, tcp = streams.accepted()
    phone.dataReceived(MESSAGE)
    streams.reactor.advance(FIRST_MESSAGE_TIMEOUT_S)
    assert (silent.closing, tcp.closing) == (True, False)
    phone.dataReceived(b"\r\n\r\n")
    streams.reactor.advance(IDLE_TIMEOUT_S - FIRST_MESSAGE_TIMEOUT_S)
    assert tcp.closing


def test_a_connection_of_a_registered_phone_stays() -> None:
    """It may say nothing for hours; when its registration is over, it is idle as any other."""
    streams = Streams()
    phone, tcp = streams.accepted()
    phone.dataReceived(MESSAGE)
    streams.needed.add(phone.number)
    streams.reactor.pump([IDLE_TIMEOUT_S] * 3)
    assert not tcp.closing
    streams.needed.clear()
    streams.reactor.advance(IDLE_TIMEOUT_S)
    assert tcp.closing


def test_a_message_that_trickles_in_has_a_time_of_its_own() -> None:
    """One byte at a time keeps nothing open, needed or not; complete messages do."""
    streams = Streams()
    slow, slow_tcp = streams.accepted()
    busy, busy_tcp = streams.accepted()
    streams.needed.add(slow.number)
    slow.dataReceived(MESSAGE)
    for at in range(int(MESSAGE_TIMEOUT_S)):
        slow.dataReceived(MESSAGE[at : at + 1])
        busy.dataReceived(MESSAGE[at:] + MESSAGE[: at + 1])
        streams.reactor.advance(1)
    assert (slow_tcp.closing, busy_tcp.closing) == (True, False)


def test_an_answer_whose_connection_is_gone_goes_over_a_new_one() -> None:
    """RFC 3261 18.2.2: to the source's address, at the port of the Via; other answers share it."""
    streams = Streams()
    phone, _ = streams.accepted()
    flow = phone.flow
    assert flow is not None
    lose(phone)
    answer = answer_to("10.0.0.1:5062")
    streams.streams.send(answer, flow)
    streams.streams.send(answer, flow)
    assert [client[:2] for client in streams.reactor.tcpClients] == [(PHONE.host, 5062)]
    assert streams.reactor.tcpClients[0][4] == (LOCAL.host, 0)
    _, tcp = streams.opened()
    assert tcp.written == answer * 2
    streams.streams.send(b"INVITE", flow)
    assert streams.lost[-1] == flow


def test_an_answer_to_something_broken_is_lost_with_its_connection() -> None:
    """Its Via is the peer's, and may be anything."""
    streams = Streams()
    phone, _ = streams.accepted()
    assert phone.flow is not None
    lose(phone)
    streams.streams.send(answer_to("no host at all"), phone.flow)
    assert streams.lost == [phone.flow, phone.flow]
    assert streams.reactor.tcpClients == []


def test_an_answer_without_a_port_in_its_via_goes_to_the_usual_one() -> None:
    """5060 for TCP."""
    streams = Streams()
    phone, _ = streams.accepted()
    assert phone.flow is not None
    lose(phone)
    answer = answer_to("phone.example")
    streams.streams.send(answer, phone.flow)
    assert streams.reactor.tcpClients[0][:2] == (PHONE.host, 5060)


def test_a_peer_that_does_not_read_is_cut_off() -> None:
    """Memory for what waits is bounded; reading again clears the account."""
    streams = Streams()
    phone, tcp = streams.accepted()
    assert phone.flow is not None
    half = b"x" * (UNSENT_BYTES_MAX // 2 + 1)
    for _ in range(3):
        tcp.producer.pauseProducing()
        streams.streams.send(half, phone.flow)
        tcp.producer.resumeProducing()
    assert not tcp.aborted
    for _ in range(2):  # Twisted pauses again at each write to a full buffer
        tcp.producer.pauseProducing()
        streams.streams.send(half, phone.flow)
    assert tcp.aborted


def test_a_broken_stream_is_closed_even_if_its_peer_does_not_read() -> None:
    """Twisted does not close what waits for a paused producer, nor what nobody takes."""
    streams = Streams()
    phone, tcp = streams.accepted()
    tcp.producer.pauseProducing()
    phone.dataReceived(b"garbage\r\n\r\n")
    assert (tcp.producer, tcp.closing, tcp.aborted) == (None, True, False)
    streams.reactor.advance(CLOSE_TIMEOUT_S)
    assert tcp.aborted


def test_a_connection_being_opened_keeps_a_bounded_queue() -> None:
    """What is beyond is dropped; the attempt has its own timeout."""
    streams = Streams()
    streams.streams.send(b"a", TRUNK)
    streams.streams.send(b"b" * UNSENT_BYTES_MAX, TRUNK)
    _, tcp = streams.opened()
    assert tcp.written == b"a"


def test_closing_waits_for_connections_to_end() -> None:
    """What was sent last still leaves; then no timer is left."""
    streams = Streams()
    phone, tcp = streams.accepted()
    done: list[object] = []
    streams.streams.close().addCallback(done.append)
    assert (tcp.closing, done) == (True, [])
    lose(phone)
    assert len(done) == 1
    assert streams.reactor.getDelayedCalls() == []


def test_closing_does_not_wait_for_a_peer_that_keeps_its_end_open() -> None:
    """It is cut off."""
    streams = Streams()
    _, tcp = streams.accepted()
    streams.streams.close()
    streams.reactor.advance(CLOSE_TIMEOUT_S)
    assert tcp.aborted


def test_closing_gives_up_what_is_still_being_opened() -> None:
    """The attempt is stopped."""
    streams = Streams()
    streams.streams.send(b"x", TRUNK)
    streams.streams.close()
    assert streams.reactor.connectors[0].stoppedConnecting


def test_a_busy_port_is_named() -> None:
    """The same error as for UDP."""

    class Busy(MemoryReactorClock):
        def listenTCP(self, port: int, factory: Any, **options: Any) -> Any:
            del factory, options
            raise CannotListenError("127.0.0.1", port, OSError(98, "Address already in use"))

    with pytest.raises(ListenFailed) as caught:
        Streams(Busy())
    assert str(caught.value) == "cannot listen on tcp 192.0.2.2:5060: address already in use"
