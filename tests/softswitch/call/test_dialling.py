"""The call machine from INVITE to an answer or a refusal: phones, trunks, early media."""

from __future__ import annotations

import pytest

from rtp.messages import Bridge, SetRemote
from softswitch.call import events as ev
from softswitch.call.b2bua import State
from softswitch.routing.plan import Refuse
from tests.softswitch.call.conversation import ANSWER, CALL, OFFER, Talk, dial, ring, sdp


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
    assert talk.call.parties.get("b") is talk.call.branches[1]


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
    assert talk.call.hangup_by == "callee"


@pytest.mark.parametrize(
    ("event", "by"),
    [(ev.BranchFailed(0, 603, "Decline"), "callee"), (ev.TimerFired("step"), "switch")],
)
def test_who_ended_an_unanswered_call(event: ev.Input, by: str) -> None:
    """The callee when it refused, the switch when nobody answered in time."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(event, 20)
    assert talk.call.hangup_by == by


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


@pytest.mark.parametrize("status", [401, 407, 408, 500, 502, 503, 504])
def test_a_failing_trunk_leads_to_the_next(status: int) -> None:
    """5xx and 408 are the carrier's trouble, a challenge that we cannot answer is between it and
    us: the same hold serves the next one."""
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


def test_a_trunk_that_does_not_know_us_is_our_failure() -> None:
    """Neither the caller's password is asked for nor the called party blamed."""
    talk = Talk(dial("one"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, 407, "Proxy Authentication Required"))
    assert talk.last(ev.AnswerCaller).status == 502
    assert (talk.call.cause, talk.call.hangup_by) == ("failed", "switch")


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


def test_trunks_that_lead_nowhere_are_passed_over_and_told() -> None:
    """The trace has the reason of each, whether another one takes the call or not."""
    talk = Talk(dial("lost one", "carrier"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    assert talk.last(ev.Launch).target.name == "trunk carrier"
    assert "trunk lost one: unknown" in talk.call.trace

    talk = Talk(dial("lost one", "lost two"))
    talk.feed(ev.Invited())
    assert talk.last(ev.AnswerCaller).status == 503
    assert talk.call.trace[1:4] == [
        "trunk lost one: unknown",
        "trunk lost two: unknown",
        "number +37120000000: nothing to call, 503",
    ]


@pytest.mark.parametrize(
    ("status", "next_one"),
    [(503, "trunk carrier"), (408, "trunk carrier"), (500, "trunk other"), (502, "trunk other")],
)
def test_which_failures_try_another_address_of_the_trunk(status: int, next_one: str) -> None:
    """RFC 3263 4.3: 503 and silence are the server's; any other 5xx is the carrier's."""
    talk = Talk(dial("carrier", "carrier", "other"))
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, status, "no"))
    assert talk.last(ev.Launch).target.name == next_one
