"""Tones as PCM."""

from __future__ import annotations

import math
from array import array

import pytest

from media.codecs import decoder, encode_pcmu
from media.pcm import SAMPLE_RATE_HZ, duration_s, level_dbfs
from media.tones import FRAME_SAMPLES, HOLD, HOLD_MUSIC, TONES, encoded_tone, tone_pcm
from tools.hold_music import hold_music_pcm


def power_at(pcm: bytes, frequency_hz: float) -> float:
    """The share of the power of ``pcm`` at one frequency (Goertzel)."""
    values = array("h", pcm)
    turn = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    real = sum(value * math.cos(turn * index) for index, value in enumerate(values))
    imaginary = sum(value * math.sin(turn * index) for index, value in enumerate(values))
    total = sum(value * value for value in values)
    return 2 * (real * real + imaginary * imaginary) / (len(values) * total)


@pytest.mark.parametrize(
    ("name", "frequency_hz", "on_ms", "period_ms"),
    [
        ("ringback", 425, 1000, 5000),
        ("busy", 425, 500, 1000),
        ("congestion", 425, 240, 480),
        ("warning", 1400, 400, 15000),
    ],
)
def test_a_tone_sounds_and_pauses_as_its_table_says(
    name: str, frequency_hz: float, on_ms: int, period_ms: int
) -> None:
    """Pure in its frequency at -10 dBm0 while on, silent while off."""
    pcm = tone_pcm(name)
    on_octets = 2 * on_ms * SAMPLE_RATE_HZ // 1000
    assert duration_s(pcm) == period_ms / 1000
    assert power_at(pcm[:on_octets], frequency_hz) > 0.95
    assert level_dbfs(pcm[:on_octets]) == pytest.approx(-13.1, abs=0.3)
    assert not any(pcm[on_octets:])


def test_edges_do_not_click() -> None:
    """A burst begins and ends at zero."""
    burst = array("h", tone_pcm("busy"))[: SAMPLE_RATE_HZ // 2]
    assert abs(burst[0]) < 200
    assert abs(burst[-1]) < 200


@pytest.mark.parametrize("name", sorted(TONES))
def test_periods_are_whole_frames(name: str) -> None:
    """So that a tone played in a circle has no seam."""
    assert all(duration_ms % 20 == 0 for duration_ms in TONES[name].cadence_ms)
    assert {len(frame) for frame in encoded_tone(name, "PCMA")} == {FRAME_SAMPLES}


def test_encoded_frames_are_the_tone() -> None:
    """Decoding them gives the tone, but for the codec's steps."""
    decode = decoder("PCMU")
    assert decode is not None
    heard = array("h", decode(b"".join(encoded_tone("busy", "PCMU"))))
    for value, expected in zip(heard, array("h", tone_pcm("busy")), strict=True):
        assert abs(value - expected) <= abs(expected) / 16 + 16


@pytest.mark.parametrize(("name", "encoding"), [("fanfare", "PCMA"), ("busy", "opus")])
def test_what_cannot_be_played_is_empty(name: str, encoding: str) -> None:
    """An unknown tone or codec."""
    assert encoded_tone(name, encoding) == ()


def test_the_melody_for_who_is_held_is_what_its_script_makes() -> None:
    """Twelve seconds, quieter than speech, in whole frames."""
    assert encode_pcmu(hold_music_pcm()) == HOLD_MUSIC.read_bytes()
    pcm = tone_pcm(HOLD)
    assert duration_s(pcm) == 12.0
    assert -35 < level_dbfs(pcm) < -20
    assert {len(frame) for frame in encoded_tone(HOLD, "PCMA")} == {FRAME_SAMPLES}
