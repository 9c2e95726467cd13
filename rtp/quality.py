"""How a listener would judge a call: the E-model of ITU-T G.107, simplified.

Only what a relay can know enters: the codec, the share of packets lost, the delay; all else has
its default. Ro - Is + A is
then the 93.2 of G.107 table 3, and R = 93.2 - Id - Ie,eff.
"""

from __future__ import annotations

from dataclasses import dataclass

R_DEFAULT = 93.2  # G.107 (06/2015) clause 7.7: all parameters at their default values
MOS_MIN = 1.0
MOS_MAX = 4.5
PACKETISATION_MS = 20.0  # what nearly every phone puts in a packet
DELAY_KNEE_MS = 177.3  # the two-piece approximation of Id by Cole and Rosenbluth, 2001
JITTER_BUFFER_FACTOR = 2  # a phone's buffer holds about twice the jitter


@dataclass(frozen=True, slots=True)
class Impairment:
    """G.113 appendix I: ``ie`` without loss, ``bpl`` its robustness against random loss."""

    ie: float
    bpl: float


UNKNOWN_CODEC = Impairment(ie=0.0, bpl=10.0)

# G.113 (11/2007) table I.4 with concealment of lost packets, which phones have. Wideband codecs are
# counted as G.711 is: the narrowband scale has no room above it.
IMPAIRMENTS: dict[str, Impairment] = {
    "PCMU": Impairment(0.0, 25.1),
    "PCMA": Impairment(0.0, 25.1),
    "G722": Impairment(0.0, 25.1),
    "G729": Impairment(11.0, 19.0),
    "G723": Impairment(15.0, 16.1),
    "GSM": Impairment(20.0, 10.0),
    "ILBC": Impairment(11.0, 32.0),
    "OPUS": Impairment(0.0, 25.1),
}


def one_way_delay_ms(round_trip_ms: float | None, jitter_ms: float | None) -> float:
    """Mouth to ear as far as it is known: half the round trip, a packet's length, the buffer."""
    path_ms = (round_trip_ms or 0.0) / 2
    return path_ms + PACKETISATION_MS + JITTER_BUFFER_FACTOR * (jitter_ms or 0.0)


def rating_factor(encoding: str, loss_ratio: float, delay_ms: float) -> float:
    """R of the E-model, 0 to 93.2. ``loss_ratio`` is 0 to 1, losses taken as random."""
    impairment = IMPAIRMENTS.get(encoding.upper(), UNKNOWN_CODEC)
    loss_percent = 100 * min(1.0, max(0.0, loss_ratio))
    ie_effective = impairment.ie + (95 - impairment.ie) * loss_percent / (
        loss_percent + impairment.bpl
    )
    r = R_DEFAULT - _delay_impairment(delay_ms) - ie_effective
    return min(R_DEFAULT, max(0.0, r))


def mean_opinion_score(r: float) -> float:
    """MOS of a rating factor, 1.0 to 4.5 (G.107 annex B)."""
    if r <= 0:
        return MOS_MIN
    if r >= 100:
        return MOS_MAX
    # Below R = 6.5 the cubic dips under 1, which no listener can vote.
    return max(MOS_MIN, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def estimate_mos(
    encoding: str,
    *,
    packets_expected: int,
    packets_lost: int,
    round_trip_ms: float | None,
    jitter_ms: float | None,
) -> float | None:
    """The MOS of what a leg sent us, to two digits; ``None`` when it sent nothing."""
    if packets_expected <= 0:
        return None
    loss_ratio = packets_lost / packets_expected
    delay_ms = one_way_delay_ms(round_trip_ms, jitter_ms)
    return round(mean_opinion_score(rating_factor(encoding, loss_ratio, delay_ms)), 2)


def _delay_impairment(delay_ms: float) -> float:
    return 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - DELAY_KNEE_MS)
