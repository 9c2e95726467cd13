"""Tones of the network as deterministic PCM: what is heard while a call is not yet, or no more, the
keys of a telephone, and the melody for who is held.

Frequencies and cadences are Europe's single 425 Hz set (ITU-T E.180 annex, ETSI TR 101 041), and
E.180's 1400 Hz warning, which is the same tone that tells of a recording.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from media.codecs import decode_pcmu, encoder
from media.dtmf_detect import HIGH_HZ, KEYS, LOW_HZ
from media.pcm import SAMPLE_RATE_HZ, pcm_bytes

FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
AMPLITUDE = 10362  # -10 dBm0: 0 dBm0 of a sine peaks 3.14 dB below full scale (G.711 table 5)
RAMP_MS = 5  # edges that do not click


@dataclass(frozen=True, slots=True)
class Tone:
    """Frequencies that are on and off for these times, over and over.

    ``cadence_ms`` alternates on and off, multiples of 20 ms, together one period.
    """

    frequencies_hz: tuple[float, ...]
    cadence_ms: tuple[int, ...]


HOLD = "hold"
HOLD_MUSIC = Path(__file__).with_name("hold_music.ulaw")  # made by tools/hold_music.py


def key_tone(key: str) -> str:
    """The name of the tone pair of a telephone's key (ITU-T Q.23)."""
    return f"key {key}"


TONES: dict[str, Tone] = {
    "ringback": Tone((425.0,), (1000, 4000)),
    "busy": Tone((425.0,), (500, 500)),
    "congestion": Tone((425.0,), (240, 240)),
    "warning": Tone((1400.0,), (400, 14600)),  # a short beep; once in 15 s if it goes on
} | {
    # A second of whole periods, so that a long press has no seam but its ramps.
    key_tone(key): Tone((low, high), (1000,))
    for keys, low in zip(KEYS, LOW_HZ, strict=True)
    for key, high in zip(keys, HIGH_HZ, strict=True)
}


@cache
def tone_pcm(name: str) -> bytes:
    """One period of a tone, 8 kHz 16-bit; ``KeyError`` for a name that is neither in ``TONES`` nor
    ``HOLD``."""
    if name == HOLD:
        return decode_pcmu(HOLD_MUSIC.read_bytes())
    tone = TONES[name]
    samples = array("h")
    for index, duration_ms in enumerate(tone.cadence_ms):
        count = duration_ms * SAMPLE_RATE_HZ // 1000
        on = index % 2 == 0
        samples.extend(_sines(tone.frequencies_hz, count) if on else _silence(count))
    return pcm_bytes(samples)


@cache
def encoded_tone(name: str, encoding: str) -> tuple[bytes, ...]:
    """One period in 20 ms frames of a codec, empty if the tone or the codec is not known here."""
    encode = encoder(encoding)
    if encode is None or (name not in TONES and name != HOLD):
        return ()
    payload = encode(tone_pcm(name))
    return tuple(
        payload[start : start + FRAME_SAMPLES] for start in range(0, len(payload), FRAME_SAMPLES)
    )


def _silence(count: int) -> Iterable[int]:
    return (0 for _ in range(count))


def _sines(frequencies_hz: Sequence[float], count: int) -> Iterable[int]:
    """All frequencies together at ``AMPLITUDE``, with a ramp at either end."""
    steps = [2 * math.pi * each / SAMPLE_RATE_HZ for each in frequencies_hz]
    amplitude = AMPLITUDE / len(steps)
    ramp = RAMP_MS * SAMPLE_RATE_HZ // 1000
    for index in range(count):
        gain = min(1.0, index / ramp, (count - 1 - index) / ramp)
        yield round(amplitude * gain * sum(math.sin(step * index) for step in steps))
