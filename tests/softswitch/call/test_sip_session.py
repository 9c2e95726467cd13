"""Session timers of both legs (RFC 4028), through the whole switch on a fake clock."""

from __future__ import annotations

import pytest

from sip.events import AckReceived, RequestReceived
from softswitch.call.legs import SIP_TIMERS
from tests.softswitch.call.agents import NUMBER, Scene

TIMER = ("Supported", "timer")
ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")


def expires(value: str) -> tuple[str, str]:
    """A Session-Expires field."""
    return ("Session-Expires", value)


# --- as UAS ---------------------------------------------------------------------------------------


def test_an_interval_below_90_s_is_refused() -> None:
    """422 with what we take at least (9), in a new call and within one."""
    scene = Scene()
    refused = scene.caller.invite(TIMER, expires("89"))
    (response,) = scene.caller.responses(refused)
    assert (response.status, response.first("min-se")) == (422, "90")
    assert not scene.carrier.requests("INVITE")
    scene = Scene()
    scene.talk()
    for method in ("UPDATE", "INVITE"):
        again = scene.caller.ask(method, TIMER, expires("30"))
        assert scene.caller.statuses(again) == [422]
    scene.hang_up()


def test_a_malformed_interval_is_refused() -> None:
    """400, and nobody is called."""
    scene = Scene()
    assert scene.caller.statuses(scene.caller.invite(TIMER, expires("soon"))) == [400]


def test_who_knows_timers_is_told_to_refresh() -> None:
    """The 2xx has the interval and the refresher, and requires it (9, table 2)."""
    scene = Scene()
    scene.talk([TIMER])
    answer = scene.told_caller()
    assert answer.first("session-expires") == "1800;refresher=uac"
    assert answer.first("require") == "timer"
    scene.hang_up()


def test_who_does_not_know_timers_has_none() -> None:
    """No field in the 2xx, and only the call's own timers wait."""
    scene = Scene()
    scene.talk()
    assert scene.told_caller().first("session-expires") is None
    armed = scene.switch.calls.timers_armed
    scene.hang_up()
    timed = Scene()
    timed.talk([TIMER])
    assert timed.switch.calls.timers_armed == armed + 1


def test_a_caller_that_never_refreshes_is_hung_up_on() -> None:
    """32 s before the end of the interval both sides get BYE (10)."""
    scene = Scene()
    scene.talk([TIMER, expires("600;refresher=uac")])
    scene.pause(567)
    assert scene.over() == (0, 0)
    scene.pause(2)
    assert scene.over() == (1, 1)
    scene.hang_up()


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refresh_of_the_caller_begins_the_session_anew(method: str) -> None:
    """By UPDATE, which is answered here, or by re-INVITE, which the other side answers."""
    scene = Scene()
    scene.talk([TIMER, expires("600;refresher=uac")])
    scene.pause(300)
    body = b"" if method == "UPDATE" else scene.caller.description()
    refresh = scene.caller.ask(method, TIMER, expires("600;refresher=uac"), body=body)
    if method == "INVITE":
        scene.carrier.answer_again()
        scene.caller.acknowledge(refresh)
    else:
        assert not scene.carrier.requests("UPDATE")
    (answer,) = scene.caller.responses(refresh)
    assert answer.status == 200
    assert answer.first("session-expires") == "600;refresher=uac"
    assert answer.first("contact")
    scene.pause(560)
    assert scene.over() == (0, 0)
    scene.pause(10)
    assert scene.over() == (1, 1)
    scene.hang_up()


def test_a_refresh_may_end_the_timer() -> None:
    """An UPDATE of who has stopped to speak of timers (7.4)."""
    scene = Scene()
    scene.talk([TIMER, expires("600;refresher=uac")])
    update = scene.caller.ask("UPDATE")
    assert scene.caller.responses(update)[0].first("session-expires") is None
    scene.pause(2000)
    assert scene.over() == (0, 0)
    scene.hang_up()


