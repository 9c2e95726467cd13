"""What one peer's RTCP tells of the path to it: round trip, loss and jitter of what it received.

We relay the other party's sender reports unchanged. A receiver names the report that it answers by
its middle NTP bits, so remembering when each was relayed gives the round trip between us and it
(RFC 3550 section 6.4.1).
"""

from __future__ import annotations

from collections import OrderedDict

from rtp.rtcp import Report, ReportBlock, SenderInfo

# A receiver answers the latest report; with reports every 5 s eight go 40 s back.
SENDER_REPORTS_MAX = 8
ROUND_TRIP_MAX_MS = 60_000.0  # beyond it the peer's delay field is wrong, not the network slow
_DELAY_UNITS_PER_MS = 65.536


class PathFeedback:
    """The latest figures from one peer. ``None`` until a report of it said something."""

    __slots__ = (
        "_lost_before",
        "_relayed_s",
        "_ssrc",
        "_stream_lost",
        "jitter_ms",
        "round_trip_ms",
    )

    def __init__(self) -> None:
        self.round_trip_ms: float | None = None
        self.jitter_ms: float | None = None
        self._relayed_s: OrderedDict[int, float] = OrderedDict()  # middle NTP bits -> relayed at
        self._ssrc: int | None = None
        self._stream_lost = 0
        self._lost_before = 0

    @property
    def packets_lost(self) -> int | None:
        """What the peer says it lost of all streams that were relayed to it."""
        return None if self._ssrc is None else self._lost_before + self._stream_lost

    def sender_report_relayed(self, sender: SenderInfo, now_s: float) -> None:
        """A sender report of the other party went to this peer at ``now_s``."""
        self._relayed_s[sender.middle_ntp] = now_s
        if len(self._relayed_s) > SENDER_REPORTS_MAX:
            self._relayed_s.popitem(last=False)

    def report_received(
        self, report: Report, *, ssrc: int | None, clock_hz: int, now_s: float
    ) -> None:
        """The peer reported. ``ssrc`` and ``clock_hz`` are of the stream that is relayed to it."""
        for block in report.blocks:
            if block.ssrc == ssrc:
                self._read_losses(block, clock_hz)
                self._read_round_trip(block, now_s)

    def _read_losses(self, block: ReportBlock, clock_hz: int) -> None:
        if block.ssrc != self._ssrc:
            self._lost_before += self._stream_lost
            self._ssrc = block.ssrc
        self._stream_lost = max(0, block.cumulative_lost)
        if clock_hz:
            self.jitter_ms = block.jitter * 1000 / clock_hz

    def _read_round_trip(self, block: ReportBlock, now_s: float) -> None:
        relayed_s = self._relayed_s.get(block.last_sr)
        if relayed_s is None:
            return
        held_ms = block.delay_since_last_sr / _DELAY_UNITS_PER_MS
        round_trip_ms = (now_s - relayed_s) * 1000 - held_ms
        # A peer's clock ticks coarsely: a little below zero is zero, far off is not a round trip.
        if -100.0 < round_trip_ms < ROUND_TRIP_MAX_MS:
            self.round_trip_ms = max(0.0, round_trip_ms)
