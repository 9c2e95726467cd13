"""Two legs joined, and the one function that runs for every RTP packet."""

from __future__ import annotations

from rtp.leg import Leg
from rtp.packet import HEADER_OCTETS, PACKET_OCTETS_MAX, VERSION_BITS, VERSION_MASK


def relay(leg: Leg, packet: memoryview, octets: int, now_us: int) -> None:
    """Count what came from ``leg``'s peer and pass it to the leg that hears it.

    ``packet`` is the receive buffer, of which the first ``octets`` were filled. What is not RTP
    (STUN, keep-alives) is dropped. Errors of ``transmit`` are the caller's to swallow.
    """
    if octets < HEADER_OCTETS or octets > PACKET_OCTETS_MAX:
        return
    if packet[0] & VERSION_MASK != VERSION_BITS:
        return
    leg.received.count(packet, octets, now_us)
    sink = leg.sink
    if sink is not None:
        sink.transmit(packet[:octets])
        sink.packets_sent += 1


def join(one: Leg, other: Leg) -> None:
    """Bridge two legs (or one to itself: an echo); what either was bridged to hears silence."""
    separate(one)
    separate(other)
    one.peer = other
    other.peer = one
    rewire(one)
    rewire(other)


def separate(leg: Leg) -> None:
    """End the bridge of ``leg``, if it has one."""
    peer, leg.peer, leg.sink = leg.peer, None, None
    if peer is not None and peer is not leg:
        peer.peer = peer.sink = None


def rewire(leg: Leg) -> None:
    """Decide anew where ``leg``'s packets go, after anything about it or its peer changed."""
    peer = leg.peer
    sends = leg.remote is not None and leg.remote.sends
    listening = peer is not None and peer.is_hearing() and not peer.plays_tone()
    leg.sink = peer if sends and listening else None