def test_the_caller_may_leave_refreshing_to_us() -> None:
    """refresher=uas: an UPDATE to it at half the interval, and the roles stay."""
    scene = Scene()
    scene.talk([TIMER, ALLOW, expires("600;refresher=uas")])
    scene.pause(298)
    assert not scene.caller.requests("UPDATE")
    scene.pause(3)
    (update,) = scene.caller.requests("UPDATE")
    assert update.first("session-expires") == "600;refresher=uac"
    assert (update.first("supported"), update.body) == ("timer, replaces", b"")
    scene.caller.respond(scene.caller.asked("UPDATE"), 200, expires("600;refresher=uac"))
    scene.pause(301)
    assert len(scene.caller.requests("UPDATE")) == 2
    scene.hang_up()


# --- as UAC ---------------------------------------------------------------------------------------


def test_an_invite_of_ours_asks_for_a_timer() -> None:
    """Half an hour, at least 90 s, and who refreshes is left to the other side (7.1)."""
    scene = Scene()
    scene.caller.invite()
    (invite,) = scene.carrier.requests("INVITE")
    assert invite.first("session-expires") == "1800"
    assert invite.first("min-se") == "90"
    assert "timer" in invite.tokens("supported")


def test_a_422_is_tried_again_once_with_what_it_asks_for() -> None:
    """Same Call-ID and From, the next CSeq (7.3); the ACK has that number too."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.respond(scene.carrier.asked("INVITE"), 422, ("Min-SE", "3600"))
    first, second = scene.carrier.requests("INVITE")
    assert second.call_id == first.call_id
    assert second.first("from") == first.first("from")
    assert (second.cseq.number, second.body) == (2, first.body)
    assert (second.first("session-expires"), second.first("min-se")) == ("3600", "3600")
    scene.carrier.answer(expires("3600;refresher=uas"))
    scene.caller.acknowledge(invite)
    (acked,) = scene.carrier.all(AckReceived)
    assert acked.request.cseq.number == 2
    scene.hang_up()


@pytest.mark.parametrize("fields", [[("Min-SE", "3600")], []])
def test_a_second_422_and_one_without_min_se_are_refusals(fields: list[tuple[str, str]]) -> None:
    """What a peer wants of our timer is nothing that the caller could change: 502."""
    scene = Scene()
    invite = scene.caller.invite()
    for _ in range(1 + len(fields)):
        scene.carrier.respond(scene.carrier.asked("INVITE"), 422, *fields)
    assert scene.caller.statuses(invite) == [502]
    assert len(scene.carrier.requests("INVITE")) == 1 + len(fields)


def test_a_422_after_cancel_is_the_end() -> None:
    """The caller gave up: no second INVITE goes out."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.respond(scene.carrier.asked("INVITE"), 180)
    scene.caller.stack.cancel(invite, scene.wire.now_s)
    scene.pause(0.2)
    scene.carrier.respond(scene.carrier.asked("INVITE"), 422, ("Min-SE", "3600"))
    assert len(scene.carrier.requests("INVITE")) == 1
    scene.pause(120)
    assert not any(scene.switch.leaks().values())


