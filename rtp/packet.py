"""RTP packets (RFC 3550 section 5.1): peeks at fixed offsets, and the whole packet as a value.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                           timestamp                           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |           synchronization source (SSRC) identifier            |
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+

The relay only ever peeks; ``RtpPacket`` is for what is made or examined here, never per relayed
packet.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rtp.errors import MalformedPacket

HEADER_OCTETS = 12
PACKET_OCTETS_MAX = 2048  # above any Ethernet datagram; a longer one is not telephony

VERSION = 2
VERSION_MASK = 0xC0
VERSION_BITS = VERSION << 6
PADDING_BIT = 0x20
EXTENSION_BIT = 0x10
CSRC_COUNT_MASK = 0x0F
MARKER_OFFSET = 1
MARKER_BIT = 0x80
PAYLOAD_TYPE_MASK = 0x7F

# RFC 5761 section 4: in this range the second octet is that of an RTCP packet type 192 to 223.
RTCP_PAYLOAD_TYPES = range(64, 96)

HEADER = struct.Struct("!BBHII")
EXTENSION_HEADER = struct.Struct("!HH")

# RFC 3551 section 6, audio only. G.722 counts at 8000 by a historical error that became the rule.
STATIC_FORMATS: dict[int, tuple[str, int]] = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    5: ("DVI4", 8000),
    6: ("DVI4", 16000),
    7: ("LPC", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    10: ("L16", 44100),
    11: ("L16", 44100),
    12: ("QCELP", 8000),
    13: ("CN", 8000),
    15: ("G728", 8000),
    18: ("G729", 8000),
}


def is_rtp(packet: memoryview | bytes) -> bool:
    """Whether this may be RTP: its length, version 2, and a payload type that is not RTCP's."""
    return (
        HEADER_OCTETS <= len(packet) <= PACKET_OCTETS_MAX
        and packet[0] & VERSION_MASK == VERSION_BITS
        and packet[1] & PAYLOAD_TYPE_MASK not in RTCP_PAYLOAD_TYPES
    )


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet. ``extension`` is its profile and its octets, a multiple of four of them."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None
    padding_octets: int = 0

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """The packet in ``data``; ``MalformedPacket`` says what is short or wrong."""
        if len(data) < HEADER_OCTETS:
            raise MalformedPacket(f"RTP packet of {len(data)} octets is shorter than 12")
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        if first & VERSION_MASK != VERSION_BITS:
            raise MalformedPacket(f"RTP version {first >> 6} is not 2")
        csrcs, offset = _parse_csrcs(data, first & CSRC_COUNT_MASK)
        extension, offset = _parse_extension(data, offset, bool(first & EXTENSION_BIT))
        padding_octets = _parse_padding(data, offset, bool(first & PADDING_BIT))
        return cls(
            payload_type=second & PAYLOAD_TYPE_MASK,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=data[offset : len(data) - padding_octets],
            marker=bool(second & MARKER_BIT),
            csrcs=csrcs,
            extension=extension,
            padding_octets=padding_octets,
        )

    def __bytes__(self) -> bytes:
        first = VERSION_BITS | len(self.csrcs)
        first |= EXTENSION_BIT if self.extension else 0
        first |= PADDING_BIT if self.padding_octets else 0
        second = self.payload_type | (MARKER_BIT if self.marker else 0)
        head = HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)
        return b"".join(
            (head, self._csrc_octets(), self._extension_octets(), self.payload, self._padding())
        )

    def _csrc_octets(self) -> bytes:
        return struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)

    def _extension_octets(self) -> bytes:
        if self.extension is None:
            return b""
        profile, octets = self.extension
        assert len(octets) % 4 == 0, "an RTP header extension is made of 32-bit words"
        return EXTENSION_HEADER.pack(profile, len(octets) // 4) + octets

    def _padding(self) -> bytes:
        if not self.padding_octets:
            return b""
        return bytes(self.padding_octets - 1) + bytes((self.padding_octets,))


def _parse_csrcs(data: bytes, count: int) -> tuple[tuple[int, ...], int]:
    end = HEADER_OCTETS + 4 * count
    if len(data) < end:
        raise MalformedPacket(f"RTP packet of {len(data)} octets has {count} CSRCs up to {end}")
    return struct.unpack_from(f"!{count}I", data, HEADER_OCTETS), end


def _parse_extension(
    data: bytes, offset: int, present: bool
) -> tuple[tuple[int, bytes] | None, int]:
    if not present:
        return None, offset
    start = offset + EXTENSION_HEADER.size
    if len(data) < start:
        raise MalformedPacket(f"RTP packet of {len(data)} octets has its extension at {offset}")
    profile, words = EXTENSION_HEADER.unpack_from(data, offset)
    end = start + 4 * words
    if len(data) < end:
        raise MalformedPacket(f"RTP packet of {len(data)} octets has its extension up to {end}")
    return (profile, data[start:end]), end


def _parse_padding(data: bytes, offset: int, present: bool) -> int:
    if not present:
        return 0
    room = len(data) - offset
    padding_octets = data[-1]
    if not 0 < padding_octets <= room:
        raise MalformedPacket(f"RTP padding of {padding_octets} octets in {room} octets of payload")
    return padding_octets
