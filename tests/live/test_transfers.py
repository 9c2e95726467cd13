"""Calls handed on by REFER: phones that we did not write hand them on, and each leg is paid once."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from tests.live import audio
from tests.live.baresip import Phone
from tests.live.conftest import Stage
from tests.live.service import Row, Service, eventually
from tests.live.world import account, rate, trunk, world

ACCOUNT = "000000212"
NUMBER = "+37070044960"
OUTSIDE, ELSEWHERE = "+37120000001", "+37120000002"
BY_THE_SECOND = rate(per_minute="0.60", initial_s=1, increment_s=1)  # 0.01 a second
TALK_S = 9.0
COMPARED_S = range(4, 10)  # of what the kept side says, who joins it can hear no more than that
SAME, OTHER = 0.9, 0.2


def office(stage: Stage, *carriers: str, **more: Any) -> Service:
    """An account with three users; outside calls cost a cent a second. Numbers from the second
    carrier on have a carrier of their own, since a SIPp takes one call."""
    state = world(
        account(extensions=("101", "102", "103"), **more),
        trunks=tuple(trunk(f"carrier{index}", host) for index, host in enumerate(carriers)),
        rates=(BY_THE_SECOND,),
    )
    if len(carriers) > 1:
        state["routes"].insert(0, {"prefix": ELSEWHERE[1:], "trunks": ["carrier1"]})
    return stage.service(state)


def heard(phone: Phone, spoken: str, stage: Stage) -> float:
    """How much of a recording the phone heard."""
    begin, end = COMPARED_S.start * audio.RATE_HZ, COMPARED_S.stop * audio.RATE_HZ
    played = audio.read_wav(stage.speech[spoken])[begin:end]
    return audio.correlation(audio.read_wav(phone.recording()), played)


def all_is_paid(service: Service, *costs: str) -> Row:
    """The one CDR of the account: what it cost is in the ledger, leg by leg, and nothing is held.
    ``costs``: how much each paid leg was, in order, to two seconds."""
    (cdr,) = service.cdrs(ACCOUNT)
    entries = [Decimal(row["amount"]) for row in service.show("ledger", ACCOUNT)]
    paid = sorted(-amount for amount in entries if amount < 0)
    assert len(paid) == len(costs), (paid, costs)
    for amount, cost in zip(paid, sorted(map(Decimal, costs)), strict=True):
        assert abs(amount - cost) <= Decimal("0.02"), (paid, costs)
    assert Decimal(cdr["price"] or 0) == sum(paid)
    assert service.reserved(ACCOUNT) == 0
    assert service.show("calls") == []
    service.ok("ledger", "verify")
    return cdr


def legs(cdr: Row) -> list[tuple[str, int]]:
    """Who took part, and for how many seconds each was connected."""
    return [
        (leg["name"], round((leg["ended_ms"] - leg["answered_ms"]) / 1000))
        for leg in cdr["legs"]
        if leg["answered_ms"] is not None
    ]


@pytest.mark.parametrize("transferor", ["101", "102"], ids=["by the caller", "by the called"])
def test_two_phones_hear_each_other_after_a_third_handed_them_on(
    stage: Stage, transferor: str
) -> None:
    """baresip's transfer command, blind, to an extension."""
    service = office(stage)
    anna = stage.phone(service, ACCOUNT, "101", says="first")
    gate = stage.phone(service, ACCOUNT, "102", says="first")
    third = stage.phone(service, ACCOUNT, "103", says="second")
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    gate.wait_for("CALL_ESTABLISHED")
    time.sleep(2)
    leaves, kept = (anna, gate) if transferor == "101" else (gate, anna)
    leaves.transfer("103")
    third.wait_for("CALL_ESTABLISHED")
    leaves.wait_for("CALL_CLOSED")
    time.sleep(TALK_S)
    kept.hang_up()
    third.wait_for("CALL_CLOSED")

    assert heard(kept, "second", stage) >= SAME
    assert heard(third, "first", stage) >= SAME
    cdr = all_is_paid(service)
    assert cdr["cause"] == "answered"


def sends_on(
    stage: Stage, service: Service, *refer: str, number: str = "102", **more: Any
) -> tuple[Phone, Any]:
    """SIPp at 101 talks with baresip at 102 and sends REFER."""
    gate = stage.phone(service, ACCOUNT, "102", says="first")
    caller = stage.caller(
        service, ACCOUNT, "101", "phone_call", number="102", refer=refer, **{"code": 202} | more
    )
    gate.wait_for("CALL_ESTABLISHED")
    return gate, caller


def refer_to(number: str) -> str:
    """A Refer-To as phones write it."""
    return f"Refer-To: <sip:{number}@login.smarttelplus.eu>"


