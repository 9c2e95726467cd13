"""SIP over TCP: listeners, connections in both directions and their reuse (RFC 3261 18). Rim.

A connection has a number for life, which its flows carry: so a phone behind NAT is called over the
connection that it registered on. A flow numbered 0 means "open one, or use the one opened before".
TLS will be another ``Connect`` and ``listen`` with the same connections.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from sip.flow import Address, Flow
from sip.stream_parser import KeepAlive, StreamError, StreamParser
from sip.transport import Deliver, Listener, ListenFailed, reason_text

CONNECT_TIMEOUT_S = 8.0
"""Well below timer B, so that a call can still go to the next trunk."""

FIRST_MESSAGE_TIMEOUT_S = 30.0
"""A connection that says nothing for so long is no phone."""

IDLE_TIMEOUT_S = 7500.0
"""Beyond two hours, the longest time for which phones usually register."""

CONNECTIONS_MAX = 20_000
CONNECTIONS_PER_SOURCE_MAX = 500
"""An office of 100 users behind one NAT may keep some each; more is an attack."""

CLOSE_TIMEOUT_S = 2.0
"""How long a close waits for the peer to take what was sent to it last, such as the BYE."""

UNSENT_BYTES_MAX = 1024 * 1024
"""What may wait for a peer that does not read; beyond, the connection is cut."""

LostFlow = Callable[[Flow], None]


@implementer(IPushProducer)
class SipConnection(Protocol, TimeoutMixin):
    """One TCP connection, accepted or opened."""

    transport: Any  # ITransport does not know what TCP adds to it

    def __init__(self, streams: StreamTransport, number: int, opened_for: Flow | None) -> None:
        self._streams = streams
        self.number = number
        self.opened_for = opened_for  # None: the peer opened it
        self.flow: Flow | None = None  # once it is connected
        self.connector: Any = None  # while we open it
        self._parser = StreamParser()
        self._waiting: list[bytes] = []  # until it is connected
        self._unsent_bytes = 0
        self._is_paused = False
        self._is_closing = False

    def send(self, data: bytes) -> None:
        """Send one message, after connecting if need be."""
        if self.flow is None or self._is_paused:
            self._unsent_bytes += len(data)
        if self._unsent_bytes > UNSENT_BYTES_MAX:
            self.cut()
        elif self.flow is None:
            self._waiting.append(data)
        else:
            self.transport.write(data)

    def callLater(self, period: float, func: Callable[[], None]) -> Any:
        """The clock of TimeoutMixin, which would import the global reactor otherwise."""
        return self._streams.reactor.callLater(period, func)

    def close(self) -> None:
        """Close after what is queued has left; one still being opened is given up."""
        if self.transport is not None:
            # Twisted would wait for a producer that it has paused.
            self._is_closing = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._time_out_after(CLOSE_TIMEOUT_S)
        elif self.connector is not None:
            self.connector.stopConnecting()

    def cut(self) -> None:
        """End it at once; one still being opened has its timeout, and drops what is new."""
        if self.transport is not None:
            self.transport.abortConnection()

    def timeoutConnection(self) -> None:
        """The peer was silent for too long; or it is closed and does not take what waits."""
        if self._is_closing:
            self.cut()
        else:
            self.close()

    def _time_out_after(self, seconds: float | None) -> None:
        self.setTimeout(seconds)  # type: ignore[no-untyped-call]

    # Protocol

    def connectionMade(self) -> None:
        """Learn the addresses, and send what waited."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        local, remote = (_address(self.transport.getHost()), _address(self.transport.getPeer()))
        if self.opened_for is not None:
            local, remote = self.opened_for.local, self.opened_for.remote
        self.flow = Flow("tcp", local, remote, self.number)
        self._time_out_after(FIRST_MESSAGE_TIMEOUT_S if self.opened_for is None else IDLE_TIMEOUT_S)
        waiting, self._waiting, self._unsent_bytes = self._waiting, [], 0
        for data in waiting:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Cut the stream into messages; one that cannot be cut ends the connection."""
        try:
            frames = self._parser.feed(data)
        except StreamError as error:
            self._take(error.frames)
            self.close()
        else:
            self._take(frames)

    def _take(self, frames: list[bytes | KeepAlive]) -> None:
        assert self.flow is not None
        messages: list[tuple[bytes, Flow]] = []
        for frame in frames:
            if frame is KeepAlive.PING:
                self.transport.write(KeepAlive.PONG.value)
            elif isinstance(frame, bytes):
                messages.append((frame, self.flow))
        if frames:
            self._time_out_after(IDLE_TIMEOUT_S)
        if messages:
            self._streams.deliver(messages)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, by whoever's wish."""
        del reason
        self._time_out_after(None)
        self._streams.forget(self)

    # IPushProducer: the transport says when its buffer is full

    def pauseProducing(self) -> None:
        """The buffer is full, and Twisted says so at each write: count from the first one on."""
        if not self._is_paused:
            self._is_paused = True
            self._unsent_bytes = 0

    def resumeProducing(self) -> None:
        """The buffer is empty again."""
        self._is_paused = False

    def stopProducing(self) -> None:
        """The transport is going away; ``connectionLost`` follows."""


