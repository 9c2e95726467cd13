"""RTCP (RFC 3550 section 6): compound packets checked and read, reports printed.

Only sender and receiver reports are looked into; other packets of a compound are checked for their
length and passed on as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from rtp.errors import MalformedPacket
from rtp.packet import PACKET_OCTETS_MAX, PADDING_BIT, VERSION_BITS, VERSION_MASK

SENDER_REPORT = 200
RECEIVER_REPORT = 201
PACKET_TYPES = range(192, 224)  # RFC 5761 section 4
PACKETS_MAX = 32  # of one compound; SR, SDES, BYE and XR make four
COUNT_MASK = 0x1F

_HEAD = struct.Struct("!BBHI")  # version, padding, count; type; length in words - 1; SSRC
_SENDER_INFO = struct.Struct("!IIIII")
_BLOCK = struct.Struct("!IIIIII")
_LOST_MASK = 0xFFFFFF
_LOST_SIGN = 0x800000


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 section 6.4.1).

    ``fraction_lost`` in 1/256; ``cumulative_lost`` may be negative by duplicates; ``jitter`` in
    ticks of the source's clock; ``delay_since_last_sr`` in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    extended_highest: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int

    def __bytes__(self) -> bytes:
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | self.cumulative_lost & _LOST_MASK,
            self.extended_highest,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """The sender part of an SR: NTP time (64 bits), RTP timestamp, counts modulo 2**32."""

    ntp_time: int
    rtp_timestamp: int
    packets: int
    octets: int

    @property
    def middle_ntp(self) -> int:
        """The middle 32 bits of the NTP time: what a receiver gives back as ``last_sr``."""
        return self.ntp_time >> 16 & 0xFFFFFFFF

    def __bytes__(self) -> bytes:
        ntp_seconds, ntp_fraction = divmod(self.ntp_time, 1 << 32)
        return _SENDER_INFO.pack(
            ntp_seconds, ntp_fraction, self.rtp_timestamp, self.packets, self.octets
        )


@dataclass(frozen=True, slots=True)
class Report:
    """An SR (with ``sender``) or an RR. ``extension`` is a profile's addition after the blocks."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()
    sender: SenderInfo | None = None
    extension: bytes = b""

    def __bytes__(self) -> bytes:
        body = b"".join((bytes(self.sender or b""), *map(bytes, self.blocks), self.extension))
        packet_type = SENDER_REPORT if self.sender else RECEIVER_REPORT
        return _head(len(self.blocks), packet_type, self.ssrc, len(body)) + body


@dataclass(frozen=True, slots=True)
class OtherPacket:
    """SDES, BYE, APP, XR or feedback: its type, count or subtype, SSRC and the octets after it."""

    packet_type: int
    count: int
    ssrc: int
    body: bytes = b""

    def __bytes__(self) -> bytes:
        return _head(self.count, self.packet_type, self.ssrc, len(self.body)) + self.body


RtcpPacket = Report | OtherPacket


def parse_compound(data: bytes | memoryview) -> tuple[RtcpPacket, ...]:
    """The packets of one datagram, or ``MalformedPacket`` (the checks of RFC 3550 A.2).

    The first may be any RTCP packet: RFC 5506 allows feedback without a report before it.
    """
    if not 0 < len(data) <= PACKET_OCTETS_MAX:
        raise MalformedPacket(f"RTCP of {len(data)} octets, not 1 to {PACKET_OCTETS_MAX}")
    packets: list[RtcpPacket] = []
    octets = bytes(data)
    offset = 0
    while offset < len(octets):
        if len(packets) == PACKETS_MAX:
            raise MalformedPacket(f"more than {PACKETS_MAX} packets in one RTCP compound")
        packet, offset = _parse_packet(octets, offset)
        packets.append(packet)
    return tuple(packets)


def print_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """The datagram of these packets."""
    return b"".join(map(bytes, packets))


def reports(packets: Iterable[RtcpPacket]) -> tuple[Report, ...]:
    """The sender and receiver reports among ``packets``."""
    return tuple(packet for packet in packets if isinstance(packet, Report))


def _head(count: int, packet_type: int, ssrc: int, body_octets: int) -> bytes:
    assert body_octets % 4 == 0, "an RTCP packet is made of 32-bit words"
    return _HEAD.pack(VERSION_BITS | count, packet_type, 1 + body_octets // 4, ssrc)


def _parse_packet(data: bytes, offset: int) -> tuple[RtcpPacket, int]:
    if len(data) - offset < _HEAD.size:
        raise MalformedPacket(f"RTCP packet at {offset} of {len(data)} octets is cut short")
    first, packet_type, words, ssrc = _HEAD.unpack_from(data, offset)
    if first & VERSION_MASK != VERSION_BITS or packet_type not in PACKET_TYPES:
        raise MalformedPacket(
            f"RTCP packet at {offset} has version {first >> 6} type {packet_type}"
        )
    end = offset + 4 * (words + 1)
    if words == 0 or end > len(data):
        raise MalformedPacket(f"RTCP packet at {offset} ends at {end} of {len(data)} octets")
    body = _without_padding(data[offset + _HEAD.size : end], bool(first & PADDING_BIT))
    count = first & COUNT_MASK
    if packet_type in (SENDER_REPORT, RECEIVER_REPORT):
        return _parse_report(packet_type, count, ssrc, body), end
    return OtherPacket(packet_type, count, ssrc, body), end


def _without_padding(body: bytes, padded: bool) -> bytes:
    if not padded:
        return body
    padding_octets = body[-1] if body else 0
    if not 0 < padding_octets <= len(body) or padding_octets % 4:
        raise MalformedPacket(f"RTCP padding of {padding_octets} octets in {len(body)}")
    return body[:-padding_octets]


def _parse_report(packet_type: int, count: int, ssrc: int, body: bytes) -> Report:
    start = _SENDER_INFO.size if packet_type == SENDER_REPORT else 0
    end = start + count * _BLOCK.size
    if len(body) < end:
        raise MalformedPacket(f"RTCP report with {count} blocks has {len(body)} octets, not {end}")
    sender = _parse_sender(body) if start else None
    blocks = tuple(_parse_block(body, at) for at in range(start, end, _BLOCK.size))
    return Report(ssrc, blocks, sender, body[end:])


def _parse_sender(body: bytes) -> SenderInfo:
    ntp_seconds, ntp_fraction, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
    return SenderInfo(ntp_seconds << 32 | ntp_fraction, rtp_timestamp, packets, octets)


def _parse_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
    lost = loss & _LOST_MASK
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=loss >> 24,
        cumulative_lost=lost - (_LOST_MASK + 1) if lost & _LOST_SIGN else lost,
        extended_highest=highest,
        jitter=jitter,
        last_sr=last_sr,
        delay_since_last_sr=delay,
    )
