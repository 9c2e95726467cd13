"""Reliable provisionals (RFC 3262) on both legs, through the whole switch on a fake clock."""

from __future__ import annotations

import pytest

from sip.events import CancelReceived
from sip.message import Response
from sip.transaction import ClientTransaction
from tests.simulation.phone import sdp
from tests.softswitch.call.agents import Agent, Scene

REQUIRED = ("Require", "100rel")
EARLY = sdp("10.0.0.2")
OTHER = EARLY.replace(b"RTP/AVP 8", b"RTP/AVP 0")


def racks(agent: Agent) -> list[str]:
    """What the PRACKs of an agent's say."""
    return [prack.required("rack") for prack in agent.requests("PRACK")]


def prack(agent: Agent, response: Response, *, more: int = 0) -> ClientTransaction:
    """Acknowledge a provisional; ``more`` is added to its number."""
    rseq = int(response.required("rseq")) + more
    return agent.ask("PRACK", ("RAck", f"{rseq} 1 INVITE"))


# --- as UAC ---------------------------------------------------------------------------------------


def test_an_invite_with_an_offer_supports_100rel() -> None:
    """One without does not: a reliable provisional would have to bring the offer (5)."""
    for body, supported in ((None, True), (b"", False)):
        scene = Scene()
        scene.caller.invite(body=body)
        assert ("100rel" in scene.carrier.requests("INVITE")[0].tokens("supported")) is supported


def test_a_reliable_provisional_is_acknowledged_in_its_dialog() -> None:
    """PRACK with RAck, the next CSeq, to the Contact; the call goes on counting from there."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180, 7)
    (asked,) = scene.carrier.requests("PRACK")
    assert asked.first("rack") == "7 1 INVITE"
    assert (asked.cseq.number, asked.uri) == (2, "sip:agent@10.0.0.2:5060")
    assert asked.to_tag == scene.carrier.asked("INVITE").to_tag
    scene.carrier.respond(scene.carrier.asked("PRACK"), 200)
    scene.carrier.ring(183, 8)
    assert racks(scene.carrier) == ["7 1 INVITE", "8 1 INVITE"]
    assert scene.caller.statuses(invite) == [180, 183]
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.caller.ask("BYE")
    assert scene.carrier.requests("BYE")[0].cseq.number == 4
    scene.hang_up()


def test_a_repeated_provisional_and_one_ahead_of_its_turn_are_not_acknowledged() -> None:
    """4: the PRACK is repeated by itself; what is missing comes first. Neither rings again."""
    scene = Scene()
    invite = scene.caller.invite()
    for rseq in (7, 7, 9, 8, 7):
        scene.carrier.ring(180, rseq, body=EARLY)
    assert racks(scene.carrier) == ["7 1 INVITE", "8 1 INVITE"]
    assert scene.caller.statuses(invite) == [180, 180]
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_the_answer_may_come_in_a_provisional_alone() -> None:
    """RFC 3261 13.2.1: a 2xx without a description means the one that came reliably."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(183, 1, body=OTHER)
    scene.carrier.answer(body=b"")
    answer = scene.caller.responses(invite)[-1]
    assert answer.status == 200
    assert b"m=audio 20000 RTP/AVP 0" in answer.body
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_each_fork_has_an_early_dialog_of_its_own() -> None:
    """A proxy behind the carrier forks: numbers, PRACKs and answers are those of a To tag."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180, 50, tag="one")
    scene.carrier.ring(183, 3, body=OTHER, tag="two")
    scene.carrier.ring(183, 51, body=EARLY, tag="one")
    scene.carrier.ring(183, 3, body=OTHER, tag="two")
    assert racks(scene.carrier) == ["50 1 INVITE", "3 1 INVITE", "51 1 INVITE"]
    tags = [(asked.to_tag, asked.cseq.number) for asked in scene.carrier.requests("PRACK")]
    assert tags == [("one", 2), ("two", 2), ("one", 3)]
    tx = scene.carrier.asked("INVITE")
    tx.to_tag, tx.copied = "two", ""
    scene.carrier.dialog = None
    scene.carrier.answer(body=b"")
    assert b"RTP/AVP 0" in scene.caller.responses(invite)[-1].body
    scene.caller.acknowledge(invite)
    scene.caller.ask("BYE")
    assert scene.carrier.requests("BYE")[0].cseq.number == 3
    scene.hang_up()


def test_no_more_early_dialogs_than_forks_that_may_answer() -> None:
    """A flood of To tags gets 32 PRACKs."""
    scene = Scene()
    scene.caller.invite()
    for number in range(40):
        scene.carrier.ring(180, 1, tag=f"t{number}")
    assert len(scene.carrier.requests("PRACK")) == 32
    scene.carrier.respond(scene.carrier.asked("INVITE"), 486)
    scene.pause(120)
    assert not any(scene.switch.leaks().values())


@pytest.mark.parametrize("contact", ["sip:x@", "*", "<sip:a@b>, <sip:c@d>"])
def test_a_provisional_that_makes_no_dialog_is_left_alone(contact: str) -> None:
    """It can be acknowledged to nobody; the call waits for a better one."""
    scene = Scene()
    invite = scene.caller.invite()
    tx = scene.carrier.asked("INVITE")
    fields = (REQUIRED, ("RSeq", "1"), ("Contact", contact))
    scene.carrier.stack.respond(tx, 180, headers=fields, now_s=scene.wire.now_s)
    scene.pause(1)
    assert not scene.carrier.requests("PRACK")
    scene.carrier.respond(tx, 486)
    assert scene.caller.statuses(invite) == [486]


def test_cancel_after_a_reliable_provisional() -> None:
    """Early dialogs end with the INVITE."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180, 1)
    scene.caller.stack.cancel(invite, scene.wire.now_s)
    scene.pause(0.2)
    (cancelled,) = scene.carrier.all(CancelReceived)
    scene.carrier.respond(cancelled.transaction, 487)
    scene.pause(120)
    assert scene.caller.statuses(invite) == [180, 487]
    assert not any(scene.switch.leaks().values())


