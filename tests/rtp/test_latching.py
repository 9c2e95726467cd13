"""Which source a port listens to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtp.latching import LATCH_WINDOW_S, LEFT_SOURCE_S, Latch, Verdict
from rtp.wire import Address

SDP: Address = ("10.0.0.7", 4000)  # a private address that never appears outside
SIGNALLING = "198.51.100.1"
NATTED: Address = (SIGNALLING, 61234)
STRANGER: Address = ("203.0.113.66", 4000)

hosts = st.sampled_from(["10.0.0.7", SIGNALLING, "203.0.113.66", "203.0.113.67"])
addresses = st.tuples(hosts, st.sampled_from([4000, 4002, 61234]))


def opened(now_s: float = 0.0) -> Latch:
    """A latch for a phone behind NAT."""
    latch = Latch()
    latch.open(SDP, {SDP[0], SIGNALLING}, now_s)
    return latch


def test_a_closed_latch_accepts_nobody() -> None:
    """Before signalling said where the peer is, every source is a stranger."""
    assert Latch().judge(SDP, 0.0) is Verdict.STRANGER


def test_latches_to_the_signalling_host_on_any_port() -> None:
    """A phone behind NAT is found where it signals."""
    latch = opened()
    assert latch.judge(NATTED, 1.0) is Verdict.LATCHED
    assert latch.source == NATTED
    assert latch.judge(NATTED, 1.1) is Verdict.ACCEPTED


def test_latches_to_the_sdp_address() -> None:
    """A phone that says the truth is found there."""
    assert opened().judge(SDP, 1.0) is Verdict.LATCHED


def test_once_latched_even_the_sdp_address_is_a_stranger() -> None:
    """The first valid source decides."""
    latch = opened()
    latch.judge(NATTED, 1.0)
    assert latch.judge(SDP, 1.1) is Verdict.STRANGER


def test_after_the_window_only_the_sdp_address_may_begin() -> None:
    """A late guess from an allowed host is refused, the address that was signalled never is."""
    late_s = LATCH_WINDOW_S
    assert opened().judge(NATTED, late_s) is Verdict.STRANGER
    assert opened().judge(SDP, late_s) is Verdict.LATCHED


def test_signalling_begins_the_window_anew() -> None:
    """A phone that rang for long is found after its answer."""
    latch = opened()
    latch.extend(100.0)
    assert latch.judge(NATTED, 101.0) is Verdict.LATCHED


def test_only_opening_moves_a_latched_port() -> None:
    """A new negotiation forgets the source, a prolonged window does not."""
    latch = opened()
    latch.judge(NATTED, 1.0)
    latch.extend(2.0)
    assert latch.judge(SDP, 2.0) is Verdict.STRANGER
    latch.open(SDP, {SDP[0]}, 3.0)
    assert latch.judge(SDP, 3.0) is Verdict.LATCHED


def moved() -> Latch:
    """A latch of a phone that sent from ``NATTED`` and then offered another port."""
    latch = opened()
    latch.judge(NATTED, 1.0)
    latch.open((SDP[0], 4010), {SDP[0], SIGNALLING}, 2.0)
    return latch


def test_the_source_that_was_left_is_not_found_again() -> None:
    """A phone goes on at its old port until our answer reaches it."""
    latch = moved()
    assert latch.judge(NATTED, 2.1) is Verdict.STRANGER
    assert latch.judge((SIGNALLING, 61300), 2.2) is Verdict.LATCHED


def test_the_source_that_was_left_is_found_after_a_while() -> None:
    """Then its address translator did not give it a new one."""
    assert moved().judge(NATTED, 2.0 + LEFT_SOURCE_S) is Verdict.LATCHED


def test_repeated_signalling_does_not_forget_what_was_left() -> None:
    """The answer that follows the offer opens the latch once more."""
    latch = moved()
    latch.open((SDP[0], 4010), {SDP[0], SIGNALLING}, 2.5)
    assert latch.judge(NATTED, 2.6) is Verdict.STRANGER


def test_moving_back_finds_the_sdp_address() -> None:
    """What the SDP names is never refused."""
    latch = opened()
    latch.judge(SDP, 1.0)
    latch.open((SDP[0], 4010), {SDP[0]}, 2.0)
    latch.open(SDP, {SDP[0]}, 3.0)
    assert latch.judge(SDP, 3.1) is Verdict.LATCHED


def test_a_hold_without_address_leaves_no_source() -> None:
    """A phone that holds by 0.0.0.0 may play music, and comes back where it was."""
    latch = opened()
    latch.judge(NATTED, 1.0)
    latch.open(None, {SIGNALLING}, 2.0)
    assert latch.judge(NATTED, 2.1) is Verdict.LATCHED
    latch.open(SDP, {SDP[0], SIGNALLING}, 3.0)
    assert latch.judge(NATTED, 3.1) is Verdict.LATCHED


@given(packets=st.lists(st.tuples(addresses, st.floats(0, 2 * LATCH_WINDOW_S)), max_size=30))
def test_hosts_that_signalling_did_not_name_never_pass(
    packets: list[tuple[Address, float]],
) -> None:
    """In whatever order sources come, what passes is one source, and of a named host."""
    latch = opened()
    passed = {
        source
        for source, now_s in sorted(packets, key=lambda each: each[1])
        if latch.judge(source, now_s) is not Verdict.STRANGER
    }
    assert len(passed) <= 1
    assert all(source[0] in (SDP[0], SIGNALLING) for source in passed)
