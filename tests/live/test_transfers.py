"""Calls handed on by phones that we did not write, and each leg paid once."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.live import audio
from tests.live.baresip import Phone
from tests.live.conftest import Stage
from tests.live.linphone import Linphone
from tests.live.ports import claimed_block
from tests.live.service import DOMAIN, Row, Service, eventually
from tests.live.world import account, login, password, rate, trunk, world

ACCOUNT = "000000212"
NUMBER = "+37070044960"
OUTSIDE, ELSEWHERE = "+37120000001", "+37120000002"
BY_THE_SECOND = rate(per_minute="0.60", initial_s=1, increment_s=1)  # 0.01 a second
TALK_S = 12.0
COMPARED_S = range(6, 12)  # of what the kept side says, who joins it can hear no more than that
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


def heard(phone: Phone | Linphone, spoken: str, stage: Stage) -> float:
    """How much of a recording the phone heard."""
    begin, end = COMPARED_S.start * audio.RATE_HZ, COMPARED_S.stop * audio.RATE_HZ
    played = audio.read_wav(stage.speech[spoken])[begin:end]
    return audio.correlation(audio.read_wav(phone.recording()), played)


def all_is_paid(service: Service, *costs: str, calls: int = 1) -> Row:
    """The CDR of the call that ended last: what it cost is in the ledger, leg by leg, and nothing
    is held. ``costs``: how much each paid leg was, to two seconds."""
    rows = service.cdrs(ACCOUNT, calls)
    cdr = max(rows, key=lambda row: str(row["ended_at"]))
    assert len(rows) == calls
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


def linphone(stage: Stage, service: Service, extension: str, *, says: str = "first") -> Linphone:
    """A registered linphonec."""
    folder = stage.folder / f"linphone-{extension}"
    folder.mkdir()
    phone = Linphone(
        folder,
        stage.speech[says],
        transport="udp",
        server=service.server,
        login=login(ACCOUNT, extension),
        password=password(extension),
        domain=DOMAIN,
        rtp_port=stage.stack.enter_context(claimed_block()),
    )
    stage.stack.enter_context(phone)
    eventually(
        lambda: service.show("registrations"),
        lambda rows: extension in [row["extension"] for row in rows],
        within_s=20,
    )
    return phone


@pytest.mark.parametrize("transferor", ["101", "102"], ids=["by the caller", "by the called"])
def test_two_phones_hear_each_other_after_a_third_handed_them_on(
    stage: Stage, transferor: str
) -> None:
    """baresip's transfer command, blind, to an extension; linphonec is handed on."""
    service = office(stage)
    leaves = stage.phone(service, ACCOUNT, transferor, says="second")
    kept = linphone(stage, service, "102" if transferor == "101" else "101")
    joins = stage.phone(service, ACCOUNT, "103", says="second")
    if transferor == "101":
        leaves.dial("102")
    else:
        kept.call("102", DOMAIN)
    leaves.wait_for("CALL_ESTABLISHED")
    time.sleep(2)
    leaves.transfer("103")
    joins.wait_for("CALL_ESTABLISHED")
    leaves.wait_for("CALL_CLOSED")
    time.sleep(TALK_S)
    joins.hang_up()
    joins.wait_for("CALL_CLOSED")

    cdr = all_is_paid(service)
    assert [name for name, _ in legs(cdr)] == ["caller", "user 102", "user 103"]
    assert {"101": 0, "102": 1}[transferor] == min(range(3), key=lambda leg: legs(cdr)[leg][1])
    assert heard(joins, "first", stage) >= SAME
    assert heard(kept, "second", stage) >= SAME


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
    return f"Refer-To: <sip:{number}@{DOMAIN}>"


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
    assert "NOTIFY sip:" not in messages
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
    assert "NOTIFY sip:" not in messages
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


def test_who_does_not_want_to_be_shown_is_not_shown_to_the_next_one_either(stage: Stage) -> None:
    """RFC 3323: the new party sees who sends the call on."""
    service = office(stage)
    gate = stage.phone(service, ACCOUNT, "102")
    third = stage.phone(service, ACCOUNT, "103", answer="manual")
    private = {"more": ("Privacy: id",), "number": "102", "talk_ms": 5000}
    stage.caller(service, ACCOUNT, "101", "phone_call", **private)
    gate.wait_for("CALL_ESTABLISHED")
    gate.transfer("103")
    third.wait_for("CALL_INCOMING")
    log = third.log.read_text(errors="replace")
    assert "sip:101@" not in log
    assert re.search("From: .*sip:102@", log)


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


