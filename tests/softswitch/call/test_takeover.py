"""A phone takes the place of another one: INVITE with Replaces, through the call machine."""

from __future__ import annotations

import pytest

from rtp.messages import Bridge
from softswitch.call import events as ev
from softswitch.call.b2bua import State
from softswitch.call.charging import Charge
from softswitch.ids import CallId
from tests.softswitch.call.conversation import ANSWER, CALL, PAYMENT, RECORD, Talk, sdp, target

THIRD = sdp(6000, host="192.0.2.3")


def taking_over() -> Talk:
    """An outside party of another call, asked to go on with this caller."""
    charge = Charge("other:0", PAYMENT, reserved_micros=120_000, answered_s=940.0)
    talk = Talk()
    other = ev.Handover(CallId("000000000002"), target("trunk far"), THIRD, (charge,), (RECORD,))
    talk.feed(ev.TakenOver(other))
    talk.ports()
    return talk


def test_the_other_party_goes_on_with_the_new_phone() -> None:
    """It is offered what the new phone offers; its answer is the new phone's."""
    talk = taking_over()
    offered = talk.last(ev.SendReoffer)
    assert offered.side == "b"
    assert b"RTP/AVP 8" in offered.sdp
    talk.feed(ev.ReofferAnswered(200, ANSWER, "OK"), 1)
    assert talk.last(ev.AckReoffer).side == "b"
    assert talk.last(ev.AnswerCaller).status == 200
    assert talk.call.state is State.TALKING
    bridges = [a.command for a in talk.all(ev.Media) if isinstance(a.command, Bridge)]
    assert bridges == [Bridge(CALL, "a", "b:127.0.0.1")]
    assert ev.MoveCredit("other:0") in talk.actions
    assert not talk.all(ev.HoldCredit)
    talk.feed(ev.HungUp("a"), 10)
    assert talk.last(ev.ByeBranch).branch == 0
    assert talk.call.charges["other:0"].ended_s == talk.now_s


@pytest.mark.parametrize(
    ("event", "status", "is_told"),
    [
        (ev.ReofferAnswered(488, b"", "Not Acceptable Here"), 488, True),
        (ev.ReofferAnswered(200, b"nonsense", "OK"), 502, True),
        (ev.MediaRefused("none"), 503, True),
        (ev.MediaGone(), 503, True),
        (ev.TimerFired("step"), 503, True),
        (ev.TimerFired("cut other:0"), 402, True),
        (ev.CallerCancelled(), 487, True),
        (ev.Shutdown(), 503, True),
        (ev.HungUp("b"), 480, False),
    ],
)
def test_what_fails_ends_the_call(event: ev.Input, status: int, is_told: bool) -> None:
    """Nobody is left to talk to: the other party gets BYE unless it hung up, and costs no more."""
    talk = taking_over()
    talk.feed(event, 2)
    assert talk.last(ev.AnswerCaller).status == status
    assert bool(talk.all(ev.ByeBranch)) is is_told
    assert talk.call.charges["other:0"].ended_s == talk.now_s
    assert talk.call.state in (State.ENDING, State.ENDED)


def test_a_change_that_crosses_is_refused_and_money_goes_on() -> None:
    """491; a slice that is granted meanwhile counts."""
    talk = taking_over()
    talk.feed(ev.Reoffered("b", THIRD))
    assert talk.last(ev.AnswerReoffer).status == 491
    talk.feed(ev.TimerFired("renew other:0"))
    assert talk.last(ev.ExtendCredit).hold == "other:0"
    talk.feed(ev.CreditHeld("other:0", 180_000))
    assert talk.call.charges["other:0"].reserved_micros == 180_000
