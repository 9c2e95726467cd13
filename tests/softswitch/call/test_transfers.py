"""Transfers through the call machine: blind, with Replaces, and redirections by phones."""

from __future__ import annotations

import pytest

from rtp.messages import Bridge, PlayTone, StopTone
from softswitch.call import events as ev
from softswitch.call.b2bua import State
from softswitch.call.charging import Charge
from softswitch.call.records import call_records
from softswitch.ids import AccountId, CallId
from softswitch.routing.plan import Payment, Record, Refuse
from tests.softswitch.call.conversation import (
    ACCOUNT,
    ANSWER,
    CALL,
    OFFER,
    PAYMENT,
    RECORD,
    Talk,
    dial,
    plan,
    rate,
    ring,
    sdp,
    target,
)

THIRD = sdp(6000, host="192.0.2.3")


def commands(talk: Talk) -> list[object]:
    """What the media plane was told."""
    return [action.command for action in talk.all(ev.Media)]


def transferring(side: ev.Side, *steps: object, talk: Talk | None = None) -> Talk:
    """A call whose side asked for a transfer, with ports for the new party."""
    talk = talk or Talk(ring(), contacts={"102": 1, "103": 1}).answered()
    talk.feed(ev.TransferAsked(side, plan(*(steps or (ring("103"),)))), 5)  # type: ignore[arg-type]
    if steps and isinstance(steps[0], type(dial())):
        talk.grant()
    talk.ports()
    return talk


@pytest.mark.parametrize(("side", "kept"), [("a", "b:127.0.0.1"), ("b", "a")])
def test_the_new_party_takes_the_place_of_who_asked(side: ev.Side, kept: str) -> None:
    """Either party may hand the other one on: it rings, the transferor is told and leaves, the two
    are bridged and the kept one is shown what the new one can do."""
    talk = transferring(side)
    talk.feed(ev.BranchRang(1, 180, b""), 1)
    assert PlayTone(CALL, kept, "ringback") in commands(talk)
    answered = talk.feed(ev.BranchAnswered(1, THIRD), 2)
    assert [told.status for told in talk.all(ev.TellTransfer)] == [180, 200]
    assert StopTone(CALL, kept) in commands(talk)
    pair = ("t1:127.0.0.1", kept) if side == "a" else (kept, "t1:127.0.0.1")
    assert Bridge(CALL, *pair) in commands(talk)
    assert any(isinstance(action, (ev.ByeCaller, ev.ByeBranch)) for action in answered)
    assert talk.call.state is State.TALKING
    shown = talk.last(ev.SendReoffer)
    assert shown.side == ev.other_side(side)
    assert b"RTP/AVP 8" in shown.sdp
    talk.feed(ev.ReofferAnswered(200, ANSWER, "OK"))
    assert talk.last(ev.AckReoffer).side == ev.other_side(side)
    talk.feed(ev.HungUp(side), 10)
    talk.feed(ev.MediaClosed(()))
    assert talk.call.cause == "answered"


def test_the_new_party_is_offered_to_talk_although_the_kept_one_was_on_hold() -> None:
    """The transferor had put it on hold: its description says recvonly."""
    talk = Talk(ring(), contacts={"102": 1, "103": 1}).answered()
    talk.feed(ev.Reoffered("a", sdp(4000, "sendonly")))
    talk.feed(ev.ReofferAnswered(200, sdp(5000, "recvonly"), "OK"))
    talk.feed(ev.ReofferAcked(b""))
    transferring("a", talk=talk)
    assert b"a=sendrecv" in talk.last(ev.Launch).sdp
    assert b"recvonly" not in talk.last(ev.Launch).sdp


@pytest.mark.parametrize(
    ("steps", "event", "status"),
    [
        ((ring("103"),), ev.BranchFailed(1, 486, "Busy Here"), 486),
        ((ring("103"),), ev.TimerFired("step"), 480),
        ((ring("103"),), ev.MediaRefused("ports exhausted"), 503),
        ((dial(),), ev.BranchFailed(1, 503, "no"), 503),
    ],
)
def test_a_transfer_that_fails_leaves_the_two_connected(
    steps: tuple[object, ...], event: ev.Input, status: int
) -> None:
    """The transferor is told why, and its call goes on."""
    talk = transferring("a", *steps)
    talk.feed(event, 20)
    assert talk.last(ev.TellTransfer).status == status
    assert talk.call.state is State.TALKING
    assert not talk.all(ev.ByeCaller)
    assert not [bye for bye in talk.all(ev.ByeBranch) if bye.branch == 0]


