"""Key presses heard in audio: the two tones of a key (ITU-T Q.23) by Goertzel's filters (Q.24).

Costs some 80 us for 10 ms of speech, nothing for silence, so it runs only while somebody wants it.
"""

from __future__ import annotations

import math
from array import array
from operator import mul

from media.pcm import SAMPLE_OCTETS, SAMPLE_RATE_HZ, level_dbfs

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")  # a row for each low tone

# 20 ms that overlap by half, so that 40 ms, the shortest tone that Q.24 wants heard, show in three
# blocks wherever it begins. Their resolution is 50 Hz, the closest tones are 73 Hz apart.
BLOCK = 160
HOP = 80
LEVEL_MIN_DBFS = -39.0  # -36 dBm0 of the two tones together; what is softer is an echo
TWIST_MAX = 10.0  # 10 dB between the two tones, either way: 6, and what tones that are off lose
NEXT_BEST_MAX = 0.15  # of the power of the tone, for any other tone of its group
# Of the block's energy what the two tones must have. Exact tones have all of it, those that are
# 1.5 % off and 6 dB apart 0.49; vowels spread theirs over many harmonics.
SHARE_MIN = 0.45
# Blocks in a row that show a key before it counts: a tone of 40 ms has two that it fills and one
# that it fills to three quarters; two alone are found in speech.
HITS = 3
MISSES = 2  # blocks in a row without it before the key is up


class ToneDetector:
    """The presses in one stream of PCM (``media.pcm``)."""

    __slots__ = ("_down", "_hits", "_last", "_misses", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._last = ""  # what the last block showed
        self._hits = 0
        self._down = ""
        self._misses = 0

    def feed(self, pcm: bytes) -> str:
        """The keys that went down in these samples, in order, each once."""
        data = self._rest + pcm
        begun, at, hop = "", 0, HOP * SAMPLE_OCTETS
        while at + BLOCK * SAMPLE_OCTETS <= len(data):
            begun += self._saw(key_of(data[at : at + BLOCK * SAMPLE_OCTETS]))
            at += hop
        self._rest = data[at:]
        return begun

    def _saw(self, key: str) -> str:
        """One block's key; gives it when it is a press that begins."""
        self._hits = self._hits + 1 if key == self._last else 1
        self._last = key
        if self._down:
            self._misses = 0 if key == self._down else self._misses + 1
            if self._misses >= MISSES:
                self._down = ""
        if not key or self._hits < HITS or key == self._down:
            return ""
        self._down, self._misses = key, 0
        return key


def key_of(block: bytes) -> str:
    """The key that ``BLOCK`` samples show, "" for none."""
    if level_dbfs(block) < LEVEL_MIN_DBFS:
        return ""
    samples = array("h", block)
    low = [_power(samples, tables) for tables in _LOW_TABLES]
    high = [_power(samples, tables) for tables in _HIGH_TABLES]
    row, column = low.index(max(low)), high.index(max(high))
    if not _stands_out(low, row) or not _stands_out(high, column):
        return ""
    if not 1 / TWIST_MAX <= low[row] / high[column] <= TWIST_MAX:
        return ""
    energy = sum(map(mul, samples, samples)) * BLOCK / 2
    return KEYS[row][column] if low[row] + high[column] >= SHARE_MIN * energy else ""


def _stands_out(powers: list[float], best: int) -> bool:
    limit = powers[best] * NEXT_BEST_MAX
    return powers[best] > 0 and all(p <= limit for i, p in enumerate(powers) if i != best)


def _power(samples: array[int], tables: tuple[array[float], array[float]]) -> float:
    """The squared amplitude of one frequency, times (BLOCK / 2) squared."""
    cosine, sine = tables
    return float(sum(map(mul, samples, cosine))) ** 2 + float(sum(map(mul, samples, sine))) ** 2


def _tables(frequency_hz: float) -> tuple[array[float], array[float]]:
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    return (
        array("d", (math.cos(step * index) for index in range(BLOCK))),
        array("d", (math.sin(step * index) for index in range(BLOCK))),
    )


_LOW_TABLES = tuple(map(_tables, LOW_HZ))
_HIGH_TABLES = tuple(map(_tables, HIGH_HZ))
