"""The call machine: what each input does in each state, without SIP, sockets or a clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.messages import Bridge, LegPorts, LegStatistics, PlayTone, SetRemote
from softswitch.call import events as ev
from softswitch.call.b2bua import PREPARE_MAX_S, RELEASE_MAX_S, TABLE, State
from softswitch.call.branches import BranchState
from softswitch.routing.plan import Payment, Refuse
from tests.softswitch.call.conversation import (
    ACCOUNT,
    ANSWER,
    CALL,
    OFFER,
    Talk,
    dial,
    rate,
    ring,
    sdp,
)

# --- internal calls -------------------------------------------------------------------------------


def test_rings_a_user_and_connects_the_answer() -> None:
    """INVITE, 180, 200: the caller hears each, the media is bridged, the branch acknowledged."""
    talk = Talk(ring()).answered()
    assert talk.call.state is State.TALKING
    assert [action.status for action in talk.all(ev.AnswerCaller)] == [180, 200]
    assert talk.all(ev.AckBranch) == [ev.AckBranch(0)]
    commands = [action.command for action in talk.all(ev.Media)]
    assert Bridge(CALL, "a", "b:127.0.0.1") in commands
    assert {c.leg for c in commands if isinstance(c, SetRemote)} == {"a", "b:127.0.0.1"}


def test_shows_each_side_our_ports_only() -> None:
    """Neither phone's address reaches the other one."""
    talk = Talk(ring()).answered()
    offer = talk.all(ev.Launch)[0].sdp
    answer = talk.last(ev.AnswerCaller).sdp
    assert b"m=audio 20002 " in offer
    assert b"m=audio 20000 " in answer
    assert b"192.0.2.1" not in offer + answer


def test_forks_to_every_contact_and_tells_the_losers() -> None:
    """The first answer wins, the other phones are cancelled as answered elsewhere."""
    talk = Talk(ring(), contacts={"102": 3})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchAnswered(1, ANSWER))
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(0, True), ev.CancelBranch(2, True)]
    assert talk.call.answered is talk.call.branches[1]


def test_ends_a_branch_that_answers_after_the_winner() -> None:
    """A 200 that crosses our CANCEL is acknowledged and ended; the call goes on."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchAnswered(0, ANSWER))
    late = talk.feed(ev.BranchAnswered(1, ANSWER))
    assert late == [ev.AckBranch(1), ev.ByeBranch(1, "answered too late")]
    assert talk.call.state is State.TALKING


def test_reports_the_refusal_that_tells_most() -> None:
    """Busy on one phone and no answer on another is busy."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchFailed(0, 480, "Temporarily Unavailable"))
    assert talk.call.state is State.DIALLING
    talk.feed(ev.BranchFailed(1, 486, "Busy Here"))
    assert talk.last(ev.AnswerCaller).status == 486
    assert talk.call.cause == "busy"


def test_phones_that_cannot_be_reached_are_480() -> None:
    """503 would tell the caller's phone that the switch is down."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    for branch in (0, 1):
        talk.feed(ev.BranchFailed(branch, 503, "connection lost"))
    assert talk.last(ev.AnswerCaller).status == 480


def test_a_decline_ends_the_forking_at_once() -> None:
    """603 speaks for the whole user (RFC 3261 16.7): the other phones stop ringing."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchFailed(0, 603, "Decline"))
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(1, False)]
    assert talk.last(ev.AnswerCaller).status == 603
    assert talk.call.cause == "rejected"


