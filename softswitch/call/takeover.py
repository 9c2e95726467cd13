"""The rows of the call machine's table that concern an INVITE with Replaces (RFC 3891): a phone
takes the place of another one of its account, whose other party goes on in the new phone's call.

new phone         switch       replaced phone   other party
    | INVITE         |                |              |
    |--------------->| BYE            |              |
    |                |--------------->|              |
    |                | re-INVITE      |              |
    |                |------------------------------>|
    | 200            |                |          200 |
    |<---------------|<------------------------------|
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.errors import RemoteError
from softswitch.call import events as ev
from softswitch.call import failover
from softswitch.call.branches import Branch
from softswitch.call.charging import CUT
from softswitch.call.dialling import PREPARE_MAX_S, STEP, Unreached

if TYPE_CHECKING:
    from softswitch.call.b2bua import Call


def begun(call: Call, event: ev.TakenOver, now_s: float) -> None:
    """Ports for both; the offer of the new phone was read before."""
    party = event.party
    call.taking_over()
    branch = call.join(party, "b", "0", now_s)
    call.parties["b"] = branch
    call.media.read("a", call.offer)
    call.media.read("b", party.sdp)
    call.do(*call.media.allocate([branch.leg]), ev.SetTimer(STEP, now_s + PREPARE_MAX_S))


def media_ready(call: Call, event: ev.MediaReady, now_s: float) -> None:
    """The other party is shown what the new phone offers."""
    branch = _other(call)
    call.media.opened(event.legs)
    call.media.next_version()
    call.do(
        ev.SetTimer(STEP, None),
        *call.media.connect("b", branch, talking=True),
        ev.SendReoffer("b", call.media.shown(call.offer, branch.leg)),
    )


def answered(call: Call, event: ev.ReofferAnswered, now_s: float) -> None:
    """The other party has agreed, or it has not: then nobody is left to talk to."""
    if not 200 <= event.status < 300:
        return _fail(call, failover.reoffer_status(event.status), event.reason, now_s)
    call.do(ev.AckReoffer("b"))
    try:
        call.media.read_answer("b", event.sdp)
    except RemoteError as error:
        return _fail(call, failover.answer_status(error.status_hint), str(error), now_s)
    return call.taken_over(event.sdp, now_s)


def media_refused(call: Call, event: ev.MediaRefused, now_s: float) -> None:
    """There are no ports."""
    _fail(call, 503, event.reason, now_s)


def media_gone(call: Call, event: ev.MediaGone, now_s: float) -> None:
    """Nor is there a worker any more."""
    call.media.allocated = False
    _fail(call, 503, "the media worker of this call died", now_s)


def hung_up(call: Call, event: ev.HungUp, now_s: float) -> None:
    """The other party did."""
    _other(call).ended_s = now_s
    _fail(call, 480, event.reason, now_s)


def cancelled(call: Call, event: ev.CallerCancelled, now_s: float) -> None:
    """The new phone gave up; the one before it is gone already."""
    _fail(call, 487, event.reason, now_s, "cancelled")


def shut_down(call: Call, event: ev.Shutdown, now_s: float) -> None:
    """The service is going down."""
    _fail(call, 503, "the switch is shutting down", now_s)


def timer_fired(call: Call, event: ev.TimerFired, now_s: float) -> None:
    """The ports were late, or it is one of the other party's money."""
    if event.name == STEP:
        _fail(call, 503, f"media ports did not answer in {PREPARE_MAX_S:g} s", now_s)
    elif event.name.startswith(CUT):
        _fail(call, 402, "the balance is used up", now_s, "credit_exhausted")
    else:
        call.timer_fired(event, now_s)


def reoffered(call: Call, event: ev.Reoffered, now_s: float) -> None:
    """A change of the other party crosses ours."""
    call.do(ev.AnswerReoffer(event.side, 491, b"", "another change is under way"))


def _other(call: Call) -> Branch:
    branch = call.parties["b"]
    assert branch is not None, "it came with the input that began this"
    return branch


def _fail(call: Call, status: int, reason: str, now_s: float, cause: str = "failed") -> None:
    branch = _other(call)
    if branch.ended_s is None:
        branch.ended_s = now_s
        call.do(ev.ByeBranch(branch.number, reason))
    call.charges.end(now_s)
    call.go_on(Unreached(status, cause, reason), now_s)
