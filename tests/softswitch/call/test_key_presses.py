"""One press that is told in two ways is one."""

from __future__ import annotations

from rtp.messages import IN_BAND, RFC_4733, SendDigits
from softswitch.call import events as ev
from softswitch.call.key_presses import INFO, SAME_PRESS_S, KeyPresses
from tests.softswitch.call.conversation import Talk, ring


def test_presses_in_one_way_are_all_new() -> None:
    """However quickly the same key follows."""
    presses = KeyPresses()
    assert [presses.is_new("a", "5", IN_BAND, at_s) for at_s in (1.0, 1.2)] == [True, True]


def test_an_event_and_its_info_are_one_press() -> None:
    """Whichever comes first, and whichever key comes next."""
    for first, second in ((RFC_4733, INFO), (INFO, RFC_4733)):
        presses = KeyPresses()
        assert presses.is_new("a", "5", first, 1.0)
        assert not presses.is_new("a", "5", second, 1.1)
        assert presses.is_new("b", "5", second, 1.1)


def test_a_side_that_sends_events_says_nothing_new_by_info() -> None:
    """Also long after."""
    presses = KeyPresses()
    presses.is_new("a", "5", RFC_4733, 1.0)
    assert not presses.is_new("a", "6", INFO, 60.0)


def test_the_same_key_in_another_way_is_a_press_again_after_a_while() -> None:
    """Nobody says one press twice so far apart."""
    presses = KeyPresses()
    presses.is_new("a", "5", IN_BAND, 1.0)
    assert presses.is_new("a", "5", INFO, 1.0 + SAME_PRESS_S)


def test_a_key_by_info_is_pressed_towards_the_other_side() -> None:
    """In the way that its leg has; not if the side sent it as an event too."""
    talk = Talk(ring()).answered()
    talk.feed(ev.DigitSignalled("a", "7"))
    assert talk.last(ev.Media).command == SendDigits(talk.call.id, "b:127.0.0.1", "7")
    assert talk.feed(ev.DigitPressed("a", "7", RFC_4733, True)) == []
    assert talk.feed(ev.DigitSignalled("a", "8"), 5) == []


def test_a_key_of_a_leg_that_was_left_is_passed_over() -> None:
    """It crossed a transfer."""
    talk = Talk(ring()).answered()
    assert talk.feed(ev.DigitPressed("t1:127.0.0.1", "7", RFC_4733, True)) == []