def test_cancel_reaches_every_branch_and_gives_487() -> None:
    """The caller hangs up while it rings."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.CallerCancelled())
    assert len(talk.all(ev.CancelBranch)) == 2
    assert talk.last(ev.AnswerCaller).status == 487
    assert (talk.call.cause, talk.call.hangup_by) == ("cancelled", "caller")
    assert talk.call.state is State.ENDING


def test_no_contact_is_unreachable_and_goes_to_the_next_step() -> None:
    """A redirect is tried when the first target has no phone."""
    talk = Talk(ring("102"), ring("103"), contacts={"103": 1})
    talk.feed(ev.Invited())
    talk.ports()
    assert [branch.target.name for branch in talk.call.branches] == ["user 103/0"]


def test_a_step_that_nobody_answers_leads_to_the_next() -> None:
    """The timeout of A5: the first phone is cancelled, the second one rings on the same ports."""
    talk = Talk(ring("102", 5), ring("103", 7), contacts={"102": 1, "103": 1})
    talk.feed(ev.Invited())
    talk.ports()
    assert talk.timer("step") == talk.now_s + 5
    talk.feed(ev.TimerFired("step"), 5)
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(0, False)]
    assert talk.all(ev.Launch)[1].target.name == "user 103/0"
    assert len(talk.all(ev.AllocateMedia)) == 1
    talk.feed(ev.TimerFired("step"), 7)
    assert talk.last(ev.AnswerCaller).status == 480
    assert talk.call.cause == "no_answer"


def test_a_refusing_step_answers_without_media() -> None:
    """501 for what is not built: no ports, no credit, a record."""
    talk = Talk(Refuse(501, "failed", "menus are not built yet"))
    talk.feed(ev.Invited())
    assert talk.actions == [
        ev.AnswerCaller(501, b"", "menus are not built yet"),
        ev.SetTimer("", None),
        ev.Settle(),
    ]
    assert talk.call.state is State.ENDED


def test_an_offer_without_usable_audio_is_488() -> None:
    """What the media plane cannot carry is refused before anything is asked for."""
    talk = Talk(ring(), offer=OFFER.replace(b"RTP/AVP", b"RTP/SAVP"))
    talk.feed(ev.Invited())
    assert talk.last(ev.AnswerCaller).status == 488
    assert not talk.all(ev.AllocateMedia)


def test_a_delayed_offer_is_answered_by_the_callers_ack() -> None:
    """No SDP in INVITE: the callee offers in 200, the caller answers in its ACK, then we ACK."""
    talk = Talk(ring(), offer=b"").answered()
    assert talk.all(ev.Launch)[0].sdp == b""
    assert not talk.all(ev.AckBranch)
    talk.feed(ev.CallerAcked(sdp(4000)))
    assert b"m=audio 20002 " in talk.last(ev.AckBranch).sdp
    remotes = [a.command for a in talk.all(ev.Media) if isinstance(a.command, SetRemote)]
    assert ("a", 4000) in {(remote.leg, remote.port) for remote in remotes}


def test_an_answer_to_a_delayed_offer_that_never_comes_is_acknowledged() -> None:
    """The caller hangs up before its ACK: the callee's 2xx gets an ACK all the same, then BYE."""
    talk = Talk(ring(), offer=b"").answered()
    ending = talk.feed(ev.HungUp("a"))
    kinds = [type(action) for action in ending]
    assert kinds.index(ev.AckBranch) < kinds.index(ev.ByeBranch)
    assert talk.feed(ev.CallerAcked(sdp(4000))) == []


def test_an_answer_to_a_delayed_offer_that_we_cannot_read_ends_the_call() -> None:
    """One ACK to the callee, then BYE to both."""
    talk = Talk(ring(), offer=b"").answered()
    talk.feed(ev.CallerAcked(b"junk"))
    assert len(talk.all(ev.AckBranch)) == 1
    assert talk.all(ev.ByeBranch)
    assert talk.all(ev.ByeCaller)


