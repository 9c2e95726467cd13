"""Calls to and from a carrier, and the money they cost."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.live.conftest import Stage
from tests.live.service import eventually
from tests.live.world import account, rate, trunk, world

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"
NUMBER = "+37070044960"
SIX_SECONDS = {"initial_s": 6, "increment_s": 6}  # 0.60 a minute: 0.06 for each six seconds


def test_sixty_one_seconds_cost_two_minutes(stage: Stage) -> None:
    """61 seconds at 60/60 and 0.06 a minute leave exactly 0.12 less in the ledger."""
    host = stage.network.host()
    service = stage.service(
        world(account(), trunks=(trunk("carrier", host),)), media={"timeout_s": 0}
    )
    carrier = stage.peer("answer", host, timeout_s=90)
    caller = stage.caller(
        service, ACCOUNT, "101", "phone_call", number=OUTSIDE, talk_ms=60_500, timeout_s=90
    )
    eventually(lambda: service.show("calls", ACCOUNT))
    assert service.reserved(ACCOUNT) > 0
    caller.finish()
    carrier.finish()

    (cdr,) = service.cdrs(ACCOUNT)
    assert (cdr["direction"], cdr["cause"]) == ("out", "answered")
    assert cdr["to"] == OUTSIDE
    assert cdr["from"] == NUMBER
    assert cdr["duration_s"] in (61, 62)
    assert cdr["billed_s"] == 120
    assert Decimal(cdr["price"]) == Decimal("0.12")
    assert service.balance(ACCOUNT) == Decimal("49.88")
    assert service.reserved(ACCOUNT) == 0
    charges = [row for row in service.show("ledger", ACCOUNT) if Decimal(row["amount"]) < 0]
    assert [Decimal(row["amount"]) for row in charges] == [Decimal("-0.12")]
    service.ok("ledger", "verify")


def test_incoming_call_rings_the_user_of_the_flow(stage: Stage) -> None:
    """A carrier's call to a number of the account reaches its user, at no cost."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    anna = stage.phone(service, ACCOUNT, "101")
    caller = stage.carrier_call(
        service, host, "trunk_call", user="+37129999999", number=NUMBER, talk_ms=3000
    )
    anna.wait_for("CALL_ESTABLISHED")
    caller.finish()
    anna.wait_for("CALL_CLOSED")

    (cdr,) = service.cdrs(ACCOUNT)
    assert (cdr["direction"], cdr["cause"]) == ("in", "answered")
    assert (cdr["from"], cdr["to"]) == ("+37129999999", NUMBER)
    assert cdr["duration_s"] in (3, 4)
    assert service.balance(ACCOUNT) == Decimal("50.00")


def test_the_called_user_hangs_up(stage: Stage) -> None:
    """The carrier gets BYE, and the CDR names the callee."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    anna = stage.phone(service, ACCOUNT, "101")
    caller = stage.carrier_call(service, host, "trunk_call_cut", user="+37129999999", number=NUMBER)
    anna.wait_for("CALL_ESTABLISHED")
    anna.hang_up()
    caller.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["hangup_by"] == "callee"


def test_the_carrier_holds_the_call(stage: Stage) -> None:
    """A re-INVITE of the carrier goes through to the phone, and the call goes on."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    anna = stage.phone(service, ACCOUNT, "101")
    caller = stage.carrier_call(
        service, host, "trunk_call_held", user="+37129999999", number=NUMBER, talk_ms=1500
    )
    anna.wait_for("CALL_ESTABLISHED")
    caller.finish()
    anna.wait_for("CALL_CLOSED")
    assert "a=sendonly" in anna.log.read_text(errors="replace")


def test_the_phone_holds_and_resumes(stage: Stage) -> None:
    """Hold and resume from a phone reach the carrier as re-INVITEs of the switch."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    carrier = stage.peer("answer_reinvites", host)
    anna = stage.phone(service, ACCOUNT, "101")
    anna.dial(OUTSIDE)
    anna.wait_for("CALL_ESTABLISHED")
    anna.hold()
    eventually(lambda: "a=sendonly" in carrier.messages())
    anna.resume()
    time.sleep(1)
    anna.hang_up()
    messages = carrier.finish()
    assert messages.count("a=sendonly") >= 1
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == "answered"


def test_a_refusing_trunk_is_passed_over(stage: Stage) -> None:
    """503 of the first trunk: the next one gets the call, and the legs tell of both."""
    first, second = stage.network.host(), stage.network.host()
    trunks = (trunk("first", first), trunk("second", second))
    service = stage.service(world(account(), trunks=trunks))
    refusing = stage.peer("refuse", first, code=503)
    answering = stage.peer("answer", second)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    refusing.finish()
    answering.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == "answered"
    assert Decimal(cdr["price"]) == Decimal("0.06")


def test_a_trunk_that_takes_no_connection_is_passed_over(stage: Stage) -> None:
    """A trunk over TCP that nobody listens on: the next one gets the call at once."""
    dead, second = stage.network.host(), stage.network.host()
    trunks = (
        trunk("dead", dead, destination=f"sip:{dead}:5060;transport=tcp"),
        trunk("second", second),
    )
    service = stage.service(world(account(), trunks=trunks))
    answering = stage.peer("answer", second)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    answering.finish()
    assert service.cdrs(ACCOUNT)[0]["cause"] == "answered"


@pytest.mark.parametrize(("code", "cause"), [(486, "busy"), (603, "rejected")])
def test_a_refusal_of_the_called_ends_the_search(stage: Stage, code: int, cause: str) -> None:
    """Busy and declined are the called person's word: no other trunk is asked, nothing is paid."""
    first, second = stage.network.host(), stage.network.host()
    trunks = (trunk("first", first), trunk("second", second))
    service = stage.service(world(account(), trunks=trunks))
    stage.peer("refuse", first, code=code)
    unasked = stage.peer("answer", second)
    stage.caller(service, ACCOUNT, "101", "phone_refused", number=OUTSIDE, code=code).finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == cause
    assert unasked.messages() == ""
    assert service.reserved(ACCOUNT) == 0
    assert service.balance(ACCOUNT) == Decimal("50.00")


