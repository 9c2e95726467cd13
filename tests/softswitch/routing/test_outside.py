"""Numbers outside: price, caller number, trunks, and numbers that are ours after all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import (
    DialTrunks,
    Payment,
    PhoneCaller,
    Plan,
    Record,
    Refuse,
    RingUser,
    RouteRequest,
)
from softswitch.routing.route import route
from tests.softswitch.routing.world import (
    ANNA,
    BERLIN,
    BERLIN_NUMBER,
    BORIS,
    GATE,
    NUMBERS,
    RIGA,
    RIGA_NUMBER,
    RIGA_SECOND,
    TARIFF,
    TRUNKS,
    TUESDAY_NOON,
    State,
    berlin,
    dial,
    riga,
    snapshot,
    user,
)

MOBILE = "+37120000000"


def refusal(plan: Any) -> Refuse:
    """The one step of a refused call."""
    (step,) = plan.steps
    assert isinstance(step, Refuse)
    return step


@pytest.mark.parametrize("dialled", [MOBILE, "0037120000000", "20000000", "2000-0000"])
def test_outside_number_goes_to_the_trunks_of_the_longest_prefix(dialled: str) -> None:
    """Every way to dial it is the same priced call."""
    plan = dial(dialled)
    payment = Payment(RIGA, TARIFF.find("out", MOBILE, "2026-01-13"))  # type: ignore[arg-type]
    assert plan.steps == (
        DialTrunks(MOBILE, ("carrier", "second"), RIGA_NUMBER, payment, timeout_s=180),
    )
    assert plan.records == (Record(RIGA, "out", RIGA_NUMBER, MOBILE, "101"),)
    assert plan.free is None


def test_trace_of_an_outside_call_names_every_rule() -> None:
    """What was dialled, caller number, tariff row, route."""
    assert dial("20000000").trace == (
        "dialled 20000000: no extension of account 000000212, number +37120000000",
        "caller number +37167000001: default designated number, because user 101 has no own number",
        'tariff standard version 3: prefix "3712" Latvia mobile, 0.12 EUR a minute, 60/60',
        'longest route prefix "371": trunks carrier, second',
    )


@pytest.mark.parametrize(
    ("dialled", "changes", "expected"),
    [
        (
            "+33123456789",
            {},
            Refuse(
                404,
                "no_route",
                'tariff standard has no row "out" for +33123456789 on 2026-01-13',
            ),
        ),
        (
            "+37190000000",
            {},
            Refuse(403, "blocked", 'tariff standard blocks prefix "37190" (Premium)'),
        ),
        (MOBILE, {"tariff": None}, Refuse(404, "no_route", "account 000000212 has no tariff")),
        (MOBILE, {"default_number": None}, Refuse(403, "rejected", "no caller number")),
        (
            MOBILE,
            {"status": "blocked_operator"},
            Refuse(
                403,
                "blocked",
                "account 000000212 is blocked by the operator: no outgoing calls",
            ),
        ),
    ],
)
def test_refusals_of_outside_calls(dialled: str, changes: dict[str, Any], expected: Refuse) -> None:
    """No row is no call, never a free one (rule 8); each refusal ends the trace and is recorded."""
    plan = dial(dialled, world=snapshot(riga(**changes)))
    assert plan.steps == (expected,)
    assert plan.trace[-1] == f"refused with {expected.status}: {expected.reason}"
    assert plan.records[0].called == dialled


def test_tariff_rows_begin_at_midnight_of_the_account() -> None:
    """A row valid from 1 February prices a call at 00:30 in Riga, 31 January in UTC."""
    before = datetime(2026, 1, 31, 21, 30, tzinfo=UTC)
    assert refusal(dial("+48123456789", at=before)).status == 404
    after = before.replace(hour=22)
    assert isinstance(dial("+48123456789", at=after).steps[0], DialTrunks)


@pytest.mark.parametrize(
    ("routes", "calls", "expected"),
    [
        ({"": ("second",), "37": ("carrier",)}, {}, ("carrier",)),
        ({"": ("second",), "38": ("carrier",)}, {}, ("second",)),
        ({"371": ("gone", "second")}, {}, ("second",)),
        ({"371": ("carrier", "second")}, {"carrier": 10}, ("second",)),
        ({"371": ("carrier", "second")}, {"carrier": 9}, ("carrier", "second")),
    ],
)
def test_trunks_in_order_without_full_ones(
    routes: dict[str, tuple[str, ...]], calls: dict[str, int], expected: tuple[str, ...]
) -> None:
    """The longest prefix alone counts; a trunk at its limit or gone is left out."""
    (step,) = dial(MOBILE, world=snapshot(routes=routes), state=State(calls=calls)).steps
    assert isinstance(step, DialTrunks)
    assert step.trunks == expected


@pytest.mark.parametrize(
    ("routes", "status", "cause"),
    [({"49": ("carrier",)}, 404, "no_route"), ({"": ("carrier",)}, 503, "failed")],
)
def test_no_trunk_left(routes: dict[str, tuple[str, ...]], status: int, cause: str) -> None:
    """No route is 404, no free channel 503."""
    plan = dial(MOBILE, world=snapshot(routes=routes), state=State(calls={"carrier": 10}))
    assert (refusal(plan).status, refusal(plan).cause) == (status, cause)


digits = st.text("37", max_size=4)


@given(st.sets(digits), digits)
def test_the_longest_route_prefix_wins(prefixes: set[str], end: str) -> None:
    """Whatever lengths the prefixes have; the tariff's rows are another matter."""
    number = f"371{end}00000"
    routes = {prefix: (f"t{prefix}",) for prefix in prefixes}
    trunks = {f"t{prefix}": TRUNKS["second"] for prefix in prefixes}
    step = dial(f"+{number}", world=snapshot(routes=routes, trunks=trunks)).steps[0]
    fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
    if fitting:
        assert isinstance(step, DialTrunks)
        assert step.trunks == (f"t{max(fitting, key=len)}",)
    else:
        assert isinstance(step, Refuse)
        assert step.status == 404


