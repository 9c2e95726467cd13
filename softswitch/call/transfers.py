"""The rows of the call machine's table that concern a transfer (RFC 3515, RFC 3891): one side wants
the other one to talk to somebody else.

transferor        switch        kept side       new party
    | REFER          |               |
    |--------------->| INVITE        |               |      blind: the new party is dialled
    |                |------------------------------>|
    | NOTIFY 180, 200|               |           200 |
    |<---------------|<------------------------------|
    | BYE            | re-INVITE     |               |      each is shown the other's description
    |<---------------|-------------->|               |

With Replaces the new party is in another call of the transferor's already, and joins this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtp.messages import PlayTone, StopTone
from sip.errors import RemoteError
from sip.sdp import with_direction
from softswitch.call import events as ev
from softswitch.call.branches import Branch, BranchState
from softswitch.call.charging import INCOMING
from softswitch.call.dialling import PREPARE_MAX_S, SILENCE, STEP, Names, Unreached
from softswitch.call.resync import Resync
from softswitch.routing.plan import Record

if TYPE_CHECKING:
    from softswitch.call.b2bua import Call


@dataclass(slots=True)
class Transfer:
    """``side`` asked for it and leaves; ``gone``: it hung up before the new party answered;
    ``has_rung``: the kept side hears ringing. ``joining`` is the party that comes from another
    call, with its description ``sdp``."""

    side: ev.Side
    gone: bool = False
    has_rung: bool = False
    joining: Branch | None = None
    sdp: bytes = b""

    @property
    def kept(self) -> ev.Side:
        """The side that stays."""
        return ev.other_side(self.side)


# --- blind ----------------------------------------------------------------------------------------


def asked(call: Call, event: ev.TransferAsked, now_s: float) -> None:
    """Dial the new party with what the kept side can do, as if that one called."""
    transfer, names = _begin(call, event.side, event.plan.records)
    call.trace.extend(event.plan.trace)
    offer = with_direction(call.media.description(transfer.kept), "sendrecv")
    call.dialling = call.dial(event.plan, offer, names)
    call.go_on(call.dialling.begin(now_s), now_s)


def rang(call: Call, event: ev.BranchRang, now_s: float) -> None:
    """The kept side hears ringing, the transferor is told once."""
    transfer, branch = _of(call), call.dialling.rang(event, now_s)
    if branch is not None and not transfer.has_rung:
        transfer.has_rung = True
        call.do(
            ev.TellTransfer(transfer.side, 180),
            ev.Media(PlayTone(call.id, call.media.leg(transfer.kept), "ringback")),
        )


def answered(call: Call, event: ev.BranchAnswered, now_s: float) -> None:
    """The new party takes the transferor's place."""
    branch, transfer = call.branches[event.branch], _of(call)
    if branch.state is not BranchState.CALLING:
        return call.late_answer(event, now_s)
    try:
        call.media.read_answer(transfer.side, event.sdp, branch)
    except RemoteError as error:
        return call.answer_refused(event, error, now_s)
    call.accept(branch, now_s)
    call.do(ev.AckBranch(branch.number), *call.charges.answer(None, now_s))
    _take_place(call, transfer, branch, now_s)
    return call.start_resync(Resync(call.media, transfer.kept), now_s)


def failed(call: Call, transfer: Transfer, unreached: Unreached, now_s: float) -> None:
    """Nobody answered: the two go on as before, if the transferor is still there."""
    call.trace.append(f"transfer failed: {unreached.status} {unreached.reason}".rstrip())
    _stop_ringback(call, transfer)
    call.do(
        *call.branches.cancel(),
        *call.charges.void_unanswered(),
        ev.SetTimer(STEP, None),
        ev.SetTimer(SILENCE, None),
        ev.TellTransfer(transfer.side, unreached.status, unreached.reason),
    )
    _drop_joining(call, transfer, now_s)
    call.transfer_over()
    if transfer.gone:
        call.end("switch", "answered", "the transfer failed", now_s, gone=(transfer.side,))


# --- with Replaces --------------------------------------------------------------------------------


def joined(call: Call, event: ev.Joined, now_s: float) -> None:
    """Ports for the party that comes from another call; what it costs goes on as before."""
    party = event.party
    transfer, names = _begin(call, event.side, party.records)
    branch = call.join(party, names.leg, f"{names.hold}0", now_s)
    transfer.joining, transfer.sdp = branch, party.sdp
    call.do(*call.media.allocate([branch.leg]), ev.SetTimer(STEP, now_s + PREPARE_MAX_S))