class _Accept(Factory):
    """Makes connections for a listener, within the caps."""

    noisy = False

    def __init__(self, streams: StreamTransport) -> None:
        self._streams = streams

    def buildProtocol(self, addr: IAddress | None) -> SipConnection | None:
        return self._streams.accept(_address(addr).host)


class _Open(ClientFactory):
    """Makes the one connection that was asked for."""

    noisy = False

    def __init__(self, connection: SipConnection, streams: StreamTransport) -> None:
        self._connection = connection
        self._streams = streams

    def buildProtocol(self, addr: IAddress | None) -> SipConnection:
        del addr
        return self._connection

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        del connector, reason
        self._streams.forget(self._connection)


class StreamTransport:
    """Every TCP listener and connection of a service.

    ``deliver`` gets the messages, ``on_lost`` each flow that is lost: with the connection's number,
    and for one that we opened also numbered 0, as it was asked for.
    """

    def __init__(
        self, reactor: Any, deliver: Deliver, on_lost: LostFlow, banned: Container[str] = ()
    ) -> None:
        self.reactor = reactor
        self.deliver = deliver
        self._on_lost = on_lost
        self._banned = banned
        self._ports: list[Any] = []
        self._connections: dict[int, SipConnection] = {}
        self._opened: dict[Address, SipConnection] = {}
        self._sources: dict[int, str] = {}  # of the accepted connections
        self._per_source: dict[str, int] = {}
        self._last_number = 0
        self._closed: Deferred[None] | None = None  # while a close waits for connections

    def __len__(self) -> int:
        """How many connections there are, those being opened included."""
        return len(self._connections)

    def listen(self, listener: Listener) -> Address:
        """Open a listener and return its address. Raises ListenFailed."""
        host, port = listener.address
        try:
            opened = self.reactor.listenTCP(port, _Accept(self), backlog=1024, interface=host)
        except CannotListenError as error:
            raise ListenFailed(listener, reason_text(error.socketError)) from error
        self._ports.append(opened)
        return Address(host, opened.getHost().port)

    def close(self) -> Deferred[Any]:
        """Close listeners and connections; fires when they are, at latest CLOSE_TIMEOUT_S later."""
        ports, self._ports = self._ports, []
        waits = [maybeDeferred(port.stopListening) for port in ports]
        for connection in list(self._connections.values()):
            connection.close()
        if self._connections:
            self._closed = Deferred()
            waits.append(self._closed)
            timeout = self.reactor.callLater(CLOSE_TIMEOUT_S, self._cut_all)
            self._closed.addCallback(lambda _: timeout.active() and timeout.cancel())
        return DeferredList(waits)

    def _cut_all(self) -> None:
        for connection in list(self._connections.values()):
            connection.cut()

    def send(self, data: bytes, flow: Flow) -> None:
        """Send over the flow's connection, or open one when it is numbered 0."""
        if flow.connection:
            connection = self._connections.get(flow.connection)
        else:
            connection = self._opened.get(flow.remote) or self._open(flow)
        if connection is None:
            self._on_lost(flow)
        else:
            connection.send(data)

    def accept(self, host: str) -> SipConnection | None:
        """Number a connection that a peer opened, or ``None`` to refuse it."""
        if host in self._banned:
            return None
        count = self._per_source.get(host, 0)
        if count >= CONNECTIONS_PER_SOURCE_MAX or len(self._connections) >= CONNECTIONS_MAX:
            return None
        connection = self._number(None)
        self._per_source[host] = count + 1
        self._sources[connection.number] = host
        return connection

    def forget(self, connection: SipConnection) -> None:
        """Take a lost connection out and tell its flows."""
        if self._connections.pop(connection.number, None) is None:
            return
        self._release_source(connection.number)
        asked = connection.opened_for
        if asked is not None:
            self._opened.pop(asked.remote, None)
            self._on_lost(asked)
        if connection.flow is not None:
            self._on_lost(connection.flow)
        if self._closed is not None and not self._connections:
            closed, self._closed = self._closed, None
            closed.callback(None)

    def _open(self, flow: Flow) -> SipConnection | None:
        if len(self._connections) >= CONNECTIONS_MAX:
            return None
        connection = self._number(flow)
        self._opened[flow.remote] = connection
        wildcard = flow.local.host in ("0.0.0.0", "::", "")
        connection.connector = self.reactor.connectTCP(
            flow.remote.host,
            flow.remote.port,
            _Open(connection, self),
            timeout=CONNECT_TIMEOUT_S,
            bindAddress=None if wildcard else (flow.local.host, 0),
        )
        return connection

    def _number(self, opened_for: Flow | None) -> SipConnection:
        self._last_number += 1
        connection = SipConnection(self, self._last_number, opened_for)
        self._connections[connection.number] = connection
        return connection

    def _release_source(self, number: int) -> None:
        host = self._sources.pop(number, None)
        if host is None:
            return
        left = self._per_source[host] - 1
        if left:
            self._per_source[host] = left
        else:
            del self._per_source[host]


def _address(address: Any) -> Address:
    return Address(address.host, address.port)
