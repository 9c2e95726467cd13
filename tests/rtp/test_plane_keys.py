"""Key presses at bridged legs: told once, and heard by the other leg in its own way."""

from __future__ import annotations

import pytest

from media.codecs import decode_pcma, encode_pcma
from media.dtmf_detect import ToneDetector
from media.tones import key_tone, tone_pcm
from rtp.keys import WAITING_MAX
from rtp.messages import (
    IN_BAND,
    RFC_4733,
    Digit,
    Format,
    ListenDigits,
    PlaneNotice,
    PlayTone,
    Release,
    Released,
    SendDigits,
)
from rtp.packet import RtpPacket
from rtp.telephone_event import SILENCE_MAX_S, EventReader, Pressed, TelephoneEvent, event_frames
from tests.rtp.fakes import PCMA, PHONE_A, PHONE_B, PlaneBench, remote, voice

OPUS = Format(111, "opus", 48000)
EVENTS = Format(101, "telephone-event", 8000)
EVENTS_96 = Format(96, "telephone-event", 8000)
EVENTS_WIDE = Format(110, "telephone-event", 48000)


def bridged(a: tuple[Format, ...], b: tuple[Format, ...]) -> PlaneBench:
    """A call whose legs have these formats and were heard from."""
    bench = PlaneBench()
    bench.bridged_call()
    bench.tell(remote("a", PHONE_A, formats=a), remote("b", PHONE_B, formats=b))
    bench.rtp("a", PHONE_A, voice(1))
    bench.rtp("b", PHONE_B, voice(1, ssrc=0xB))
    for leg in "ab":
        bench.wire(leg).sent.clear()
    return bench


def press(
    bench: PlaneBench, digit: str, *, payload_type: int = 101, begin: int = 100, frames: int = 5
) -> list[PlaneNotice]:
    """Somebody presses a key at leg "a"; what is told of it."""
    notices: list[PlaneNotice] = []
    for index, frame in enumerate(event_frames(digit, frames=frames, frame_ticks=160)):
        if index in (2, 3):  # some phones send their audio all the while
            bench.rtp("a", PHONE_A, voice(begin + index))
        packet = RtpPacket(payload_type, begin + index, begin * 160, 0xA, frame.payload, index == 0)
        bench.rtp("a", PHONE_A, bytes(packet))
        notices += bench.advance(0.02)
    return notices


def sent(bench: PlaneBench, leg: str = "b") -> list[RtpPacket]:
    """What went to a leg."""
    return [RtpPacket.parse(data) for data, _ in bench.wire(leg).sent]


def digits_in(packets: list[RtpPacket]) -> str:
    """The presses in telephone events."""
    reader, digits = EventReader(), ""
    for index, packet in enumerate(packets):
        event = TelephoneEvent.parse(packet.payload)
        for said in reader.received(event, packet.timestamp, index * 0.02):
            digits += said.digit if isinstance(said, Pressed) else ""
    return digits


def keys_heard(packets: list[RtpPacket]) -> str:
    """The presses in A-law audio."""
    detector = ToneDetector()
    silence = encode_pcma(bytes(1600))
    return detector.feed(decode_pcma(b"".join(p.payload for p in packets) + silence))


def test_events_that_both_legs_have_are_relayed_as_they_are() -> None:
    """And told once."""
    bench = bridged((PCMA, EVENTS), (PCMA, EVENTS))
    assert press(bench, "5") == [Digit("call", "a", "5", RFC_4733, True)]
    assert [p.payload_type for p in sent(bench)] == [101, 101, 8, 101, 8, *[101] * 4]
    assert {p.ssrc for p in sent(bench)} == {0xA}
    assert digits_in([p for p in sent(bench) if p.payload_type == 101]) == "5"


def test_events_go_under_the_other_legs_payload_type() -> None:
    """The marker stays; whether the phone uses its own number or that of the other side."""
    for payload_type in (101, 96):
        bench = bridged((PCMA, EVENTS), (PCMA, EVENTS_96))
        assert len(press(bench, "#", payload_type=payload_type)) == 1
        events = [p for p in sent(bench) if p.payload_type != 8]
        assert [p.payload_type for p in events] == [96] * 7
        assert [p.marker for p in events] == [True] + [False] * 6


def test_the_payload_type_is_one_of_the_same_clock() -> None:
    """The timestamps of the events are not rewritten."""
    bench = bridged((OPUS, EVENTS_96, EVENTS_WIDE), (OPUS, EVENTS, Format(99, *EVENTS_WIDE[1:])))
    press(bench, "1", payload_type=110)
    assert {p.payload_type for p in sent(bench)} == {99, 8}


def test_a_leg_without_events_hears_the_tone_and_nothing_else() -> None:
    """In its codec, as long as the key is down; no event, and no audio of the phone meanwhile."""
    bench = bridged((PCMA, EVENTS), (PCMA,))
    assert press(bench, "9", frames=15) == [Digit("call", "a", "9", RFC_4733, True)]
    bench.advance(0.2)
    bench.rtp("a", PHONE_A, voice(201))
    *tone, after = sent(bench)
    assert 14 <= len(tone) <= 17
    assert {p.payload_type for p in tone} == {8}
    assert 0xA not in {p.ssrc for p in tone}
    assert keys_heard(tone) == "9"
    assert (after.ssrc, after.marker) == (0xA, True)


def test_a_short_event_sounds_long_enough() -> None:
    """100 ms, though it was a single packet of 20."""
    bench = bridged((PCMA, EVENTS), (PCMA,))
    press(bench, "3", frames=1)
    bench.advance(0.3)
    tone = [p for p in sent(bench) if p.ssrc != 0xA]
    assert keys_heard(tone) == "3"
    assert 5 <= len(tone) <= 6


