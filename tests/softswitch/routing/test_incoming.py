"""Calls from carriers: whose number, which flow, what the owner pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from softswitch.ids import Extension
from softswitch.routing.model import CallFlow, Period, RoutingSnapshot
from softswitch.routing.plan import DialTrunks, Payment, Plan, Record, Refuse, RingUser
from tests.softswitch.routing.world import (
    ADMINISTRATOR,
    ANNA,
    BERLIN,
    BERLIN_NUMBER,
    BORIS,
    NUMBERS,
    RIGA,
    RIGA_FREE,
    RIGA_NUMBER,
    TARIFF,
    State,
    berlin,
    dial,
    flow,
    riga,
    ring,
    snapshot,
)

CALLER = "+4915112345678"
OFFICE = Period(frozenset(range(5)), 9 * 60, 18 * 60)
ALONE = State(unreachable={(RIGA, "100"), (RIGA, "101"), (RIGA, "102")})


def rings(extension: Extension, timeout_s: int = 20, caller: str = CALLER) -> RingUser:
    """The step that rings a user of Riga."""
    return RingUser(RIGA, extension, caller, "", timeout_s)


def refusal(plan: Plan) -> tuple[int, str]:
    """Status and cause of a call that is refused."""
    (step,) = plan.steps
    assert isinstance(step, Refuse)
    return step.status, step.cause


@pytest.mark.parametrize("dialled", [RIGA_NUMBER, "37167000001", "0037167000001"])
def test_number_without_flow_rings_the_administrator(dialled: str) -> None:
    """In whatever presentation the carrier sends it."""
    plan = ring(dialled)
    assert plan.steps == (rings(ADMINISTRATOR, 30),)
    assert plan.number == RIGA_NUMBER
    assert plan.incoming is None
    assert plan.records == (Record(RIGA, "in", CALLER, RIGA_NUMBER, "", "100"),)
    assert plan.trace == (
        "call from trunk carrier, caller +4915112345678, to +37167000001",
        "+37167000001: city number of account 000000212",
        "+37167000001 has no call flow: administrator",
        "target user 100",
    )


@pytest.mark.parametrize(
    ("presented", "shown"),
    [
        ("4915112345678", CALLER),
        ("004915112345678", CALLER),
        ("anonymous", ""),
        ("", ""),
        ("112", "112"),
        ("no number", ""),
    ],
)
def test_caller_as_the_carrier_presents_it(presented: str, shown: str) -> None:
    """E.164 where it is a number, short codes as they are, withheld otherwise."""
    plan = ring(RIGA_NUMBER, presented=presented)
    assert plan.records[0].caller == shown
    assert plan.steps == (rings(ADMINISTRATOR, 30, shown),)


@pytest.mark.parametrize(
    ("dialled", "reason"),
    [
        ("+37167999999", "no number of ours"),
        ("101", "no telephone number"),
        ("+493012345678x", "no telephone number"),
    ],
)
def test_trunks_reach_only_numbers_of_ours(dialled: str, reason: str) -> None:
    """No extension, no other network through us: 404 and no record."""
    plan = ring(dialled)
    assert refusal(plan) == (404, "no_route")
    assert plan.trace == (f"refused with 404: call from trunk carrier to {dialled!r}: {reason}",)
    assert plan.records == ()


@pytest.mark.parametrize(
    ("status", "taken"),
    [
        ("active", True),
        ("awaiting_deletion", True),
        ("reserved", False),
        ("free", False),
        ("quarantine", False),
    ],
)
def test_only_working_numbers_take_calls(status: str, taken: bool) -> None:
    """S58 to S60: reserved and released numbers do not ring."""
    numbers = {**NUMBERS, RIGA_NUMBER: replace(NUMBERS[RIGA_NUMBER], status=status)}
    plan = ring(RIGA_NUMBER, world=snapshot(numbers=numbers))
    assert isinstance(plan.steps[0], RingUser if taken else Refuse)
    assert taken or plan.trace[-1].endswith(f"the number is {status}")


@pytest.mark.parametrize(
    ("status", "taken"),
    [
        ("active", True),
        ("low", True),
        ("blocked_fraud", True),
        ("not_activated", False),
        ("blocked_money", False),
        ("blocked_operator", False),
        ("closed", False),
    ],
)
def test_account_status_decides_about_incoming_calls(status: str, taken: bool) -> None:
    """Rule 54's first column; the refusal is 480, neutral and on record."""
    plan = ring(RIGA_NUMBER, world=snapshot(riga(status=status)))
    if taken:
        assert isinstance(plan.steps[0], RingUser)
    else:
        assert refusal(plan) == (480, "blocked")
        assert plan.records == (Record(RIGA, "in", CALLER, RIGA_NUMBER),)


