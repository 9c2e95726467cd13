"""What a peer sent, counted as RFC 3550 appendix A does."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.packet import RtpPacket
from rtp.reception import MAX_DROPOUT, Reception
from tests.rtp.fakes import voice

FRAME_US = 20_000


def received(*sequences: int, ssrc: int = 0xA) -> Reception:
    """A reception of these packets, each at the time that its number says."""
    reception = Reception()
    feed(reception, *sequences, ssrc=ssrc)
    return reception


def feed(reception: Reception, *sequences: int, ssrc: int = 0xA) -> None:
    """Feed packets on time."""
    for sequence in sequences:
        packet = voice(sequence, ssrc=ssrc)
        reception.count(packet, len(packet), sequence * FRAME_US)


def test_counts_packets_and_octets() -> None:
    """Every packet counts with its header."""
    reception = received(1, 2, 3)
    assert (reception.packets, reception.octets) == (3, 3 * 172)
    assert (reception.packets_lost, reception.packets_expected) == (0, 3)


def test_gaps_are_losses() -> None:
    """What is missing between the first and the highest number is lost."""
    assert received(10, 11, 14, 15).packets_lost == 2


def test_sequence_wrap_is_no_loss() -> None:
    """65535 then 0 goes on, and the extended number counts the cycle."""
    reception = received(65534, 65535, 65536, 65537)
    assert reception.packets_lost == 0
    assert reception.extended_highest == 65537


def test_late_packet_is_not_lost() -> None:
    """A packet out of order fills its gap."""
    assert received(1, 2, 4, 3, 5).packets_lost == 0


def test_duplicates_never_make_a_negative_loss() -> None:
    """Two copies of a packet do not stand for one that is missing before the next source."""
    assert received(1, 1, 1, 2).packets_lost == 0


@given(
    start=st.integers(0, 0xFFFF),
    kept=st.lists(st.booleans(), min_size=2, max_size=200),
    swaps=st.lists(st.integers(0, 198), max_size=20),
)
def test_loss_is_what_the_network_dropped(start: int, kept: list[bool], swaps: list[int]) -> None:
    """Between the first and last packet that come, losses are exactly those dropped, in any order.

    The first packet stays first: A.1 takes the first one's number as the begin.
    """
    numbers = [start + index for index, keep in enumerate(kept) if keep]
    if not numbers:
        return
    dropped = numbers[-1] - numbers[0] + 1 - len(numbers)
    for at in swaps:
        if 0 < at < len(numbers) - 1:
            numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
    reception = received(*numbers)
    assert reception.packets_lost == dropped
    assert reception.packets == len(numbers)


def test_one_wild_number_changes_nothing() -> None:
    """A jump beyond the dropout limit is not believed at once (A.1)."""
    reception = received(1, 2, 2 + MAX_DROPOUT + 1, 3, 4)
    assert reception.packets_lost == 0
    assert reception.extended_highest == 4


def test_two_wild_numbers_in_a_row_are_a_restart() -> None:
    """The peer restarted its numbering: neither side of the jump is lost."""
    reception = received(1, 2, 40_000, 40_001, 40_002, 40_004)
    assert reception.extended_highest == 40_004
    assert reception.packets_lost == 1


def test_a_new_ssrc_begins_anew_and_keeps_the_sum() -> None:
    """Losses before a change of SSRC stay; the jump to the new numbers is none."""
    reception = received(1, 2, 4)
    feed(reception, 50_000, 50_001, 50_003, ssrc=0xB)
    assert reception.ssrc == 0xB
    assert (reception.packets, reception.packets_lost) == (6, 2)


def jittery(offsets_us: list[int], *, first_timestamp: int = 0) -> Reception:
    """Packets in order that come so much later than they should."""
    reception = Reception()
    for index, offset_us in enumerate(offsets_us):
        packet = bytes(
            RtpPacket(8, index, (first_timestamp + 160 * index) & 0xFFFFFFFF, 0xA, bytes(160))
        )
        reception.count(packet, len(packet), 1_000_000 + index * FRAME_US + offset_us)
    return reception


def test_jitter_is_none_before_two_packets() -> None:
    """One packet has no interval."""
    assert Reception().jitter_ms is None
    assert jittery([0]).jitter_ms is None


def test_steady_packets_have_no_jitter() -> None:
    """A constant delay is no jitter, also across the wrap of the timestamp."""
    assert jittery([5_000] * 50, first_timestamp=0xFFFFFFFF - 1000).jitter_ms == 0.0


@given(offsets_ms=st.lists(st.integers(0, 80), min_size=2, max_size=60))
def test_jitter_follows_the_formula(offsets_ms: list[int]) -> None:
    """J += (|D| - J) / 16 in exact arithmetic, up to the rounding of A.8's integers."""
    expected = Fraction(0)
    for previous, current in pairwise(offsets_ms):
        expected += (Fraction(abs(current - previous)) - expected) / 16
    measured = jittery([1000 * each for each in offsets_ms]).jitter_ms
    assert measured == pytest.approx(float(expected), abs=0.15)


