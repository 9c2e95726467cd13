"""Between the media service and the call machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from rtp import messages as rtp
from softswitch.call import events as ev
from softswitch.ids import CallId

Tell = Callable[[CallId, ev.Input], None]


class MediaPlane(Protocol):
    """``rtp.service.MediaService`` as the calls see it."""

    def send(self, *commands: rtp.Command) -> Sequence[rtp.Notice]:
        """Carry out commands of one call: what is known at once; the rest comes by a callback."""


class MediaSide:
    """Commands out, notices in; commands wait for ``flush``. ``seen`` is told which calls had RTP
    (billing rule 22)."""

    def __init__(
        self, plane: MediaPlane, tell: Tell, seen: Callable[[Iterable[CallId]], None]
    ) -> None:
        self._plane = plane
        self._tell = tell
        self._seen = seen
        self._waiting: list[rtp.Command] = []

    def allocate(self, call: CallId, action: ev.AllocateMedia) -> None:
        """Ask for ports."""
        self._waiting.append(rtp.Allocate(call, action.legs))

    def command(self, action: ev.Media) -> None:
        """Pass on what the machine says."""
        self._waiting.append(action.command)

    def release(self, call: CallId) -> None:
        """Close a call's ports."""
        self._waiting.append(rtp.Release(call))

    def flush(self) -> None:
        """Send what one input of one call has led to, together."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for notice in self._plane.send(*waiting):
                self.noticed(notice)

    def noticed(self, notice: rtp.Notice) -> None:
        """A notice of the plane."""
        match notice:
            case rtp.Allocated(call=call, legs=legs):
                self._tell(CallId(call), ev.MediaReady(legs))
            case rtp.AllocationFailed(call=call, reason=reason):
                self._tell(CallId(call), ev.MediaRefused(reason))
            case rtp.Released(call=call, legs=statistics):
                self._tell(CallId(call), ev.MediaClosed(statistics))
            case rtp.MediaTimedOut(call=call, leg=leg):
                self._tell(CallId(call), ev.MediaSilent(leg))
            case rtp.Digit(call=call, leg=leg, digit=digit, how=how, passed=passed):
                self._tell(CallId(call), ev.DigitPressed(leg, digit, how, passed))
            case rtp.MediaSeen(calls=calls):
                self._seen(map(CallId, calls))
            case rtp.MediaLost(calls=calls):
                for call in calls:
                    self._tell(CallId(call), ev.MediaGone())
