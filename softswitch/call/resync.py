"""Re-INVITEs of our own: a side is shown anew what the other side can do, or that we are there.

After a transfer the two that are connected have never seen each other's description; a session
timer (RFC 4028) only wants an answer.
"""

from __future__ import annotations

from sip.errors import RemoteError
from sip.sdp import with_direction
from softswitch.call import events as ev
from softswitch.call.media_session import MediaSession

TRIES_MAX = 5  # a peer that always has a change of its own under way keeps what it has
RETRY_S = 2.5  # after 491, as the owner of the Call-ID waits (RFC 3261 14.1: 2.1 to 4 s)


class Resync:
    """Asks ``asked`` first, then, if ``both``, the other side with what the first one answered.

    Then neither is offered to be on hold any more: it was so for the transferor's sake.

    ``waiting``: its re-INVITE is out; otherwise ``start`` is to be called again in ``RETRY_S``.
    ``over``: nothing is left to ask.
    """

    __slots__ = ("_both", "_media", "_tries", "asked", "over", "waiting")

    def __init__(self, media: MediaSession, asked: ev.Side, *, both: bool = False) -> None:
        self.over = False
        self.waiting = False
        self._media = media
        self.asked: ev.Side = asked
        self._both = both
        self._tries = 0

    def start(self) -> ev.SendReoffer:
        """Send the re-INVITE."""
        self.waiting = True
        self._tries += 1
        other = self._media.description(ev.other_side(self.asked))
        if self._both:
            other = with_direction(other, "sendrecv")
        return ev.SendReoffer(self.asked, self._media.shown(other, self._media.leg(self.asked)))

    def answered(self, event: ev.ReofferAnswered) -> list[ev.Action]:
        """The side has decided. What refuses keeps what it had."""
        self.waiting = False
        if event.status == 491 and self._tries < TRIES_MAX:
            return []
        if not 200 <= event.status < 300:
            self.over = True
            return []
        actions: list[ev.Action] = [ev.AckReoffer(self.asked)]
        try:
            self._media.read_answer(self.asked, event.sdp)
        except RemoteError:
            self.over = True
            return actions
        actions += self._media.update()
        if not self._both:
            self.over = True
            return actions
        self._both = False
        self._tries = 0
        self.asked = ev.other_side(self.asked)
        return [*actions, self.start()]
