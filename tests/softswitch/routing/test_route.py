"""What holds for every decision, whatever was dialled by whom and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from softswitch.ids import Extension
from softswitch.routing.model import CallFlow, RoutingSnapshot
from softswitch.routing.permissions import PERMISSIONS
from softswitch.routing.plan import DialTrunks, Plan, Refuse, RingUser
from tests.softswitch.routing.world import (
    BERLIN,
    BERLIN_NUMBER,
    NUMBERS,
    RIGA,
    RIGA_FREE,
    RIGA_NUMBER,
    RIGA_SECOND,
    State,
    berlin,
    dial,
    riga,
    ring,
    snapshot,
)

extensions = st.sampled_from(["100", "101", "102", "103", "199"])
numbers = st.sampled_from([RIGA_NUMBER, RIGA_SECOND, RIGA_FREE, BERLIN_NUMBER, "+37120000000"])
targets: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"user": extensions}),
    st.fixed_dictionaries({"external": numbers}),
    st.sampled_from([{"group": "250"}, {"ivr": "Main"}, {"voicemail": "101"}, {"hangup": True}]),
)


@st.composite
def flows(draw: st.DrawFn, *owned: str) -> dict[str, CallFlow]:
    """Call flows for some of an account's numbers."""
    return {
        number: CallFlow(number, draw(targets), 20, tuple(draw(st.lists(targets, max_size=3))))
        for number in draw(st.sets(st.sampled_from(owned)))
    }


@st.composite
def worlds(draw: st.DrawFn) -> RoutingSnapshot:
    """Both accounts in any status, with any flows, forwards in circles included."""
    statuses = st.sampled_from(sorted(PERMISSIONS))
    return snapshot(
        riga(status=draw(statuses), flows=draw(flows(RIGA_NUMBER, RIGA_SECOND, RIGA_FREE))),
        berlin(status=draw(statuses), flows=draw(flows(BERLIN_NUMBER))),
    )


states = st.builds(
    State,
    st.sets(st.tuples(st.sampled_from([RIGA, BERLIN]), extensions)),
    st.dictionaries(st.sampled_from(["carrier", "second"]), st.sampled_from([0, 10])),
)
dialled_texts = st.one_of(numbers, extensions, st.text(max_size=70), st.sampled_from(["112"]))
times = st.integers(0, 130 * 365 * 86400).map(lambda second: datetime.fromtimestamp(second, UTC))


def check(plan: Plan, world: RoutingSnapshot) -> None:
    """The promises of a plan to whoever carries it out."""
    assert plan.steps
    assert plan.trace
    assert not any(isinstance(step, Refuse) for step in plan.steps[:-1])
    if isinstance(plan.steps[-1], Refuse):
        assert any(line.startswith("refused with ") for line in plan.trace)
    for step in plan.steps:
        if isinstance(step, RingUser):
            assert step.extension in world.accounts[step.account].users
        if isinstance(step, DialTrunks):
            assert step.trunks
            assert all(name in world.trunks for name in step.trunks)
            assert step.emergency == (step.payment is None)
            assert step.number not in NUMBERS
    for step in plan.steps:
        joins = () if isinstance(step, Refuse) else step.joins
        accounts = [record.account for record in (*plan.records, *joins)]
        assert len(accounts) == len(set(accounts))


@given(worlds(), states, dialled_texts, st.text(max_size=70), extensions, times)
def test_every_plan_of_a_phone_keeps_its_promises(
    world: RoutingSnapshot,
    state: State,
    dialled: str,
    presented: str,
    by: str,
    at: datetime,
) -> None:
    """Nothing that is dialled raises; only own numbers are shown; one record an account."""
    plan = dial(dialled, world=world, state=state, by=Extension(by), presented=presented, at=at)
    check(plan, world)
    own = world.accounts[RIGA].numbers
    shown = [step.caller for step in plan.steps if isinstance(step, DialTrunks)]
    paid = [step.payment for step in plan.steps if isinstance(step, DialTrunks)]
    for caller, payment in zip(shown, paid, strict=True):
        payer = RIGA if payment is None else payment.account
        assert caller in world.accounts[payer].numbers
    assert by == "199" or plan.records[0].account == RIGA
    assert own >= {record.caller for record in plan.records if record.direction == "out"} - {by}


@given(worlds(), states, dialled_texts, st.text(max_size=70), times)
def test_every_plan_of_a_trunk_keeps_its_promises(
    world: RoutingSnapshot, state: State, dialled: str, presented: str, at: datetime
) -> None:
    """A carrier reaches numbers of ours; what leaves again is paid and shown by its owner."""
    plan = ring(dialled, world=world, state=state, presented=presented, at=at)
    check(plan, world)
    assert plan.free is None
    for step in plan.steps:
        if isinstance(step, DialTrunks):
            assert step.payment is not None
            assert step.caller in world.accounts[step.payment.account].numbers


@given(worlds(), states, dialled_texts, times)
def test_accounts_reach_each_other_only_by_number(
    world: RoutingSnapshot, state: State, dialled: str, at: datetime
) -> None:
    """Whatever Riga dials, Berlin's phones ring only for a call that came by Berlin's number."""
    plan = dial(dialled, world=world, state=state, at=at)
    rung = {step.account for step in plan.steps if isinstance(step, RingUser)}
    assert BERLIN not in rung or any(line.startswith(BERLIN_NUMBER) for line in plan.trace)