def test_a_target_that_routing_refuses_is_told_at_once() -> None:
    """No such number: 404, and the call goes on."""
    talk = Talk(ring()).answered()
    talk.feed(ev.TransferAsked("a", plan(Refuse(404, "no_route", "no such number"))))
    assert talk.last(ev.TellTransfer) == ev.TellTransfer("a", 404, "no such number")
    assert talk.call.state is State.TALKING


def test_the_transferor_may_leave_before_the_answer() -> None:
    """Phones hang up as soon as REFER is accepted: the kept side waits, and is connected."""
    talk = transferring("a")
    assert not talk.feed(ev.HungUp("a"), 1)
    talk.feed(ev.BranchAnswered(1, THIRD), 5)
    assert not talk.all(ev.ByeCaller)
    assert talk.call.parties["a"] is talk.call.branches[1]


def test_a_failed_transfer_whose_transferor_has_left_ends_the_call() -> None:
    """Nobody is left to talk to."""
    talk = transferring("a")
    talk.feed(ev.HungUp("a"), 1)
    talk.feed(ev.BranchFailed(1, 486, "Busy Here"), 5)
    assert talk.last(ev.ByeBranch).branch == 0
    assert talk.call.state is State.ENDING


def test_the_kept_side_hanging_up_takes_the_new_branch_back() -> None:
    """The transferor learns that, and is let go."""
    talk = transferring("a")
    talk.feed(ev.HungUp("b"), 1)
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(1)]
    assert talk.last(ev.TellTransfer).status == 487
    assert talk.all(ev.ByeCaller)


def test_each_paid_leg_ends_with_its_party() -> None:
    """Rule 12: an outside party that was called goes on being charged to who called it, the new
    one is charged to the transferor, and what a party cost ends when it leaves."""
    talk = Talk(dial(), contacts={"103": 1}).answered(micros=60_000)
    first = f"{CALL}:0"
    transferring("a", dial("other"), talk=talk)
    talk.feed(ev.BranchAnswered(1, THIRD), 3)
    second = f"{CALL}:t1.0"
    assert talk.call.charges[first].ended_s is None
    assert talk.call.charges[second].answered_s == talk.now_s
    assert ev.MarkAnswered((second,)) in talk.actions
    transferring("b", ring("103"), talk=talk)
    talk.feed(ev.BranchAnswered(2, THIRD), 7)
    assert talk.call.charges[first].ended_s == talk.now_s
    assert talk.call.charges[second].ended_s is None
    assert talk.timer(f"cut {first}") is None
    assert talk.timer(f"cut {second}") is not None
    talk.feed(ev.HungUp("a"), 30)
    assert talk.call.charges[second].ended_s == talk.now_s


def test_a_number_that_did_not_answer_is_not_charged_with_the_next_one() -> None:
    """Its hold is given back when the transfer fails."""
    talk = transferring("a", dial())
    talk.feed(ev.BranchFailed(1, 486, "Busy Here"), 5)
    assert ev.VoidCredit(f"{CALL}:t1.0") in talk.actions
    transferring("a", dial("other"), talk=talk)
    talk.feed(ev.BranchAnswered(2, THIRD), 3)
    assert talk.call.charges.running() == [f"{CALL}:free", f"{CALL}:t2.0"]


def test_money_that_ends_during_a_transfer_ends_the_call() -> None:
    """The new branch is taken back, everybody gets BYE."""
    talk = Talk(dial(), contacts={"103": 1}).answered(micros=60_000)
    transferring("a", talk=talk)
    talk.feed(ev.TimerFired(f"cut {CALL}:0"), 55)
    assert talk.call.cause == "credit_exhausted"
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(1)]
    assert talk.all(ev.ByeCaller)


