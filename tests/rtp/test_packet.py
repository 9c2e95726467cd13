"""RTP packets: printed and parsed, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.errors import MalformedPacket
from rtp.packet import PACKET_OCTETS_MAX, RtpPacket, is_rtp
from tests.rtp.fakes import voice

u32 = st.integers(0, 0xFFFFFFFF)
extensions = st.tuples(
    st.integers(0, 0xFFFF),
    st.integers(0, 5).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=u32,
    ssrc=u32,
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(u32, max_size=15).map(tuple),
    extension=st.none() | extensions,
    padding_octets=st.integers(0, 20),
)

# A G.711 A-law packet as RFC 3550 section 5.1 lays it out, written by hand.
BY_HAND = bytes.fromhex("80 88 1234 00000140 deadbeef d5d5")


def test_fields_lie_where_the_rfc_puts_them() -> None:
    """A packet written by hand gives its fields."""
    packet = RtpPacket.parse(BY_HAND)
    assert packet == RtpPacket(
        payload_type=8,
        sequence=0x1234,
        timestamp=320,
        ssrc=0xDEADBEEF,
        payload=b"\xd5\xd5",
        marker=True,
    )
    assert bytes(packet) == BY_HAND


@given(packet=packets)
def test_what_is_printed_parses_to_the_same(packet: RtpPacket) -> None:
    """Round trip of every field."""
    assert RtpPacket.parse(bytes(packet)) == packet


@given(data=st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"\x9f\x08" + rest))
def test_any_octets_are_a_packet_or_malformed(data: bytes) -> None:
    """No input leads to another exception, and what parses prints as it came, but its padding."""
    try:
        packet = RtpPacket.parse(data)
    except MalformedPacket:
        return
    assert len(bytes(packet)) == len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BY_HAND[:11], "11 octets is shorter than 12"),
        (b"\x40" + BY_HAND[1:], "version 1"),
        (b"\x83" + BY_HAND[1:], "3 CSRCs up to 24"),
        (b"\x90" + BY_HAND[1:], "extension at 12"),
        (b"\x90" + BY_HAND[1:12] + bytes.fromhex("bede0002"), "extension up to 24"),
        (b"\xa0" + BY_HAND[1:12] + b"\x00", "padding of 0"),
        (b"\xa0" + BY_HAND[1:12] + b"\x02", "padding of 2"),
    ],
)
def test_refusals_name_what_is_wrong(data: bytes, reason: str) -> None:
    """The message holds the numbers that disagree."""
    with pytest.raises(MalformedPacket, match=reason):
        RtpPacket.parse(data)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (voice(1), True),
        (voice(1, payload_type=101), True),
        (voice(1, payload_type=72), False),  # a sender report, RFC 5761
        (voice(1)[:11], False),
        (b"", False),
        (b"\x00\x01\x00\x00" + bytes(16), False),  # STUN
        (voice(1).ljust(PACKET_OCTETS_MAX + 1), False),
    ],
)
def test_only_rtp_looks_like_rtp(data: bytes, answer: bool) -> None:
    """What may latch a port is RTP of version 2 and a length that telephony has."""
    assert is_rtp(data) is answer
