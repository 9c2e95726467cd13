"""WAV files of the house's PCM: mono, 8 kHz, 16 bits. Other formats are converted elsewhere."""

from __future__ import annotations

import io
import wave

from media.pcm import SAMPLE_OCTETS, SAMPLE_RATE_HZ

CHANNELS = 1
DURATION_MAX_S = 3600  # 58 MB in memory: longer audio is not read at once
FRAMES_MAX = DURATION_MAX_S * SAMPLE_RATE_HZ


class UnsuitableAudio(Exception):
    """The file is not a WAV file, or not of the one form that is kept."""


def write_wav(pcm: bytes) -> bytes:
    """The file that holds ``pcm``."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(CHANNELS)
        writer.setsampwidth(SAMPLE_OCTETS)
        writer.setframerate(SAMPLE_RATE_HZ)
        writer.writeframes(pcm)
    return file.getvalue()


def read_wav(data: bytes) -> bytes:
    """The PCM in a file; ``UnsuitableAudio`` says what does not fit."""
    try:
        with wave.open(io.BytesIO(data), "rb") as reader:
            _check_form(reader)
            return reader.readframes(reader.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:
        # The RuntimeError is Python 3.11's for a chunk that ends beyond the file.
        raise UnsuitableAudio(f"not a WAV file: {error or 'cut short'}") from None


def _check_form(reader: wave.Wave_read) -> None:
    form = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
    if form != (CHANNELS, SAMPLE_OCTETS, SAMPLE_RATE_HZ):
        channels, octets, rate_hz = form
        raise UnsuitableAudio(
            f"{channels} channels of {8 * octets} bits at {rate_hz} Hz, "
            f"not {CHANNELS} of {8 * SAMPLE_OCTETS} at {SAMPLE_RATE_HZ}"
        )
    if reader.getnframes() > FRAMES_MAX:
        raise UnsuitableAudio(f"longer than {DURATION_MAX_S} s")
