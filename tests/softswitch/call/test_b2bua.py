"""The call machine as a whole: how calls end, and every input in every state."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.messages import LegPorts, LegStatistics
from softswitch.call import events as ev
from softswitch.call.b2bua import RELEASE_MAX_S, TABLE, State
from softswitch.call.branches import BranchState
from softswitch.call.dialling import PREPARE_MAX_S
from softswitch.routing.plan import Refuse
from tests.softswitch.call.conversation import ANSWER, CALL, OFFER, Talk, dial, plan, ring


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
HOLDS = st.sampled_from([f"{CALL}:{part}" for part in ("0", "1", "in", "free", "t1.0", "t2.0")])
STATUSES = st.sampled_from([302, 401, 404, 408, 480, 481, 486, 487, 500, 503, 600, 603])
PORTS = tuple(
    LegPorts(f"{name}{local}", 20_000 + 2 * index)
    for index, (name, local) in enumerate(
        (("a", ""), ("b", ":127.0.0.1"), ("t1", ":127.0.0.1"), ("t2", ":127.0.0.1"))
    )
)
PLANS = st.sampled_from(
    [plan(ring("103")), plan(dial("three")), plan(Refuse(404, "no_route", "no such number"))]
)
INPUTS = st.one_of(
    st.builds(ev.MediaRefused, st.just("none")),
    st.builds(ev.CreditHeld, HOLDS, st.integers(0, 10**6)),
    st.builds(ev.CreditDenied, HOLDS, st.just("no_credit"), st.booleans()),
    st.builds(ev.BranchRang, st.integers(0, 4), st.sampled_from([180, 183]), SDPS),
    st.builds(ev.BranchAnswered, st.integers(0, 4), SDPS),
    st.builds(ev.BranchFailed, st.integers(0, 4), STATUSES, st.just(""), st.none() | PLANS),
    st.builds(ev.CallerCancelled),
    st.builds(ev.CallerAcked, SDPS),
    st.builds(ev.AckMissing, SIDES),
    st.builds(ev.PrackMissing),
    st.builds(ev.SessionLost, SIDES),
    st.builds(ev.HungUp, SIDES),
    st.builds(ev.Reoffered, SIDES, SDPS),
    st.builds(
        ev.ReofferAnswered, st.sampled_from([200, 408, 481, 487, 491, 500]), SDPS, st.just("")
    ),
    st.builds(ev.ReofferAcked, SDPS),
    st.builds(ev.RefreshDue, SIDES, st.booleans()),
    st.builds(ev.TransferAsked, SIDES, PLANS),
    st.builds(
        ev.TimerFired,
        st.sampled_from(
            ["step", "silence", "max", f"renew {CALL}:0", f"cut {CALL}:0", f"warn {CALL}:0"]
        ),
    ),
    st.builds(ev.MediaSilent, st.sampled_from(["a", "b:127.0.0.1"])),
    st.builds(
        ev.DigitPressed,
        st.sampled_from(["a", "x"]),
        st.just("1"),
        st.just("rfc4733"),
        st.booleans(),
    ),
    st.builds(ev.DigitSignalled, SIDES, st.just("1")),
    st.builds(ev.MediaGone),
    st.just(ev.MediaClosed(())),
    st.just(ev.Shutdown()),
    st.just(ev.MediaReady(PORTS)),
)


def test_the_table_knows_every_input() -> None:
    """An input that no state takes would be a dead letter."""
    assert {kind for _, kind in TABLE} == set(ev.Input.__args__)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(INPUTS, st.floats(0, 30)), max_size=40),
    st.sampled_from([(ring(),), (dial("one", "two"), ring()), (ring("102"), dial())]),
    st.booleans(),
)
def test_any_inputs_in_any_order_end_in_one_settlement(
    inputs: list[tuple[ev.Input, float]], steps: tuple[object, ...], answered: bool
) -> None:
    """Whatever comes when: no exception, at most one final answer, one settlement, one BYE a side,
    every branch ended, and a shutdown always brings the call to its end."""
    talk = Talk(*steps, contacts={"102": 2, "103": 1})  # type: ignore[arg-type]
    talk.feed(ev.Invited())
    if answered:
        talk.grant_all()
        talk.feed(ev.MediaReady(PORTS))
        talk.feed(ev.BranchAnswered(0, ANSWER), 1)
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
    assert set(byes) <= set(acked) | (
        {talk.call.parties["b"].number} if talk.call.parties.get("b") else set()
    )
    for branch in talk.call.branches:
        ended = branch.number in cancels or branch.state is BranchState.FAILED
        assert ended or branch is talk.call.parties.get("b")
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


def test_a_trunk_that_may_not_be_called_now_is_left_out() -> None:
    """The next one gets the call, and the trace says why."""
    talk = Talk(dial("first", "second"))
    places = talk.call._directory
    places.obstacles["trunk first"] = "2 calls began within this second"  # type: ignore[attr-defined]
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    assert [action.target.name for action in talk.all(ev.Launch)] == ["trunk second"]
    assert "trunk first left out: 2 calls began within this second" in talk.call.trace


def test_no_trunk_that_may_be_called_is_503() -> None:
    """And nothing is left waiting."""
    talk = Talk(dial("first"))
    places = talk.call._directory
    places.obstacles["trunk first"] = "2 calls began within this second"  # type: ignore[attr-defined]
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    assert talk.last(ev.AnswerCaller).status == 503
    assert talk.timer("step") is None
