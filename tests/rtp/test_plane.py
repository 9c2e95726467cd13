"""The plane's commands and notices, on fake wires."""

from __future__ import annotations

import pytest

from rtp.messages import (
    SEEN_INTERVAL_S,
    Bridge,
    ClosePorts,
    LegAt,
    LegStatistics,
    MediaSeen,
    MediaTimedOut,
    OpenPorts,
    PlayTone,
    PortsOpened,
    Release,
    Released,
    SetRemote,
    StopTone,
    UsePorts,
)
from tests.rtp.fakes import HOST, PHONE_A, PHONE_B, STRANGER, PlaneBench, remote, voice


@pytest.fixture
def bench() -> PlaneBench:
    """A plane with a media timeout of 60 s."""
    return PlaneBench()


def statistics(bench: PlaneBench, leg: str, call: str = "call") -> LegStatistics:
    """Release the call and return one leg's figures."""
    (released,) = (each for each in bench.tell(Release(call)) if isinstance(each, Released))
    return next(each for each in released.legs if each.leg == leg)


# --- ports ------------------------------------------------------------------------------------


def test_opens_the_ports_that_it_is_told_to(bench: PlaneBench) -> None:
    """And holds them ready: no leg uses them yet."""
    assert bench.tell(OpenPorts(HOST, (20000, 20002))) == [PortsOpened(HOST, (20000, 20002))]
    assert bench.wires.bound.keys() == {(HOST, 20000), (HOST, 20002)}
    assert bench.wires.open == {}


def test_skips_ports_that_others_hold(bench: PlaneBench) -> None:
    """The others are opened."""
    bench.wires.taken = {20000}
    assert bench.tell(OpenPorts(HOST, (20000, 20002))) == [
        PortsOpened(HOST, (20002,), f"cannot bind {HOST}:20000: in use")
    ]


def test_an_address_that_is_not_ours_is_tried_once(bench: PlaneBench) -> None:
    """Its other ports would be no better."""
    bench.wires.foreign = {HOST}
    assert bench.tell(OpenPorts(HOST, (20000, 20002))) == [
        PortsOpened(HOST, (), f"cannot bind {HOST}:20000: not ours")
    ]


def test_a_port_goes_from_call_to_call(bench: PlaneBench) -> None:
    """It stays bound, with nothing of the call before it."""
    bench.tell(OpenPorts(HOST, (20000,)), UsePorts("one", (LegAt("a", HOST, 20000),)))
    wire = bench.wire("a", "one")
    bench.tell(remote("a", PHONE_A, call="one"), Release("one"))
    bench.tell(UsePorts("two", (LegAt("x", HOST, 20000),)))
    assert bench.wire("x", "two") is wire
    assert not wire.closed
    bench.rtp("x", PHONE_A, voice(1), "two")
    assert statistics(bench, "x", "two").strangers == 1


def test_closes_ports_that_are_ready(bench: PlaneBench) -> None:
    """When the service holds too many."""
    bench.tell(OpenPorts(HOST, (20000, 20002)), ClosePorts(HOST, (20000,)))
    assert bench.wires.bound.keys() == {(HOST, 20002)}


def test_a_call_may_get_more_legs_later(bench: PlaneBench) -> None:
    """As when it is forked or transferred."""
    bench.open_legs("a")
    bench.open_legs("b", host="192.0.2.9")
    assert bench.wire("b").leg.bind_host == "192.0.2.9"
    bench.tell(Release("call"))
    assert bench.wires.open == {}


def test_release_is_answered_also_for_an_unknown_call(bench: PlaneBench) -> None:
    """Whoever waits is told."""
    assert bench.tell(Release("nobody")) == [Released("nobody")]


def test_commands_for_what_is_gone_change_nothing(bench: PlaneBench) -> None:
    """They crossed with the release."""
    notices = bench.tell(
        remote("a", PHONE_A),
        Bridge("call", "a", "b"),
        PlayTone("call", "a", "busy"),
        StopTone("call", "a"),
    )
    assert notices == []
    assert bench.plane.next_deadline_s() is None


# --- relay and latching -----------------------------------------------------------------------


def test_relays_both_ways(bench: PlaneBench) -> None:
    """What A sends leaves B's port for B unchanged, and the other way."""
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(9, ssrc=0xB))
    assert bench.wire("b").sent == [(voice(1), PHONE_B)]
    assert bench.wire("a").sent == [(voice(9, ssrc=0xB), PHONE_A)]


