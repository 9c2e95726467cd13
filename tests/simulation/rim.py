"""The SIP service itself on the wire: its sockets and connections are in memory, all else is real.

Datagrams go in as its UDP listener hands them on; bytes of streams as Twisted hands them to a
connection. What it writes on a stream has to be SIP that can be cut again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock

from sip.events import Event
from sip.flow import Address, Flow
from sip.service import SipService
from sip.stack import Stack
from sip.stream_parser import StreamParser
from sip.transport import Listener
from tests.sip.fakes import FakeSockets, FakeTcp

READ_BYTES_MAX = 65536  # of a stream at once, as Twisted reads


class Peer:
    """One connection of a peer, from both ends."""

    def __init__(self, protocol: Any, local: Address, remote: Address) -> None:
        self.protocol = protocol
        self.tcp = FakeTcp(local, remote)
        self.parser = StreamParser()
        protocol.makeConnection(self.tcp)

    @property
    def is_over(self) -> bool:
        """Whether the service has ended it."""
        return self.tcp.closing or self.tcp.aborted

    def frames(self) -> list[bytes]:
        """The messages that the service has written. Raises StreamError when they are none."""
        data, self.tcp.written = self.tcp.written, b""
        return [frame for frame in self.parser.feed(data) if isinstance(frame, bytes)]


class RimNode:
    """A node of the wire that is a ``SipService`` with a UDP and a TCP listener."""

    def __init__(
        self, stack: Stack, address: Address, on_event: Callable[[Event, float], None], **more: Any
    ) -> None:
        self.reactor = MemoryReactorClock()
        self._sockets = FakeSockets()
        self._address = address
        self._peers: dict[Address, Peer] = {}
        self.service = SipService(
            stack,
            (Listener("udp", address), Listener("tcp", address)),
            reactor=self.reactor,
            clock=self.reactor.seconds,
            on_event=on_event,
            make_socket=self._sockets,
            **more,
        )
        self.service.startService()

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None:
        """A datagram, or bytes of the stream from a peer, whose connection stands or is made."""
        self.advance(now_s)
        if flow.transport == "udp":
            self.service._receive([(data, flow._replace(connection=0))])
        else:
            self._receive_stream(data, flow.remote)
        self._end_failed()

    def hang_up(self, remote: Address) -> None:
        """A peer closes its connection."""
        peer = self._peers.pop(remote, None)
        if peer is not None:
            peer.protocol.connectionLost()

    def advance(self, now_s: float) -> None:
        """Bring the reactor's clock up to the wire's."""
        if now_s > self.reactor.seconds():
            self.reactor.advance(now_s - self.reactor.seconds())
            self._end_failed()

    def next_deadline_s(self) -> float | None:
        """When the reactor has something to do."""
        times = [call.getTime() for call in self.reactor.getDelayedCalls()]
        return min(times) if times else None

    def take_outgoing(self) -> list[tuple[bytes, Flow]]:
        """What left, with the flow that the peer knows."""
        self._end_failed()
        outgoing: list[tuple[bytes, Flow]] = []
        for sock in self._sockets.made:
            outgoing += [
                (data, Flow("udp", self._address, remote)) for data, remote, _ in sock.sent
            ]
            sock.sent.clear()
        for remote, peer in self._peers.items():
            if peer.tcp.written:
                flow = Flow("tcp", self._address, remote, 1)
                outgoing += [(frame, flow) for frame in peer.frames()]
        for remote in [remote for remote, peer in self._peers.items() if peer.is_over]:
            self.hang_up(remote)
        return outgoing

    def _receive_stream(self, data: bytes, remote: Address) -> None:
        peer = self._peers.get(remote)
        if peer is None:
            factory = self.reactor.tcpServers[0][1]
            protocol = factory.buildProtocol(IPv4Address("TCP", *remote))
            if protocol is None:
                return  # too many connections
            peer = self._peers[remote] = Peer(protocol, self._address, remote)
        for at in range(0, len(data), READ_BYTES_MAX):
            if not peer.is_over:
                peer.protocol.dataReceived(data[at : at + READ_BYTES_MAX])

    def _end_failed(self) -> None:
        """Nobody listens where the service wants to connect to."""
        while self.reactor.tcpClients:
            _, _, factory, _, _ = self.reactor.tcpClients.pop()
            factory.clientConnectionFailed(None, None)
        self.reactor.connectors.clear()