def test_a_tone_ends_though_the_end_of_the_event_is_lost() -> None:
    """By silence."""
    bench = bridged((PCMA, EVENTS), (PCMA,))
    packet = RtpPacket(101, 5, 800, 0xA, bytes(TelephoneEvent(1, False, 10, 160)), True)
    bench.rtp("a", PHONE_A, bytes(packet))
    bench.advance(2)
    assert 0.1 / 0.02 <= len(sent(bench)) <= SILENCE_MAX_S / 0.02 + 2


def test_a_leg_that_can_hear_neither_is_told_of() -> None:
    """Its side may have another way."""
    bench = bridged((OPUS, EVENTS), (OPUS,))
    assert press(bench, "1") == [Digit("call", "a", "1", RFC_4733, False)]
    assert {p.payload_type for p in sent(bench)} == {8}  # its audio


def test_a_flash_has_no_tone() -> None:
    """It goes as an event or not at all."""
    assert press(bridged((PCMA, EVENTS), (PCMA,)), "!") == [
        Digit("call", "a", "!", RFC_4733, False)
    ]


def test_tones_are_heard_only_when_somebody_wants_them() -> None:
    """Until then a packet is a packet."""
    bench = bridged((PCMA,), (PCMA,))
    frames = [tone_pcm(key_tone("7"))[at : at + 320] for at in range(0, 3200, 320)]

    def play(first: int) -> list[PlaneNotice]:
        for index, frame in enumerate((*frames, bytes(320), bytes(320))):
            packet = RtpPacket(8, first + index, 160 * (first + index), 0xA, encode_pcma(frame))
            bench.rtp("a", PHONE_A, bytes(packet))
        return bench.plane.take_notices()

    assert play(10) == []
    bench.tell(ListenDigits("call", "a", True))
    assert play(30) == [Digit("call", "a", "7", IN_BAND, True)]
    bench.tell(ListenDigits("call", "a", False))
    assert play(50) == []
    assert len(sent(bench)) == 36


def test_tones_of_a_leg_with_events_are_not_listened_for() -> None:
    """A phone that leaks the tone of a key would press it twice."""
    bench = bridged((PCMA, EVENTS), (PCMA, EVENTS))
    bench.tell(ListenDigits("call", "a", True))
    frame = encode_pcma(tone_pcm(key_tone("7"))[:3200])
    bench.rtp("a", PHONE_A, bytes(RtpPacket(8, 9, 0, 0xA, frame)))
    assert bench.plane.take_notices() == []


@pytest.mark.parametrize("formats", [(PCMA, EVENTS), (PCMA,)])
def test_digits_are_sent_in_the_way_of_the_leg(formats: tuple[Format, ...]) -> None:
    """One after the other, the same one twice too; what comes meanwhile waits for its turn."""
    bench = bridged((PCMA,), formats)
    bench.tell(SendDigits("call", "b", "1122"))
    bench.advance(0.3)
    bench.tell(SendDigits("call", "b", "3x#"))
    bench.advance(2.0)
    packets = sent(bench)
    read = digits_in if EVENTS in formats else keys_heard_apart
    assert read(packets) == "11223#"
    numbers = [p.sequence for p in packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def keys_heard_apart(packets: list[RtpPacket]) -> str:
    """The presses in A-law audio with its pauses, by the timestamps."""
    detector, digits, due = ToneDetector(), "", packets[0].timestamp
    for packet in packets:
        digits += detector.feed(bytes(2 * (packet.timestamp - due)))
        digits += detector.feed(decode_pcma(packet.payload))
        due = packet.timestamp + 160
    return digits


def test_digits_interrupt_a_tone_that_stands() -> None:
    """It goes on afterwards."""
    bench = bridged((PCMA,), (PCMA, EVENTS))
    bench.tell(PlayTone("call", "b", "busy"), SendDigits("call", "b", "5"))
    bench.advance(1.0)
    kinds = [p.payload_type for p in sent(bench)]
    assert kinds[:7] == [101] * 7
    assert set(kinds[7:]) == {8}
    assert len(kinds) > 30


def test_more_digits_than_a_number_has_are_not_kept() -> None:
    """The rest is dropped."""
    bench = bridged((PCMA,), (PCMA, EVENTS))
    bench.tell(SendDigits("call", "b", "1"), SendDigits("call", "b", "2" * 1000))
    bench.advance(60)
    assert digits_in(sent(bench)) == "1" + "2" * WAITING_MAX


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x90\xff\xff", bytes(3)])
def test_events_that_are_broken_break_nothing(junk: bytes) -> None:
    """They are dropped: the other side could not read them either."""
    bench = bridged((PCMA, EVENTS), (PCMA, EVENTS))
    bench.rtp("a", PHONE_A, bytes(RtpPacket(101, 2, 320, 0xA, junk)))
    assert sent(bench) == []
    assert bench.plane.take_notices() == []


def test_a_call_may_end_with_a_key_down() -> None:
    """Nothing is waited for after it."""
    bench = bridged((PCMA, EVENTS), (PCMA,))
    packet = RtpPacket(101, 5, 800, 0xA, bytes(TelephoneEvent(1, False, 10, 160)), True)
    bench.rtp("a", PHONE_A, bytes(packet))
    told = bench.tell(Release("call"))
    assert isinstance(told[-1], Released)
    assert bench.plane.next_deadline_s() is None