def test_sends_to_the_latched_source_instead_of_the_sdp(bench: PlaneBench) -> None:
    """Early media goes to the address of the SDP, and to where the phone really is once known."""
    outside = ("198.51.100.77", 61000)
    bench.bridged_call()
    bench.tell(remote("a", ("10.0.0.7", 4000), signalling_host=outside[0]))
    bench.rtp("b", PHONE_B, voice(1))
    bench.rtp("a", outside, voice(1))
    bench.rtp("b", PHONE_B, voice(2))
    assert bench.wire("a").sent == [(voice(1), ("10.0.0.7", 4000)), (voice(2), outside)]


def test_a_stranger_is_never_relayed_nor_sent_to(bench: PlaneBench) -> None:
    """Not before the latch closed, nor after, and it is counted."""
    bench.bridged_call()
    bench.rtp("a", STRANGER, voice(1))
    bench.rtp("b", PHONE_B, voice(1))
    assert bench.wire("b").sent == []
    assert [address for _, address in bench.wire("a").sent] == [PHONE_A]
    assert statistics(bench, "a").strangers == 1


def test_packets_queued_before_the_latch_are_judged(bench: PlaneBench) -> None:
    """A stranger's packet that the kernel took before the socket was connected goes nowhere."""
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    leg = bench.wire("a").leg
    bench.plane.rtp_received(leg, memoryview(voice(5)), STRANGER, bench.now_s)
    assert len(bench.wire("b").sent) == 1
    assert leg.strangers == 1


def test_what_is_not_rtp_does_not_latch(bench: PlaneBench) -> None:
    """A STUN request from the right host leaves the port open for the right packet."""
    bench.bridged_call()
    bench.rtp("a", (PHONE_A[0], 1), b"\x00\x01" + bytes(18))
    assert bench.wire("a").heard is None
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.wire("a").heard == PHONE_A


def test_a_repeated_offer_does_not_open_the_latch(bench: PlaneBench) -> None:
    """The same address again is a session refresh."""
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    bench.tell(remote("a", PHONE_A))
    assert bench.wire("a").heard == PHONE_A


@pytest.mark.parametrize("signalling", [remote("a", PHONE_A), Bridge("call", "a", "b")])
def test_signalling_begins_the_latch_window_anew(
    bench: PlaneBench, signalling: SetRemote | Bridge
) -> None:
    """A phone behind NAT that rang for a minute is found after its answer, not without."""
    natted = (PHONE_A[0], 61000)
    bench.bridged_call()
    bench.advance(60)
    bench.rtp("a", natted, voice(1))
    assert bench.wire("b").sent == []
    bench.tell(signalling)
    bench.rtp("a", natted, voice(2))
    assert bench.wire("a").heard == natted


@pytest.mark.parametrize(
    "change",
    [
        remote("a", ("198.51.100.50", 4000)),
        remote("a", (PHONE_A[0], 4002)),
        remote("a", PHONE_A, relatch=True),
    ],
)
def test_another_address_opens_the_latch(bench: PlaneBench, change: SetRemote) -> None:
    """Another host, another port, or when signalling says so."""
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    bench.tell(change)
    assert bench.wire("a").heard is None
    bench.rtp("a", (change.host, change.port), voice(2))
    assert bench.wire("a").heard == (change.host, change.port)


def test_a_leg_that_does_not_receive_gets_nothing(bench: PlaneBench) -> None:
    """Its SDP said sendonly or inactive."""
    bench.bridged_call()
    bench.tell(remote("b", PHONE_B, receives=False))
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.wire("b").sent == []


def test_a_leg_that_must_not_send_is_not_relayed(bench: PlaneBench) -> None:
    """Its SDP said recvonly; what it sends nevertheless may latch, but is not passed on."""
    bench.bridged_call()
    bench.tell(remote("a", PHONE_A, sends=False))
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.wire("b").sent == []
    assert bench.wire("a").heard == PHONE_A


@pytest.mark.parametrize(
    "address", [("0.0.0.0", 4000), (PHONE_B[0], 0), ("2001:db8::1", 4), ("phone.example", 4000)]
)
def test_nothing_is_sent_to_a_leg_without_an_address(
    bench: PlaneBench, address: tuple[str, int]
) -> None:
    """Held by 0.0.0.0, refused by port 0, of the other family, or a name."""
    bench.bridged_call()
    bench.tell(remote("b", address, signalling_host=PHONE_B[0]))
    bench.rtp("b", PHONE_B, voice(1))
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.wire("b").sent == []
    assert len(bench.wire("a").sent) == 1


