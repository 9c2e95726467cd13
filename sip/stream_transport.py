"""SIP over TCP and TLS: listeners, connections in both directions and their reuse (RFC 3261 18,
RFC 5923). Rim.

A connection has a number for life, which its flows carry: so a phone behind NAT is called over the
connection that it registered on. A flow numbered 0 means "open one, or use the one opened before".
A connection that a peer opened is used for the dialogs and registrations that came over it and for
nothing else: nobody proves by a certificate that it is the peer which an ``alias`` in Via names.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Container
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Factory
from twisted.python.failure import Failure

from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.matching import flow_after_loss
from sip.parser import parse_message
from sip.stream_connection import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, SipConnection
from sip.tls import Tls
from sip.transport import Deliver, Listener, ListenFailed, reason_text

CONNECTIONS_MAX = 20_000
CONNECTIONS_PER_SOURCE_MAX = 500
"""An office of 100 users behind one NAT may keep some each; more is an attack."""

BACKLOG = 1024

LostFlow = Callable[[Flow], None]
Refuse = Callable[[bytes, Flow, RemoteError], None]
IsNeeded = Callable[[Flow], bool]
Destination = tuple[str, Address, str]  # transport, remote, host of its certificate


class _Accept(Factory):
    """Makes connections for a listener, within the caps."""

    noisy = False

    def __init__(self, streams: StreamTransport, kind: str) -> None:
        self._streams = streams
        self._kind = kind

    def buildProtocol(self, addr: IAddress | None) -> SipConnection | None:
        host: str = getattr(addr, "host", "")
        return self._streams.accept(host, self._kind)


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
    """Every TCP and TLS listener and connection of a service.

    ``deliver`` gets the messages, ``on_lost`` each flow that is lost: with the connection's number,
    and for one that we opened also numbered 0, as it was asked for. ``refuse`` answers what could
    not be framed; a flow that ``is_needed`` is not closed for being idle.
    """

    def __init__(
        self,
        reactor: Any,
        deliver: Deliver,
        on_lost: LostFlow,
        refuse: Refuse,
        *,
        is_needed: IsNeeded,
        tls: Tls | None = None,
        banned: Container[str] = (),
    ) -> None:
        self.reactor = reactor
        self.deliver = deliver
        self.refuse = refuse
        self.is_needed = is_needed
        self.tls = tls
        self._on_lost = on_lost
        self._banned = banned
        self._ports: list[Any] = []
        self._connections: dict[int, SipConnection] = {}
        self._opened: dict[Destination, SipConnection] = {}
        self._sources: dict[int, str] = {}  # of the accepted connections
        self._per_source: dict[str, int] = {}
        self._last_number = 0
        self._closed: Deferred[None] | None = None  # while a close waits for connections

    def __len__(self) -> int:
        """How many connections there are, those being opened included."""
        return len(self._connections)

    def listen(self, listener: Listener) -> Address:
        """Open a listener and return its address. Raises ListenFailed."""
        factory: Any = _Accept(self, listener.transport)
        if listener.transport == "tls":
            if self.tls is None:
                raise ListenFailed(listener, "no certificate")
            factory = self.tls.accepting(factory, self.reactor)
        host, port = listener.address
        try:
            if host == "::":
                opened = self._listen_on_ipv6_alone(port, factory)
            else:
                opened = self.reactor.listenTCP(port, factory, backlog=BACKLOG, interface=host)
        except CannotListenError as error:
            raise ListenFailed(listener, reason_text(error.socketError)) from error
        except OSError as error:
            raise ListenFailed(listener, reason_text(error)) from error
        self._ports.append(opened)
        return Address(host, opened.getHost().port)

    def _listen_on_ipv6_alone(self, port: int, factory: Any) -> Any:
        """On every IPv6 address, with room for an IPv4 listener on the same port. Twisted's own
        socket would take both families."""
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("::", port))
            sock.listen(BACKLOG)
            return self.reactor.adoptStreamPort(sock.fileno(), socket.AF_INET6, factory)

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
        """Send over the flow's connection, or open one when it is numbered 0. An answer whose
        connection is gone goes over a new one (RFC 3261 18.2.2)."""
        if flow.connection and flow.connection not in self._connections:
            flow = _after_loss(data, flow)
        if flow.connection:
            connection = self._connections.get(flow.connection)
        else:
            connection = self._opened.get(_destination(flow)) or self._open(flow)
        if connection is None:
            self._on_lost(flow)
        else:
            connection.send(data)

    def took_ping(self, flow: Flow) -> bool:
        """Whether a keep-alive came over a flow's connection since this was asked last."""
        connection = self._connections.get(flow.connection)
        if connection is None:
            return False
        took, connection.pinged = connection.pinged, False
        return took

    def accept(self, host: str, kind: str) -> SipConnection | None:
        """Number a connection that a peer opened, or ``None`` to refuse it."""
        if host in self._banned:
            return None
        count = self._per_source.get(host, 0)
        if count >= CONNECTIONS_PER_SOURCE_MAX or len(self._connections) >= CONNECTIONS_MAX:
            return None
        connection = self._number(kind, None)
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
            self._opened.pop(_destination(asked), None)
            self._on_lost(asked)
        if connection.flow is not None:
            self._on_lost(connection.flow)
        if self._closed is not None and not self._connections:
            closed, self._closed = self._closed, None
            closed.callback(None)

    def _open(self, flow: Flow) -> SipConnection | None:
        secure = flow.transport == "tls"
        if len(self._connections) >= CONNECTIONS_MAX or (secure and self.tls is None):
            return None
        connection = self._number(flow.transport, flow)
        self._opened[_destination(flow)] = connection
        factory: Any = _Open(connection, self)
        if secure and self.tls is not None:
            host = flow.host or flow.remote.host
            factory = self.tls.opening(factory, self.reactor, host)
        wildcard = flow.local.host in ("0.0.0.0", "::", "")
        connection.connector = self.reactor.connectTCP(
            flow.remote.host,
            flow.remote.port,
            factory,
            timeout=CONNECT_TIMEOUT_S,
            bindAddress=None if wildcard else (flow.local.host, 0),
        )
        return connection

    def _number(self, kind: str, opened_for: Flow | None) -> SipConnection:
        self._last_number += 1
        connection = SipConnection(self, self._last_number, kind, opened_for)
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


def _destination(flow: Flow) -> Destination:
    return flow.transport, flow.remote, flow.host


def _after_loss(data: bytes, flow: Flow) -> Flow:
    """Where an answer goes instead; a request stays with its connection, and is lost with it."""
    if not data.startswith(b"SIP/2.0 "):
        return flow
    try:
        return flow_after_loss(parse_message(data).via, flow)
    except RemoteError:  # the answer to something broken, with the Via that it had
        return flow
