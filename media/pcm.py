"""Linear PCM as the house keeps it: mono, 8 kHz, 16 bits signed, in the machine's byte order.

That is the order of ``audioop``, of ``array`` and of what ``wave`` takes and gives.
"""

from __future__ import annotations

import math
import warnings
from array import array

with warnings.catch_warnings():
    # Python 3.13 has dropped it; there ``audioop-lts`` brings it back (pyproject.toml).
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop as audioop  # for media.codecs, too

SAMPLE_RATE_HZ = 8000
SAMPLE_OCTETS = 2
FULL_SCALE = 32767


def pcm_bytes(samples: array[int]) -> bytes:
    """The octets of 16-bit samples."""
    assert samples.itemsize == SAMPLE_OCTETS, "samples are of 16 bits"
    return samples.tobytes()


def mix(one: bytes, other: bytes) -> bytes:
    """Both heard at once, clipped at full scale; the shorter is followed by silence."""
    length = max(len(one), len(other))
    return audioop.add(one.ljust(length, b"\0"), other.ljust(length, b"\0"), SAMPLE_OCTETS)


def duration_s(pcm: bytes) -> float:
    """How long it plays."""
    return len(pcm) / (SAMPLE_RATE_HZ * SAMPLE_OCTETS)


def level_dbfs(pcm: bytes) -> float:
    """RMS level below full scale in dB, minus infinity for silence or nothing."""
    rms = audioop.rms(pcm, SAMPLE_OCTETS) if pcm else 0
    return 20 * math.log10(rms / FULL_SCALE) if rms else float("-inf")
