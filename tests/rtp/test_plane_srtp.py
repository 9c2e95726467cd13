"""Legs with SRTP: opened and sealed here, each with its own keys."""

from __future__ import annotations

from base64 import b64encode

import pytest

from rtp.messages import Bridge, LegStatistics, PlayTone, Release, Released, Security
from rtp.packet import RtpPacket
from rtp.rtcp import Report, ReportBlock, SenderInfo, parse_compound
from rtp.srtp import PROFILES, SrtpChannel
from tests.rtp.fakes import PCMA, PHONE_A, PHONE_B, STRANGER, PlaneBench, remote, voice

KEY_OCTETS = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
SUITE = "AES_CM_128_HMAC_SHA1_80"


def security(theirs: int, ours: int, suite: str = SUITE) -> Security:
    """Keys that are this number over and over."""
    octets = KEY_OCTETS[suite]
    return Security(suite, *(b64encode(bytes([n]) * octets).decode() for n in (theirs, ours)))


def phone(keys: Security) -> SrtpChannel:
    """The other end of a leg with these keys."""
    return SrtpChannel(Security(keys.suite, keys.our_key, keys.their_key), None)


def sealed(channel: SrtpChannel, packet: bytes) -> bytes:
    """What a phone sends."""
    octets = channel.seal(packet)
    assert octets is not None
    return octets


def opened(channel: SrtpChannel, bench: PlaneBench, leg: str) -> list[bytes]:
    """What a phone finds in what was sent to it; all of it authenticates."""
    found = [channel.open(data) for data, _ in bench.wire(leg).sent]
    bench.wire(leg).sent.clear()
    assert None not in found
    return [each for each in found if each is not None]


def statistics(bench: PlaneBench, leg: str) -> LegStatistics:
    """Of a leg, at the end of the call."""
    (released,) = (each for each in bench.tell(Release("call")) if isinstance(each, Released))
    return next(each for each in released.legs if each.leg == leg)


def secured(keys: Security) -> PlaneBench:
    """A bridged call whose leg "a" has keys."""
    bench = PlaneBench()
    bench.bridged_call()
    bench.tell(remote("a", PHONE_A, security=(keys,)))
    return bench


@pytest.mark.parametrize("suite", PROFILES)
def test_a_secure_phone_talks_to_a_plain_one(suite: str) -> None:
    """Both ways, in every suite; to the plain one goes what the secure one sealed."""
    keys = security(1, 2, suite)
    bench, a = secured(keys), phone(keys)
    bench.rtp("b", PHONE_B, voice(1, ssrc=0xB))
    bench.rtp("a", PHONE_A, sealed(a, voice(1)))
    bench.rtp("b", PHONE_B, voice(2, ssrc=0xB))
    assert [data for data, _ in bench.wire("b").sent] == [voice(1)]
    assert opened(a, bench, "a") == [voice(1, ssrc=0xB), voice(2, ssrc=0xB)]
    figures = statistics(bench, "a")
    assert figures.encrypted
    assert (figures.packets_received, figures.unauthenticated) == (1, 0)
    assert not statistics(secured(keys), "b").encrypted


def test_two_secure_phones_have_keys_of_their_own() -> None:
    """Neither could read what is sent to the other."""
    mine, theirs = security(1, 2), security(3, 4, "AEAD_AES_256_GCM")
    bench = secured(mine)
    bench.tell(remote("b", PHONE_B, security=(theirs,)))
    a, b = phone(mine), phone(theirs)
    bench.rtp("a", PHONE_A, sealed(a, voice(1)))
    bench.rtp("b", PHONE_B, sealed(b, voice(1, ssrc=0xB)))
    assert opened(b, bench, "b") == [voice(1)]
    assert opened(a, bench, "a") == [voice(1, ssrc=0xB)]


def test_what_does_not_authenticate_is_dropped_and_counted() -> None:
    """Plain RTP, another key, a broken packet, one that was here before."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    good = sealed(a, voice(1))
    bench.rtp("a", PHONE_A, good)
    broken = bytes([*good[:-1], good[-1] ^ 1])
    for packet in (voice(2), sealed(phone(security(9, 9)), voice(2)), broken, good):
        bench.rtp("a", PHONE_A, packet)
    assert len(bench.wire("b").sent) == 1
    assert statistics(bench, "a").unauthenticated == 4


def test_nothing_is_latched_to_what_does_not_authenticate() -> None:
    """Not even at the right host: the phone's own first packet decides."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    other_port = (PHONE_A[0], 7777)
    bench.rtp("a", other_port, voice(1))
    assert bench.wire("a").heard is None
    bench.rtp("a", other_port, sealed(a, voice(1)))
    assert bench.wire("a").heard == other_port


def test_a_stranger_that_repeats_a_packet_is_none() -> None:
    """An authentic packet from elsewhere is not relayed once the phone is known."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    bench.rtp("a", PHONE_A, sealed(a, voice(1)))
    assert bench.wire("a").heard == PHONE_A
    bench.rtp("a", STRANGER, sealed(a, voice(2)))
    assert len(bench.wire("b").sent) == 1


def test_rollover_counters_live_through_a_new_offer_with_the_same_keys() -> None:
    """The sequence number wraps, then the phone is bridged to another one by a re-INVITE."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    for sequence in (0xFFFE, 0xFFFF, 0x10000, 0x10001):
        bench.rtp("a", PHONE_A, sealed(a, voice(sequence)))
        bench.rtp("b", PHONE_B, voice(sequence, ssrc=0xB))
    bench.open_legs("c")
    bench.tell(
        remote("a", PHONE_A, security=(keys,)), remote("c", PHONE_B), Bridge("call", "a", "c")
    )
    bench.rtp("a", PHONE_A, sealed(a, voice(0x10002)))
    assert [data for data, _ in bench.wire("c").sent] == [voice(0x10002)]
    bench.rtp("c", PHONE_B, voice(7, ssrc=0xC))
    assert len(opened(a, bench, "a")) == 5


