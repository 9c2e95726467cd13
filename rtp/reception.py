"""What a peer sent us, counted as RFC 3550 appendix A does: the hot path's only arithmetic.

One ``Reception`` per leg lives as long as the leg and is fed every packet. All of it is integers:
timestamps wrap, and floating point would turn a wrap into jitter.

Deliberate difference from A.1: no probation. It protects a receiver that any host may send to; here
the source was latched before its packets are counted, and the first packet would go uncounted.
"""

from __future__ import annotations

from collections.abc import Mapping

from rtp.packet import (
    HEADER,
    PAYLOAD_TYPE_MASK,
    RTCP_PAYLOAD_TYPES,
    STATIC_FORMATS,
)
from rtp.serial import SEQUENCE_MODULUS, sequence_distance

MAX_DROPOUT = 3000  # RFC 3550 A.1: a longer jump ahead is a restart, if a second packet confirms it
MAX_MISORDER = 100  # RFC 3550 A.1: a packet that is later than this is part of a restart, too
NOT_JITTER_ENCODINGS = frozenset({"TELEPHONE-EVENT", "CN"})  # their timestamps stand still

_TIMESTAMP_MASK = 0xFFFFFFFF
_TIMESTAMP_HALF = 0x80000000
_SEQUENCE_MASK = SEQUENCE_MODULUS - 1
_NO_OCTET = -1  # equals no second octet of a header
_unpack_header = HEADER.unpack_from