def test_we_refresh_by_update_where_it_is_allowed() -> None:
    """At half of the interval, as often as it is answered; the other leg hears nothing of it."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uac")])
    for number in (1, 2, 3):
        scene.pause(46)
        assert len(scene.carrier.requests("UPDATE")) == number
        scene.carrier.respond(scene.carrier.asked("UPDATE"), 200, expires("90;refresher=uac"))
    assert len(scene.carrier.requests("INVITE")) == 1
    assert scene.over() == (0, 0)
    scene.hang_up()


def test_we_refresh_by_re_invite_where_update_is_not_allowed() -> None:
    """With the description that it has, in the same version (7.4)."""
    scene = Scene(takes_update=False)
    scene.talk([], [expires("90;refresher=uac")])
    for number in (2, 3):
        scene.pause(46)
        invites = scene.carrier.requests("INVITE")
        assert len(invites) == number
        assert invites[-1].body == invites[0].body
        assert invites[-1].first("session-expires") == "90;refresher=uac"
        scene.carrier.answer_again(expires("90;refresher=uac"))
    assert not scene.caller.requests("INVITE")
    assert scene.over() == (0, 0)
    scene.hang_up()


@pytest.mark.parametrize("status", [405, 501, 401, 407])
def test_an_update_that_is_not_taken_leads_to_a_re_invite(status: int) -> None:
    """From here on by re-INVITE, also where our UPDATE should be proved: a re-INVITE can be."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uac")])
    scene.pause(46)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), status)
    assert len(scene.carrier.requests("INVITE")) == 2
    scene.carrier.answer_again(expires("90;refresher=uac"))
    scene.pause(46)
    assert len(scene.carrier.requests("INVITE")) == 3
    assert len(scene.carrier.requests("UPDATE")) == 1
    scene.carrier.answer_again()
    scene.hang_up()


def test_a_422_to_a_refresh_is_asked_again_with_more() -> None:
    """7.4: and what it asked for is kept for the next ones."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uac")])
    scene.pause(46)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 422, ("Min-SE", "200"))
    update = scene.carrier.requests("UPDATE")[1]
    assert update.first("session-expires") == "200;refresher=uac"
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 200, expires("200;refresher=uac"))
    scene.pause(90)
    assert len(scene.carrier.requests("UPDATE")) == 2
    scene.hang_up()


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_finds_no_dialog_ends_the_call(status: int) -> None:
    """7.4."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uac")])
    scene.pause(46)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), status)
    assert scene.over() == (1, 1)
    scene.hang_up()


def test_a_refresh_without_an_answer_ends_the_call() -> None:
    """The session is over before the UPDATE times out (10); with a long interval, when it does."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uac")])
    scene.pause(59)
    assert scene.over() == (0, 0)
    scene.pause(2)
    assert scene.over() == (1, 1)
    scene.hang_up()
    scene = Scene()
    scene.talk([], [expires("900;refresher=uac")])
    scene.pause(480)
    assert scene.over() == (0, 0)
    scene.pause(5)
    assert scene.over() == (1, 1)
    assert len(scene.carrier.requests("UPDATE")) == 1
    scene.hang_up()


def test_a_refresh_that_was_refused_for_the_moment_is_tried_again() -> None:
    """491: ten seconds later, as long as the session lasts."""
    scene = Scene()
    scene.talk([], [expires("900;refresher=uac")])
    scene.pause(451)
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 491)
    scene.pause(10)
    assert len(scene.carrier.requests("UPDATE")) == 2
    scene.carrier.respond(scene.carrier.asked("UPDATE"), 200, expires("900;refresher=uac"))
    scene.pause(440)
    assert scene.over() == (0, 0)
    scene.hang_up()


def test_a_callee_that_never_refreshes_is_hung_up_on() -> None:
    """A third of the interval before its end when that is short (10)."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uas")])
    scene.pause(59)
    assert scene.over() == (0, 0)
    scene.pause(2)
    assert scene.over() == (1, 1)
    ended = scene.switch.calls
    scene.hang_up()
    assert ended.timers_armed == 0


def test_a_refresh_of_the_callee_begins_the_session_anew() -> None:
    """Its UPDATE is answered here."""
    scene = Scene()
    scene.talk([], [expires("90;refresher=uas")])
    for _ in range(3):
        scene.pause(45)
        update = scene.carrier.ask("UPDATE", TIMER, expires("90;refresher=uac"))
        assert scene.carrier.statuses(update) == [200]
    assert scene.over() == (0, 0)
    scene.hang_up()