def test_a_packet_of_before_a_transfer_is_still_a_repetition() -> None:
    """The replay window lives as long as the key."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    first = sealed(a, voice(1))
    bench.rtp("a", PHONE_A, first)
    bench.tell(remote("a", PHONE_A, security=(keys,)))
    bench.rtp("a", PHONE_A, first)
    assert statistics(bench, "a").unauthenticated == 1


def test_keys_change_at_a_new_offer() -> None:
    """Each direction by itself: what was sealed with the old one is dropped."""
    old, new = security(1, 2), security(5, 2)
    bench, before, after = secured(old), phone(old), phone(new)
    bench.rtp("a", PHONE_A, sealed(before, voice(1)))
    bench.tell(remote("a", PHONE_A, security=(new,)))
    bench.rtp("a", PHONE_A, sealed(before, voice(2)))
    bench.rtp("a", PHONE_A, sealed(after, voice(3)))
    assert [data for data, _ in bench.wire("b").sent] == [voice(1), voice(3)]


def test_a_leg_may_become_plain_and_secure_again() -> None:
    """As a new offer says."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    bench.tell(remote("a", PHONE_A))
    bench.rtp("b", PHONE_B, voice(1, ssrc=0xB))
    assert [data for data, _ in bench.wire("a").sent] == [voice(1, ssrc=0xB)]
    bench.wire("a").sent.clear()
    bench.tell(remote("a", PHONE_A, security=(keys,)))
    bench.rtp("b", PHONE_B, voice(2, ssrc=0xB))
    assert opened(a, bench, "a") == [voice(2, ssrc=0xB)]


def test_tones_are_sealed_too() -> None:
    """All that is sent to the leg."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    bench.tell(PlayTone("call", "a", "busy"))
    bench.advance(0.2)
    assert {RtpPacket.parse(data).payload_type for data in opened(a, bench, "a")} == {PCMA[0]}


SENDER = Report(0xA, (), SenderInfo(1 << 40, 160, 10, 1600))
RECEIVER = Report(0xB, (ReportBlock(0xA, 0, 3, 10, 8, 0, 0),))


def test_reports_are_opened_and_sealed() -> None:
    """SRTCP to RTCP and back; what does not authenticate is dropped and counted."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    bench.rtp("a", PHONE_A, sealed(a, voice(1)))
    bench.rtcp("a", (PHONE_A[0], PHONE_A[1] + 1), sealed(a, bytes(SENDER)))
    bench.rtcp("a", (PHONE_A[0], PHONE_A[1] + 1), bytes(SENDER))
    bench.rtcp("b", (PHONE_B[0], PHONE_B[1] + 1), bytes(RECEIVER))
    ((to_b, _),) = bench.wire("b").sent_rtcp
    assert parse_compound(to_b) == (SENDER,)
    ((to_a, _),) = bench.wire("a").sent_rtcp
    assert parse_compound(a.open(to_a) or b"") == (RECEIVER,)
    figures = statistics(bench, "a")
    assert (figures.unauthenticated, figures.remote_lost) == (1, None)


def test_reports_share_the_port_of_a_leg_that_wants_it() -> None:
    """RFC 5761: told apart by the second octet, each leg as it is."""
    bench = PlaneBench()
    bench.bridged_call()
    bench.tell(remote("a", PHONE_A, rtcp_mux=True))
    bench.rtp("a", PHONE_A, bytes(SENDER))  # nothing is latched to it
    assert bench.wire("a").heard is None
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("a", PHONE_A, bytes(SENDER))
    bench.rtcp("b", (PHONE_B[0], PHONE_B[1] + 1), bytes(RECEIVER))
    assert [data for data, _ in bench.wire("b").sent] == [voice(1)]
    assert [data for data, _ in bench.wire("b").sent_rtcp] == [bytes(SENDER)]
    assert bench.wire("a").sent == [(bytes(RECEIVER), PHONE_A)]
    assert bench.wire("a").sent_rtcp == []


def test_secure_reports_share_the_port_too() -> None:
    """Sealed as SRTCP."""
    keys = security(1, 2)
    bench, a = secured(keys), phone(keys)
    bench.tell(remote("a", PHONE_A, security=(keys,), rtcp_mux=True))
    bench.rtp("a", PHONE_A, sealed(a, voice(1)))
    bench.rtp("a", PHONE_A, sealed(a, bytes(SENDER)))
    bench.rtcp("b", (PHONE_B[0], PHONE_B[1] + 1), bytes(RECEIVER))
    assert [data for data, _ in bench.wire("b").sent_rtcp] == [bytes(SENDER)]
    assert opened(a, bench, "a") == [bytes(RECEIVER)]


def test_reports_at_the_media_port_of_another_leg_are_dropped() -> None:
    """They would be noise there."""
    bench = PlaneBench()
    bench.bridged_call()
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("a", PHONE_A, bytes(SENDER))
    assert [data for data, _ in bench.wire("b").sent] == [voice(1)]
    assert bench.wire("b").sent_rtcp == []