class Reception:
    """Statistics of one leg's incoming stream, over all the SSRCs that it used.

    ``packets`` and ``octets`` count everything since the leg opened. ``octets`` are RTP octets with
    their header, without UDP and IP. ``payload_type`` and ``clock_hz`` are those of the audio, not
    of telephone events or comfort noise between it.
    """

    __slots__ = (
        "_bad_sequence",
        "_base",
        "_clock_hz",
        "_clocks_hz",
        "_events",
        "_extended",
        "_is_event",
        "_jitter_16",
        "_jitter_measured",
        "_lost_before",
        "_second_octet",
        "_source_packets",
        "_transit",
        "clock_hz",
        "octets",
        "packets",
        "payload_type",
        "ssrc",
    )

    def __init__(self) -> None:
        self.packets = 0
        self.octets = 0
        self.ssrc: int | None = None
        self.payload_type: int | None = None
        self._clocks_hz: dict[int, int] = dict(_STATIC_CLOCKS_HZ)
        self._base = 0
        self._extended = 0  # highest extended sequence number of the current source
        self._bad_sequence: int | None = None
        self._source_packets = 0
        self._lost_before = 0  # by sources that were replaced
        self._second_octet = _NO_OCTET
        self._clock_hz = 0  # of the packet at hand; 0: its timestamp says nothing of the network
        self.clock_hz = 0
        self._events: frozenset[int] = frozenset()
        self._is_event = False  # whether the packet at hand is of such a payload type
        self._transit: int | None = None
        self._jitter_16 = 0  # A.8: sixteen times the jitter, in ticks of the clock
        self._jitter_measured = False

    def set_formats(self, formats: Mapping[int, tuple[str, int]]) -> None:
        """Learn the negotiated payload types: number to (encoding, clock in Hz)."""
        for payload_type, (encoding, clock_hz) in formats.items():
            ignored = encoding.upper() in NOT_JITTER_ENCODINGS
            self._clocks_hz[payload_type] = 0 if ignored else clock_hz
        self._second_octet = _NO_OCTET

    def set_events(self, payload_types: frozenset[int]) -> None:
        """Learn which payload types are telephone events in what this peer sends."""
        self._events = payload_types
        self._second_octet = _NO_OCTET

    def count(self, packet: memoryview | bytes | bytearray, length: int, now_us: int) -> bool:
        """Count one packet of at least 12 octets that arrived at ``now_us``.

        True when it is to be looked into: a telephone event, or RTCP, which is not counted.
        ``packet`` may be a longer buffer of which the first ``length`` octets are the packet. Runs
        once per relayed packet: what is usual (next in sequence, same SSRC, same second octet)
        takes no call.
        """
        _, second, sequence, timestamp, ssrc = _unpack_header(packet)
        if second != self._second_octet and not self._second_octet_changed(second):
            return True
        self.packets += 1
        self.octets += length
        ahead = (sequence - self._extended) & _SEQUENCE_MASK
        if ssrc == self.ssrc and 0 < ahead < MAX_DROPOUT:
            self._extended += ahead
            self._source_packets += 1
        elif not self._irregular(sequence, ssrc):
            return self._is_event
        clock_hz = self._clock_hz
        if not clock_hz:
            return self._is_event
        transit = now_us * clock_hz // 1_000_000 - timestamp
        previous = self._transit
        self._transit = transit
        if previous is not None:
            change = (transit - previous) & _TIMESTAMP_MASK
            if change >= _TIMESTAMP_HALF:
                change = _TIMESTAMP_MASK + 1 - change
            self._jitter_16 += change - ((self._jitter_16 + 8) >> 4)
            self._jitter_measured = True
        return False

    @property
    def packets_lost(self) -> int:
        """Packets that were expected and did not come, over all sources (A.3), never negative."""
        return self._lost_before + self._source_lost()

    @property
    def packets_expected(self) -> int:
        """Received and lost together: what a loss ratio is a ratio of."""
        return self.packets + self.packets_lost

    @property
    def extended_highest(self) -> int:
        """The extended highest sequence number of the current source."""
        return self._extended

    @property
    def jitter_ms(self) -> float | None:
        """Interarrival jitter (A.8) of the current source, ``None`` before two packets."""
        if not self._jitter_measured:
            return None
        return self._jitter_16 / 16 * 1000 / self.clock_hz

    def timestamp_at(self, now_us: int) -> int | None:
        """Where the clock of the audio has come to, ``None`` when that is not known."""
        if self._transit is None:
            return None
        return (now_us * self.clock_hz // 1_000_000 - self._transit) & _TIMESTAMP_MASK

    def _second_octet_changed(self, second: int) -> bool:
        """Marker or payload type changed: False for an RTCP packet, which is not counted.

        A marker begins a talkspurt, and many phones stop or jump their timestamps in the silence
        before it: the interval across it says nothing of the network.
        """
        payload_type = second & PAYLOAD_TYPE_MASK
        if payload_type in RTCP_PAYLOAD_TYPES:
            return False
        self._transit = None
        self._second_octet = payload_type  # the marker is expected on this packet alone
        self._is_event = payload_type in self._events
        self._clock_hz = 0 if self._is_event else self._clocks_hz.get(payload_type, 0)
        if self._clock_hz or self.payload_type is None:
            self._adopt_payload_type(payload_type)
        return True

    def _adopt_payload_type(self, payload_type: int) -> None:
        if self._clock_hz != self.clock_hz:
            self._jitter_16 = 0
            self._jitter_measured = False
        self.payload_type = payload_type
        self.clock_hz = self._clock_hz

    def _irregular(self, sequence: int, ssrc: int) -> bool:
        """A.1's other branches. False: the packet's timing is not to be used."""
        if ssrc != self.ssrc:
            self._start_source(sequence, ssrc)
            return True
        ahead = sequence_distance(sequence, self._extended & _SEQUENCE_MASK)
        if -MAX_MISORDER < ahead <= 0:
            self._source_packets += 1  # a duplicate or a late one
            return False
        if sequence == self._bad_sequence:
            self._start_source(sequence, ssrc)
            return True
        self._bad_sequence = (sequence + 1) & _SEQUENCE_MASK
        return False

    def _start_source(self, sequence: int, ssrc: int) -> None:
        self._lost_before += self._source_lost()
        if ssrc != self.ssrc:
            self._jitter_16 = 0
            self._jitter_measured = False
        self.ssrc = ssrc
        self._base = self._extended = sequence
        self._bad_sequence = None
        self._source_packets = 1
        self._transit = None

    def _source_lost(self) -> int:
        if self.ssrc is None:
            return 0
        expected = self._extended - self._base + 1
        return max(0, expected - self._source_packets)


_STATIC_CLOCKS_HZ = {
    number: 0 if encoding in NOT_JITTER_ENCODINGS else clock_hz
    for number, (encoding, clock_hz) in STATIC_FORMATS.items()
}
