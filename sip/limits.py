"""How much one source, and all of them together, may ask of a stack."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

RATE_SOURCES_MAX = 50_000
"""Sources counted within one second: more than can be answered in it, so the rest are forged."""


def _nobody(_host: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stack takes at most; hosts that ``trusted`` knows have no limits of their own, and
    requests of the ``banned`` ones (live, read for each) are dropped unread.

    A server transaction is kept for 32 s after its answer, with some 3 kB: the totals bound memory
    to 750 MB, and one source to 1,500 calls a second. Beyond them requests get 503. Requests beyond
    ``requests_per_source_s`` (0: no limit) are dropped unread, since reading and answering is what
    a flood wants us to do; who means well repeats them half a second later.
    """

    transactions_max: int = 250_000
    transactions_per_source_max: int = 100_000
    requests_per_source_s: int = 0
    trusted: Callable[[str], bool] = _nobody
    banned: Container[str] = ()
    retry_after_s: int = 10


class RequestRate:
    """Counts requests by source, in whole seconds."""

    __slots__ = ("_counts", "_limits", "_second")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._second = 0
        self._counts: dict[str, int] = {}

    def admits(self, host: str, now_s: float) -> bool:
        """Count one request, and say whether it is to be read."""
        most = self._limits.requests_per_source_s
        if not most:
            return True
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._counts.clear()
        count = self._counts.get(host, 0) + 1
        if count == 1 and len(self._counts) >= RATE_SOURCES_MAX:
            return self._limits.trusted(host)
        self._counts[host] = count
        return count <= most or self._limits.trusted(host)
