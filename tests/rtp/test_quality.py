"""The E-model's estimate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.quality import (
    MOS_MAX,
    MOS_MIN,
    estimate_mos,
    mean_opinion_score,
    one_way_delay_ms,
    rating_factor,
)


@pytest.mark.parametrize(
    ("r", "mos"),
    [(0, 1.0), (-5, 1.0), (50, 2.58), (60, 3.1), (70, 3.6), (80, 4.03), (90, 4.34), (100, 4.5)],
)
def test_scores_of_the_recommendation(r: float, mos: float) -> None:
    """G.107 table B.1."""
    assert mean_opinion_score(r) == pytest.approx(mos, abs=0.01)


def test_a_clean_short_g711_call_is_as_good_as_it_gets() -> None:
    """No loss and no delay leave the defaults' 93.2, which is 4.41."""
    assert rating_factor("PCMA", 0.0, 0.0) == pytest.approx(93.2)
    assert mean_opinion_score(93.2) == pytest.approx(4.41, abs=0.01)


def test_g729_is_eleven_points_below_g711() -> None:
    """G.113's impairment of the codec itself."""
    assert rating_factor("PCMU", 0.0, 50.0) - rating_factor("g729", 0.0, 50.0) == pytest.approx(11)


def test_delay_hurts_more_beyond_the_knee() -> None:
    """Up to 177.3 ms a little, then talking becomes hard."""
    near = rating_factor("PCMA", 0.0, 0.0) - rating_factor("PCMA", 0.0, 177.3)
    beyond = rating_factor("PCMA", 0.0, 177.3) - rating_factor("PCMA", 0.0, 354.6)
    assert near == pytest.approx(0.024 * 177.3)
    assert beyond == pytest.approx((0.024 + 0.11) * 177.3)


def test_loss_of_the_amount_of_bpl_costs_half() -> None:
    """By the formula of Ie,eff."""
    assert rating_factor("PCMA", 0.251, 0.0) == pytest.approx(93.2 - 95 / 2)


def test_delay_is_what_is_known_of_the_path() -> None:
    """Half the round trip, one packet, twice the jitter; nothing known is one packet."""
    assert one_way_delay_ms(100.0, 5.0) == pytest.approx(80.0)
    assert one_way_delay_ms(None, None) == pytest.approx(20.0)


def test_a_leg_that_sent_nothing_has_no_score() -> None:
    """There is nothing to judge."""
    assert (
        estimate_mos("PCMA", packets_expected=0, packets_lost=0, round_trip_ms=None, jitter_ms=None)
        is None
    )


@given(
    encoding=st.sampled_from(["PCMA", "G729", "speex", ""]),
    losses=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    delays=st.tuples(st.floats(0, 2000), st.floats(0, 2000)),
)
def test_more_loss_and_delay_are_never_better(
    encoding: str, losses: tuple[float, float], delays: tuple[float, float]
) -> None:
    """The score falls with both and keeps its range."""
    better = mean_opinion_score(rating_factor(encoding, min(losses), min(delays)))
    worse = mean_opinion_score(rating_factor(encoding, max(losses), max(delays)))
    assert MOS_MIN <= worse <= better + 1e-9 <= MOS_MAX + 1e-9
