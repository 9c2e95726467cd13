"""RTCP compounds: printed and parsed, limits, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.errors import MalformedPacket
from rtp.rtcp import (
    PACKETS_MAX,
    OtherPacket,
    Report,
    ReportBlock,
    RtcpPacket,
    SenderInfo,
    parse_compound,
    print_compound,
    reports,
)

u32 = st.integers(0, 0xFFFFFFFF)
words = st.integers(0, 4).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
blocks = st.builds(
    ReportBlock,
    ssrc=u32,
    fraction_lost=st.integers(0, 255),
    cumulative_lost=st.integers(-0x800000, 0x7FFFFF),
    extended_highest=u32,
    jitter=u32,
    last_sr=u32,
    delay_since_last_sr=u32,
)
senders = st.builds(
    SenderInfo, ntp_time=st.integers(0, (1 << 64) - 1), rtp_timestamp=u32, packets=u32, octets=u32
)
packets: st.SearchStrategy[RtcpPacket] = st.builds(
    Report,
    ssrc=u32,
    blocks=st.lists(blocks, max_size=4).map(tuple),
    sender=st.none() | senders,
    extension=words,
) | st.builds(
    OtherPacket,
    packet_type=st.sampled_from([202, 203, 204, 205, 206, 207]),
    count=st.integers(0, 31),
    ssrc=u32,
    body=words,
)

SENDER_REPORT_BY_HAND = bytes.fromhex(
    "81c8000c 0000000a"  # SR with one block, 13 words, SSRC 10
    "83aa7e80 40000000 00000140 00000002 00000140"  # NTP, RTP timestamp, 2 packets, 320 octets
    "0000000b 80ffffff 00010007 00000050 7e804000 00010000"  # block about SSRC 11
)


def test_fields_lie_where_the_rfc_puts_them() -> None:
    """A sender report written by hand gives its fields, the lost packets with their sign."""
    (report,) = parse_compound(SENDER_REPORT_BY_HAND)
    assert isinstance(report, Report)
    assert report.ssrc == 10
    assert report.sender is not None
    assert report.sender.middle_ntp == 0x7E804000
    assert report.sender.octets == 320
    block = report.blocks[0]
    assert (block.ssrc, block.fraction_lost, block.cumulative_lost) == (11, 128, -1)
    assert (block.last_sr, block.delay_since_last_sr) == (0x7E804000, 65536)
    assert bytes(report) == SENDER_REPORT_BY_HAND


@given(compound=st.lists(packets, min_size=1, max_size=5))
def test_what_is_printed_parses_to_the_same(compound: list[RtcpPacket]) -> None:
    """Round trip of a compound."""
    assert parse_compound(print_compound(compound)) == tuple(compound)


@given(data=st.binary(max_size=100) | st.binary(max_size=90).map(lambda rest: b"\x82\xc8" + rest))
def test_any_octets_are_a_compound_or_malformed(data: bytes) -> None:
    """No input leads to another exception."""
    try:
        parse_compound(data)
    except MalformedPacket:
        return


@given(data=st.data())
def test_a_damaged_compound_is_a_compound_or_malformed(data: st.DataObject) -> None:
    """Neither does a valid one with some octet changed or its end cut off."""
    octets = bytearray(print_compound(data.draw(st.lists(packets, min_size=1, max_size=3))))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] = data.draw(st.integers(0, 255))
    try:
        parse_compound(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
    except MalformedPacket:
        return


def test_reports_are_picked_from_a_compound() -> None:
    """SDES beside a report is passed over."""
    report = Report(1)
    assert reports((report, OtherPacket(202, 1, 1, b"\x01\x01a\x00"))) == (report,)


def test_padding_is_cut_off() -> None:
    """A padded BYE has the body that it has without."""
    padded = bytes.fromhex("a1cb0002 0000000a 00000004")
    assert parse_compound(padded) == (OtherPacket(203, 1, 10, b""),)


def test_a_compound_has_a_limit_of_packets() -> None:
    """Many tiny packets are refused as a whole."""
    tiny = bytes(OtherPacket(203, 1, 1))
    assert len(parse_compound(tiny * PACKETS_MAX)) == PACKETS_MAX
    with pytest.raises(MalformedPacket, match=f"more than {PACKETS_MAX}"):
        parse_compound(tiny * (PACKETS_MAX + 1))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "of 0 octets"),
        ("81c8000c 0000", "cut short"),
        ("81c8000c 0000000a", "ends at 52 of 8"),
        ("81c90001 0000000a", "1 blocks has 0 octets, not 24"),
        ("41c90001 0000000a", "version 1"),
        ("80080001 0000000a", "type 8"),
        ("80c90000 0000000a", "ends at 4"),
        ("a0cb0002 0000000a 00000003", "padding of 3"),
    ],
)
def test_refusals_name_what_is_wrong(octets: str, reason: str) -> None:
    """The message holds the numbers that disagree."""
    with pytest.raises(MalformedPacket, match=reason):
        parse_compound(bytes.fromhex(octets))