def test_the_caller_gives_up(stage: Stage) -> None:
    """CANCEL goes through to the carrier; the hold is let go and nothing is paid."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    ringing = stage.peer("no_answer", host)
    stage.caller(service, ACCOUNT, "101", "phone_cancelled", number=OUTSIDE, talk_ms=1000).finish()
    ringing.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == "cancelled"
    assert service.reserved(ACCOUNT) == 0
    assert service.balance(ACCOUNT) == Decimal("50.00")


def test_two_calls_cannot_have_the_same_money(stage: Stage) -> None:
    """With money for one interval, two calls at once: one talks, the other gets 402."""
    host = stage.network.host()
    last = account(balance="0.06")
    service = stage.service(world(last, trunks=(trunk("carrier", host),)), media={"timeout_s": 0})
    stage.peer("answer", host, calls=2)
    first = stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE, talk_ms=4000)
    eventually(lambda: service.show("calls", ACCOUNT))
    stage.caller(service, ACCOUNT, "102", "phone_refused", number=OUTSIDE, code=402).finish()
    first.finish()
    rows = service.cdrs(ACCOUNT, 2)
    assert sorted(row["cause"] for row in rows) == ["answered", "no_credit"]
    assert service.balance(ACCOUNT) == 0


def test_a_call_ends_by_itself_when_the_money_does(stage: Stage) -> None:
    """The call runs for as many intervals as the balance pays; BYE goes to both sides."""
    host = stage.network.host()
    rows = (rate(per_minute="0.60", **SIX_SECONDS),)
    some = account(balance="0.15")  # two intervals of 0.06; 0.03 cannot pay for another
    service = stage.service(
        world(some, trunks=(trunk("carrier", host),), rates=rows), media={"timeout_s": 0}
    )
    carrier = stage.peer("answer", host)
    stage.caller(service, ACCOUNT, "101", "phone_call_cut", number=OUTSIDE).finish()
    carrier.finish()

    (cdr,) = service.cdrs(ACCOUNT)
    assert (cdr["cause"], cdr["hangup_by"]) == ("credit_exhausted", "switch")
    assert cdr["duration_s"] == 12
    assert Decimal(cdr["price"]) == Decimal("0.12")
    assert service.balance(ACCOUNT) == Decimal("0.03")
    assert service.reserved(ACCOUNT) == 0
    service.ok("ledger", "verify")


def test_two_calls_share_one_pool_to_its_end(stage: Stage) -> None:
    """Each holds a slice of 60 s; at its end one interval is left: together they spend no more."""
    host = stage.network.host()
    rows = (rate(per_minute="0.60", **SIX_SECONDS),)
    some = account(balance="1.29")  # two slices of 0.60, one interval of 0.06, 0.03 for nothing
    service = stage.service(
        world(some, trunks=(trunk("carrier", host),), rates=rows), media={"timeout_s": 0}
    )
    carrier = stage.peer("answer", host, calls=2, timeout_s=90)
    calls = [
        stage.caller(service, ACCOUNT, extension, "phone_call_cut", number=OUTSIDE, timeout_s=90)
        for extension in ("101", "102")
    ]
    for call in calls:
        call.finish()
    carrier.finish()

    found = service.cdrs(ACCOUNT, 2)
    assert [row["cause"] for row in found] == ["credit_exhausted"] * 2
    assert sorted(row["duration_s"] for row in found) == [60, 66]
    assert sum(Decimal(row["price"]) for row in found) == Decimal("1.26")
    assert service.balance(ACCOUNT) == Decimal("0.03")
    assert service.reserved(ACCOUNT) == 0


def test_money_that_comes_during_a_call_lets_it_go_on(stage: Stage) -> None:
    """A credit is seen by the next renewal (billing rule 23)."""
    host = stage.network.host()
    rows = (rate(per_minute="0.60", **SIX_SECONDS),)
    service = stage.service(
        world(account(balance="0.06"), trunks=(trunk("carrier", host),), rates=rows),
        media={"timeout_s": 0},
    )
    stage.peer("answer", host)
    caller = stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE, talk_ms=10_000)
    eventually(lambda: [row for row in service.show("calls", ACCOUNT) if row["answered_at"]])
    service.ok("account", "credit", ACCOUNT, "1.00")
    caller.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == "answered"
    assert cdr["billed_s"] == 12


@pytest.mark.parametrize("takes_tcp", [True, False])
def test_an_invite_too_large_for_udp_goes_over_tcp_if_the_carrier_takes_it(
    stage: Stage, takes_tcp: bool
) -> None:
    """RFC 3261 18.1.1: with 1300 bytes and more; refused, it is sent by UDP after all."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host),)))
    carrier = stage.peer("answer", host, transport="tcp" if takes_tcp else "udp")
    long_description = tuple(f"a=x-filler-{number}:{'x' * 90}" for number in range(12))
    stage.caller(
        service,
        ACCOUNT,
        "101",
        "phone_call",
        number=OUTSIDE,
        transport="tcp",
        sdp_lines=long_description,
    ).finish()
    seen = carrier.finish()
    assert seen.count("x-filler-11") == 1
    assert f"Via: SIP/2.0/{'TCP' if takes_tcp else 'UDP'} " in seen
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["cause"] == "answered"
