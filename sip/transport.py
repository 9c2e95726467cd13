"""UDP on a plain socket, and what all transports share. Rim: sockets and the reactor are used here.

``twisted.internet.udp`` takes one datagram a call through a protocol and cannot say which address
a datagram was sent to; this listener reads all that is ready in one wake-up, and answers leave from
the address that was asked, also on a wildcard listener of a host with several addresses.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sip.flow import Address, Flow

log = Logger()

DATAGRAMS_PER_TURN = 64
"""Read in one wake-up at most (a few ms of work), so that timers and streams get their turn."""

DATAGRAM_BYTES_MAX = 65535

FLOWS_MAX = 50_000
"""Flows that a listener remembers, so that a peer's next datagram makes no new one: 300 bytes each,
all forgotten together when there are more (a flood from made-up sources)."""

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""What the kernel may keep while we work: some 3,000 messages. It cuts this to its own maximum."""

_IP_PKTINFO = 8  # linux/in.h; Python's socket module has only the IPv6 names
_IN_PKTINFO = struct.Struct("@i4s4s")  # interface, local address, destination of the header
_IN6_PKTINFO = struct.Struct("@16si")  # address, interface
_CONTROL_BYTES = 64  # room for either, with its header

# The kernel has no room just now, or an ICMP error of an earlier datagram is told (RFC 3261 18.4
# has UDP lose things silently; the timers see to it).
_LOSSY = frozenset(
    {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM, errno.ECONNREFUSED}
    | {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EINTR}
)

Deliver = Callable[[list[tuple[bytes, Flow]]], None]
"""Takes everything that one wake-up of the reactor brought, in order of arrival."""

MakeSocket = Callable[[int, int], socket.socket]


class Listener(NamedTuple):
    """Where to listen: ``udp`` or ``tcp``, and an address whose host may be a wildcard."""

    transport: str
    address: Address

    @property
    def is_wildcard(self) -> bool:
        """Whether it listens on every address of the host."""
        return self.address.host in ("0.0.0.0", "::")

    def __str__(self) -> str:
        return f"{self.transport} {self.address}"


class ListenFailed(Exception):
    """A listener could not be opened; the text names it and the reason."""

    def __init__(self, listener: Listener, reason: str) -> None:
        super().__init__(f"cannot listen on {listener}: {reason}")
        self.listener = listener


class Unreachable(Exception):
    """No listener of this kind can reach that address; the text names both."""


def reason_text(error: OSError) -> str:
    """An operating system error in lower case ("address already in use")."""
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


def local_host_towards(remote: Address) -> str:
    """Which of this host's addresses the kernel would use towards a peer; nothing is sent.

    Raises Unreachable when there is no route.
    """
    family = socket.AF_INET6 if ":" in remote.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(tuple(remote))
        except OSError as error:
            raise Unreachable(f"no way to {remote}: {reason_text(error)}") from error
        return str(probe.getsockname()[0])


@dataclass(slots=True)
class UdpCounters:
    """What a UDP listener did since it was opened."""

    received: int = 0
    sent: int = 0
    send_dropped: int = 0  # the kernel had no room, or the network said no


