"""RTCP relayed on the odd port, and read on its way."""

from __future__ import annotations

import pytest

from rtp.messages import Release, Released
from rtp.rtcp import Report, ReportBlock, SenderInfo, print_compound
from tests.rtp.fakes import PHONE_A, PHONE_B, STRANGER, PlaneBench, remote, voice

A_RTCP = (PHONE_A[0], PHONE_A[1] + 1)
B_RTCP = (PHONE_B[0], PHONE_B[1] + 1)
SENDER_REPORT = print_compound([Report(0xA, sender=SenderInfo(0x1234_5678 << 16, 0, 1, 160))])


@pytest.fixture
def bench() -> PlaneBench:
    """A bridged call in which A sent one packet."""
    made = PlaneBench()
    made.bridged_call()
    made.rtp("a", PHONE_A, voice(1))
    return made


def receiver_report(*, lost: int = 0, held_s: float = 0.0) -> bytes:
    """B on A's stream."""
    block = ReportBlock(0xA, 0, lost, 1, 80, 0x1234_5678, round(held_s * 65536))
    return print_compound([Report(0xB, (block,))])


def test_reports_go_to_the_port_after_the_media(bench: PlaneBench) -> None:
    """Unchanged, to the SDP's RTCP address."""
    bench.rtcp("a", A_RTCP, SENDER_REPORT)
    assert bench.wire("b").sent_rtcp == [(SENDER_REPORT, B_RTCP)]


def test_the_rtcp_attribute_of_the_sdp_is_obeyed(bench: PlaneBench) -> None:
    """RFC 3605 names another port."""
    bench.tell(remote("b", PHONE_B, rtcp_port=7001))
    bench.rtcp("a", A_RTCP, SENDER_REPORT)
    assert bench.wire("b").sent_rtcp == [(SENDER_REPORT, (PHONE_B[0], 7001))]


def test_rtcp_latches_by_itself(bench: PlaneBench) -> None:
    """A phone behind NAT has another port for it, which is answered; others are strangers."""
    natted = (PHONE_B[0], 60001)
    bench.rtcp("b", natted, receiver_report())
    bench.rtcp("b", B_RTCP, receiver_report())
    bench.rtcp("a", A_RTCP, SENDER_REPORT)
    assert [address for _, address in bench.wire("b").sent_rtcp] == [natted]
    assert len(bench.wire("a").sent_rtcp) == 1


def test_a_strangers_report_is_neither_relayed_nor_read(bench: PlaneBench) -> None:
    """It is counted."""
    bench.rtcp("b", STRANGER, receiver_report(lost=99))
    (released,) = bench.tell(Release("call"))[-1:]
    assert isinstance(released, Released)
    assert released.legs[1].strangers == 1
    assert released.legs[1].remote_lost is None


def test_garbage_is_not_relayed(bench: PlaneBench) -> None:
    """Only what is RTCP passes."""
    bench.rtcp("a", A_RTCP, b"\x80\xc8\x00\xff" + bytes(8))
    assert bench.wire("b").sent_rtcp == []


def test_goes_on_while_a_leg_is_on_hold(bench: PlaneBench) -> None:
    """RFC 3264 section 5.1: directions are of media, not of its control."""
    bench.tell(remote("b", PHONE_B, receives=False, sends=False))
    bench.rtcp("a", A_RTCP, SENDER_REPORT)
    assert len(bench.wire("b").sent_rtcp) == 1


def test_is_swallowed_without_a_bridge(bench: PlaneBench) -> None:
    """There is nobody to tell."""
    lone = PlaneBench()
    lone.bridged_call()
    lone.tell(Release("call"))
    lone.bridged_call("other")
    wire = lone.wire("a", "other")
    wire.leg.peer = None
    lone.rtcp("a", A_RTCP, SENDER_REPORT, call="other")
    assert lone.wire("b", "other").sent_rtcp == []


def test_round_trip_loss_and_jitter_are_read(bench: PlaneBench) -> None:
    """From B's answer to the sender report of A that passed through here."""
    bench.rtcp("a", A_RTCP, SENDER_REPORT)
    bench.now_s += 1.04
    bench.rtcp("b", B_RTCP, receiver_report(lost=3, held_s=1.0))
    (released,) = bench.tell(Release("call"))[-1:]
    assert isinstance(released, Released)
    a, b = released.legs
    assert b.round_trip_ms == pytest.approx(40.0, abs=0.1)
    assert (b.remote_lost, b.remote_jitter_ms) == (3, 10.0)
    assert (a.round_trip_ms, a.remote_lost) == (None, None)