def test_silence_before_a_marker_is_no_jitter() -> None:
    """A phone that stops its timestamps in silence does not spoil the figure."""
    reception = Reception()
    for index in range(20):
        silence_us = 5_000_000 if index >= 10 else 0
        packet = voice(index, marker=index == 10)
        reception.count(packet, len(packet), index * FRAME_US + silence_us)
    assert reception.jitter_ms == 0.0


def test_jitter_is_measured_again_after_a_marker() -> None:
    """The talkspurt itself is measured."""
    reception = Reception()
    for index in range(20):
        late_us = 8_000 if index >= 5 and index % 2 else 0
        packet = voice(index, marker=index == 4)
        reception.count(packet, len(packet), index * FRAME_US + late_us)
    assert reception.jitter_ms is not None
    assert reception.jitter_ms > 2.0


def test_telephone_events_are_no_jitter() -> None:
    """All packets of an event carry one timestamp (RFC 4733); the audio's figure stays."""
    reception = Reception()
    reception.set_formats({8: ("PCMA", 8000), 101: ("telephone-event", 8000)})
    feed(reception, *range(10))
    for index in range(10, 20):
        packet = bytes(RtpPacket(101, index, 1600, 0xA, bytes(4)))
        reception.count(packet, len(packet), index * FRAME_US)
    feed(reception, *range(20, 30))
    assert reception.jitter_ms == 0.0
    assert reception.payload_type == 8
    assert reception.packets == 30


def test_jitter_is_in_the_clock_of_the_payload_type() -> None:
    """48 kHz of Opus gives milliseconds, too."""
    reception = Reception()
    reception.set_formats({96: ("opus", 48000)})
    for index in range(200):
        late_us = 4_000 if index % 2 else 0
        packet = bytes(RtpPacket(96, index, 960 * index, 0xA, bytes(40)))
        reception.count(packet, len(packet), index * FRAME_US + late_us)
    assert reception.jitter_ms == pytest.approx(4.0, abs=0.1)


def test_an_unknown_clock_gives_no_jitter() -> None:
    """A payload type that nothing explained is counted, not timed."""
    reception = Reception()
    for index in range(5):
        packet = bytes(RtpPacket(120, index, index, 0xA))
        reception.count(packet, len(packet), index * FRAME_US)
    assert reception.packets == 5
    assert reception.jitter_ms is None


def test_rtcp_on_the_rtp_port_is_not_counted() -> None:
    """A sender report there is no media."""
    reception = received(1, 2)
    report = bytes.fromhex("80c80006 0000000a") + bytes(20)
    reception.count(report, len(report), 0)
    assert (reception.packets, reception.packets_lost) == (2, 0)


def test_only_the_received_part_of_the_buffer_counts() -> None:
    """The buffer is longer than the packet and holds the rest of an older one."""
    reception = Reception()
    reception.count(voice(1) + b"older", 172, 0)
    assert reception.octets == 172


@given(packets=st.lists(st.binary(min_size=12, max_size=16), max_size=40))
def test_any_packets_are_counted_without_error(packets: list[bytes]) -> None:
    """Whatever the headers say, figures stay in their range."""
    reception = Reception()
    for index, packet in enumerate(packets):
        reception.count(packet, len(packet), index * FRAME_US)
    assert reception.packets <= len(packets)
    assert reception.packets_lost >= 0
    assert reception.jitter_ms is None or reception.jitter_ms >= 0
