"""The sockets of the media plane and the loop over them: the rim that both carriers share.

A port begins *listening*: every datagram is read with its source and judged by the plane. Once
latched its socket is connected to the source, so the kernel drops strangers and no address is made
per packet; when the queue from before that is seen empty, the port is *connected* and its packets
go from ``recv_into`` through ``Leg.take`` to ``send``, one per ready port and turn: an
epoll that is asked again costs less than the extra read that finds nothing.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping

from rtp.errors import CannotBind
from rtp.leg import Leg
from rtp.packet import PACKET_OCTETS_MAX
from rtp.wire import Address, Packet, PacketReceiver, Transmit, transmit_nowhere

READY_MAX = 512  # ports per turn: the more are ready, the less each costs
DATAGRAMS_PER_TURN_MAX = 32  # from a listening port, that may be flooded by strangers
BUFFER_OCTETS = PACKET_OCTETS_MAX + 1  # one more shows that a datagram was longer
# What the kernel counts for a queued datagram at least, whatever is in it (``sk_buff``).
QUEUED_OCTETS_MIN = 512
EXPEDITED_FORWARDING = 46 << 2  # RFC 4594: telephony is DSCP EF

_AF_UNSPEC_ADDRESS = struct.pack("=H14x", socket.AF_UNSPEC)
_libc = ctypes.CDLL(None, use_errno=True)


class PacketLoop:
    """One epoll over all ports of a plane, and over what else the carrier watches."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._epoll = select.epoll()
        self._monotonic_s = monotonic_s
        self._connected: dict[int, tuple[Callable[[bytearray], int], Leg]] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        self.buffer = bytearray(BUFFER_OCTETS)
        self.view = memoryview(self.buffer)

    def fileno(self) -> int:
        """The epoll's descriptor: readable when ``turn`` has something to do."""
        return self._epoll.fileno()

    def now_s(self) -> float:
        """The loop's clock, monotonic."""
        return self._monotonic_s()

    def turn(self, timeout_s: float) -> None:
        """Wait at most ``timeout_s`` (-1: for ever), then read every ready port once."""
        events = self._epoll.poll(timeout_s, READY_MAX)
        now_us = int(self._monotonic_s() * 1_000_000)
        connected, buffer, view = self._connected, self.buffer, self.view
        for descriptor, _ in events:
            port = connected.get(descriptor)
            if port is None:
                self._call_watcher(descriptor)
                continue
            receive_into, leg = port
            take = leg.take
            try:
                take(leg, view, receive_into(buffer), now_us)
            except OSError:
                # ECONNREFUSED of an earlier packet, a full queue, no route: RTP has no second try.
                continue

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` in each turn in which the descriptor can be read."""
        if descriptor not in self._watched and descriptor not in self._connected:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._connected.pop(descriptor, None)
        self._watched[descriptor] = callback

    def watch_new(self, callbacks: Mapping[int, Callable[[], None]]) -> None:
        """``watch`` descriptors that are not watched yet."""
        self._watched.update(callbacks)
        for descriptor in callbacks:
            self._epoll.register(descriptor, select.EPOLLIN)

    def connect(self, descriptor: int, receive_into: Callable[[bytearray], int], leg: Leg) -> None:
        """From now on relay what comes to a descriptor that was watched."""
        del self._watched[descriptor]
        self._connected[descriptor] = (receive_into, leg)

    def forget(self, descriptors: Iterable[int]) -> None:
        """Stop watching descriptors."""
        for descriptor in descriptors:
            self._watched.pop(descriptor, None)
            self._connected.pop(descriptor, None)
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Close the epoll."""
        self._epoll.close()

    def open_wire(self, host: str, port: int, receiver: PacketReceiver) -> SocketWire:
        """The sockets of a leg to come: ``rtp.wire.WireOpener``."""
        rtp = bound_socket(host, port)
        try:
            rtcp = bound_socket(host, port + 1)
        except CannotBind:
            rtp.close()
            raise
        return SocketWire(self, receiver, rtp, rtcp)

    def _call_watcher(self, descriptor: int) -> None:
        callback = self._watched.get(descriptor)
        if callback is not None:  # closed by an earlier event of the same turn otherwise
            callback()


class SocketWire:
    """Two real sockets as the plane's ``LegWire``."""

    def __init__(
        self,
        loop: PacketLoop,
        receiver: PacketReceiver,
        rtp: socket.socket,
        rtcp: socket.socket,
    ) -> None:
        self._loop = loop
        self._leg: Leg | None = None
        self._receiver = receiver
        self._rtp = rtp
        self._rtcp = rtcp
        self._callbacks = {rtp.fileno(): self._read_rtp, rtcp.fileno(): self._read_rtcp}
        self._latched = False

    def begin(self, leg: Leg) -> None:
        """Serve a leg. While a port rests the kernel queues what comes: that is thrown away."""
        self._leg = leg
        drain(self._rtp, self._loop.buffer)
        drain(self._rtcp, self._loop.buffer)
        self._loop.watch_new(self._callbacks)

    def rest(self) -> None:
        """Serve no leg. The sockets stay bound, and whoever sends to them meets a full queue."""
        self._leg = None
        if self._latched:
            self._latched = False
            disconnect(self._rtp)
        self._loop.forget(self._callbacks)

    def aim(self, address: Address) -> Transmit:
        """Hear everybody, send to ``address``."""
        self._listen()
        send_to = self._rtp.sendto
        return lambda packet: send_to(packet, address)

    def latch(self, source: Address) -> Transmit:
        """Hear and send to ``source`` alone. What strangers queued before is still to be judged."""
        try:
            self._rtp.connect(source)
        except OSError:
            # No route back to the source: stay as we are, judging each packet.
            return transmit_nowhere
        self._latched = True
        return self._rtp.send

    def silence(self) -> Transmit:
        """Hear everybody, send nowhere."""
        self._listen()
        return transmit_nowhere

    def transmit_rtcp(self, packet: Packet, address: Address) -> None:
        """Send RTCP; errors are the network's."""
        try:
            self._rtcp.sendto(packet, address)
        except OSError:
            return

    def close(self) -> None:
        """Close both sockets."""
        self._rtp.close()
        self._rtcp.close()

    def _listen(self) -> None:
        if self._latched:
            self._latched = False
            disconnect(self._rtp)
            self._loop.watch(self._rtp.fileno(), self._read_rtp)

    def _read_rtp(self) -> None:
        if self._read(self._rtp, self._receiver.rtp_received) and self._latched:
            assert self._leg is not None, "a port that rests is not read"
            self._loop.connect(self._rtp.fileno(), self._rtp.recv_into, self._leg)

    def _read_rtcp(self) -> None:
        self._read(self._rtcp, self._receiver.rtcp_received)

    def _read(
        self, port: socket.socket, receive: Callable[[Leg, memoryview, Address, float], None]
    ) -> bool:
        """Read a bounded number of datagrams; True when the queue was seen empty."""
        leg, now_s = self._leg, self._loop.now_s()
        assert leg is not None, "a port that rests is not read"
        for _ in range(DATAGRAMS_PER_TURN_MAX):
            try:
                octets, source = port.recvfrom_into(self._loop.buffer)
            except BlockingIOError:
                return True
            except OSError:
                continue
            receive(leg, self._loop.view[:octets], source[:2], now_s)
        return False


def bound_socket(host: str, port: int) -> socket.socket:
    """A non-blocking UDP socket, or ``CannotBind``."""
    is_ipv6 = ipaddress.ip_address(host).version == 6
    try:
        bound = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        raise CannotBind(f"cannot open a socket: {error.strerror}", in_use=False) from None
    try:
        bound.setblocking(False)
        if is_ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _set_traffic_class(bound, is_ipv6)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = f"cannot bind {host}:{port}: {error.strerror}"
        raise CannotBind(reason, in_use=error.errno == errno.EADDRINUSE) from None
    return bound


def drain(port: socket.socket, buffer: bytearray) -> None:
    """Throw away what is queued at a port.

    At most so many reads as its queue has room for: who floods the port cannot hold us up, and
    what is left after them has come since.
    """
    try:
        port.recv_into(buffer)
    except BlockingIOError:
        return
    except OSError:
        pass  # ICMP's answer to what the last call sent
    for _ in range(port.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // QUEUED_OCTETS_MIN):
        try:
            port.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError:
            continue


def disconnect(connected: socket.socket) -> None:
    """Undo ``connect``, keeping the port: ``connect`` to AF_UNSPEC, which Python cannot say."""
    _libc.connect(connected.fileno(), _AF_UNSPEC_ADDRESS, len(_AF_UNSPEC_ADDRESS))


def _set_traffic_class(bound: socket.socket, is_ipv6: bool) -> None:
    if is_ipv6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED_FORWARDING)
    else:
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED_FORWARDING)