# --- as UAS ---------------------------------------------------------------------------------------


def test_a_caller_that_only_supports_100rel_gets_plain_provisionals() -> None:
    """3 leaves that to us."""
    scene = Scene()
    invite = scene.caller.invite(("Supported", "100rel"))
    scene.carrier.ring(180)
    assert scene.caller.responses(invite)[0].first("rseq") is None


def test_a_provisional_is_repeated_until_its_prack() -> None:
    """From T1 on with doubled intervals; it has Contact, RSeq and Require (3)."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(180)
    (ringing,) = scene.caller.responses(invite)
    assert (ringing.first("require"), ringing.status) == ("100rel", 180)
    assert 1 <= int(ringing.required("rseq")) < 2**31
    assert ringing.first("contact")
    scene.pause(3.6)
    repeated = scene.caller.responses(invite)
    assert len(repeated) == 4  # at 0, 0.5, 1.5 and 3.5 s
    assert {response.first("rseq") for response in repeated} == {ringing.first("rseq")}
    scene.caller.early(invite)
    assert scene.caller.statuses(prack(scene.caller, ringing, more=1)) == [481]
    assert scene.caller.statuses(prack(scene.caller, ringing)) == [200]
    assert scene.caller.statuses(prack(scene.caller, ringing)) == [481]
    scene.pause(10)
    assert len(scene.caller.responses(invite)) == 4
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_the_next_provisional_waits_for_the_prack_of_the_first() -> None:
    """3: under the next number."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(180)
    scene.carrier.ring(183, body=EARLY)
    first = scene.caller.responses(invite)[0]
    assert {response.status for response in scene.caller.responses(invite)} == {180}
    scene.caller.early(invite)
    prack(scene.caller, first)
    second = scene.caller.responses(invite)[-1]
    assert (second.status, bool(second.body)) == (183, True)
    assert int(second.required("rseq")) == int(first.required("rseq")) + 1
    prack(scene.caller, second)
    scene.carrier.answer()
    assert scene.caller.statuses(invite)[-1] == 200
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_the_2xx_waits_for_the_prack_of_a_description() -> None:
    """3: it does not for a provisional without one."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(183, body=EARLY)
    scene.carrier.answer()
    scene.pause(2)
    assert set(scene.caller.statuses(invite)) == {183}
    scene.caller.early(invite)
    prack(scene.caller, scene.caller.responses(invite)[0])
    assert scene.caller.statuses(invite)[-1] == 200
    scene.caller.acknowledge(invite)
    assert not scene.caller.requests("INVITE")
    scene.hang_up()
    plain = Scene()
    invite = plain.caller.invite(REQUIRED)
    plain.carrier.ring(180)
    plain.carrier.answer()
    assert plain.caller.statuses(invite) == [180, 200]
    plain.caller.acknowledge(invite)
    late = prack(plain.caller, plain.caller.responses(invite)[0])
    assert plain.caller.statuses(late) == [200]
    plain.hang_up()


def test_no_prack_ends_in_504() -> None:
    """After 64*T1; the branches are taken back."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(180)
    scene.pause(31)
    assert scene.caller.statuses(invite)[-1] == 180
    scene.pause(2)
    assert scene.caller.statuses(invite)[-1] == 504
    (cancelled,) = scene.carrier.all(CancelReceived)
    scene.carrier.respond(cancelled.transaction, 487)
    scene.pause(120)
    assert not any(scene.switch.leaks().values())


