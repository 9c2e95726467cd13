"""WAV files."""

from __future__ import annotations

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.wav import UnsuitableAudio, read_wav, write_wav


@given(pcm=st.binary(max_size=400).filter(lambda octets: len(octets) % 2 == 0))
def test_what_is_written_is_read(pcm: bytes) -> None:
    """Round trip."""
    assert read_wav(write_wav(pcm)) == pcm


@pytest.mark.parametrize(
    ("channels", "octets", "rate_hz"), [(2, 2, 8000), (1, 1, 8000), (1, 2, 44100)]
)
def test_other_forms_are_named(channels: int, octets: int, rate_hz: int) -> None:
    """Stereo, 8 bits or another rate are refused with what was found."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, octets, rate_hz, 0, "NONE", ""))
        writer.writeframes(bytes(16))
    with pytest.raises(
        UnsuitableAudio, match=f"{channels} channels of {8 * octets} bits at {rate_hz}"
    ):
        read_wav(file.getvalue())


@given(data=st.data())
def test_damaged_files_are_refused_or_read(data: st.DataObject) -> None:
    """No other exception, whatever octet is changed or cut off."""
    octets = bytearray(write_wav(bytes(range(40))))
    octets[data.draw(st.integers(0, 43))] = data.draw(st.integers(0, 255))
    try:
        read_wav(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
    except UnsuitableAudio:
        return