@implementer(IReadDescriptor)
class UdpListener:
    """One bound UDP socket, which ``make_socket(family, type)`` makes."""

    def __init__(
        self,
        listener: Listener,
        reactor: Any,
        deliver: Deliver,
        make_socket: MakeSocket = socket.socket,
    ) -> None:
        self.listener = listener
        self.counters = UdpCounters()
        self._reactor = reactor
        self._deliver = deliver
        self._make_socket = make_socket
        self._socket: socket.socket | None = None
        self._ipv6 = ":" in listener.address.host
        self._read: Callable[[], tuple[bytes, Flow]] = self._read_bound
        self._local = listener.address
        self._is_wildcard = listener.is_wildcard
        self._flows: dict[tuple[str, int], Flow] = {}

    @property
    def address(self) -> Address:
        """The bound address, with the port that the kernel chose if it was 0."""
        return self._local

    def open(self) -> None:
        """Bind and begin to read. Raises ListenFailed."""
        family = socket.AF_INET6 if self._ipv6 else socket.AF_INET
        sock = self._make_socket(family, socket.SOCK_DGRAM)
        try:
            self._configure(sock)
            sock.bind(tuple(self.listener.address))
        except OSError as error:
            sock.close()
            raise ListenFailed(self.listener, reason_text(error)) from error
        self._local = Address(self.listener.address.host, sock.getsockname()[1])
        if self._is_wildcard:
            self._read = self._read_wildcard
        self._socket = sock
        self._reactor.addReader(self)

    def close(self) -> None:
        """Stop reading and free the port; doing it twice does nothing."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram from ``flow.local`` to ``flow.remote``; what cannot leave is lost."""
        if self._socket is None:
            return
        try:
            if self._is_wildcard:
                self._socket.sendmsg([data], self._source(flow.local.host), 0, tuple(flow.remote))
            else:
                self._socket.sendto(data, flow.remote)
        except OSError as error:
            self.counters.send_dropped += 1
            if error.errno not in _LOSSY:
                log.warn(
                    "cannot send {size} bytes from {listener} to {remote}: {reason}",
                    size=len(data),
                    listener=self.listener,
                    remote=flow.remote,
                    reason=reason_text(error),
                )
        else:
            self.counters.sent += 1

    # IReadDescriptor

    def fileno(self) -> int:
        """The socket's number, -1 once closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """How the reactor names this reader in its log."""
        return f"sip {self.listener}"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gives the reader up."""
        del reason
        self.close()

    def doRead(self) -> None:
        """Read what is ready, up to DATAGRAMS_PER_TURN, and deliver it together."""
        batch: list[tuple[bytes, Flow]] = []
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                batch.append(self._read())
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of something sent before
        self.counters.received += len(batch)
        if batch:
            self._deliver(batch)

    def _read_bound(self) -> tuple[bytes, Flow]:
        assert self._socket is not None
        data, remote = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
        return data, self._flows.get(remote) or self._new_flow(remote)

    def _new_flow(self, remote: tuple[str, int]) -> Flow:
        """The flow of a peer on a bound listener; an IPv6 address has more than host and port."""
        if len(self._flows) >= FLOWS_MAX:
            self._flows.clear()
        flow = self._flows[remote] = Flow("udp", self._local, Address(remote[0], remote[1]))
        return flow

    def _read_wildcard(self) -> tuple[bytes, Flow]:
        assert self._socket is not None
        data, control, _, remote = self._socket.recvmsg(DATAGRAM_BYTES_MAX, _CONTROL_BYTES)
        local = Address(self._destination(control), self._local.port)
        return data, Flow("udp", local, Address(remote[0], remote[1]))

    def _destination(self, control: list[tuple[int, int, bytes]]) -> str:
        """The local address in a control message (ip(7), ipv6(7))."""
        for level, kind, value in control:
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                return socket.inet_ntop(socket.AF_INET, _IN_PKTINFO.unpack(value[:12])[1])
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                return socket.inet_ntop(socket.AF_INET6, value[:16])
        return self._local.host

    def _source(self, host: str) -> list[tuple[int, int, bytes]]:
        """The control message that makes a datagram leave from this address."""
        if host == self._local.host:
            return []
        if self._ipv6:
            packed = _IN6_PKTINFO.pack(socket.inet_pton(socket.AF_INET6, host), 0)
            return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed)]
        packed = _IN_PKTINFO.pack(0, socket.inet_pton(socket.AF_INET, host), b"\0\0\0\0")
        return [(socket.IPPROTO_IP, _IP_PKTINFO, packed)]

    def _configure(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        if self._ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if self.listener.is_wildcard and self._ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif self.listener.is_wildcard:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
