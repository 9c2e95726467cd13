"""Two legs joined, and the functions that run for every RTP packet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp.packet import HEADER_OCTETS, PACKET_OCTETS_MAX, VERSION_BITS, VERSION_MASK

if TYPE_CHECKING:
    from rtp.leg import Leg


def relay(leg: Leg, packet: memoryview | bytes, octets: int, now_us: int) -> None:
    """Count what came from ``leg``'s peer and pass it to the leg that hears it.

    ``packet`` is the receive buffer, of which the first ``octets`` were filled. What is not RTP
    (STUN, keep-alives) is dropped; telephone events and RTCP are ``leg.examine``'s. Errors of
    ``transmit`` are the caller's to swallow.
    """
    if octets < HEADER_OCTETS or octets > PACKET_OCTETS_MAX:
        return
    if packet[0] & VERSION_MASK != VERSION_BITS:
        return
    if leg.received.count(packet, octets, now_us):
        leg.examine(leg, packet[:octets], now_us)
        return
    sink = leg.sink
    if sink is not None:
        sink.transmit(packet[:octets])
        sink.packets_sent += 1


def relay_heard(leg: Leg, packet: memoryview | bytes, octets: int, now_us: int) -> None:
    """``relay`` for a leg whose audio is listened to."""
    relay(leg, packet, octets, now_us)
    leg.hear(leg, packet[:octets], now_us)


def relay_opened(leg: Leg, packet: memoryview | bytes, octets: int, now_us: int) -> None:
    """The relay of a leg with SRTP: what does not authenticate is dropped."""
    opened = leg.opened(packet[:octets])
    if opened is not None:
        leg.relay(leg, opened, len(opened), now_us)


def join(one: Leg, other: Leg) -> None:
    """Bridge two legs (or one to itself: an echo); what either was bridged to hears silence."""
    separate(one)
    separate(other)
    one.peer = other
    other.peer = one
    rewire_around(one)


def separate(leg: Leg) -> None:
    """End the bridge of ``leg``, if it has one."""
    peer, leg.peer, leg.sink = leg.peer, None, None
    if peer is not None and peer is not leg:
        peer.peer = peer.sink = None


def rewire_around(leg: Leg) -> None:
    """Decide anew where packets of ``leg`` and of its peer go, after anything about it changed."""
    rewire(leg)
    if leg.peer is not None:
        rewire(leg.peer)


def rewire(leg: Leg) -> None:
    """Decide anew where ``leg``'s packets go."""
    peer = leg.peer
    sends = leg.remote is not None and leg.remote.sends
    listening = peer is not None and peer.is_hearing() and not peer.plays_tone()
    leg.sink = peer if sends and listening else None