@pytest.mark.parametrize(
    ("answer", "status"), [(b"", 502), (b"junk", 502), (ANSWER.replace(b"/AVP", b"/SAVP"), 488)]
)
def test_an_answer_that_cannot_be_used_is_not_the_callers_fault(answer: bytes, status: int) -> None:
    """The branch is acknowledged and ended."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchAnswered(0, answer))
    assert talk.last(ev.AnswerCaller).status == status
    assert talk.all(ev.AckBranch)
    assert talk.all(ev.ByeBranch)


def test_early_media_is_passed_when_one_phone_rings() -> None:
    """183 with SDP from a single branch connects the media before the answer."""
    talk = Talk(dial())
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchRang(0, 183, ANSWER))
    assert talk.last(ev.AnswerCaller).status == 183
    assert b"m=audio 20000 " in talk.last(ev.AnswerCaller).sdp


def test_early_media_of_several_phones_stays_behind() -> None:
    """With two phones ringing the caller gets plain ringing."""
    talk = Talk(ring(), contacts={"102": 2})
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.BranchRang(0, 183, ANSWER))
    assert talk.last(ev.AnswerCaller) == ev.AnswerCaller(180)


# --- trunks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failing_trunk_leads_to_the_next(status: int) -> None:
    """5xx and 408 are the carrier's trouble: the same hold serves the next one."""
    talk = Talk(dial("one", "two"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, status, "no"))
    assert talk.all(ev.Launch)[1].target.trunk == "trunk two"
    assert len(talk.all(ev.HoldCredit)) == 1


@pytest.mark.parametrize(("status", "cause"), [(404, "no_route"), (486, "busy"), (603, "rejected")])
def test_a_refusal_of_the_called_party_is_final(status: int, cause: str) -> None:
    """4xx and 6xx would be the same through any carrier."""
    talk = Talk(dial("one", "two"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, status, "no"))
    assert len(talk.all(ev.Launch)) == 1
    assert talk.last(ev.AnswerCaller).status == status
    assert talk.call.cause == cause


def test_a_silent_trunk_is_left_after_seconds() -> None:
    """A carrier that says nothing is cancelled and the next one tried, long before timer B."""
    talk = Talk(dial("one", "two"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.TimerFired("silence"), 4)
    assert talk.all(ev.CancelBranch) == [ev.CancelBranch(0, False)]
    assert talk.all(ev.Launch)[1].target.trunk == "trunk two"


def test_a_trunk_that_rings_is_not_silent() -> None:
    """Its first provisional response stops that timer."""
    talk = Talk(dial("one", "two"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchRang(0, 183, b""))
    assert talk.timer("silence") is None


# --- money ----------------------------------------------------------------------------------------


def test_no_invite_leaves_before_the_hold_and_the_ports() -> None:
    """Both answers are awaited, in either order."""
    talk = Talk(dial())
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.Launch)
    talk.grant()
    assert len(talk.all(ev.Launch)) == 1


def test_a_refused_hold_is_402() -> None:
    """No money: refused with the reason in the trace, nothing sent to the carrier."""
    talk = Talk(dial())
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    assert talk.last(ev.AnswerCaller).status == 402
    assert talk.call.cause == "no_credit"
    assert any("credit refused" in line for line in talk.call.trace)
    assert not talk.all(ev.Launch)


def test_the_next_slice_is_asked_for_before_the_first_ends() -> None:
    """60 s are paid: renewal 35 s ahead, the cut just before the next interval."""
    talk = Talk(dial()).answered(micros=60_000)
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"renew {CALL}:0") == answered_s + 25
    cut_s = talk.timer(f"cut {CALL}:0")
    assert cut_s is not None
    assert answered_s + 59.5 < cut_s < answered_s + 60
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    assert talk.last(ev.ExtendCredit).hold == f"{CALL}:0"
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    assert talk.timer(f"renew {CALL}:0") == answered_s + 85