def test_a_leg_without_a_remote_swallows(bench: PlaneBench) -> None:
    """Its answer has not come."""
    bench.open_legs("a", "b")
    bench.tell(remote("a", PHONE_A), Bridge("call", "a", "b"))
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(1))
    assert bench.wire("a").sent == bench.wire("b").sent == []


def test_a_new_bridge_replaces_the_old_one(bench: PlaneBench) -> None:
    """After a transfer the one who left hears and is heard no more."""
    phone_c = ("198.51.100.3", 6000)
    bench.bridged_call()
    bench.open_legs("c")
    bench.tell(remote("c", phone_c), Bridge("call", "a", "c"))
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(1))
    assert bench.wire("b").sent == bench.wire("a").sent == []
    assert bench.wire("c").sent == [(voice(1), phone_c)]


def test_a_leg_bridged_to_itself_is_an_echo(bench: PlaneBench) -> None:
    """What it sends comes back."""
    bench.open_legs("a")
    bench.tell(remote("a", PHONE_A), Bridge("call", "a", "a"))
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.wire("a").sent == [(voice(1), PHONE_A)]


# --- what is told -----------------------------------------------------------------------------


def test_statistics_come_with_the_release(bench: PlaneBench) -> None:
    """Packets, losses, source and a score of what each peer sent."""
    bench.bridged_call()
    for sequence in (1, 2, 4, 5):
        bench.rtp("a", PHONE_A, voice(sequence))
        bench.now_s += 0.02
    (released,) = bench.tell(Release("call"))[-1:]
    assert isinstance(released, Released)
    a, b = released.legs
    assert (a.packets_received, a.packets_lost, a.octets_received) == (4, 1, 4 * 172)
    assert (a.source, a.packets_sent, b.packets_sent) == ("198.51.100.1:4000", 0, 4)
    assert a.mos is not None
    assert a.mos < 4.0
    assert (b.packets_received, b.mos, b.source, b.jitter_ms) == (0, None, "", None)


def test_silence_is_told_once(bench: PlaneBench) -> None:
    """60 s after the last packet, not again while it lasts, and again after a new one."""
    bench.bridged_call()
    bench.tell(remote("a", PHONE_A, expects_media=True))
    bench.rtp("a", PHONE_A, voice(1))
    assert MediaTimedOut("call", "a") not in bench.advance(59)
    assert bench.advance(3).count(MediaTimedOut("call", "a")) == 1
    assert MediaTimedOut("call", "a") not in bench.advance(200)
    bench.rtp("a", PHONE_A, voice(2))
    assert bench.advance(63).count(MediaTimedOut("call", "a")) == 1


def test_silence_is_measured_from_signalling(bench: PlaneBench) -> None:
    """A leg that was just resumed has its whole time."""
    bench.bridged_call()
    bench.advance(500)
    bench.tell(remote("a", PHONE_A, expects_media=True))
    assert bench.advance(58) == []
    assert MediaTimedOut("call", "a") in bench.advance(4)


def test_no_timeout_for_legs_that_may_be_silent(bench: PlaneBench) -> None:
    """Held, sendonly and inactive legs are not watched."""
    bench.bridged_call(expects_media=False)
    assert bench.advance(1000) == []


def test_a_timeout_of_zero_is_off() -> None:
    """As the configuration promises."""
    bench = PlaneBench(timeout_s=0)
    bench.bridged_call(expects_media=True)
    assert bench.advance(1000) == []


def test_calls_with_media_are_reported_every_five_seconds(bench: PlaneBench) -> None:
    """Once per interval in which something came; a silent call is not among them."""
    bench.bridged_call()
    bench.bridged_call("silent")
    bench.rtp("a", PHONE_A, voice(1))
    assert bench.advance(SEEN_INTERVAL_S + 1) == [MediaSeen(("call",))]
    assert bench.advance(2 * SEEN_INTERVAL_S) == []
    bench.rtp("a", PHONE_A, voice(2))
    assert bench.advance(SEEN_INTERVAL_S + 1) == [MediaSeen(("call",))]


def test_nothing_wakes_a_plane_without_calls(bench: PlaneBench) -> None:
    """After the last release there is no deadline."""
    bench.bridged_call()
    bench.tell(Release("call"))
    assert bench.plane.next_deadline_s() is None
    assert bench.wires.open == {}


def test_closing_releases_every_call(bench: PlaneBench) -> None:
    """As at the end of the process, and closes what is held ready."""
    bench.bridged_call("one")
    bench.bridged_call("two")
    bench.plane.close(bench.now_s)
    assert bench.wires.open == bench.wires.bound == {}