def test_number_and_account_that_are_full_are_busy() -> None:
    """A24: a number's channels, and the account's."""
    numbers = {**NUMBERS, RIGA_NUMBER: replace(NUMBERS[RIGA_NUMBER], channels=2)}
    world = snapshot(numbers=numbers)
    assert isinstance(ring(RIGA_NUMBER, world=world).steps[0], RingUser)
    full = ring(RIGA_NUMBER, world=world, state=State(calls={RIGA_NUMBER: 2}))
    assert refusal(full) == (486, "busy")
    full = ring(RIGA_NUMBER, world=snapshot(riga(channels=1)), state=State(calls={RIGA: 1}))
    assert refusal(full) == (486, "busy")


# Flows


def test_target_then_redirects_in_order_each_for_the_timeout() -> None:
    """A5: one after another; the owner pays for the leg that leaves (rule 12)."""
    world = flow(
        {"user": "101"}, redirects=({"user": "102"}, {"external": "+37120000000"}), timeout_s=15
    )
    plan = ring(RIGA_NUMBER, world=world)
    payment = Payment(RIGA, TARIFF.find("out", "+37120000000", "2026-01-13"))  # type: ignore[arg-type]
    assert plan.steps == (
        rings(ANNA, 15),
        rings(BORIS, 15),
        DialTrunks("+37120000000", ("carrier", "second"), RIGA_NUMBER, payment, 15),
    )
    assert plan.trace == (
        "call from trunk carrier, caller +4915112345678, to +37167000001",
        "+37167000001: city number of account 000000212",
        "call flow of +37167000001: always",
        "target user 101",
        "target user 102",
        "target external +37120000000",
        "caller number +37167000001: default designated number",
        'tariff standard version 3: prefix "3712" Latvia mobile, 0.12 EUR a minute, 60/60',
        'longest route prefix "371": trunks carrier, second',
    )


def test_what_cannot_be_tried_is_left_out() -> None:
    """An unregistered user, a deleted one, a number without price: the next target rings."""
    world = flow(
        {"user": "101"},
        redirects=({"user": "199"}, {"external": "+33123456789"}, {"user": "102"}),
    )
    plan = ring(RIGA_NUMBER, world=world, state=State(unreachable={(RIGA, "101")}))
    assert plan.steps == (rings(BORIS),)
    assert "refused with 480: user 101 has no registered phone" in plan.trace
    assert "refused with 404: no user 199 in account 000000212" in plan.trace


def test_first_reason_answers_when_nothing_can_be_tried() -> None:
    """Always 480: the carrier's caller learns no more."""
    world = flow({"external": "+33123456789"}, redirects=({"user": "101"},))
    assert refusal(ring(RIGA_NUMBER, world=world, state=ALONE)) == (480, "no_route")
    world = flow({"user": "101"}, redirects=({"user": "102"},))
    assert refusal(ring(RIGA_NUMBER, world=world, state=ALONE)) == (480, "unreachable")


@pytest.mark.parametrize(
    ("target", "step"),
    [
        ({"group": "250"}, Refuse(501, "failed", "call groups are not built yet")),
        ({"ivr": "Main"}, Refuse(501, "failed", "voice menus are not built yet")),
        ({"voicemail": "101"}, Refuse(501, "failed", "voicemail is not built yet")),
        ({"hangup": True}, Refuse(603, "rejected", "the call flow hangs up")),
    ],
)
def test_targets_that_end_the_call(target: dict[str, Any], step: Refuse) -> None:
    """They are the answer where the flow comes to them, and nothing after them is tried."""
    world = flow({"user": "101"}, redirects=(target, {"user": "102"}))
    plan = ring(RIGA_NUMBER, world=world)
    assert plan.steps == (rings(ANNA), step)
    assert plan.trace[-1] == f"refused with {step.status}: {step.reason}"
    assert ring(RIGA_NUMBER, world=world, state=ALONE).steps == (step,)