def test_the_end_of_the_money_warns_and_then_ends_the_call() -> None:
    """Rule 17: a tone 30 s before, a last try, then BYE to both and ``credit_exhausted``."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"warn {CALL}:0") == answered_s + 30
    assert talk.timer(f"renew {CALL}:0") == answered_s + 57
    talk.feed(ev.TimerFired(f"warn {CALL}:0"), 5)
    assert isinstance(talk.last(ev.Media).command, PlayTone)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 27)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    talk.feed(ev.TimerFired(f"cut {CALL}:0"), 2.85)
    assert talk.all(ev.ByeCaller)
    assert talk.all(ev.ByeBranch)
    assert (talk.call.cause, talk.call.hangup_by) == ("credit_exhausted", "switch")
    assert talk.call.charges[f"{CALL}:0"].duration_s() == 60


def test_a_block_ends_the_call_with_what_is_paid_for() -> None:
    """Rule 55: refused like a lack of money, but the CDR says what it was; a block that was lifted
    before the last try is forgotten."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "account 1 is closed", blocked=True))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 32)
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 28)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "account 1 is closed", blocked=True))
    talk.feed(ev.TimerFired(f"cut {CALL}:0"), 34.85)
    assert (talk.call.cause, talk.call.hangup_by) == ("blocked", "switch")
    assert talk.call.trace[-1] == "ended by the switch: account 1 is closed"


def test_money_that_comes_in_time_saves_the_call() -> None:
    """Rule 23: the last try finds the top-up."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 32)
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"warn {CALL}:0") is None
    assert (talk.timer(f"cut {CALL}:0") or 0) > answered_s + 119


def test_a_store_that_is_away_does_not_end_calls() -> None:
    """The slice could not be asked for: the call goes on and it is asked again."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "the store does not answer", failed=True))
    assert talk.timer(f"cut {CALL}:0") is None
    assert talk.timer(f"renew {CALL}:0") == talk.now_s + 5


def test_a_free_call_is_journaled_at_its_answer() -> None:
    """Rule 22 for calls that cost nothing: a hold of zero from the answer on."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.HoldCredit)
    talk.feed(ev.BranchAnswered(0, ANSWER))
    assert talk.last(ev.HoldCredit).hold == f"{CALL}:free"
    assert talk.last(ev.MarkAnswered).holds == (f"{CALL}:free",)


def test_the_owner_of_a_paid_number_pays_while_it_is_up() -> None:
    """Toll-free: the hold comes before the phones ring; without money the call is 480."""
    payment = Payment(ACCOUNT, rate(direction="in"))
    talk = Talk(ring(), incoming=payment)
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.Launch)
    talk.feed(ev.CreditDenied(f"{CALL}:in", "no_credit"))
    assert talk.last(ev.AnswerCaller).status == 480
    assert talk.call.cause == "no_credit"


def test_a_hold_of_a_step_that_failed_is_given_back() -> None:
    """A forward outside that nobody answered costs nothing while the next target rings."""
    talk = Talk(dial(), ring())
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, 486, "Busy Here"))
    assert talk.all(ev.VoidCredit) == [ev.VoidCredit(f"{CALL}:0")]
    assert [charge.hold for charge in talk.call.charges.voided] == [f"{CALL}:0"]
    assert talk.all(ev.Launch)[1].target.name == "user 102/0"


# --- re-INVITE ------------------------------------------------------------------------------------


def test_hold_is_passed_on_and_resets_the_media() -> None:
    """A re-INVITE reaches the other side; its answer comes back; the timeout stops watching."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", sdp(4000, "sendonly")))
    assert b"a=sendonly" in talk.last(ev.SendReoffer).sdp
    talk.feed(ev.ReofferAnswered(200, sdp(5000, "recvonly"), "OK"))
    assert talk.last(ev.AckReoffer).side == "b"
    assert talk.last(ev.AnswerReoffer).status == 200
    remotes = [a.command for a in talk.actions if isinstance(a, ev.Media)][-2:]
    assert [remote.expects_media for remote in remotes if isinstance(remote, SetRemote)] == [
        False,
        False,
    ]


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


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "by"), [("a", "caller"), ("b", "callee")])
def test_bye_ends_the_other_side_and_settles_after_the_media(side: ev.Side, by: str) -> None:
    """Who hung up is on the record; statistics are awaited before the settlement."""
    talk = Talk(ring()).answered()
    talk.feed(ev.HungUp(side), 10)
    assert bool(talk.all(ev.ByeCaller)) == (side == "b")
    assert bool(talk.all(ev.ByeBranch)) == (side == "a")
    assert not talk.all(ev.Settle)
    talk.feed(ev.MediaClosed((LegStatistics("a", packets_received=5),)))
    assert talk.all(ev.Settle) == [ev.Settle()]
    assert (talk.call.cause, talk.call.hangup_by) == ("answered", by)