def media_ready(call: Call, event: ev.MediaReady, now_s: float) -> None:
    """Ports are there: for the branches that go out now, or for the party that joins."""
    transfer = _of(call)
    if transfer.joining is None:
        call.go_on(call.dialling.media_ready(event, now_s), now_s)
        return
    call.media.opened(event.legs)
    call.media.read(transfer.side, transfer.sdp)
    call.do(ev.SetTimer(STEP, None))
    _take_place(call, transfer, transfer.joining, now_s)
    call.start_resync(Resync(call.media, transfer.side, both=True), now_s)


def media_refused(call: Call, event: ev.MediaRefused, now_s: float) -> None:
    """There are no ports."""
    failed(call, _of(call), call.dialling.media_refused(event), now_s)


# --- meanwhile ------------------------------------------------------------------------------------


def hung_up(call: Call, event: ev.HungUp, now_s: float) -> None:
    """The transferor may leave at once; when the kept side does, all is over."""
    transfer = _of(call)
    if event.side != transfer.side:
        call.do(ev.TellTransfer(transfer.side, 487, "the other side hung up"))
        call.end(ev.party_name(event.side), "answered", event.reason, now_s, gone=(event.side,))
    elif not transfer.gone:
        transfer.gone = True
        _leave(call, event.side, now_s)


def credit_held(call: Call, event: ev.CreditHeld, now_s: float) -> None:
    """For the new party, or a slice of a leg that is up."""
    if call.dialling.waits_for(event.hold):
        call.go_on(call.dialling.credit_held(event, now_s), now_s)
    else:
        call.extended(event, now_s)


def credit_denied(call: Call, event: ev.CreditDenied, now_s: float) -> None:
    """As ``credit_held``."""
    if call.dialling.waits_for(event.hold):
        call.credit_denied(event, now_s)
    else:
        call.not_extended(event, now_s)


def timer_fired(call: Call, event: ev.TimerFired, now_s: float) -> None:
    """Time is up for the new party, or one of the call's own timers."""
    if event.name not in (STEP, SILENCE):
        call.timer_fired(event, now_s)
    elif _of(call).joining is None:
        call.dialling_timer(event, now_s)
    else:
        late = Unreached(503, "failed", f"media ports did not answer in {PREPARE_MAX_S:g} s")
        failed(call, _of(call), late, now_s)


def broken_off(call: Call, transfer: Transfer, now_s: float) -> tuple[ev.Side, ...]:
    """The call ends in the middle of it. Returns the side that has left already, if it has."""
    call.do(*call.branches.cancel())
    _drop_joining(call, transfer, now_s)
    return (transfer.side,) if transfer.gone else ()


# --- parts ----------------------------------------------------------------------------------------


def _of(call: Call) -> Transfer:
    assert call.transfer is not None, "the state says so"
    return call.transfer


def _begin(call: Call, side: ev.Side, records: Iterable[Record]) -> tuple[Transfer, Names]:
    """One more transfer of this call, whose holds and legs have names of their own. There is one
    record for each account, so those that are known stay."""
    number = call.begin_transfer(transfer := Transfer(side))
    by, kept = ev.party_name(side), ev.party_name(transfer.kept)
    call.trace.append(f"the {by} transfers the {kept}")
    known = {record.account for record in call.records}
    call.records.extend(record for record in records if record.account not in known)
    return transfer, Names(f"t{number}.", f"t{number}")


def _take_place(call: Call, transfer: Transfer, branch: Branch, now_s: float) -> None:
    """The transferor leaves, the call goes on with the new party."""
    side = transfer.side
    _stop_ringback(call, transfer)
    call.do(ev.TellTransfer(side, 200))
    if not transfer.gone:
        call.bye(side, "transferred")
        _leave(call, side, now_s)
    call.parties[side] = branch
    call.media.next_version()
    call.do(*call.media.connect(side, branch, talking=True))
    if how := call.media.transports():
        call.trace.append(how)
    call.transfer_over()


def _leave(call: Call, side: ev.Side, now_s: float) -> None:
    """A party is gone for good: what it cost ends (billing rule 12)."""
    party = call.parties[side]
    if party is None:
        call.caller_ended_s = now_s
    else:
        party.ended_s = now_s
    hold = call.charges.id_of(INCOMING) if party is None else party.hold
    call.do(*call.charges.end_one(hold, now_s))


def _drop_joining(call: Call, transfer: Transfer, now_s: float) -> None:
    if transfer.joining is not None:
        transfer.joining.ended_s = now_s
        call.do(*call.charges.end_one(transfer.joining.hold, now_s))
        call.do(ev.ByeBranch(transfer.joining.number, "the transfer failed"))


def _stop_ringback(call: Call, transfer: Transfer) -> None:
    if transfer.has_rung:
        tone = StopTone(call.id, call.media.leg(transfer.kept))
        call.do(ev.Media(tone), *call.media.music_again())
