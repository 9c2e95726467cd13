"""Serial arithmetic: wraps are ordinary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtp.serial import (
    sequence_after,
    sequence_distance,
    timestamp_after,
)

sequences = st.integers(0, 0xFFFF)
timestamps = st.integers(0, 0xFFFFFFFF)


def test_the_number_after_the_last_is_zero() -> None:
    """65535 is followed by 0, and that is one step ahead."""
    assert sequence_after(0xFFFF) == 0
    assert sequence_distance(0, 0xFFFF) == 1
    assert sequence_distance(0xFFFF, 0) == -1


@given(start=sequences, steps=st.integers(-0x8000, 0x7FFF))
def test_distance_undoes_steps_of_a_sequence(start: int, steps: int) -> None:
    """Going some steps and measuring them gives the steps, across any wrap."""
    assert sequence_distance(sequence_after(start, steps), start) == steps


@given(start=timestamps, ticks=st.integers(0, 0xFFFFFFFF))
def test_timestamps_wrap_at_32_bits(start: int, ticks: int) -> None:
    """Ticks add up modulo 2**32, and so undo each other."""
    later = timestamp_after(start, ticks)
    assert 0 <= later <= 0xFFFFFFFF
    assert timestamp_after(later, -ticks) == start
