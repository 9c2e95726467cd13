"""Which key presses of a call are new: a phone may tell one press in several ways. Pure.

Telephone events (RFC 4733) come through the media plane, SIP INFO through signalling, and many
phones can be set to send both.
"""

from __future__ import annotations

from rtp.messages import RFC_4733
from softswitch.call import events as ev

INFO = "info"
SAME_PRESS_S = 1.0  # the same key in another way within this time is the same press


class KeyPresses:
    """What the sides of a call have pressed so far."""

    __slots__ = ("_last", "_ways")

    def __init__(self) -> None:
        self._last: dict[ev.Side, tuple[str, str, float]] = {}
        self._ways: set[tuple[ev.Side, str]] = set()

    def is_new(self, side: ev.Side, digit: str, how: str, now_s: float) -> bool:
        """Whether this is not yet known. A side that has sent events sends its INFO beside them."""
        self._ways.add((side, how))
        if how == INFO and (side, RFC_4733) in self._ways:
            return False
        digit_before, how_before, at_s = self._last.get(side, ("", how, now_s))
        if digit == digit_before and how != how_before and now_s - at_s < SAME_PRESS_S:
            return False
        self._last[side] = digit, how, now_s
        return True
