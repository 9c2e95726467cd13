"""Key presses read from and written to RFC 4733 packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.errors import MalformedPacket
from rtp.telephone_event import (
    DIGITS,
    DURATION_MAX,
    FORGOTTEN_S,
    SILENCE_MAX_S,
    EventReader,
    Lifted,
    Press,
    Pressed,
    TelephoneEvent,
    event_frames,
)


def read(*packets: tuple[int, int, bool, int], reader: EventReader | None = None) -> list[Press]:
    """What a reader says to packets of (event, timestamp, end, duration), 20 ms apart."""
    reader = reader or EventReader()
    said: list[Press] = []
    for index, (event, timestamp, end, duration) in enumerate(packets):
        packet = TelephoneEvent(event, end, 10, duration)
        said += reader.received(packet, timestamp, 100 + index * 0.02)
    return said


@given(st.integers(0, 255), st.booleans(), st.integers(0, 63), st.integers(0, DURATION_MAX))
def test_payloads_survive_the_round_trip(event: int, end: bool, volume: int, duration: int) -> None:
    """Printed and parsed again, nothing is lost."""
    packet = TelephoneEvent(event, end, volume, duration)
    assert TelephoneEvent.parse(bytes(packet)) == packet


def test_a_payload_that_is_short_is_malformed() -> None:
    """Both numbers are in the error."""
    with pytest.raises(MalformedPacket, match="3 octets is shorter than 4"):
        TelephoneEvent.parse(b"\x01\x00\x00")


@pytest.mark.parametrize("digit", DIGITS)
def test_every_key_is_read_as_written(digit: str) -> None:
    """0 to 9, star, hash, A to D and the flash."""
    reader, said = EventReader(), []
    for index, frame in enumerate(event_frames(digit, frames=5, frame_ticks=160)):
        timestamp = 8000 + index * 160 - frame.ticks_back
        said += reader.received(TelephoneEvent.parse(frame.payload), timestamp, 1 + index * 0.02)
    assert said == [Pressed(digit), Lifted(digit)]


def test_repetitions_of_one_press_are_one_press() -> None:
    """Whatever is repeated or late has the timestamp of a press that is known."""
    one, end = (5, 800, False, 160), (5, 800, True, 480)
    assert read(one, one, (5, 800, False, 320), end, end, end, one) == [Pressed("5"), Lifted("5")]


def test_the_same_key_twice_is_two_presses() -> None:
    """Another timestamp, another press."""
    assert read((5, 800, True, 480), (5, 1600, True, 480)) == [
        *(Pressed("5"), Lifted("5"), Pressed("5"), Lifted("5"))
    ]


def test_only_the_end_packets_come() -> None:
    """A press whose first packets were lost is one all the same."""
    assert read((11, 800, True, 480), (11, 800, True, 480)) == [Pressed("#"), Lifted("#")]


def test_the_next_press_ends_one_whose_end_was_lost() -> None:
    """And is told itself."""
    assert read((1, 800, False, 160), (2, 1600, False, 160)) == [
        *(Pressed("1"), Lifted("1"), Pressed("2"))
    ]


def test_silence_ends_a_press_whose_end_was_lost() -> None:
    """At its deadline, once; stragglers after it say nothing."""
    reader = EventReader()
    read((1, 800, False, 160), reader=reader)
    assert reader.deadline_s == pytest.approx(100 + SILENCE_MAX_S)
    assert reader.expire(100 + SILENCE_MAX_S - 0.01) == []
    assert reader.expire(100 + SILENCE_MAX_S) == [Lifted("1")]
    assert reader.deadline_s is None
    assert reader.received(TelephoneEvent(1, True, 10, 320), 800, 100.4) == []


def test_a_press_in_several_segments_is_one() -> None:
    """Section 2.5.1.3: the timestamp goes on where the duration ended, the event stays."""
    assert read(
        (3, 800, False, DURATION_MAX - 60),
        (3, 800, False, DURATION_MAX),
        (3, 800 + DURATION_MAX, False, 160),
        (3, 800 + DURATION_MAX, True, 320),
    ) == [Pressed("3"), Lifted("3")]


def test_a_segment_is_known_also_when_the_fullest_packet_was_lost() -> None:
    """Its length is always the same."""
    assert read((3, 800, False, 60000), (3, 800 + DURATION_MAX, True, 320)) == [
        *(Pressed("3"), Lifted("3"))
    ]


def test_timestamps_wrap() -> None:
    """A press just before the wrap and one after it are two."""
    assert read((1, 0xFFFFFF00, True, 320), (2, 0x100, True, 320)) == [
        *(Pressed("1"), Lifted("1"), Pressed("2"), Lifted("2"))
    ]


def test_a_packet_of_the_press_before_that_comes_late_says_nothing() -> None:
    """The network may turn the order."""
    assert read((1, 800, True, 320), (2, 1600, False, 160), (1, 800, True, 320)) == [
        *(Pressed("1"), Lifted("1"), Pressed("2"))
    ]


def test_a_recording_that_is_played_again_is_a_press_again() -> None:
    """No packet is under way for so long."""
    reader = EventReader()
    read((1, 800, True, 320), reader=reader)
    again = TelephoneEvent(1, True, 10, 320)
    assert reader.received(again, 800, 100 + FORGOTTEN_S + 0.1) == [Pressed("1"), Lifted("1")]


def test_events_that_are_no_keys_are_passed_over() -> None:
    """A fax tone, for one."""
    assert read((36, 800, False, 160)) == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.integers(0, 0xFFFFFFFF) | st.sampled_from([0, 800, 800 + DURATION_MAX]),
            st.booleans(),
            st.integers(0, DURATION_MAX),
        ),
        max_size=30,
    )
)
def test_presses_and_lifts_alternate(packets: list[tuple[int, int, bool, int]]) -> None:
    """Whatever comes: no key goes down while another is, or up that was not down."""
    down = ""
    for press in read(*packets):
        if isinstance(press, Pressed):
            assert not down
            down = press.digit
        else:
            assert press.digit == down
            down = ""