def test_no_prack_while_the_2xx_waits() -> None:
    """504 to the caller, BYE to who had answered."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(183, body=EARLY)
    scene.carrier.answer()
    scene.pause(33)
    assert scene.caller.statuses(invite)[-1] == 504
    assert scene.over() == (0, 1)
    scene.hang_up()


@pytest.mark.parametrize("how", ["CANCEL", "BYE", "callee"])
def test_the_call_ends_while_the_2xx_waits(how: str) -> None:
    """The INVITE gets a refusal, and there is no dialog with the caller that BYE could end."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(183, body=EARLY)
    scene.carrier.answer()
    scene.caller.early(invite)
    if how == "CANCEL":
        scene.caller.stack.cancel(invite, scene.wire.now_s)
    elif how == "BYE":
        scene.caller.ask("BYE")
    else:
        scene.carrier.ask("BYE")
    scene.pause(1)
    assert scene.caller.statuses(invite)[-1] == (480 if how == "callee" else 487)
    assert scene.over() == ((0, 0) if how == "callee" else (0, 1))
    for bye in scene.carrier.requests("BYE"):
        assert bye.method == "BYE"
        scene.carrier.respond(scene.carrier.asked("BYE"), 200)
    scene.pause(120)
    assert not any(scene.switch.leaks().values())


def test_a_refusal_does_not_wait() -> None:
    """What has not gone out is not sent any more."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(180)
    scene.carrier.ring(183, body=EARLY)
    scene.carrier.respond(scene.carrier.asked("INVITE"), 486)
    assert scene.caller.statuses(invite) == [180, 486]
    scene.pause(120)
    assert not any(scene.switch.leaks().values())


def test_without_an_offer_nothing_rings_reliably() -> None:
    """5: the first reliable response would have to bring our offer, which the 2xx has."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED, body=b"")
    scene.carrier.ring(180)
    scene.pause(1)
    assert scene.caller.statuses(invite) == []
    scene.carrier.answer()
    assert scene.caller.statuses(invite) == [200]
    scene.caller.acknowledge(invite, scene.caller.description())
    scene.hang_up()


def test_another_answer_than_the_early_one_is_shown_by_re_invite() -> None:
    """RFC 3261 13.2.1: the caller must ignore the description of the 2xx."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(183, body=EARLY)
    scene.caller.early(invite)
    prack(scene.caller, scene.caller.responses(invite)[0])
    scene.carrier.answer(body=OTHER)
    assert not scene.caller.requests("INVITE")
    scene.caller.acknowledge(invite)
    (shown,) = scene.caller.requests("INVITE")
    assert b"RTP/AVP 0\r\n" in shown.body
    scene.caller.answer_again(body=OTHER)
    scene.hang_up()


@pytest.mark.parametrize("rack", ["", "1", "nonsense"])
def test_a_malformed_prack_is_refused(rack: str) -> None:
    """400; a PRACK of a side that was sent nothing reliable is 481."""
    scene = Scene()
    scene.talk()
    assert scene.caller.statuses(scene.caller.ask("PRACK", ("RAck", rack))) == [400]
    for agent in (scene.caller, scene.carrier):
        assert agent.statuses(agent.ask("PRACK", ("RAck", "1 1 INVITE"))) == [481]
    scene.hang_up()


def test_an_offer_in_a_prack_is_refused_and_acknowledges() -> None:
    """Who has not answered yet cannot be asked: 488, and the 2xx goes out."""
    scene = Scene()
    invite = scene.caller.invite(REQUIRED)
    scene.carrier.ring(183, body=EARLY)
    scene.carrier.answer()
    scene.caller.early(invite)
    rseq = scene.caller.responses(invite)[0].required("rseq")
    offered = scene.caller.ask("PRACK", ("RAck", f"{rseq} 1 INVITE"), body=OTHER)
    assert scene.caller.statuses(offered) == [488]
    assert scene.caller.statuses(invite)[-1] == 200
    scene.caller.acknowledge(invite)
    scene.hang_up()
