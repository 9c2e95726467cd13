"""The instruments themselves: without the switch they must show what they claim to measure."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.live import audio
from tests.live.baresip import Account, Phone
from tests.live.ports import claimed_block


def test_speech_is_like_itself_and_unlike_the_other(speech: dict[str, Path]) -> None:
    """The measure is near 1 for what was played, near 0 for the other speaker."""
    first, second = (audio.read_wav(speech[name]) for name in ("first", "second"))
    assert len(first) > 10 * audio.RATE_HZ
    assert len(second) > 10 * audio.RATE_HZ
    assert audio.correlation(first, first) == pytest.approx(1.0)
    assert audio.correlation(first, second) < 0.1
    assert audio.correlation(second, first) < 0.1


def test_measure_survives_delay_noise_and_lost_packets(speech: dict[str, Path]) -> None:
    """A late start, line noise, a dropped and a repeated packet leave it above 0.9."""
    played = audio.read_wav(speech["first"])
    noise = np.random.default_rng(1)
    heard = np.concatenate(
        [np.zeros(3333), played[:40_000], played[40_160:64_000], played[63_840:]]
    )
    heard += noise.normal(0, 100, len(heard))
    assert audio.correlation(heard, played) > 0.9


def test_measure_tells_silence_and_half_a_recording(speech: dict[str, Path]) -> None:
    """Nothing heard is 0; every second second missing is well below 0.9."""
    played = audio.read_wav(speech["first"])
    gaps = played.copy()
    for start in range(0, len(gaps), 2 * audio.RATE_HZ):
        gaps[start : start + audio.RATE_HZ] = 0
    assert audio.correlation(np.zeros(len(played)), played) == 0.0
    assert audio.correlation(gaps, played) < 0.85


def test_two_phones_without_a_switch(speech: dict[str, Path], tmp_path: Path) -> None:
    """baresip to baresip directly: both recordings hold what the other played."""
    with ExitStack() as stack:
        ports = [stack.enter_context(claimed_block()) for _ in range(2)]
        phones = [
            stack.enter_context(
                Phone(
                    Account(name, "none", f"127.0.0.1:{peer}", "example.invalid", expires_s=0),
                    speech[says],
                    tmp_path / name,
                    port,
                )
            )
            for name, says, port, peer in (
                ("anna", "first", ports[0], ports[1]),
                ("gate", "second", ports[1], ports[0]),
            )
        ]
        anna, gate = phones
        anna.dial("gate")
        anna.wait_for("CALL_ESTABLISHED")
        time.sleep(4)
        anna.hang_up()
        gate.wait_for("CALL_CLOSED")
        for phone, spoken in ((anna, "second"), (gate, "first")):
            played = audio.read_wav(speech[spoken])[: 3 * audio.RATE_HZ]
            assert audio.correlation(audio.read_wav(phone.recording()), played) > 0.9