# --- attended -------------------------------------------------------------------------------------


def test_two_colleagues_hear_each_other_after_a_third_joined_them(stage: Stage) -> None:
    """linphonec's attended transfer: two calls of its own, each with a record."""
    service = office(stage)
    secretary = linphone(stage, service, "101")
    anna = linphone(stage, service, "102")
    gate = linphone(stage, service, "103", says="second")
    both = join(service, secretary, "102", "103")
    time.sleep(TALK_S)
    gate.hang_up()
    joined = all_is_paid(service, calls=2)
    assert both["trace"][-1].endswith("a transfer took the other side")
    assert f"user 103 joins from call {both['call_id']}" in joined["trace"]
    assert [name for name, _ in legs(joined)] == ["caller", "user 102", "user 103"]
    assert heard(anna, "second", stage) >= SAME
    assert heard(gate, "first", stage) >= SAME


def join(service: Service, phone: Linphone, first: str, second: str) -> Row:
    """Call one, hold it, call the other, and join them; the record of the second call, which ends
    then."""
    phone.call(first, DOMAIN)
    eventually(
        lambda: service.show("calls"), lambda rows: [r["state"] for r in rows] == ["talking"]
    )
    time.sleep(1)
    phone.hold(1)
    time.sleep(1)
    phone.call(second, DOMAIN)
    eventually(
        lambda: service.show("calls"), lambda rows: [r["state"] for r in rows] == ["talking"] * 2
    )
    time.sleep(1)
    phone.join(1, 2)
    (cdr,) = service.cdrs(ACCOUNT)
    return cdr


def test_two_outside_calls_are_joined_and_each_is_paid_to_its_end(stage: Stage) -> None:
    """Rule 12: the secretary's account pays both until they end, in one record from then on."""
    hosts = stage.network.host(), stage.network.host()
    service = office(stage, *hosts)
    carriers = [stage.peer("answer_reinvites", host) for host in hosts]
    secretary = linphone(stage, service, "101")
    ended = join(service, secretary, OUTSIDE, ELSEWHERE)
    assert Decimal(ended["price"]) == 0
    time.sleep(4)
    assert service.stop() == 0
    for carrier in carriers:
        carrier.finish()
    joined = max(service.cdrs(ACCOUNT, 2), key=lambda row: str(row["ended_at"]))
    assert [name for name, _ in legs(joined)] == ["caller", "trunk carrier0", "trunk carrier1"]
    (_, first_s), (_, second_s) = legs(joined)[1:]
    second_s += ended["duration_s"]  # it was paid by the same account before
    paid = [Decimal(row["amount"]) for row in service.show("ledger", ACCOUNT)[-2:]]
    for amount, seconds in zip(
        sorted(paid), sorted((first_s, second_s), reverse=True), strict=True
    ):
        assert abs(-amount * 100 - seconds) <= 1, (paid, first_s, second_s)
    assert Decimal(joined["price"]) == -sum(paid)
    assert service.reserved(ACCOUNT) == 0
    service.ok("ledger", "verify")


def test_kill_9_after_two_outside_calls_were_joined(stage: Stage) -> None:
    """Both legs are closed with the call that goes on, and charged once."""
    hosts = stage.network.host(), stage.network.host()
    service = office(stage, *hosts)
    for host in hosts:
        stage.peer("answer_reinvites", host)
    ended = join(service, linphone(stage, service, "101"), OUTSIDE, ELSEWHERE)
    time.sleep(7)  # longer than from one beat of the journal to the next
    service.kill()
    service.start()
    joined = max(service.cdrs(ACCOUNT, 2), key=lambda row: str(row["ended_at"]))
    assert joined["call_id"] != ended["call_id"]
    paid = [Decimal(row["amount"]) for row in service.show("ledger", ACCOUNT)]
    paid = [-amount for amount in paid if amount < 0]
    assert len(paid) == 2
    assert min(paid) >= Decimal("0.02")
    assert Decimal(joined["price"]) == sum(paid)
    assert service.reserved(ACCOUNT) == 0
    service.kill()
    service.start()
    assert len(service.show("cdrs", ACCOUNT)) == 2
    service.ok("ledger", "verify")


