"""What the plane needs of sockets, as protocols: the rim has real ones, tests have fakes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rtp.leg import Leg

Address = tuple[str, int]  # host as canonical text, port
Packet = bytes | bytearray | memoryview
# Sends one packet. ``OSError`` when the network refuses it (ICMP, no route, full queue): it is
# lost, as RTP may be, and the caller goes on.
Transmit = Callable[[Packet], object]

PORT_MAX = 65535
# Parsing addresses was a third of what a call costs a worker; its hosts come again and again.
HOSTS_CACHED = 4096


class LegWire(Protocol):
    """An RTP and an RTCP socket, bound to one host: a leg's, or held ready for one."""

    def begin(self, leg: Leg) -> None:
        """Serve a leg: hear everybody from now on, and nothing that came before."""

    def rest(self) -> None:
        """Serve no leg: nothing is heard, sent or reported until ``begin``."""

    def aim(self, address: Address) -> Transmit:
        """Hear everybody, send RTP to ``address``: the state before a source is latched."""

    def latch(self, source: Address) -> Transmit:
        """Hear RTP from ``source`` alone and send to it, until ``aim`` or ``silence``."""

    def silence(self) -> Transmit:
        """Hear everybody, send RTP nowhere."""

    def transmit_rtcp(self, packet: Packet, address: Address) -> None:
        """Send one RTCP packet; what the network refuses is dropped."""

    def close(self) -> None:
        """Close both sockets, which rest."""


class PacketReceiver(Protocol):
    """Where packets go whose source has yet to be judged. ``packet`` is valid during the call."""

    def rtp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """RTP at a leg that is not latched, or that was queued before it was."""

    def rtcp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """RTCP, always with its source."""


class WireOpener(Protocol):
    """Opens the two sockets of a leg to come; they rest."""

    def __call__(self, host: str, port: int, receiver: PacketReceiver) -> LegWire:
        """Bind ``host`` at ``port`` and the next one, or raise ``CannotBind``."""


def transmit_nowhere(packet: Packet) -> object:
    """The transmit of a leg without a remote address."""
    return None


@lru_cache(maxsize=HOSTS_CACHED)
def canonical_host(text: str) -> str:
    """The host as sockets write it, "" when it is not a literal address (names are not resolved).

    A name would make the kernel's caller wait for DNS, and SDP from outside may hold any name.
    """
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


@lru_cache(maxsize=HOSTS_CACHED)
def sendable_address(host: str, port: int, bind_host: str) -> Address | None:
    """Where media may be sent: a unicast address of the bind host's family, ``None`` otherwise.

    "0.0.0.0" and port 0 are how SDP says nowhere (RFC 3264 section 8.4 and 5.1).
    """
    canonical = canonical_host(host)
    if not canonical or not 0 < port <= PORT_MAX:
        return None
    address = ipaddress.ip_address(canonical)
    if address.version != ipaddress.ip_address(canonical_host(bind_host)).version:
        return None
    if address.is_unspecified or address.is_multicast or canonical == "255.255.255.255":
        return None
    return canonical, port