def test_full_account_hears_busy() -> None:
    """The account's channels limit what leaves, too."""
    plan = dial(MOBILE, world=snapshot(riga(channels=1)), state=State(calls={RIGA: 1}))
    assert refusal(plan).status == 486


DEFAULT = "default designated number, because"


@pytest.mark.parametrize(
    ("by", "presented", "number", "why"),
    [
        (ANNA, RIGA_SECOND, RIGA_NUMBER, f"{DEFAULT} user 101 has no own number"),
        (BORIS, "", RIGA_SECOND, "designated number of user 102"),
        (GATE, RIGA_SECOND, RIGA_SECOND, "sent by the equipment, a number of the account"),
        (GATE, "37167000002", RIGA_SECOND, "sent by the equipment, a number of the account"),
        (GATE, "0037167000002", RIGA_SECOND, "sent by the equipment, a number of the account"),
        (GATE, "67000002", RIGA_SECOND, "sent by the equipment, a number of the account"),
        (GATE, "", RIGA_NUMBER, f"{DEFAULT} the equipment sent no number"),
        (
            GATE,
            BERLIN_NUMBER,
            RIGA_NUMBER,
            f"{DEFAULT} the equipment sent '+493012345678', which is not a number of the account",
        ),
        (
            GATE,
            "anonymous",
            RIGA_NUMBER,
            f"{DEFAULT} the equipment sent 'anonymous', which is not a number of the account",
        ),
    ],
)
def test_caller_number(by: Any, presented: str, number: str, why: str) -> None:
    """S74, S79 to S82: designated, the equipment's if it is the account's, else the default."""
    plan = dial(MOBILE, by=by, presented=presented)
    (step,) = plan.steps
    assert isinstance(step, DialTrunks)
    assert step.caller == plan.records[0].caller == number
    assert plan.trace[1] == f"caller number {number}: {why}"