@pytest.mark.parametrize("then", ["waits", "hurries"])
def test_a_call_sent_to_an_outside_number_is_paid_by_who_sent_it(stage: Stage, then: str) -> None:
    """The new leg alone costs, from its answer; the transferor waits for NOTIFY or does not."""
    host = stage.network.host()
    service = office(stage, host)
    carrier = stage.peer("answer", host, ring_ms=1500)
    gate, caller = sends_on(stage, service, refer_to(OUTSIDE), then=then)
    messages = caller.finish()
    time.sleep(5)
    gate.hang_up()
    carrier.finish()
    cdr = all_is_paid(service, "0.05" if then == "waits" else "0.04")
    assert [name for name, _ in legs(cdr)] == ["caller", "user 102", "trunk carrier0"]
    assert "SIP/2.0 200 OK" in messages
    assert legs(cdr)[0][1] <= 2


@pytest.mark.parametrize(
    ("number", "status"),
    [("103", "480"), ("199", "404"), (OUTSIDE, "486"), ("+999", "404"), ("101", "486")],
    ids=["nobody", "no such extension", "busy", "no such number", "oneself"],
)
def test_a_call_that_cannot_be_sent_on_stays(stage: Stage, number: str, status: str) -> None:
    """The transferor is told why, and its call goes on until it hangs up."""
    host = stage.network.host()
    service = office(stage, host)
    if number == OUTSIDE:
        stage.peer("refuse", host, code=486)
    gate, caller = sends_on(stage, service, refer_to(number), talk_ms=2000)
    messages = caller.finish()
    gate.wait_for("CALL_CLOSED")
    assert f"\nSIP/2.0 {status} " in messages
    cdr = all_is_paid(service)
    assert cdr["hangup_by"] == "caller"
    assert cdr["duration_s"] >= 2


@pytest.mark.parametrize(
    ("refer", "code"),
    [
        ((), 400),
        ((refer_to("103"), refer_to("104")), 400),
        (("Refer-To: <sip:103@login.smarttelplus.eu;method=BYE>",), 501),
        (("Refer-To: <http://login.smarttelplus.eu>",), 416),
        (("Refer-To: <sip:login.smarttelplus.eu>",), 400),
        (
            ("Refer-To: <sip:103@login.smarttelplus.eu?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>",),
            481,
        ),
        (("Refer-To: <sip:103@login.smarttelplus.eu?Replaces=x>",), 400),
    ],
)
def test_a_refer_that_is_none_is_refused(stage: Stage, refer: tuple[str, ...], code: int) -> None:
    """RFC 3515 2.4.2, RFC 3891 3: the call goes on."""
    service = office(stage)
    _, caller = sends_on(stage, service, "X-Of: a test", *refer, code=code, then="leaves")
    messages = caller.finish()
    assert "NOTIFY" not in messages
    assert all_is_paid(service)["cause"] == "answered"


def test_a_transferor_that_wants_no_notice_gets_none(stage: Stage) -> None:
    """RFC 4488: Refer-Sub: false is agreed to."""
    service = office(stage)
    third = stage.phone(service, ACCOUNT, "103", says="second")
    sub = "Refer-Sub: false"
    gate, caller = sends_on(stage, service, refer_to("103"), sub, then="replaced")
    messages = caller.finish()
    third.wait_for("CALL_ESTABLISHED")
    gate.hang_up()
    assert "NOTIFY" not in messages
    assert messages.count(sub) == 2
    all_is_paid(service)


def test_a_carrier_sends_nobody_on(stage: Stage) -> None:
    """It would be at whose expense? 403, and the call goes on."""
    host = stage.network.host()
    service = office(stage, host)
    anna = stage.phone(service, ACCOUNT, "101")
    caller = stage.carrier_call(
        service,
        host,
        "trunk_call",
        number=NUMBER,
        refer=(refer_to("102"),),
        code=403,
        then="leaves",
    )
    anna.wait_for("CALL_ESTABLISHED")
    caller.finish()
    assert all_is_paid(service)["hangup_by"] == "caller"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (("Referred-By: <sip:boss@a212.example>;cid=1",), "<sip:boss@a212.example>"),
        ((), "<sip:101@login.smarttelplus.eu>"),
    ],
    ids=["its own", "ours"],
)
def test_a_phone_is_told_who_sent_the_call(stage: Stage, sent: tuple[str, ...], shown: str) -> None:
    """RFC 3892: the Referred-By of the REFER, or one that names the transferor."""
    service = office(stage)
    third = stage.phone(service, ACCOUNT, "103", says="second")
    gate, caller = sends_on(stage, service, refer_to("103"), *sent)
    third.wait_for("CALL_ESTABLISHED")
    caller.finish()
    gate.hang_up()
    assert f"Referred-By: {shown}" in third.log.read_text(errors="replace")


def test_a_call_sent_to_another_account_has_a_record_there(stage: Stage) -> None:
    """Over a number of theirs, within the switch: both accounts see it."""
    other, theirs = "000000213", "+37070044961"
    state = world(
        account(ACCOUNT, extensions=("101", "102")),
        account(other, numbers=(theirs,), extensions=("101",)),
    )
    service = stage.service(state)
    third = stage.phone(service, other, "101", says="second")
    gate, caller = sends_on(stage, service, refer_to(theirs))
    third.wait_for("CALL_ESTABLISHED")
    caller.finish()
    gate.hang_up()
    all_is_paid(service)
    (cdr,) = service.cdrs(other)
    assert cdr["cause"] == "answered"
