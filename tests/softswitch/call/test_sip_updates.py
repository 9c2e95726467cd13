"""UPDATE (RFC 3311), re-INVITE and hold from one leg to the other, through the whole switch."""

from __future__ import annotations

import pytest

from sip.events import AckReceived
from softswitch.call.legs import ALLOW as METHODS
from tests.simulation.phone import sdp
from tests.softswitch.call.agents import NUMBER, Scene

PCMU = (
    b"v=0\r\no=- 1 2 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")


def test_update_without_an_offer_is_answered_here() -> None:
    """It refreshes the target (5.2): the next request of ours goes there."""
    scene = Scene()
    scene.talk()
    scene.caller.contact = "<sip:elsewhere@10.1.0.77:5070>"
    assert scene.caller.dialog is not None
    scene.caller.dialog.contact = scene.caller.contact
    update = scene.caller.ask("UPDATE")
    (answer,) = scene.caller.responses(update)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.first("contact")
    assert not scene.carrier.requests("UPDATE")
    scene.carrier.ask("BYE")
    (bye,) = scene.caller.requests("BYE")
    assert bye.uri == "sip:elsewhere@10.1.0.77:5070"
    scene.hang_up()


def test_update_with_an_offer_is_passed_on_as_update() -> None:
    """Where the other side takes it: the answer comes back, and there is no ACK."""
    scene = Scene()
    scene.talk()
    acked = len(scene.carrier.all(AckReceived))
    update = scene.caller.ask("UPDATE", body=PCMU)
    (passed_on,) = scene.carrier.requests("UPDATE")
    assert b"m=audio 20002 RTP/AVP 0\r\n" in passed_on.body
    scene.carrier.answer_again(body=PCMU)
    (answer,) = scene.caller.responses(update)
    assert answer.status == 200
    assert b"m=audio 20000 RTP/AVP 0\r\n" in answer.body
    assert len(scene.carrier.all(AckReceived)) == acked
    again = scene.carrier.ask("UPDATE", body=PCMU)  # the way is free for the other side's
    assert not scene.caller.requests("UPDATE")  # its INVITE did not allow it
    (reinvite,) = scene.caller.requests("INVITE")
    assert b"RTP/AVP 0\r\n" in reinvite.body
    scene.caller.answer_again(body=PCMU)
    assert scene.carrier.statuses(again) == [200]
    assert len(scene.caller.all(AckReceived)) == 1
    scene.hang_up()


def test_update_is_passed_on_as_re_invite_to_who_does_not_take_it() -> None:
    """Its ACK is ours."""
    scene = Scene(takes_update=False)
    scene.talk()
    update = scene.caller.ask("UPDATE", body=PCMU)
    assert len(scene.carrier.requests("INVITE")) == 2
    scene.carrier.answer_again(body=PCMU)
    assert scene.caller.statuses(update) == [200]
    assert len(scene.carrier.all(AckReceived)) == 2
    scene.hang_up()


def test_update_goes_the_other_way_too() -> None:
    """From the called side to a caller whose INVITE allowed it."""
    scene = Scene()
    scene.talk([ALLOW])
    update = scene.carrier.ask("UPDATE", body=PCMU)
    assert len(scene.caller.requests("UPDATE")) == 1
    scene.caller.answer_again(body=PCMU)
    assert scene.carrier.statuses(update) == [200]
    scene.hang_up()


def test_an_allow_that_is_not_so_makes_it_a_re_invite() -> None:
    """501 to the UPDATE that was passed on."""
    scene = Scene()
    scene.talk()
    update = scene.caller.ask("UPDATE", body=PCMU)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 501)
    assert len(scene.carrier.requests("INVITE")) == 2
    scene.carrier.answer_again(body=PCMU)
    assert scene.caller.statuses(update) == [200]
    scene.hang_up()


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
@pytest.mark.parametrize("first", ["UPDATE", "INVITE"])
def test_changes_that_cross_are_refused_with_491(method: str, first: str) -> None:
    """5.2: the other side has an offer of ours that it has not answered; an UPDATE without an
    offer crosses nothing."""
    scene = Scene()
    scene.talk()
    change = scene.caller.ask(first, body=PCMU)
    assert scene.carrier.statuses(scene.carrier.ask(method, body=PCMU)) == [491]
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE")) == [200]
    scene.carrier.answer_again(body=PCMU)
    assert scene.caller.statuses(change) == [200]
    if first == "INVITE":
        scene.caller.acknowledge(change)
    scene.hang_up()