@pytest.mark.parametrize("status", [200, 408, 481, 488])
def test_a_change_that_crosses_the_transfer_comes_first(status: int) -> None:
    """A re-INVITE of the kept side is under way when the new party answers: ours waits for it. What
    the transferor says to it, who has left, neither counts nor ends the call."""
    talk = transferring("a")
    talk.feed(ev.Reoffered("b", ANSWER))
    before = len(talk.all(ev.SendReoffer))
    talk.feed(ev.BranchAnswered(1, THIRD), 1)
    assert len(talk.all(ev.SendReoffer)) == before
    talk.feed(ev.ReofferAnswered(status, OFFER if status == 200 else b"", "whatever"))
    assert talk.last(ev.AnswerReoffer).status == 491
    assert talk.call.state is State.TALKING
    talk.feed(ev.TimerFired("resync"), 3)
    assert talk.last(ev.SendReoffer).side == "b"
    assert talk.call.media.description("a") == THIRD


def test_a_side_is_not_handed_on_in_the_middle_of_a_change() -> None:
    """Nor while a re-INVITE of ours is out: its answer would be taken for that to the next one."""
    talk = Talk(ring()).answered()
    assert talk.call.may_transfer
    talk.feed(ev.Reoffered("b", ANSWER))
    assert not talk.call.may_transfer
    talk.feed(ev.ReofferAnswered(200, OFFER, "OK"))
    assert not talk.call.may_transfer
    talk.feed(ev.ReofferAcked(b""))
    assert talk.call.may_transfer
    talk.feed(ev.RefreshDue("a"))
    assert not talk.call.may_transfer
    talk.feed(ev.ReofferAnswered(200, OFFER, "OK"))
    assert talk.call.may_transfer


def test_491_is_tried_again_and_other_refusals_change_nothing() -> None:
    """RFC 3261 14.1; a phone that refuses keeps what it has."""
    talk = transferring("a")
    talk.feed(ev.BranchAnswered(1, THIRD), 1)
    talk.feed(ev.ReofferAnswered(491, b"", "Request Pending"))
    assert talk.timer("resync") is not None
    talk.feed(ev.TimerFired("resync"), 3)
    assert len(talk.all(ev.SendReoffer)) == 2
    talk.feed(ev.ReofferAnswered(488, b"", "Not Acceptable Here"))
    assert talk.call.state is State.TALKING
    talk.feed(ev.Reoffered("b", ANSWER))
    assert len(talk.all(ev.SendReoffer)) == 3


def test_a_change_of_the_kept_side_waits_while_nobody_is_there() -> None:
    """The transferor has left: what it would answer, 481, must not end the call."""
    talk = transferring("a")
    talk.feed(ev.HungUp("a"), 1)
    (refused,) = talk.feed(ev.Reoffered("b", ANSWER))
    assert isinstance(refused, ev.AnswerReoffer)
    assert (refused.side, refused.status) == ("b", 491)


def test_who_has_not_described_itself_yet_is_not_handed_on() -> None:
    """A delayed offer is answered by the caller's ACK."""
    talk = Talk(ring(), offer=b"").answered()
    assert not talk.call.may_transfer
    talk.feed(ev.CallerAcked(OFFER))
    assert talk.call.may_transfer


def test_the_leg_of_a_caller_that_was_replaced_ends_then() -> None:
    """The records tell from when to when each was there."""
    talk = transferring("a")
    talk.feed(ev.BranchAnswered(1, THIRD), 3)
    left_s = talk.now_s
    talk.feed(ev.HungUp("b"), 30)
    talk.feed(ev.MediaClosed(()))
    (record,) = call_records(talk.call, started_us=0, currencies={ACCOUNT: "EUR"})
    assert record.legs[0]["ended_ms"] == round((left_s - talk.call.started_s) * 1000)
    assert record.legs[1]["ended_ms"] > record.legs[0]["ended_ms"]


# --- with Replaces --------------------------------------------------------------------------------


def second_call(other: AccountId = ACCOUNT) -> ev.Handover:
    """The outside party of a call that has lasted a minute."""
    charge = Charge("other:0", Payment(other, rate()), reserved_micros=120_000, answered_s=940.0)
    record = Record(other, "out", "101", "+37129999999")
    call = CallId("000000000002")
    return ev.Handover(call, target("trunk far", "192.0.2.8"), THIRD, (charge,), (record,))


