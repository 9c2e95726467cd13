"""Reason (RFC 3326) and Warning (RFC 3261 20.43) from one leg to the other, through the switch."""

from __future__ import annotations

import pytest

from sip.events import CancelReceived
from tests.softswitch.call.agents import Scene

BUSY = ("Reason", "Q.850;cause=17")
CLEARED = ("Reason", 'Q.850;cause=16;text="Normal call clearing"')
SAID = 'Q.850 ;cause=16 ;text="Normal call clearing"'


@pytest.mark.parametrize("by", ["caller", "carrier"])
def test_the_reason_of_a_bye_goes_to_the_other_side(by: str) -> None:
    """With the cause that it has; words of ours have 16."""
    scene = Scene()
    scene.talk()
    first, other = scene.caller, scene.carrier
    if by == "carrier":
        first, other = other, first
    first.ask("BYE", CLEARED)
    (bye,) = other.requests("BYE")
    assert bye.first("reason") == SAID
    scene.hang_up()


def test_a_bye_without_a_reason_has_none_on_the_other_side() -> None:
    """Nothing is made up."""
    scene = Scene()
    scene.talk()
    scene.caller.ask("BYE", ("Reason", "nonsense"))
    assert scene.carrier.requests("BYE")[0].first("reason") is None
    scene.hang_up()


def test_a_bye_of_ours_says_why() -> None:
    """A session that was not refreshed."""
    scene = Scene()
    scene.talk([], [("Session-Expires", "90;refresher=uas")])
    scene.pause(61)
    for agent in (scene.caller, scene.carrier):
        reason = agent.requests("BYE")[0].required("reason")
        assert reason == 'Q.850 ;cause=16 ;text="no session refresh from the callee"'
    scene.hang_up()


@pytest.mark.parametrize("how", ["CANCEL", "BYE"])
def test_the_reason_of_who_gives_up_goes_to_the_called_side(how: str) -> None:
    """In the CANCEL of its branch."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.ring(180)
    if how == "CANCEL":
        scene.caller.stack.cancel(invite, scene.wire.now_s, (CLEARED,))
    else:
        scene.caller.early(invite)
        scene.caller.ask("BYE", CLEARED)
    scene.pause(0.2)
    (cancelled,) = scene.carrier.all(CancelReceived)
    assert cancelled.request.first("reason") == SAID


def test_the_reason_of_a_refusal_goes_to_the_caller() -> None:
    """The network's cause, which the SIP status does not tell (RFC 6432)."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.respond(scene.carrier.asked("INVITE"), 486, BUSY)
    (refused,) = scene.caller.responses(invite)
    assert (refused.status, refused.first("reason")) == (486, "Q.850 ;cause=17")


@pytest.mark.parametrize("status", [488, 606])
def test_the_warning_of_a_refusal_goes_to_the_caller(status: int) -> None:
    """In our name, as it is we who answer; without one the caller hears at least 399."""
    for fields, said in (
        ([("Warning", '305 pbx "Incompatible media format"')], '305 10.0.0.1 "Incompatible'),
        ([], '399 10.0.0.1 "'),
    ):
        scene = Scene()
        invite = scene.caller.invite()
        scene.carrier.respond(scene.carrier.asked("INVITE"), status, *fields)
        (refused,) = scene.caller.responses(invite)
        assert refused.status == status
        assert refused.required("warning").startswith(said)


def test_a_caller_without_audio_is_told_so() -> None:
    """304: this media type is not available."""
    scene = Scene()
    invite = scene.caller.invite(body=scene.caller.description().replace(b"m=audio", b"m=video"))
    (refused,) = scene.caller.responses(invite)
    assert refused.status == 488
    assert refused.required("warning").startswith("304 10.0.0.1 ")


def test_other_refusals_have_no_warning() -> None:
    """It speaks of media only."""
    scene = Scene()
    invite = scene.caller.invite()
    scene.carrier.respond(scene.carrier.asked("INVITE"), 486, ("Warning", '399 x "y"'))
    assert scene.caller.responses(invite)[0].first("warning") is None
