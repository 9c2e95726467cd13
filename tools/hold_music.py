"""``python -m tools.hold_music``: make the melody for who is held, ``media/hold_music.ulaw``.

A quiet arpeggio over four chords in a circle of 12 seconds, composed here: nobody's rights are in
it. The file is committed, since making it takes longer than a media plane may pause.
"""

from __future__ import annotations

import math
from array import array
from pathlib import Path

from media.codecs import encode_pcmu
from media.pcm import SAMPLE_RATE_HZ, pcm_bytes
from media.tones import HOLD_MUSIC

NOTE_S = 0.375
NOTES_HZ = {"C": 261.63, "D": 293.66, "E": 329.63, "F": 349.23, "G": 392.0, "A": 440.0, "B": 493.88}
# Each chord as eight notes; a lower-case letter is an octave higher.
CHORDS = ("CEGcGEGc", "ACEAcAEA", "FACFcFAC", "GBDGdGBD")
PARTIALS = (1.0, 0.25, 0.08)  # a soft, bell-like sound that the telephone's band carries
AMPLITUDE = 2600.0  # some -22 dBm0 on the whole: below speech
DECAY_S = 0.5
ATTACK_S = 0.01
RING_S = 1.5  # a note sounds on into the next ones, the last ones into the begin of the circle


def hold_music_pcm() -> bytes:
    """One turn of the melody."""
    notes = [note for chord in CHORDS for note in chord]
    mixed = [0.0] * round(len(notes) * NOTE_S * SAMPLE_RATE_HZ)
    for index, note in enumerate(notes):
        start = round(index * NOTE_S * SAMPLE_RATE_HZ)
        for at, value in enumerate(_note(note)):
            mixed[(start + at) % len(mixed)] += value
    return pcm_bytes(array("h", map(round, mixed)))


def _note(name: str) -> list[float]:
    frequency_hz = NOTES_HZ[name.upper()] * (2 if name.islower() else 1)
    return [
        _sample(frequency_hz, at / SAMPLE_RATE_HZ) for at in range(int(RING_S * SAMPLE_RATE_HZ))
    ]


def _sample(frequency_hz: float, at_s: float) -> float:
    gain = AMPLITUDE * min(1.0, at_s / ATTACK_S) * math.exp(-at_s / DECAY_S)
    fade = min(1.0, (RING_S - at_s) / 0.2)
    turn = 2 * math.pi * frequency_hz * at_s
    return gain * fade * sum(p * math.sin(n * turn) for n, p in enumerate(PARTIALS, 1))


if __name__ == "__main__":
    Path(HOLD_MUSIC).write_bytes(encode_pcmu(hold_music_pcm()))
