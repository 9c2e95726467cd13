"""Keys heard in audio, and not heard in speech."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from media.codecs import decode_pcma, encode_pcma
from media.dtmf_detect import HIGH_HZ, KEYS, LOW_HZ, ToneDetector
from media.pcm import mix, pcm_bytes

SILENCE_50_MS = bytes(800)
TONES = {
    key: (low, high)
    for keys, low in zip(KEYS, LOW_HZ, strict=True)
    for key, high in zip(keys, HIGH_HZ, strict=True)
}


def press(
    key: str, *, ms: int = 60, amplitude: float = 4000, off: float = 0.0, twist_db: float = 0.0
) -> bytes:
    """A key's tones: ``off`` is the share by which they are too high, ``twist_db`` how much louder
    the high one is."""
    low, high = (2 * math.pi * hz * (1 + off) / 8000 for hz in TONES[key])
    louder = 10 ** (twist_db / 20)
    return pcm_bytes(
        array(
            "h",
            (
                round(amplitude * (math.sin(low * i) + louder * math.sin(high * i)))
                for i in range(8 * ms)
            ),
        )
    )


def heard(pcm: bytes, packet: int = 320) -> str:
    """The keys in some audio that comes in packets."""
    detector = ToneDetector()
    return "".join(detector.feed(pcm[at : at + packet]) for at in range(0, len(pcm), packet))


@pytest.mark.parametrize("key", TONES)
def test_every_key_is_heard_once(key: str) -> None:
    """However long it is pressed, also through G.711."""
    for ms in (40, 100, 1000):
        pcm = SILENCE_50_MS + press(key, ms=ms) + SILENCE_50_MS
        assert heard(decode_pcma(encode_pcma(pcm))) == key


@pytest.mark.parametrize("begin", range(0, 80, 7))
def test_the_shortest_press_is_heard_wherever_it_begins(begin: int) -> None:
    """40 ms (Q.24)."""
    assert heard(bytes(2 * begin) + press("7", ms=40) + SILENCE_50_MS) == "7"


def test_a_key_pressed_twice_is_heard_twice() -> None:
    """With a pause of 40 ms between."""
    one = press("5") + bytes(640)
    assert heard(one + one + press("6")) == "556"


@pytest.mark.parametrize("off", [-0.015, 0.015])
@pytest.mark.parametrize("twist_db", [-6.0, 6.0])
def test_tones_that_are_off_are_heard(off: float, twist_db: float) -> None:
    """1.5 % in frequency and 6 dB between them."""
    for key in TONES:
        assert heard(press(key, off=off, twist_db=twist_db, amplitude=3000) + SILENCE_50_MS) == key


@pytest.mark.parametrize(
    "pcm",
    [
        bytes(16000),
        press("5", ms=10),
        press("5", amplitude=40),
        press("5", twist_db=20, amplitude=1500),
        press("5", off=0.05),
    ],
)
def test_what_is_no_key_is_not_heard(pcm: bytes) -> None:
    """Silence, presses that are none (10 ms), echoes, one tone alone, other frequencies."""
    assert heard(pcm + SILENCE_50_MS) == ""


def test_noise_is_not_heard() -> None:
    """Ten seconds at a third of full scale."""
    dice = random.Random(1)
    assert heard(pcm_bytes(array("h", (dice.randint(-9000, 9000) for _ in range(80_000))))) == ""


def test_a_key_is_heard_in_some_noise() -> None:
    """16 dB below the tones."""
    dice = random.Random(2)
    noise = pcm_bytes(array("h", (dice.randint(-1100, 1100) for _ in range(8000))))
    assert heard(mix(SILENCE_50_MS + press("9", ms=100), noise)) == "9"