@pytest.mark.parametrize("body", [b"", PCMU])
def test_a_second_update_before_the_answer_to_the_first_gets_500(body: bytes) -> None:
    """5.2: with Retry-After of 0 to 10 s."""
    scene = Scene()
    scene.talk()
    change = scene.caller.ask("UPDATE", body=PCMU)
    (refused,) = scene.caller.responses(scene.caller.ask("UPDATE", body=body))
    assert refused.status == 500
    assert 0 <= int(refused.required("retry-after")) <= 10
    scene.carrier.answer_again(body=PCMU)
    assert scene.caller.statuses(change) == [200]
    scene.hang_up()


def test_a_refused_update_changes_nothing() -> None:
    """488 comes back with the other side's warning, and the call goes on."""
    scene = Scene()
    scene.talk()
    update = scene.caller.ask("UPDATE", body=PCMU)
    warning = ("Warning", '305 carrier "Incompatible media format"')
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 488, warning)
    (refused,) = scene.caller.responses(update)
    assert refused.status == 488
    assert refused.first("warning") == '305 10.0.0.1 "Incompatible media format"'
    assert scene.over() == (0, 0)
    scene.hang_up()


def test_an_offer_that_we_cannot_carry_is_refused_here() -> None:
    """488 with Warning, to re-INVITE and UPDATE; the body of another type is 415."""
    scene = Scene()
    scene.talk()
    for method in ("INVITE", "UPDATE"):
        video = PCMU.replace(b"m=audio", b"m=video")
        (refused,) = scene.caller.responses(scene.caller.ask(method, body=video))
        assert refused.status == 488
        assert (refused.first("warning") or "").startswith("304 10.0.0.1 ")
    assert scene.caller.dialog is not None
    text = scene.caller.dialog.request("UPDATE", (("Content-Type", "text/plain"),), b"hello")
    assert scene.caller.statuses(scene.caller.send(text)) == [415]
    scene.hang_up()


def test_update_of_a_side_without_an_answer_ends_with_bye() -> None:
    """The other side vanished while it was asked: 408 ends the call (RFC 3261 12.2.1.2)."""
    scene = Scene()
    scene.talk()
    scene.caller.ask("UPDATE", body=PCMU)
    scene.pause(33)
    assert scene.over() == (1, 1)
    scene.hang_up()


def test_bye_in_the_middle_of_an_update() -> None:
    """What was passed on is waited for; who asked is refused."""
    scene = Scene()
    scene.talk()
    update = scene.caller.ask("UPDATE", body=PCMU)
    scene.carrier.ask("BYE")
    assert scene.caller.statuses(update) == [487]
    scene.carrier.answer_again(body=PCMU)
    scene.hang_up()


# --- before the answer ----------------------------------------------------------------------------


def test_update_of_a_caller_that_was_not_answered() -> None:
    """5.2: its offer has no answer, so another one is 500; without one it is taken."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.respond(scene.carrier.asked("INVITE"), 180)
    scene.caller.early(invite)
    assert scene.caller.statuses(scene.caller.ask("UPDATE")) == [200]
    (refused,) = scene.caller.responses(scene.caller.ask("UPDATE", body=PCMU))
    assert (refused.status, refused.first("retry-after")) == (500, "5")
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_update_of_a_called_side_that_has_not_answered() -> None:
    """5.2: 491 to an offer, since ours is unanswered; 481 where there is no early dialog."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180, 1)
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE")) == [200]
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE", body=PCMU)) == [491]
    assert scene.carrier.statuses(scene.carrier.ask("OPTIONS")) == [481]
    scene.carrier.ring(183, 2, body=PCMU)
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE", body=PCMU)) == [504]
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.hang_up()


