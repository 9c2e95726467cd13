"""Re-INVITEs through the call machine: hold, changes that cross, a dialog that is lost."""

from __future__ import annotations

import pytest

from rtp.messages import SetRemote
from softswitch.call import events as ev
from softswitch.call.b2bua import State
from tests.softswitch.call.conversation import ANSWER, OFFER, Talk, ring, sdp


def test_hold_is_passed_on_and_resets_the_media() -> None:
    """A re-INVITE reaches the other side; its answer comes back; the timeout stops watching."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", sdp(4000, "sendonly")))
    assert b"a=sendonly" in talk.last(ev.SendReoffer).sdp
    talk.feed(ev.ReofferAnswered(200, sdp(5000, "recvonly"), "OK"))
    assert talk.last(ev.AckReoffer).side == "b"
    assert talk.last(ev.AnswerReoffer).status == 200
    told = [a.command for a in talk.actions if isinstance(a, ev.Media)]
    remotes = [command for command in told if isinstance(command, SetRemote)][-2:]
    assert [remote.expects_media for remote in remotes] == [False, False]


def test_changes_that_cross_get_491() -> None:
    """While one re-INVITE is on its way the other side's is refused (RFC 3261 14.2)."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", OFFER))
    talk.feed(ev.Reoffered("b", ANSWER))
    assert talk.last(ev.AnswerReoffer) == ev.AnswerReoffer(
        "b", 491, b"", "another change is under way"
    )


def test_bye_wins_over_a_re_invite() -> None:
    """BYE while a re-INVITE is on its way: the change is refused with 487 and the call ends."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", OFFER))
    talk.feed(ev.HungUp("b"))
    assert talk.last(ev.AnswerReoffer).status == 487
    assert talk.all(ev.ByeCaller)
    assert not talk.all(ev.ByeBranch)
    late = talk.feed(ev.ReofferAnswered(200, ANSWER, "OK"))
    assert late == [ev.AckReoffer("b")]


def test_a_re_invite_without_offer_is_answered_by_its_ack() -> None:
    """The other side offers in its 200, the initiator's ACK answers."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", b""))
    talk.feed(ev.ReofferAnswered(200, sdp(5002), "OK"))
    assert not talk.all(ev.AckReoffer)
    talk.feed(ev.ReofferAcked(sdp(4002)))
    assert talk.last(ev.AckReoffer).side == "b"
    assert b"m=audio 20002 " in talk.last(ev.AckReoffer).sdp


@pytest.mark.parametrize("answer", [b"", b"junk"])
@pytest.mark.parametrize("offer", [b"", OFFER])
def test_a_re_invite_whose_answer_cannot_be_used_changes_nothing(
    offer: bytes, answer: bytes
) -> None:
    """The 2xx is acknowledged, who asked is refused, and the next change may come."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", offer))
    assert talk.feed(ev.ReofferAnswered(200, answer, "OK"))[0] == ev.AckReoffer("b")
    assert talk.last(ev.AnswerReoffer).status == 502
    talk.feed(ev.Reoffered("b", OFFER))
    assert talk.last(ev.SendReoffer).side == "a"


def test_a_re_invite_without_offer_whose_ack_has_no_answer_ends_the_call() -> None:
    """The other side offered and gets nothing back."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", b""))
    talk.feed(ev.ReofferAnswered(200, sdp(5002), "OK"))
    ending = talk.feed(ev.ReofferAcked(b"junk"))
    assert ending[0] == ev.AckReoffer("b")
    assert talk.all(ev.ByeCaller)
    assert talk.all(ev.ByeBranch)


def test_bye_before_the_ack_of_a_re_invite_without_offer_acknowledges_it() -> None:
    """The other side's 2xx is not left without ACK."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", b""))
    talk.feed(ev.ReofferAnswered(200, sdp(5002), "OK"))
    assert ev.AckReoffer("b") in talk.feed(ev.HungUp("a"))


def test_a_dialog_that_the_other_side_lost_ends_the_call() -> None:
    """481 to the re-INVITE (RFC 3261 12.2.1.2)."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", OFFER))
    talk.feed(ev.ReofferAnswered(481, b"", "gone"))
    assert talk.call.state is State.ENDING


def test_a_refresh_shows_the_same_again_and_a_change_a_new_version() -> None:
    """RFC 4028 7.4: a refresh changes nothing, so the version of the description stays."""
    for changed in (False, True):
        talk = Talk(ring()).answered()
        shown = talk.last(ev.AnswerCaller).sdp
        talk.feed(ev.RefreshDue("a", changed), 900)
        assert talk.last(ev.SendReoffer).side == "a"
        assert (talk.last(ev.SendReoffer).sdp == shown) is not changed
        talk.feed(ev.ReofferAnswered(200, OFFER, "OK"))
        assert talk.last(ev.AckReoffer).side == "a"
        assert talk.call.state is State.TALKING


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_lost_session_ends_the_call_on_both_sides(side: ev.Side) -> None:
    """Who did not refresh may be there all the same."""
    talk = Talk(ring()).answered()
    talk.feed(ev.SessionLost(side), 60)
    assert talk.all(ev.ByeCaller)
    assert talk.all(ev.ByeBranch)
    assert "no session refresh" in talk.call.trace[-1]


def test_no_prack_refuses_or_ends_the_call() -> None:
    """504 before the answer; after it only the branch has a dialog."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    talk.feed(ev.PrackMissing())
    assert talk.last(ev.AnswerCaller).status == 504
    talk = Talk(ring()).answered()
    talk.feed(ev.PrackMissing())
    assert not talk.all(ev.ByeCaller)
    assert talk.all(ev.ByeBranch)
