"""Which source a port listens to: decided once per negotiation, before anything is relayed.

A phone behind NAT sends from a port that its SDP cannot name, so the first packet decides. What may
be first is narrow: only the host of the SDP or the host that signals, and a port that the SDP does
not name only for a while after signalling. Then the latch is closed until signalling opens it
again, so a third party that sends to an open port is never relayed, nor sent to.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from rtp.wire import Address

# A phone's first packet follows the answer within its round trip; 30 s forgives a user who answers
# a phone that sends nothing while it is muted. Signalling (an answer, a new bridge) begins it anew.
LATCH_WINDOW_S = 30.0
# A phone that moves to another port sends from the old one until our answer reaches it. It must not
# be found there again; after this time, an address translator must have kept the old source.
LEFT_SOURCE_S = 10.0


class Verdict(Enum):
    """What to do with one packet."""

    ACCEPTED = "accepted"
    LATCHED = "latched"  # accepted, and from now on the only source
    STRANGER = "stranger"


class Latch:
    """The accepted source of one port: closed, open for some hosts, or latched to one source."""

    __slots__ = (
        "_expected",
        "_hosts",
        "_left",
        "_left_until_s",
        "_named",
        "_until_s",
        "source",
    )

    def __init__(self) -> None:
        self.source: Address | None = None
        self._expected: Address | None = None
        self._named: Address | None = None  # the last address of an SDP that had one
        self._left: Address | None = None  # the source from which signalling moved away
        self._left_until_s = 0.0
        self._hosts: frozenset[str] = frozenset()
        self._until_s = 0.0

    def open(self, expected: Address | None, hosts: Iterable[str], now_s: float) -> None:
        """Forget the source. ``expected`` is the SDP's address; ``hosts`` may use any port.

        When the SDP's address changed, the source so far is refused for ``LEFT_SOURCE_S``.
        """
        if expected is not None:
            if self._named is not None and expected != self._named:
                self._left = self.source or self._left
                self._left_until_s = now_s + LEFT_SOURCE_S
            self._named = expected
        self.source = None
        self._expected = expected
        self._hosts = frozenset(hosts)
        self.extend(now_s)

    def extend(self, now_s: float) -> None:
        """Begin the window anew; changes nothing once latched."""
        self._until_s = now_s + LATCH_WINDOW_S

    def judge(self, source: Address, now_s: float) -> Verdict:
        """Whether a valid packet from ``source`` is the peer's; the first one latches."""
        if self.source is not None:
            return Verdict.ACCEPTED if source == self.source else Verdict.STRANGER
        if source != self._expected and not self._may_guess(source, now_s):
            return Verdict.STRANGER
        self.source = source
        return Verdict.LATCHED

    def _may_guess(self, source: Address, now_s: float) -> bool:
        if source == self._left and now_s < self._left_until_s:
            return False
        return now_s < self._until_s and source[0] in self._hosts
