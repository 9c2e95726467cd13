"""Speech to play and a measure of how much of it was heard."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 8000
WINDOW_S = 1.0
DRIFT_MAX_S = 0.06  # a jitter buffer may drop or repeat up to three packets from window to window

Samples = np.ndarray[Any, np.dtype[np.float64]]

# Two speakers and two texts: their recordings have nothing in common but being speech.
SPEECH = {
    "first": (
        "en-gb+m3",
        "The quick brown fox jumps over the lazy dog, while seven wizards quietly mix a jug of "
        "bright green paint. Nobody expected the harbour to freeze before December, and yet the "
        "ferry stayed at the quay for three long weeks.",
    ),
    "second": (
        "en-us+f2",
        "Please hold the line. Our office in Riga opens at nine o'clock on weekdays, and the "
        "invoice number two thousand and sixteen has been paid in full. If you would like to "
        "speak with someone about a different matter, press one now.",
    ),
}


def synthesize(name: str, folder: Path) -> Path:
    """``folder/name.wav``: more than ten seconds of speech, 8 kHz mono 16 bits."""
    voice, text = SPEECH[name]
    spoken, played = folder / f"{name}-spoken.wav", folder / f"{name}.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", spoken, text], check=True)
    # Telephone band and a level that G.711 neither clips nor drowns in its noise.
    shape = ["highpass", "250", "lowpass", "3300", "norm", "-6"]
    subprocess.run(
        ["sox", "-D", spoken, "-r", str(RATE_HZ), "-c", "1", "-b", "16", played, *shape], check=True
    )
    return played


def to_alaw(wav: Path) -> Path:
    """The same speech as a file of bare A-law bytes, as SIPp plays it."""
    raw = wav.with_suffix(".alaw")
    subprocess.run(["sox", wav, "-t", "al", raw], check=True)
    return raw


def read_wav(path: Path) -> Samples:
    """The samples of a mono 16-bit WAV, also of one whose header was never finished."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE_HZ, f"{path}: {file.getframerate()} Hz"
        assert file.getnchannels() == 1, f"{path}: {file.getnchannels()} channels"
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, dtype="<i2").astype(np.float64)


def correlation(recorded: Samples, played: Samples) -> float:
    """How much of ``played`` is in ``recorded``: 1.0 all of it, about 0 none.

    The two are aligned as a whole first; then each second may shift by up to ``DRIFT_MAX_S``
    against the one before, as jitter buffers do. The result is the normalized correlation over all
    seconds, weighted by their energy.
    """
    lag = _best_lag(recorded, played)
    window, drift = int(WINDOW_S * RATE_HZ), int(DRIFT_MAX_S * RATE_HZ)
    product = energy_played = energy_recorded = 0.0
    for start in range(0, len(played) - window + 1, window):
        part = played[start : start + window]
        begin = start + lag - drift
        heard = _slice(recorded, begin, window + 2 * drift)
        dot = np.correlate(heard, part, mode="valid")
        shift = int(np.argmax(dot))
        lag += shift - drift
        product += float(dot[shift])
        energy_played += float(part @ part)
        chosen = heard[shift : shift + window]
        energy_recorded += float(chosen @ chosen)
    if not energy_played or not energy_recorded:
        return 0.0
    return product / float(np.sqrt(energy_played * energy_recorded))


def _best_lag(recorded: Samples, played: Samples) -> int:
    """How many samples later ``played`` begins in ``recorded``, by FFT cross-correlation."""
    size = len(recorded) + len(played) - 1
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(played, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)))
    return lag - size if lag > len(recorded) else lag


def _slice(samples: Samples, begin: int, length: int) -> Samples:
    """``length`` samples from ``begin``, zeros where there are none."""
    result = np.zeros(length)
    first, last = max(begin, 0), min(begin + length, len(samples))
    if first < last:
        result[first - begin : last - begin] = samples[first:last]
    return result
