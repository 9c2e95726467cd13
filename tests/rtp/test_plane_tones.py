"""Tones in place of what is relayed."""

from __future__ import annotations

import pytest

from media.tones import encoded_tone
from rtp.messages import Format, PlayTone, StopTone
from rtp.packet import RtpPacket
from tests.rtp.fakes import PCMA, PHONE_A, PHONE_B, PlaneBench, remote, voice


@pytest.fixture
def bench() -> PlaneBench:
    """A plane with one bridged call."""
    made = PlaneBench()
    made.bridged_call()
    return made


def heard(bench: PlaneBench, leg: str = "a") -> list[RtpPacket]:
    """What went to a leg since the last look."""
    wire = bench.wire(leg)
    packets = [RtpPacket.parse(data) for data, _ in wire.sent]
    wire.sent.clear()
    return packets


def test_a_tone_is_heard_in_the_legs_codec(bench: PlaneBench) -> None:
    """Fifty packets a second of the tone's own frames, to where the leg is."""
    bench.tell(PlayTone("call", "a", "busy"))
    bench.advance(1.0)
    packets = heard(bench)
    assert len(packets) in (50, 51)
    assert [packet.payload for packet in packets[:50]] == list(encoded_tone("busy", "PCMA"))
    assert {packet.payload_type for packet in packets} == {8}


def test_takes_the_first_codec_that_can_be_encoded(bench: PlaneBench) -> None:
    """A leg that prefers Opus hears the tone in its second choice."""
    formats = (Format(96, "opus", 48000), Format(0, "PCMU", 8000), PCMA)
    bench.tell(remote("a", PHONE_A, formats=formats), PlayTone("call", "a", "busy"))
    bench.advance(0.1)
    assert {packet.payload_type for packet in heard(bench)} == {0}


@pytest.mark.parametrize("formats", [(), (Format(96, "opus", 48000),)])
def test_a_leg_whose_codecs_we_lack_hears_nothing(
    bench: PlaneBench, formats: tuple[Format, ...]
) -> None:
    """Not even garbage, and its relay goes on."""
    bench.tell(remote("a", PHONE_A, formats=formats), PlayTone("call", "a", "busy"))
    bench.advance(1.0)
    bench.rtp("b", PHONE_B, voice(1))
    assert [packet.ssrc for packet in heard(bench)] == [0xA]


def test_an_unknown_tone_is_silence(bench: PlaneBench) -> None:
    """Nothing is played and nothing breaks."""
    bench.tell(PlayTone("call", "a", "fanfare"))
    bench.advance(1.0)
    assert heard(bench) == []


def test_the_tone_replaces_the_relay_until_it_ends(bench: PlaneBench) -> None:
    """While it plays the other party is not heard; then its stream resumes with a marker, once."""
    bench.rtp("b", PHONE_B, voice(1))
    bench.tell(PlayTone("call", "a", "warning", duration_s=0.4))
    bench.rtp("b", PHONE_B, voice(2))
    bench.advance(0.5)
    bench.rtp("b", PHONE_B, voice(30))
    bench.rtp("b", PHONE_B, voice(31))
    before, *tone, resumed, after = heard(bench)
    assert before.ssrc == resumed.ssrc == after.ssrc == 0xA
    assert len(tone) == 20
    assert {packet.ssrc for packet in tone} == {1000}
    assert (before.marker, tone[0].marker, resumed.marker, after.marker) == (
        *(False, True, True),
        False,
    )
    assert resumed.payload == RtpPacket.parse(voice(30)).payload


def test_the_marker_comes_also_when_the_leg_latches_meanwhile(bench: PlaneBench) -> None:
    """A change of where packets go does not lose the mark."""
    bench.tell(PlayTone("call", "a", "warning", duration_s=0.04))
    bench.advance(0.1)
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(1))
    assert heard(bench)[-1].marker


def test_the_other_direction_goes_on(bench: PlaneBench) -> None:
    """Only the leg that hears the tone is cut off."""
    bench.tell(PlayTone("call", "a", "busy"))
    bench.rtp("a", PHONE_A, voice(1))
    assert len(heard(bench, "b")) == 1


def test_stop_ends_a_tone(bench: PlaneBench) -> None:
    """At once, and only the sweep is left to wait for."""
    bench.tell(PlayTone("call", "a", "ringback"))
    bench.advance(0.1)
    heard(bench)
    bench.tell(StopTone("call", "a"))
    bench.advance(0.5)
    assert heard(bench) == []
    bench.rtp("b", PHONE_B, voice(1))
    assert len(heard(bench)) == 1


def test_a_second_tone_replaces_the_first(bench: PlaneBench) -> None:
    """In one stream of our own."""
    bench.tell(PlayTone("call", "a", "ringback"))
    bench.advance(0.1)
    bench.tell(PlayTone("call", "a", "congestion"))
    bench.advance(0.1)
    packets = heard(bench)
    assert {packet.ssrc for packet in packets} == {1000}
    numbers = [packet.sequence for packet in packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_leg_on_hold_hears_no_tone(bench: PlaneBench) -> None:
    """Nothing is sent to a leg that does not receive."""
    bench.tell(remote("a", PHONE_A, receives=False), PlayTone("call", "a", "busy"))
    bench.advance(0.5)
    assert heard(bench) == []


def test_many_tones_tick_together() -> None:
    """Tones that began at different times share their wake-ups."""
    bench = PlaneBench()
    for index in range(10):
        bench.bridged_call(str(index))
        bench.tell(PlayTone(str(index), "a", "busy"))
        bench.now_s += 0.003
    wakes = 0
    until_s = bench.now_s + 1.0
    while (deadline_s := bench.plane.next_deadline_s() or until_s) < until_s:
        bench.now_s = deadline_s
        bench.plane.expire(bench.now_s)
        wakes += 1
    assert wakes < 60


def test_a_phone_that_refuses_packets_breaks_nothing(bench: PlaneBench) -> None:
    """Its ICMP error is an ``OSError`` here: neither tone nor relay ends by it."""
    bench.rtp("a", PHONE_A, voice(1))
    bench.wire("a").refuses = True
    bench.tell(PlayTone("call", "a", "busy", duration_s=0.2))
    bench.advance(0.1)
    bench.wire("a").refuses = False
    bench.advance(0.5)
    assert 0 < len(heard(bench)) < 10
    bench.wire("a").refuses = True
    bench.rtp("b", PHONE_B, voice(1))
    bench.wire("a").refuses = False
    bench.rtp("b", PHONE_B, voice(2))
    assert [packet.sequence for packet in heard(bench)] == [2]