def test_both_hanging_up_at_once_settles_once() -> None:
    """The second BYE changes nothing."""
    talk = Talk(ring()).answered()
    talk.feed(ev.HungUp("a"))
    assert talk.feed(ev.HungUp("b")) == []
    talk.feed(ev.MediaClosed(()))
    assert len(talk.all(ev.Settle)) == 1


def test_a_dead_media_worker_ends_the_call_without_waiting_for_it() -> None:
    """No statistics will come."""
    talk = Talk(ring()).answered()
    talk.feed(ev.MediaGone())
    assert talk.call.state is State.ENDED
    assert talk.all(ev.Settle)
    assert talk.call.cause == "failed"


def test_a_call_whose_ports_never_come_is_refused() -> None:
    """A worker that hangs is not dead, so nobody else tells; the caller must not wait for ever."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    due_s = talk.timer("step")
    assert due_s == talk.now_s + PREPARE_MAX_S
    talk.feed(ev.TimerFired("step"), PREPARE_MAX_S)
    assert talk.last(ev.AnswerCaller).status == 503


def test_a_call_whose_ports_never_close_is_settled_without_them() -> None:
    """The money does not wait for statistics."""
    talk = Talk(ring()).answered()
    talk.feed(ev.HungUp("a"))
    assert not talk.all(ev.Settle)
    assert talk.timer("release") == talk.now_s + RELEASE_MAX_S
    talk.feed(ev.TimerFired("release"), RELEASE_MAX_S)
    assert len(talk.all(ev.Settle)) == 1
    assert talk.feed(ev.MediaClosed(())) == []


def test_the_longest_call_allowed_ends() -> None:
    """Rule 21."""
    talk = Talk(ring(), call_max_s=100).answered()
    assert talk.timer("max") == talk.now_s + 100
    talk.feed(ev.TimerFired("max"), 100)
    assert talk.call.state is State.ENDING


# --- every pair -----------------------------------------------------------------------------------

SDPS = st.sampled_from([b"", OFFER, ANSWER, b"not sdp", OFFER.replace(b"AVP", b"SAVP")])
SIDES = st.sampled_from(["a", "b"])
HOLDS = st.sampled_from([f"{CALL}:0", f"{CALL}:1", f"{CALL}:in", f"{CALL}:free"])
STATUSES = st.sampled_from([302, 401, 404, 408, 480, 481, 486, 487, 500, 503, 600, 603])
INPUTS = st.one_of(
    st.builds(ev.MediaRefused, st.just("none")),
    st.builds(ev.CreditHeld, HOLDS, st.integers(0, 10**6)),
    st.builds(ev.CreditDenied, HOLDS, st.just("no_credit"), st.booleans()),
    st.builds(ev.BranchRang, st.integers(0, 2), st.sampled_from([180, 183]), SDPS),
    st.builds(ev.BranchAnswered, st.integers(0, 2), SDPS),
    st.builds(ev.BranchFailed, st.integers(0, 2), STATUSES, st.just("")),
    st.builds(ev.CallerCancelled),
    st.builds(ev.CallerAcked, SDPS),
    st.builds(ev.AckMissing, SIDES),
    st.builds(ev.HungUp, SIDES),
    st.builds(ev.Reoffered, SIDES, SDPS),
    st.builds(
        ev.ReofferAnswered, st.sampled_from([200, 408, 481, 487, 491, 500]), SDPS, st.just("")
    ),
    st.builds(ev.ReofferAcked, SDPS),
    st.builds(
        ev.TimerFired,
        st.sampled_from(
            ["step", "silence", "max", f"renew {CALL}:0", f"cut {CALL}:0", f"warn {CALL}:0"]
        ),
    ),
    st.builds(ev.MediaSilent, st.sampled_from(["a", "b:127.0.0.1"])),
    st.builds(ev.MediaGone),
    st.just(ev.MediaClosed(())),
    st.just(ev.Shutdown()),
    st.just(ev.MediaReady((LegPorts("a", 20_000), LegPorts("b:127.0.0.1", 20_002)))),
)


def test_the_table_knows_every_input() -> None:
    """An input that no state takes would be a dead letter."""
    assert {kind for _, kind in TABLE} == set(ev.Input.__args__)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(INPUTS, st.floats(0, 30)), max_size=30),
    st.sampled_from([(ring(),), (dial("one", "two"), ring()), (ring("102"), dial())]),
)
def test_any_inputs_in_any_order_end_in_one_settlement(
    inputs: list[tuple[ev.Input, float]], steps: tuple[object, ...]
) -> None:
    """Whatever comes when: no exception, at most one final answer, one settlement, one BYE a side,
    every branch ended, and a shutdown always brings the call to its end."""
    talk = Talk(*steps, contacts={"102": 2})  # type: ignore[arg-type]
    talk.feed(ev.Invited())
    for event, after_s in inputs:
        if is_possible(talk, event):
            talk.feed(event, after_s)
    for event in (ev.Shutdown(), ev.MediaClosed(())):
        talk.feed(event)
    assert talk.call.state is State.ENDED
    assert len(talk.all(ev.Settle)) == 1
    finals = [action for action in talk.all(ev.AnswerCaller) if action.status >= 200]
    assert len(finals) == 1
    assert len(talk.all(ev.ByeCaller)) <= 1
    byes = [action.branch for action in talk.all(ev.ByeBranch)]
    cancels = [action.branch for action in talk.all(ev.CancelBranch)]
    acked = [action.branch for action in talk.all(ev.AckBranch)]
    assert len(byes) == len(set(byes))
    assert len(cancels) == len(set(cancels))
    assert set(byes) <= set(acked) | ({talk.call.answered.number} if talk.call.answered else set())
    for branch in talk.call.branches:
        ended = branch.number in cancels or branch.state is BranchState.FAILED
        assert ended or branch is talk.call.answered
    granted = {hold.hold for hold in talk.all(ev.HoldCredit)}
    released = {void.hold for void in talk.all(ev.VoidCredit)} | set(talk.call.charges)
    denied = {event.hold for event, _ in inputs if isinstance(event, ev.CreditDenied)}
    assert granted <= released | denied


def is_possible(talk: Talk, event: ev.Input) -> bool:
    """What the rim can send at all: nothing about branches and holds that were never started, one
    answer to each question."""
    branches = talk.call.branches
    if isinstance(event, (ev.BranchRang, ev.BranchAnswered, ev.BranchFailed)):
        if event.branch >= len(branches) or branches[event.branch].ended_s is not None:
            return False
        return branches[event.branch].answered_s is None
    if isinstance(event, (ev.CreditHeld, ev.CreditDenied)):
        asked = [a for a in talk.actions if isinstance(a, (ev.HoldCredit, ev.ExtendCredit))]
        answers = sum(1 for a in asked if a.hold == event.hold)
        given_so_far = talk.__dict__.setdefault("given", [])
        if given_so_far.count(event.hold) >= answers:
            return False
        given_so_far.append(event.hold)
        return True
    if isinstance(event, ev.MediaReady):
        return len(talk.all(ev.AllocateMedia)) > talk.__dict__.setdefault("ready", 0) and bool(
            talk.__dict__.update(ready=talk.__dict__["ready"] + 1) or True
        )
    if isinstance(event, ev.MediaClosed):
        return bool(talk.all(ev.ReleaseMedia))
    return True
