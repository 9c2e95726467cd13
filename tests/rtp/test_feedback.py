"""What one peer's reports tell of the path to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.feedback import SENDER_REPORTS_MAX, PathFeedback
from rtp.rtcp import Report, ReportBlock, SenderInfo

SSRC = 7


def sender_report(seconds: int) -> SenderInfo:
    """A sender part of that NTP second."""
    return SenderInfo(ntp_time=seconds << 32, rtp_timestamp=0, packets=0, octets=0)


def answer(
    *, to: int = 0, after_s: float = 0.0, lost: int = 0, jitter: int = 0, ssrc: int = SSRC
) -> Report:
    """A receiver report that answers the sender report of second ``to``, held for ``after_s``."""
    delay = round(after_s * 65536)
    return Report(1, (ReportBlock(ssrc, 0, lost, 0, jitter, to << 16 & 0xFFFFFFFF, delay),))


def told(feedback: PathFeedback, report: Report, now_s: float = 0.0) -> PathFeedback:
    """The feedback after a report about a stream of 8 kHz."""
    feedback.report_received(report, ssrc=SSRC, clock_hz=8000, now_s=now_s)
    return feedback


def test_nothing_is_known_before_a_report() -> None:
    """All three are ``None``."""
    feedback = PathFeedback()
    assert (feedback.round_trip_ms, feedback.packets_lost, feedback.jitter_ms) == (None, None, None)


def test_round_trip_is_what_the_peer_did_not_hold() -> None:
    """Relayed at 10.0, answered at 12.06 after 2 s: 60 ms on the way."""
    feedback = PathFeedback()
    feedback.sender_report_relayed(sender_report(5), 10.0)
    told(feedback, answer(to=5, after_s=2.0), 12.06)
    assert feedback.round_trip_ms == pytest.approx(60.0, abs=0.1)


def test_an_answer_to_an_unknown_report_gives_no_round_trip() -> None:
    """Such as one to a report from before the peer's other side changed."""
    feedback = PathFeedback()
    feedback.sender_report_relayed(sender_report(5), 10.0)
    assert told(feedback, answer(to=6), 12.0).round_trip_ms is None


def test_a_held_time_that_cannot_be_gives_no_round_trip() -> None:
    """A peer that says it held the report longer than it was away is not believed."""
    feedback = PathFeedback()
    feedback.sender_report_relayed(sender_report(5), 10.0)
    assert told(feedback, answer(to=5, after_s=30.0), 12.0).round_trip_ms is None


def test_few_sender_reports_are_remembered() -> None:
    """The oldest goes first."""
    feedback = PathFeedback()
    for second in range(1, SENDER_REPORTS_MAX + 2):
        feedback.sender_report_relayed(sender_report(second), float(second))
    assert told(feedback, answer(to=1), 20.0).round_trip_ms is None
    assert told(feedback, answer(to=2), 20.0).round_trip_ms == pytest.approx(18_000)


def test_losses_and_jitter_are_the_latest_report() -> None:
    """Losses are cumulative already; jitter comes in ticks of the stream's clock."""
    feedback = told(PathFeedback(), answer(lost=3, jitter=40))
    told(feedback, answer(lost=5, jitter=80))
    assert (feedback.packets_lost, feedback.jitter_ms) == (5, 10.0)


def test_losses_add_up_over_streams() -> None:
    """After a change of SSRC the peer counts from zero, the leg does not."""
    feedback = told(PathFeedback(), answer(lost=3))
    changed = answer(lost=2, ssrc=8)
    feedback.report_received(changed, ssrc=8, clock_hz=8000, now_s=0.0)
    assert feedback.packets_lost == 5


def test_duplicates_at_the_peer_are_no_negative_loss() -> None:
    """RFC 3550 lets the count be negative; a figure for people is not."""
    assert told(PathFeedback(), answer(lost=-4)).packets_lost == 0


def test_blocks_about_other_streams_are_passed_over() -> None:
    """A report about an SSRC that was not relayed says nothing."""
    assert told(PathFeedback(), answer(lost=3, ssrc=99)).packets_lost is None


@given(
    last_sr=st.integers(0, 0xFFFFFFFF),
    delay=st.integers(0, 0xFFFFFFFF),
    elapsed_s=st.floats(0, 1e6),
)
def test_a_round_trip_is_never_negative(last_sr: int, delay: int, elapsed_s: float) -> None:
    """Whatever a peer writes into its report."""
    feedback = PathFeedback()
    feedback.sender_report_relayed(sender_report(5), 0.0)
    report = Report(1, (ReportBlock(SSRC, 0, 0, 0, 0, last_sr, delay),))
    told(feedback, report, elapsed_s)
    assert feedback.round_trip_ms is None or feedback.round_trip_ms >= 0