def test_the_far_parties_of_two_calls_are_joined() -> None:
    """The transferor leaves; both are shown each other, the one that joins first."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Joined("a", second_call()))
    assert talk.call.state is State.TRANSFERRING
    talk.ports()
    assert talk.all(ev.ByeCaller)
    assert talk.last(ev.TellTransfer).status == 200
    assert Bridge(CALL, "t1:127.0.0.1", "b:127.0.0.1") in commands(talk)
    assert talk.last(ev.SendReoffer).side == "a"
    talk.feed(ev.ReofferAnswered(200, THIRD, "OK"))
    assert talk.last(ev.SendReoffer).side == "b"
    talk.feed(ev.ReofferAnswered(200, ANSWER, "OK"))
    assert [ack.side for ack in talk.all(ev.AckReoffer)] == ["a", "b"]


def test_parties_that_were_on_hold_are_offered_to_talk() -> None:
    """The transferor held the first while it asked the second."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", sdp(4000, "sendonly")))
    talk.feed(ev.ReofferAnswered(200, sdp(5000, "recvonly"), "OK"))
    talk.feed(ev.ReofferAcked(b""))
    talk.feed(ev.Joined("a", second_call()))
    talk.ports()
    assert b"a=sendrecv" in talk.last(ev.SendReoffer).sdp
    talk.feed(ev.ReofferAnswered(200, THIRD, "OK"))
    assert b"a=sendrecv" in talk.last(ev.SendReoffer).sdp


def test_what_the_joining_party_costs_goes_on_with_its_payer() -> None:
    """Its charge moves with its hold, its time and its timers; its payer gets a record here."""
    other = AccountId("000000002")
    talk = Talk(ring()).answered()
    talk.feed(ev.Joined("a", second_call(other)))
    assert talk.timer("cut other:0") is not None
    talk.ports()
    assert {record.account for record in talk.call.records} == {ACCOUNT, other}
    talk.feed(ev.HungUp("a"), 10)
    assert talk.call.charges["other:0"].ended_s == talk.now_s


@pytest.mark.parametrize("event", [ev.MediaRefused("none"), ev.TimerFired("step")])
def test_a_party_that_cannot_join_is_let_go(event: ev.Input) -> None:
    """There are no ports for it: BYE, and the first call goes on."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Joined("a", second_call()))
    talk.feed(event, 15)
    assert talk.last(ev.ByeBranch).branch == 1
    assert talk.last(ev.TellTransfer).status == 503
    assert talk.call.state is State.TALKING


def test_a_call_that_gives_its_party_away_ends_without_bye_to_it() -> None:
    """Its transferor is let go; what the party costs is not settled here."""
    talk = Talk(dial()).answered(micros=60_000)
    given = talk.call.give_away("b", target("trunk far"), talk.now_s)
    talk.actions += talk.call.take_actions()
    assert given.sdp == ANSWER
    assert [charge.hold for charge in given.charges] == [f"{CALL}:0"]
    assert given.records == (RECORD,)
    assert talk.call.charges == {}
    assert talk.all(ev.ByeCaller)
    assert not talk.all(ev.ByeBranch)
    assert talk.timer(f"cut {CALL}:0") is None
    assert talk.call.state is State.ENDING


def test_a_party_that_cannot_join_costs_no_more() -> None:
    """It has left, whatever the first call goes on to."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Joined("a", second_call()))
    assert ev.MoveCredit("other:0") in talk.actions
    talk.feed(ev.MediaRefused("none"), 15)
    left_s = talk.now_s
    assert talk.timer("cut other:0") is None
    talk.feed(ev.HungUp("a"), 30)
    assert talk.call.charges["other:0"].ended_s == left_s


# --- redirections ---------------------------------------------------------------------------------


def test_a_phone_that_redirects_sends_the_call_on() -> None:
    """302: the user's other phones stop ringing, the new target is tried and paid by that user."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchFailed(0, 302, "Moved Temporarily", plan(dial())))
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(1)]
    assert talk.last(ev.HoldCredit).payment == PAYMENT
    talk.grant()
    assert talk.last(ev.Launch).target.name == "trunk carrier"


def test_redirections_in_a_circle_come_to_an_end() -> None:
    """Two phones that redirect to each other: the caller gets 480 after a few turns."""
    talk = Talk(ring("102"), contacts={"102": 1, "103": 1})
    talk.feed(ev.Invited())
    talk.ports()
    for number in range(10):
        extension = "103" if number % 2 == 0 else "102"
        talk.feed(ev.BranchFailed(number, 302, "Moved", plan(ring(extension))))
        if talk.call.state is not State.DIALLING:
            break
    assert talk.last(ev.AnswerCaller).status == 480
    assert len(talk.call.branches) <= 6