@pytest.mark.parametrize(
    ("at", "otherwise", "rung", "line"),
    [
        (
            "2026-01-13T15:59",
            {"user": "102"},
            ANNA,
            "period Mon-Fri 09:00-18:00 includes Tue 17:59 Europe/Riga: call flow",
        ),
        (
            "2026-01-13T16:00",
            {"user": "102"},
            BORIS,
            "period Mon-Fri 09:00-18:00 does not include Tue 18:00 Europe/Riga: otherwise",
        ),
        (
            "2026-07-14T15:00",
            None,
            ADMINISTRATOR,
            "period Mon-Fri 09:00-18:00 does not include Tue 18:00 Europe/Riga: otherwise",
        ),
    ],
)
def test_period_in_the_time_zone_of_the_account(
    at: str, otherwise: dict[str, Any] | None, rung: Extension, line: str
) -> None:
    """Inside the target and its redirects, outside only ``otherwise``, else the administrator."""
    world = flow({"user": "101"}, period=OFFICE, otherwise=otherwise, redirects=({"user": "103"},))
    plan = ring(RIGA_NUMBER, world=world, at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert plan.steps[0] == rings(rung)
    assert len(plan.steps) == (2 if rung == ANNA else 1)
    assert plan.trace[2] == line


def test_account_blocked_for_fraud_rings_but_forwards_nothing_outside() -> None:
    """Rule 54: incoming yes, outgoing no."""
    world = flow({"external": "+37120000000"}, redirects=({"user": "101"},))
    blocked = replace(world.accounts[RIGA], status="blocked_fraud")
    plan = ring(RIGA_NUMBER, world=replace(world, accounts={**world.accounts, RIGA: blocked}))
    assert plan.steps == (rings(ANNA),)


def test_forwarded_call_shows_the_called_number_without_a_default() -> None:
    """Never the original caller's number, which is not the account's to show."""
    world = flow({"external": "+37120000000"})
    account = replace(world.accounts[RIGA], default_number=None)
    plan = ring(RIGA_NUMBER, world=replace(world, accounts={**world.accounts, RIGA: account}))
    (step,) = plan.steps
    assert isinstance(step, DialTrunks)
    assert step.caller == RIGA_NUMBER


# Forwards to numbers of ours


def two_flows(riga_to: dict[str, Any], berlin_to: dict[str, Any]) -> RoutingSnapshot:
    """Each account with a flow for its number."""
    return snapshot(
        riga(flows={RIGA_NUMBER: CallFlow(RIGA_NUMBER, riga_to, 20)}),
        berlin(flows={BERLIN_NUMBER: CallFlow(BERLIN_NUMBER, berlin_to, 25)}),
    )


def test_forward_to_another_account_stays_in_the_switch_and_brings_its_record() -> None:
    """Free, with the original caller; the record is the step's because it may never be tried."""
    world = two_flows({"external": BERLIN_NUMBER}, {"user": "101"})
    plan = ring(RIGA_NUMBER, world=world)
    joins = (Record(BERLIN, "in", CALLER, BERLIN_NUMBER, "", "101"),)
    assert plan.steps == (RingUser(BERLIN, ANNA, CALLER, "", 25, joins),)
    assert plan.records == (Record(RIGA, "in", CALLER, RIGA_NUMBER, "", ""),)


def test_forward_to_another_number_of_the_same_account_brings_no_second_record() -> None:
    """An account has one record of a call."""
    world = flow({"external": "+37167000002"})
    plan = ring(RIGA_NUMBER, world=world)
    assert plan.steps == (RingUser(RIGA, ADMINISTRATOR, CALLER, "", 30),)


def test_forwards_in_a_circle_end() -> None:
    """Riga to Berlin and back is refused, not followed."""
    world = two_flows({"external": BERLIN_NUMBER}, {"external": RIGA_NUMBER})
    plan = ring(RIGA_NUMBER, world=world)
    assert refusal(plan) == (480, "failed")
    assert "refused with 482: +37167000001 would make the call go in circles" in plan.trace


def test_forward_back_to_the_callers_account_brings_no_second_record() -> None:
    """A user of Riga calls Berlin, which forwards to Riga: Riga has its outgoing record."""
    world = two_flows({"user": "101"}, {"external": "+37167000002"})
    (step,) = dial(BERLIN_NUMBER, world=world).steps
    assert step == RingUser(RIGA, ADMINISTRATOR, RIGA_NUMBER, "", 30)


# Toll-free


def test_owner_of_a_toll_free_number_pays_by_the_callers_prefix() -> None:
    """The "in" row of the caller's prefix (rule 11)."""
    plan = ring(RIGA_FREE)
    assert plan.incoming == Payment(RIGA, TARIFF.find("in", CALLER, "2026-01-13"))  # type: ignore[arg-type]
    assert plan.trace[-1] == (
        'tariff standard version 3: prefix "49" Toll-free from Germany, 0.03 EUR a minute, 60/60'
    )


@pytest.mark.parametrize("presented", ["+33123456789", "anonymous", "112"])
def test_toll_free_call_without_a_row_is_refused(presented: str) -> None:
    """No row, no call; a withheld number only matches a row for every prefix."""
    plan = ring(RIGA_FREE, presented=presented)
    assert refusal(plan) == (480, "no_route")
    assert plan.records[0].account == RIGA


def test_trunk_that_was_removed_is_refused() -> None:
    """The snapshot of the call no longer has it."""
    assert refusal(ring(RIGA_NUMBER, trunk="gone")) == (403, "rejected")