def test_a_customer_is_handed_to_a_colleague(stage: Stage) -> None:
    """A call from a carrier: the secretary asks the colleague first."""
    host = stage.network.host()
    service = office(stage, host)
    secretary = linphone(stage, service, "101")
    colleague = linphone(stage, service, "102", says="second")
    speech = audio.to_alaw(stage.speech["first"])
    customer = stage.carrier_call(
        service, host, "trunk_call_reinvited", number=NUMBER, talk_ms=13_000, play=speech
    )
    eventually(
        lambda: service.show("calls"), lambda rows: [r["state"] for r in rows] == ["talking"]
    )
    secretary.hold(1)
    time.sleep(1)
    secretary.call("102", DOMAIN)
    eventually(
        lambda: service.show("calls"), lambda rows: [r["state"] for r in rows] == ["talking"] * 2
    )
    secretary.join(1, 2)
    customer.finish()
    cdr = all_is_paid(service, calls=2)
    assert cdr["direction"] == "in"
    assert [name for name, _ in legs(cdr)] == ["caller", "user 101", "user 102"]
    assert heard(colleague, "first", stage) >= SAME


# --- INVITE with Replaces -------------------------------------------------------------------------


def dialog_of(phone: Phone) -> str:
    """The Replaces value that names the call that a phone has answered, as the switch knows it."""
    log = phone.log.read_text(errors="replace").replace("\r", "")
    heads = [message.partition("\n\n")[0] for message in log.split("SIP/2.0 200 ")[1:]]
    (answer,) = [head for head in heads if re.search(r"CSeq: \d+ INVITE", head)]
    call_id, ours, its = (
        re.search(pattern, answer)
        for pattern in (r"Call-ID: (\S+)", r"From: .*tag=(\S+)", r"To: .*tag=(\S+)")
    )
    assert call_id
    assert ours
    assert its
    return f"{call_id[1]};to-tag={ours[1]};from-tag={its[1]}"


def test_a_phone_takes_the_place_of_another_one(stage: Stage) -> None:
    """A call of a carrier, answered at 101, goes on at 102, and both calls have a record."""
    host = stage.network.host()
    service = office(stage, host)
    anna = stage.phone(service, ACCOUNT, "101", says="first")
    customer = stage.carrier_call(
        service, host, "trunk_call_reinvited", number=NUMBER, talk_ms=3000, ring_ms=0
    )
    anna.wait_for("CALL_ESTABLISHED")
    time.sleep(2)
    wanted = (f"Replaces: {dialog_of(anna)}", "Require: replaces")
    taker = stage.caller(
        service, ACCOUNT, "102", "phone_call_cut", number="101", more=wanted, talk_ms=20_000
    )
    anna.wait_for("CALL_CLOSED")
    customer.finish()
    taker.finish()
    cdr = all_is_paid(service, calls=2)
    assert cdr["direction"] == "in"
    assert cdr["trace"][0].startswith("user 102 takes over call ")
    assert cdr["duration_s"] >= 3
    assert [name for name, _ in legs(cdr)] == ["caller", "caller"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (("Replaces: x@y;to-tag=1;from-tag=2",), 481),
        (("Replaces: x@y",), 400),
        (("Replaces: a;to-tag=1;from-tag=2", "Replaces: b;to-tag=1;from-tag=2"), 400),
        ((), 486),
        (None, 481),
    ],
    ids=["no such call", "malformed", "two", "early-only", "of another account"],
)
def test_a_call_that_cannot_be_taken_over_goes_on(
    stage: Stage, more: tuple[str, ...] | None, status: int
) -> None:
    """RFC 3891 3; nobody learns of other accounts' calls."""
    other = "000000213"
    state = world(
        account(ACCOUNT, extensions=("101", "102", "103")),
        account(other, numbers=("+37070044961",), extensions=("101",)),
    )
    service = stage.service(state)
    anna = stage.phone(service, ACCOUNT, "101")
    gate = stage.phone(service, ACCOUNT, "102")
    anna.dial("102")
    gate.wait_for("CALL_ESTABLISHED")
    taker = (ACCOUNT, "103") if more is not None else (other, "101")
    if not more:
        more = (f"Replaces: {dialog_of(gate)}{';early-only' if more == () else ''}",)
    refused = stage.caller(service, *taker, "phone_refused", number="101", more=more, code=status)
    refused.finish()
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    assert all_is_paid(service)["hangup_by"] == "caller"
