"""A tone as a stream of our own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.packet import RtpPacket
from rtp.player import CATCH_UP_FRAMES_MAX, FRAME_TICKS, ToneStream

FRAMES = tuple(bytes((index,)) * 160 for index in range(10))


def playing(duration_s: float = 0.0) -> ToneStream:
    """A stream that plays from second 0 on."""
    stream = ToneStream(ssrc=77, sequence=65533)
    stream.start(FRAMES, 8, duration_s, 0.0)
    return stream


def due(stream: ToneStream, now_s: float) -> list[RtpPacket]:
    """The packets due, parsed."""
    return [RtpPacket.parse(packet) for packet in stream.packets_due(now_s)]


def played(stream: ToneStream, from_ms: int, to_ms: int) -> list[RtpPacket]:
    """The packets of a loop that wakes every 20 ms."""
    return [packet for ms in range(from_ms, to_ms, 20) for packet in due(stream, ms / 1000 + 1e-6)]


def test_one_frame_in_20_ms_in_a_circle() -> None:
    """Frames follow each other and begin again."""
    packets = played(playing(), 0, 300)
    assert [packet.payload[0] for packet in packets] == [*range(10), *range(5)]
    assert all((packet.payload_type, packet.ssrc) == (8, 77) for packet in packets)


def test_numbers_and_timestamps_go_on_across_the_wrap() -> None:
    """Each packet is one and 160 ticks after the one before."""
    for before, after in pairwise(played(playing(), 0, 400)):
        assert after.sequence == (before.sequence + 1) & 0xFFFF
        assert after.timestamp == before.timestamp + FRAME_TICKS


def test_only_the_first_packet_is_marked() -> None:
    """A tone begins like a talkspurt."""
    markers = [packet.marker for packet in played(playing(), 0, 100)]
    assert markers == [True, False, False, False, False]


def test_stops_after_its_duration() -> None:
    """400 ms are twenty packets, then it does not play any more."""
    stream = playing(0.4)
    assert len(played(stream, 0, 1000)) == 20
    assert not stream.is_playing
    assert stream.next_deadline_s() is None


def test_a_second_tone_goes_on_in_the_same_stream() -> None:
    """Same SSRC, next number, a timestamp that counted the silence, marked."""
    stream = playing(0.1)
    last = played(stream, 0, 200)[-1]
    stream.start(FRAMES, 8, 0.1, 1.0)
    first = due(stream, 1.0)[0]
    assert (first.ssrc, first.sequence, first.marker) == (77, (last.sequence + 1) & 0xFFFF, True)
    assert first.timestamp - last.timestamp == pytest.approx(8000 * (1.0 - 0.08), abs=1)


def test_a_late_loop_sends_little_at_once() -> None:
    """What a jitter buffer would throw away is left out, without a gap in the numbers."""
    stream = playing()
    before = due(stream, 0.0)[-1]
    after = due(stream, 5.0)
    assert len(after) <= CATCH_UP_FRAMES_MAX + 1
    assert after[0].sequence == (before.sequence + 1) & 0xFFFF
    assert after[-1].timestamp == pytest.approx(5.0 * 8000, abs=2 * FRAME_TICKS)


@given(wakes_ms=st.lists(st.integers(1, 90), max_size=60))
def test_no_packet_comes_before_its_time(wakes_ms: list[int]) -> None:
    """However the loop wakes, timestamps never run ahead of the clock or far behind it."""
    stream = playing()
    now_ms = 0
    for pause_ms in wakes_ms:
        now_ms += pause_ms
        for packet in due(stream, now_ms / 1000):
            assert packet.timestamp <= now_ms * 8 + 1
            assert packet.timestamp >= (now_ms - 20 * (CATCH_UP_FRAMES_MAX + 1)) * 8 - 1
