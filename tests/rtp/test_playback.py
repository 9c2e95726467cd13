"""Tones that stand, and those that yield to what the peer sends."""

from __future__ import annotations

import pytest

from media.codecs import decoder
from media.pcm import audioop, level_dbfs
from media.tones import HOLD, tone_pcm
from rtp.messages import Format, PlayTone, StopTone
from rtp.packet import RtpPacket
from tests.rtp.fakes import PHONE_A, PHONE_B, PlaneBench, remote, voice


def ssrcs(bench: PlaneBench) -> set[int]:
    """Of what went to leg "a" since the last look."""
    sent = bench.wire("a").sent
    found = {RtpPacket.parse(data).ssrc for data, _ in sent}
    sent.clear()
    return found


def talking() -> PlaneBench:
    """A bridged call with both phones heard."""
    bench = PlaneBench()
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(1, ssrc=0xB))
    bench.wire("a").sent.clear()
    return bench


def test_a_tone_that_stands_goes_on_after_one_that_ends() -> None:
    """Music, a warning, music."""
    bench = talking()
    bench.tell(PlayTone("call", "a", HOLD), PlayTone("call", "a", "warning", 0.4))
    bench.advance(2.0)
    assert len(bench.wire("a").sent) >= 99
    bench.tell(StopTone("call", "a"))
    bench.rtp("b", PHONE_B, voice(2, ssrc=0xB))
    ssrcs(bench)
    bench.advance(1.0)
    assert ssrcs(bench) == set()


def test_a_tone_yields_to_what_the_peer_sends() -> None:
    """A carrier's own music is heard; ours, from the second after the last of it."""
    bench = talking()
    bench.tell(PlayTone("call", "a", HOLD, unless_heard=True))
    for sequence in range(2, 152):
        bench.rtp("b", PHONE_B, voice(sequence, ssrc=0xB))
        bench.advance(0.02)
    assert ssrcs(bench) == {0xB}
    bench.advance(2.5)
    assert ssrcs(bench) == {1000}
    for sequence in range(152, 262):
        bench.rtp("b", PHONE_B, voice(sequence, ssrc=0xB))
        bench.advance(0.02)
    assert ssrcs(bench) == {1000, 0xB}
    bench.rtp("b", PHONE_B, voice(262, ssrc=0xB))
    bench.advance(0.02)
    assert ssrcs(bench) == {0xB}


def test_a_tone_takes_up_the_timestamps_of_what_it_replaces() -> None:
    """Receivers that go by them across a change of SSRC neither wait nor throw away."""
    bench = PlaneBench()
    bench.bridged_call()
    for sequence in range(5000, 5010):
        bench.rtp("b", PHONE_B, voice(sequence, ssrc=0xB))
        bench.advance(0.02)
    bench.tell(PlayTone("call", "a", HOLD))
    bench.advance(0.1)
    *_, relayed = (p for p in packets(bench) if p.ssrc == 0xB)
    first = next(p for p in packets(bench) if p.ssrc != 0xB)
    assert 160 <= first.timestamp - relayed.timestamp <= 480


def packets(bench: PlaneBench) -> list[RtpPacket]:
    """What went to leg "a"."""
    return [RtpPacket.parse(data) for data, _ in bench.wire("a").sent]


@pytest.mark.parametrize("codec", [Format(8, "PCMA", 8000), Format(0, "PCMU", 8000)])
def test_the_held_party_hears_the_melody(codec: Format) -> None:
    """A whole turn of it and on, in its codec, without a seam."""
    bench = talking()
    bench.tell(remote("a", PHONE_A, formats=(codec,)), PlayTone("call", "a", HOLD))
    bench.advance(13.0)
    decode = decoder(codec.encoding)
    assert decode is not None
    heard = b"".join(decode(packet.payload) for packet in packets(bench))
    melody = (tone_pcm(HOLD) * 2)[: len(heard)]
    noise = audioop.add(heard, audioop.mul(melody, 2, -1), 2)
    assert len(heard) >= 2 * 8000 * 12.9
    assert level_dbfs(noise) < level_dbfs(melody) - 30
