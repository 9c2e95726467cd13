"""Tones and keys sent to a leg in our own name: 20 ms packets with one continuous sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rtp.packet import HEADER, MARKER_BIT, VERSION_BITS
from rtp.serial import sequence_after, timestamp_after

FRAME_MS = 20
FRAME_S = FRAME_MS / 1000
CLOCK_HZ = 8000
FRAME_TICKS = CLOCK_HZ * FRAME_MS // 1000
# A loop that was late sends what it owes at once, but not more than a jitter buffer can take.
CATCH_UP_FRAMES_MAX = 5


class ToneStream:
    """Our own RTP stream to one leg; its SSRC and numbering go on from one tone to the next."""

    __slots__ = (
        "_ends_s",
        "_frames",
        "_index",
        "_marker",
        "_next_s",
        "_payload_type",
        "_sequence",
        "_ssrc",
        "_ticks_back",
        "_timestamp",
    )

    def __init__(self, ssrc: int, sequence: int) -> None:
        self._ssrc = ssrc
        self._sequence = sequence & 0xFFFF
        self._timestamp = 0
        self._next_s: float | None = None  # also of a tone that ended: where its time had come to
        self._ends_s = 0.0
        self._frames: Sequence[bytes] = ()
        self._ticks_back: Sequence[int] = ()
        self._index = 0
        self._payload_type = 0
        self._marker = False

    def start(
        self,
        frames: Sequence[bytes],
        payload_type: int,
        duration_s: float,
        now_s: float,
        ticks_back: Sequence[int] = (),
        timestamp: int | None = None,
    ) -> None:
        """Play ``frames`` (20 ms each, encoded) in a circle from ``now_s``; 0 s: without end.

        ``timestamp``: that of the stream whose place this takes. baresip for one goes by it across
        a change of SSRC, and throws away what seems old.

        An empty frame is a pause. ``ticks_back``: how far each frame's timestamp lies behind its
        own time, as those of key presses do.
        """
        if timestamp is not None:
            self._timestamp = timestamp
        elif self._next_s is not None:
            silent_ticks = max(0, round((now_s - self._next_s) * CLOCK_HZ))
            self._timestamp = timestamp_after(self._timestamp, silent_ticks)
        self._frames = frames
        self._ticks_back = ticks_back
        self._payload_type = payload_type
        self._index = 0
        self._marker = True
        self._next_s = now_s
        self._ends_s = now_s + duration_s if duration_s else float("inf")

    def stop(self) -> None:
        """Play nothing more."""
        self._frames = ()

    def end_at(self, at_s: float) -> None:
        """Let what plays end at that time."""
        self._ends_s = at_s

    @property
    def is_playing(self) -> bool:
        """Whether packets are still to come."""
        return bool(self._frames)

    @property
    def has_end(self) -> bool:
        """Whether what plays ends by itself."""
        return self.is_playing and self._ends_s != float("inf")

    def next_deadline_s(self) -> float | None:
        """When ``packets_due`` has something to do again."""
        return self._next_s if self._frames else None

    def packets_due(self, now_s: float) -> Iterator[bytes]:
        """The packets whose time has come; stops by itself when the tone's time is over."""
        if not self._frames:
            return
        assert self._next_s is not None, "a tone that plays has a next packet"
        self._skip_missed(now_s)
        while self._next_s <= now_s:
            if self._next_s >= self._ends_s - FRAME_S / 2:
                self.stop()
                return
            packet = self._next_packet()
            if packet:
                yield packet

    def _skip_missed(self, now_s: float) -> None:
        assert self._next_s is not None
        missed = int((now_s - self._next_s) / FRAME_S) - CATCH_UP_FRAMES_MAX
        if missed > 0:
            self._advance(missed)

    def _advance(self, frames: int) -> None:
        assert self._next_s is not None
        self._next_s += frames * FRAME_S
        self._index += frames
        self._timestamp = timestamp_after(self._timestamp, frames * FRAME_TICKS)

    def _next_packet(self) -> bytes:
        """The next frame's packet; nothing for a pause."""
        at = self._index % len(self._frames)
        frame, back, timestamp = self._frames[at], 0, self._timestamp
        self._advance(1)
        if not frame:
            return b""
        if self._ticks_back:
            back = self._ticks_back[at]
            self._marker = back == 0  # each press begins with one (RFC 4733 section 2.5.1.1)
        second = self._payload_type | (MARKER_BIT if self._marker else 0)
        begun = timestamp_after(timestamp, -back)
        header = HEADER.pack(VERSION_BITS, second, self._sequence, begun, self._ssrc)
        self._marker = False
        self._sequence = sequence_after(self._sequence)
        return header + frame
