"""UDP listeners on sockets in memory."""

from __future__ import annotations

import errno
import socket

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from sip.flow import Address, Flow
from sip.transport import (
    DATAGRAMS_PER_TURN,
    Listener,
    ListenFailed,
    UdpListener,
    Unreachable,
    local_host_towards,
    reason_text,
)
from tests.sip.fakes import FakeSocket, FakeSockets, error

PEER = Address("192.0.2.1", 5062)


class Udp:
    """A listener, its socket, and what it delivered."""

    def __init__(self, host: str = "192.0.2.2", port: int = 5060) -> None:
        self.reactor = MemoryReactorClock()
        self.batches: list[list[tuple[bytes, Flow]]] = []
        self.sockets = FakeSockets()
        self.listener = UdpListener(
            Listener("udp", Address(host, port)), self.reactor, self.batches.append, self.sockets
        )

    def open(self) -> FakeSocket:
        """Open it and return its socket."""
        self.listener.open()
        return self.sockets.made[-1]


def test_what_is_ready_is_delivered_together() -> None:
    """One wake-up, one batch, in order, with where each came from and to."""
    udp = Udp()
    sock = udp.open()
    sock.incoming = [(b"one", tuple(PEER)), (b"two", ("192.0.2.9", 5060))]
    udp.listener.doRead()
    local = Address("192.0.2.2", 5060)
    assert udp.batches == [
        [
            (b"one", Flow("udp", local, PEER)),
            (b"two", Flow("udp", local, Address("192.0.2.9", 5060))),
        ]
    ]
    assert udp.listener.counters.received == 2


def test_one_wake_up_reads_a_bounded_number() -> None:
    """A flood leaves time for timers and streams; the rest comes with the next wake-up."""
    udp = Udp()
    sock = udp.open()
    sock.incoming = [(b"x", tuple(PEER))] * (DATAGRAMS_PER_TURN + 1)
    udp.listener.doRead()
    udp.listener.doRead()
    udp.listener.doRead()
    assert [len(batch) for batch in udp.batches] == [DATAGRAMS_PER_TURN, 1]


def test_icmp_errors_are_swallowed() -> None:
    """An unreachable peer must not stop the reading of the others."""
    udp = Udp()
    sock = udp.open()
    sock.incoming = [error(errno.ECONNREFUSED), error(errno.EHOSTUNREACH), (b"x", tuple(PEER))]
    udp.listener.doRead()
    assert [data for data, _ in udp.batches[0]] == [b"x"]


@pytest.mark.parametrize(
    ("wildcard", "destination", "peer"),
    [
        ("0.0.0.0", "198.51.100.7", ("192.0.2.1", 5062)),
        ("::", "2001:db8::7", ("2001:db8::1", 5062, 0, 0)),
    ],
)
def test_a_wildcard_listener_answers_from_the_address_that_was_asked(
    wildcard: str, destination: str, peer: tuple[object, ...]
) -> None:
    """IP_PKTINFO in both directions, for IPv4 and IPv6."""
    udp = Udp(wildcard)
    sock = udp.open()
    sock.destination = destination
    sock.incoming = [(b"asked", peer)]
    udp.listener.doRead()
    ((_, flow),) = udp.batches[0]
    assert flow.local == Address(destination, 5060)
    assert flow.remote == Address(str(peer[0]), 5062)
    udp.listener.send(b"answer", flow)
    assert sock.sent == [(b"answer", flow.remote, destination)]


def test_a_wildcard_listener_lets_the_kernel_choose_when_the_flow_does() -> None:
    """A flow whose local host is the wildcard forces nothing."""
    udp = Udp("0.0.0.0")
    sock = udp.open()
    udp.listener.send(b"x", Flow("udp", Address("0.0.0.0", 5060), PEER))
    assert sock.sent == [(b"x", PEER, None)]


def test_ipv6_leaves_room_for_an_ipv4_listener_on_the_same_port() -> None:
    """Both wildcards can be listened on."""
    assert Udp("::").open().options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] == 1


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.ENETUNREACH, errno.EPERM])
def test_what_cannot_be_sent_is_lost_and_counted(number: int) -> None:
    """As UDP loses it; the timers see to it."""
    udp = Udp()
    sock = udp.open()
    sock.send_error = error(number)
    udp.listener.send(b"x", Flow("udp", udp.listener.address, PEER))
    sock.send_error = None
    udp.listener.send(b"y", Flow("udp", udp.listener.address, PEER))
    assert [data for data, _, _ in sock.sent] == [b"y"]
    assert (udp.listener.counters.sent, udp.listener.counters.send_dropped) == (1, 1)


def test_a_busy_port_is_named() -> None:
    """One line that an operator understands, and no socket left open."""
    udp = Udp("127.0.0.1")
    udp.sockets.busy_ports = {5060}
    with pytest.raises(ListenFailed) as caught:
        udp.open()
    assert str(caught.value) == "cannot listen on udp 127.0.0.1:5060: address already in use"
    assert udp.sockets.made[0].closed
    assert udp.reactor.getReaders() == []


def test_port_0_is_what_the_kernel_chose() -> None:
    """The address tells the true port."""
    udp = Udp(port=0)
    udp.open()
    assert udp.listener.address == Address("192.0.2.2", 40000)


def test_closing_frees_the_port_once() -> None:
    """By us, again, or by the reactor; sending afterwards does nothing."""
    udp = Udp()
    sock = udp.open()
    assert udp.reactor.getReaders() == [udp.listener]
    assert (udp.listener.fileno(), udp.listener.logPrefix()) == (7, "sip udp 192.0.2.2:5060")
    udp.listener.close()
    udp.listener.connectionLost(Failure(ConnectionDone()))
    assert sock.closed
    assert udp.listener.fileno() == -1
    assert udp.reactor.getReaders() == []
    udp.listener.send(b"x", Flow("udp", udp.listener.address, PEER))
    assert sock.sent == []


def test_reasons_are_in_lower_case() -> None:
    """Also of errors without a number."""
    assert reason_text(error(errno.EACCES)) == "permission denied"
    assert reason_text(OSError("Odd")) == "odd"


def test_the_kernel_says_which_address_it_would_use() -> None:
    """Nothing is sent for it; what cannot be reached is named."""
    assert local_host_towards(Address("127.0.0.1", 9)) == "127.0.0.1"
    with pytest.raises(Unreachable, match=r"no way to 127\.0\.0\.1:99999|no way to 255"):
        local_host_towards(Address("255.255.255.255", 9))
