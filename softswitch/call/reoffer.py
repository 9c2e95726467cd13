"""A re-INVITE on its way through the switch: passed on, answered, acknowledged (RFC 3261 14).

who asked      switch        other side
    | re-INVITE  |               |
    |----------->| SendReoffer   |       offer; without one, the other side is to offer
    |            |-------------->|
    |            |<--------------|       2xx: answer, or the offer that was asked for
    | AnswerReoffer              |
    |<-----------| AckReoffer    |       at once with an offer of who asked, else with the
    |----------->|-------------->|       answer that its ACK brings
"""

from __future__ import annotations

from dataclasses import dataclass

from sip.errors import RemoteError
from softswitch.call import events as ev
from softswitch.call import failover, negotiation
from softswitch.call.branches import Branch
from softswitch.call.media_session import MediaSession


@dataclass(slots=True)
class Reoffer:
    """One re-INVITE: ``side`` asked, with the offer ``sdp`` or none; ``asked`` is the party that it
    goes to, ``None`` for the caller. ``answer`` is what its 2xx brought; ``over``: the next one may
    come."""

    side: ev.Side
    sdp: bytes
    media: MediaSession
    asked: Branch | None
    answer: bytes = b""
    over: bool = False

    @property
    def other(self) -> ev.Side:
        """The side that is asked."""
        return ev.other_side(self.side)

    def pass_on(self) -> ev.SendReoffer:
        """The other side's turn. Raises RemoteError for an offer that we cannot carry."""
        if self.sdp:
            negotiation.read_party(self.sdp)
        self.media.next_version()
        return ev.SendReoffer(self.other, self._shown(self.sdp, self.other))

    def answered(self, event: ev.ReofferAnswered) -> list[ev.Action]:
        """The other side has decided; a 2xx with nothing to pass on leaves the call as it was."""
        if not 200 <= event.status < 300:
            return [self._refuse(failover.reoffer_status(event.status), event.reason)]
        try:
            if self.sdp:
                self.media.check_answer(self.other, event.sdp)
            else:
                negotiation.read_party(event.sdp)
        except RemoteError as error:
            status = failover.answer_status(error.status_hint)
            return [ev.AckReoffer(self.other), self._refuse(status, str(error))]
        self.answer = event.sdp
        accepted = ev.AnswerReoffer(self.side, 200, self._shown(event.sdp, self.side, self.sdp))
        if not self.sdp:
            return [accepted]
        agreed = self.media.agree(self.side, self.sdp, event.sdp)
        return [ev.AckReoffer(self.other), *agreed, accepted]

    def acked(self, sdp: bytes) -> list[ev.Action]:
        """Who asked has acknowledged. Raises RemoteError when the ACK should bring an answer and
        brings none that can be read: the other side would wait for it."""
        if self.sdp:
            self.over = True
            return []
        self.media.check_answer(self.side, sdp)
        self.over = True
        acknowledged = ev.AckReoffer(self.other, self._shown(sdp, self.other, self.answer))
        return [acknowledged, *self.media.agree(self.other, self.answer, sdp)]

    def abandon(self) -> list[ev.Action]:
        """The call ends meanwhile: no answer comes any more, a 2xx gets its ACK all the same
        (RFC 3261 13.2.2.4)."""
        if not self.answer:
            return [self._refusal(487, "the call has ended")]
        return [] if self.sdp else [ev.AckReoffer(self.other)]

    def _refuse(self, status: int, reason: str) -> ev.AnswerReoffer:
        self.over = True
        return self._refusal(status, reason)

    def _refusal(self, status: int, reason: str) -> ev.AnswerReoffer:
        return ev.AnswerReoffer(self.side, status, b"", reason)

    def _shown(self, sdp: bytes, side: ev.Side, offer: bytes = b"") -> bytes:
        """A description as a side sees it: as an offer, or as the answer to its own."""
        return self.media.shown(sdp, self.media.leg(side), answering=offer)