def test_update_in_an_early_dialog_that_was_not_made() -> None:
    """A plain 180 makes none that we know of: 481."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180)
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE")) == [481]
    scene.carrier.answer()
    scene.caller.acknowledge(invite)
    scene.hang_up()


# --- delayed offers, other codecs, hold -----------------------------------------------------------


def test_delayed_offer_meets_a_session_timer_and_update() -> None:
    """The callee's offer goes through, the answer comes in the ACK; before it, a change is 491."""
    scene = Scene()
    invite = scene.caller.invite(("Supported", "timer"), ALLOW, body=b"")
    (asked,) = scene.carrier.requests("INVITE")
    assert asked.tokens("supported") == ["timer", "replaces"]
    assert asked.body == b""
    scene.carrier.answer(("Session-Expires", "90;refresher=uac"))
    assert scene.caller.responses(invite)[-1].first("session-expires") == "1800;refresher=uac"
    assert scene.carrier.statuses(scene.carrier.ask("UPDATE", body=PCMU)) == [491]
    assert scene.caller.statuses(invite) == [200]
    scene.caller.acknowledge(invite, scene.caller.description())
    (acked,) = scene.carrier.all(AckReceived)
    assert b"m=audio 20002 " in acked.request.body
    scene.pause(45)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 200, ("Session-Expires", "90"))
    update = scene.carrier.ask("UPDATE", body=PCMU)
    scene.caller.answer_again(body=PCMU)
    assert scene.carrier.statuses(update) == [200]
    scene.hang_up()


@pytest.mark.parametrize("body", [b"", PCMU])
def test_another_codec_by_re_invite(body: bytes) -> None:
    """It is passed on with our addresses and ports, also when the other side is to offer."""
    scene = Scene()
    scene.talk()
    change = scene.caller.ask("INVITE", body=body)
    passed_on = scene.carrier.requests("INVITE")[-1]
    assert (b"RTP/AVP 0\r\n" in passed_on.body) is bool(body)
    scene.carrier.answer_again(body=PCMU)
    answer = scene.caller.responses(change)[-1]
    assert b"c=IN IP4 10.0.0.1\r\n" in answer.body
    assert b"m=audio 20000 RTP/AVP 0\r\n" in answer.body
    scene.caller.acknowledge(change, b"" if body else PCMU)
    acked = scene.carrier.all(AckReceived)[-1]
    assert (b"RTP/AVP 0\r\n" in acked.request.body) is not bool(body)
    scene.hang_up()


NULL = sdp("0.0.0.0")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("hold", "answer"),
    [
        (sdp("192.0.2.7", "sendonly"), b"a=recvonly"),
        (sdp("192.0.2.7", "inactive"), b"a=inactive"),
        (NULL, b"a=recvonly"),
    ],
)
def test_hold_by_direction_and_by_the_null_address(method: str, hold: bytes, answer: bytes) -> None:
    """RFC 3264 8.4: what the old way means is said in the new one, at our own address. Who is held
    is to hear music."""
    scene = Scene()
    scene.talk()
    change = scene.caller.ask(method, body=hold)
    passed_on = scene.carrier.requests(method)[-1]
    assert b"a=sendonly" in passed_on.body
    assert b"c=IN IP4 10.0.0.1\r\n" in passed_on.body
    scene.carrier.answer_again(body=sdp("10.0.0.2", "recvonly"))
    assert answer in scene.caller.responses(change)[-1].body
    if method == "INVITE":
        scene.caller.acknowledge(change)
    scene.hang_up()


def test_what_we_can_do_is_said_where_it_is_asked() -> None:
    """Allow in INVITE, 2xx and 405, Supported in INVITE and 2xx, OPTIONS included."""
    scene = Scene()
    scene.talk()
    methods = ", ".join(METHODS)
    invite = scene.carrier.requests("INVITE")[0]
    assert invite.first("allow") == methods
    assert invite.tokens("supported") == ["100rel", "timer", "replaces"]
    (options,) = scene.caller.responses(scene.caller.ask("OPTIONS"))
    for said in (scene.told_caller(), options):
        assert said.first("allow") == methods
        assert said.tokens("supported") == ["100rel", "outbound", "path", "replaces", "timer"]
    (refused,) = scene.caller.responses(scene.caller.ask("PUBLISH"))
    assert (refused.status, refused.first("allow")) == (405, methods)
    scene.hang_up()


def test_a_foreign_extension_is_refused_by_name() -> None:
    """RFC 3261 8.2.2.3: 420 names it; what the other side says of ours is 502 to the caller."""
    scene = Scene()
    invite = scene.caller.invite(("Require", "100rel, precondition"))
    (refused,) = scene.caller.responses(invite)
    assert (refused.status, refused.first("unsupported")) == (420, "precondition")
    for status in (420, 421, 494):
        scene = Scene()
        invite = scene.caller.invite()
        scene.carrier.respond(scene.carrier.asked("INVITE"), status, ("Require", "x"))
        assert scene.caller.statuses(invite) == [502]
    assert NUMBER in scene.carrier.requests("INVITE")[0].uri
