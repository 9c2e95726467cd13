"""Linear PCM."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pcm import SAMPLE_RATE_HZ, duration_s, level_dbfs, mix, pcm_bytes

sounds = st.lists(st.integers(-32768, 32767), max_size=50)


@given(one=sounds, other=sounds)
def test_mixing_adds_and_clips(one: list[int], other: list[int]) -> None:
    """Sample by sample; the shorter one is followed by silence."""
    length = max(len(one), len(other))
    sums = [
        sum(each[index] for each in (one, other) if index < len(each)) for index in range(length)
    ]
    mixed = mix(pcm_bytes(array("h", one)), pcm_bytes(array("h", other)))
    assert list(array("h", mixed)) == [max(-32768, min(32767, value)) for value in sums]


def test_duration_is_in_seconds() -> None:
    """8,000 samples a second."""
    assert duration_s(bytes(2 * SAMPLE_RATE_HZ)) == 1.0


def test_levels_are_below_full_scale() -> None:
    """A full square wave is 0 dB, half of it 6 dB less, silence infinitely little."""
    full = pcm_bytes(array("h", [32767, -32767] * 100))
    half = pcm_bytes(array("h", [16384, -16384] * 100))
    assert level_dbfs(full) == pytest.approx(0.0, abs=0.01)
    assert level_dbfs(half) == pytest.approx(-6.02, abs=0.01)
    assert level_dbfs(bytes(100)) == level_dbfs(b"") == -math.inf