@pytest.mark.parametrize("status", ["free", "reserved", "quarantine"])
def test_number_that_is_not_paid_for_is_never_shown(status: str) -> None:
    """A designated number that was lost falls back to the default; a lost default is none."""
    lost = replace(NUMBERS[RIGA_SECOND], status=status)
    world = snapshot(numbers={**NUMBERS, RIGA_SECOND: lost})
    plan = dial(MOBILE, by=BORIS, world=world)
    assert plan.records[0].caller == RIGA_NUMBER
    world = snapshot(riga(default_number=RIGA_SECOND), numbers={**NUMBERS, RIGA_SECOND: lost})
    assert refusal(dial(MOBILE, by=ANNA, world=world)).reason == "no caller number"


def test_designated_number_of_another_account_is_not_shown() -> None:
    """Whatever a row says, only own numbers leave."""
    users = {ANNA: user(ANNA, "Anna", BERLIN_NUMBER)}
    plan = dial(MOBILE, world=snapshot(riga(users=users)))
    assert plan.records[0].caller == RIGA_NUMBER


# Numbers of ours


def test_on_net_call_needs_no_trunk_and_costs_nothing() -> None:
    """It rings the other account's flow, with a record for each and a zero row for the caller."""
    plan = dial(BERLIN_NUMBER, world=snapshot(routes={}))
    assert plan.steps == (RingUser(BERLIN, "100", RIGA_NUMBER, "", 30),)  # type: ignore[arg-type]
    assert plan.records == (
        Record(RIGA, "out", RIGA_NUMBER, BERLIN_NUMBER, "101"),
        Record(BERLIN, "in", RIGA_NUMBER, BERLIN_NUMBER, "", "100"),
    )
    assert plan.number == BERLIN_NUMBER
    assert plan.incoming is None
    assert plan.free is not None
    assert (plan.free.account, plan.free.rate.destination) == (RIGA, "On-net")
    assert plan.trace[2:] == (
        "+493012345678 is a number of ours: no trunk, no charge",
        "+493012345678: city number of account 000000300",
        "+493012345678 has no call flow: administrator",
        "target user 100",
    )


def test_own_number_is_one_internal_record() -> None:
    """An account has one record of a call, also when it is on both ends."""
    plan = dial(RIGA_NUMBER)
    assert plan.records == (Record(RIGA, "internal", RIGA_NUMBER, RIGA_NUMBER, "101", "100"),)


def test_on_net_call_to_a_blocked_account_learns_nothing() -> None:
    """480, as from outside."""
    plan = dial(BERLIN_NUMBER, world=snapshot(berlin(status="closed")))
    assert (refusal(plan).status, refusal(plan).cause) == (480, "blocked")
    assert plan.records == (Record(RIGA, "out", RIGA_NUMBER, BERLIN_NUMBER, "101"),)


def test_number_of_ours_that_is_not_in_use_goes_to_a_trunk() -> None:
    """A number that was given up may be another carrier's by now."""
    numbers = {**NUMBERS, BERLIN_NUMBER: replace(NUMBERS[BERLIN_NUMBER], status="quarantine")}
    assert isinstance(dial(BERLIN_NUMBER, world=snapshot(numbers=numbers)).steps[0], DialTrunks)


# Emergency


def emergency_step(plan: Any) -> DialTrunks:
    """The one step of an emergency call."""
    (step,) = plan.steps
    assert isinstance(step, DialTrunks)
    assert step.emergency
    assert step.payment is None
    return step


@pytest.mark.parametrize(
    "status", ["active", "not_activated", "blocked_money", "blocked_operator", "blocked_fraud"]
)
def test_emergency_call_whatever_the_account_status_and_limits(status: str) -> None:
    """Its own trunks, no payment, in spite of block, full channels and a full trunk."""
    world = snapshot(riga(status=status, channels=1, tariff=None))
    plan = dial("112", world=world, state=State(calls={RIGA: 1, "carrier": 10}))
    assert emergency_step(plan).trunks == ("carrier",)
    assert emergency_step(plan).number == "112"
    assert plan.records == (Record(RIGA, "out", RIGA_NUMBER, "112", "101"),)
    assert plan.free is not None
    assert plan.free.rate.destination == "Emergency"