def test_a_change_of_one_side_refreshes_both_sessions() -> None:
    """A re-INVITE goes through: to the caller it is answered, to the callee it is asked anew."""
    scene = Scene()
    scene.talk([TIMER, expires("600;refresher=uac")], [expires("600;refresher=uas")])
    scene.pause(400)
    fields = (TIMER, expires("600;refresher=uac"))
    change = scene.caller.ask("INVITE", *fields, body=scene.caller.description())
    passed_on = scene.carrier.requests("INVITE")[-1]
    assert passed_on.first("session-expires") == "600;refresher=uas"
    scene.carrier.answer_again(expires("600;refresher=uas"))
    scene.caller.acknowledge(change)
    scene.pause(400)
    assert scene.over() == (0, 0)
    scene.hang_up()


# --- transfers ------------------------------------------------------------------------------------


def refer(scene: Scene, target: str) -> None:
    """The caller hands the carrier on; what NOTIFY says is acknowledged."""
    scene.caller.ask("REFER", ("Refer-To", target))
    acknowledge_notices(scene)


def acknowledge_notices(scene: Scene) -> None:
    """200 to every NOTIFY and BYE that has no answer."""
    for event in scene.caller.all(RequestReceived):
        if event.request.method in ("NOTIFY", "BYE") and not event.transaction.final_status:
            scene.caller.respond(event.transaction, 200)


def test_a_leg_that_leaves_by_transfer_takes_its_timer_along() -> None:
    """The caller was to refresh; the two that it connected talk on without it."""
    scene = Scene()
    scene.talk([TIMER, expires("600;refresher=uac")])
    refer(scene, f"<sip:{NUMBER}@10.0.0.1>")
    scene.carrier.respond(scene.carrier.asked("INVITE"), 200, body=scene.carrier.description())
    acknowledge_notices(scene)
    scene.carrier.answer_again()  # it is shown the new party
    acknowledge_notices(scene)
    assert len(scene.caller.requests("BYE")) == 1
    (live,) = scene.switch.calls._calls.values()
    assert not [name for name in live.timers if name.startswith(SIP_TIMERS)]
    scene.pause(1000)
    assert not scene.carrier.requests("BYE")
    assert scene.switch.calls.calls_up == 1


def test_a_leg_that_joins_another_call_keeps_its_timer() -> None:
    """The carrier's second call is refreshed from the first one, which it goes on in."""
    scene = Scene()
    scene.talk()
    first, scene.caller.dialog, scene.carrier.dialog = scene.caller.dialog, None, None
    scene.talk([], [expires("90;refresher=uac")])
    second, scene.caller.dialog = scene.caller.dialog, first
    assert second is not None
    tags = f"%3Bto-tag%3D{second.remote_tag}%3Bfrom-tag%3D{second.local_tag}"
    call_id = second.call_id.replace("@", "%40")
    refer(scene, f"<sip:{NUMBER}@10.0.0.1?Replaces={call_id}{tags}>")
    for _ in range(3):  # each of the two is shown the other
        scene.carrier.answer_again(expires("90;refresher=uac"))
        acknowledge_notices(scene)
    assert scene.switch.calls.calls_up == 1
    for number in range(1, 4):
        scene.pause(46)
        assert len(scene.carrier.requests("UPDATE")) >= number
        for event in scene.carrier.all(RequestReceived):
            if event.request.method == "UPDATE" and not event.transaction.final_status:
                scene.carrier.respond(event.transaction, 200, expires("90;refresher=uac"))
    assert not scene.carrier.requests("BYE")
    assert scene.switch.calls.calls_up == 1


def test_a_refresh_that_is_never_answered_is_taken_back_with_the_call() -> None:
    """A device that says 100 to our re-INVITE and nothing more keeps no transaction of ours."""
    scene = Scene(takes_update=False)
    scene.talk([], [expires("90;refresher=uac")])
    scene.pause(61)
    assert len(scene.carrier.requests("INVITE")) == 2
    assert scene.over() == (1, 1)
    scene.hang_up()