def test_closed_account_has_no_emergency_calls() -> None:
    """The last row of rule 54's table."""
    assert refusal(dial("112", world=snapshot(riga(status="closed")))).status == 403


def test_emergency_call_shows_any_number_rather_than_none() -> None:
    """Without default number it takes the account's first, without any it goes out withheld."""
    world = snapshot(riga(default_number=None))
    assert emergency_step(dial("112", world=world)).caller == RIGA_NUMBER
    world = snapshot(riga(default_number=None, numbers=frozenset()))
    plan = dial("112", world=world)
    assert emergency_step(plan).caller == ""
    assert plan.records[0].caller == "101"


def test_emergency_number_wins_over_an_extension() -> None:
    """An extension that was made before the number became one must not shadow it."""
    world: RoutingSnapshot = snapshot(emergency_numbers=frozenset({"102"}))
    assert emergency_step(dial("102", world=world)).number == "102"


def test_emergency_call_without_emergency_trunks_takes_the_last_route() -> None:
    """Any trunk is better than none, and none is 404."""
    assert emergency_step(dial("112", world=snapshot(emergency_trunks=()))).trunks == ("second",)
    assert refusal(dial("112", world=snapshot(emergency_trunks=(), routes={}))).status == 404


def test_a_dead_trunk_is_left_out() -> None:
    """As long as another one is there."""
    state = State(down={"carrier": "down since noon"})
    plan = dial("+37120000001", state=state)
    assert dialled(plan).trunks == ("second",)
    assert "trunk carrier left out: down since noon" in plan.trace


def test_the_last_trunk_is_tried_even_when_it_seems_dead() -> None:
    """A call that would be refused at once loses nothing."""
    state = State(down={"carrier": "down since noon", "second": "down since one"})
    plan = dial("+37120000001", state=state)
    assert dialled(plan).trunks == ("carrier", "second")
    said = "trunk second is down since one, tried all the same: no other is left"
    assert said in plan.trace


def test_an_emergency_call_tries_dead_trunks_last() -> None:
    """It leaves out none."""
    world = snapshot(emergency_trunks=("carrier", "second"))
    plan = dial("112", world=world, state=State(down={"carrier": "down since noon"}))
    assert dialled(plan).trunks == ("second", "carrier")


def test_a_trunk_that_began_enough_calls_is_left_out() -> None:
    """``calls_per_second_max``."""
    state = State(busy={"carrier": "5 calls began within this second"})
    plan = dial("+37120000001", state=state)
    assert dialled(plan).trunks == ("second",)
    assert "trunk carrier left out: 5 calls began within this second" in plan.trace


def dialled(plan: Plan) -> DialTrunks:
    """The first step, which goes outside."""
    step = plan.steps[0]
    assert isinstance(step, DialTrunks)
    return step


def hidden(number: str) -> Plan:
    """What happens when a user who asks not to be shown dials."""
    request = RouteRequest(PhoneCaller(RIGA, ANNA), number, "", TUESDAY_NOON, private=True)
    return route(request, snapshot(), State())


def test_a_caller_who_asks_for_it_is_hidden_outside() -> None:
    """The account's own record keeps the number; the trunk decides what its carrier may know."""
    plan = hidden("+37120000001")
    step = dialled(plan)
    assert (step.private, step.caller) == (True, RIGA_NUMBER)
    assert plan.records[0].caller == RIGA_NUMBER


def test_a_hidden_caller_is_shown_to_no_phone() -> None:
    """Neither a colleague's nor another customer's, and not in that customer's records."""
    for number in ("102", BERLIN_NUMBER):
        (step,) = hidden(number).steps
        assert isinstance(step, RingUser)
        assert (step.caller, step.caller_name) == ("", "")
    mine, theirs = hidden(BERLIN_NUMBER).records
    assert (mine.caller, theirs.caller) == (RIGA_NUMBER, "")


def test_an_emergency_call_is_never_hidden() -> None:
    """Help must be able to call back."""
    step = dialled(hidden("112"))
    assert (step.private, step.caller) == (False, RIGA_NUMBER)
