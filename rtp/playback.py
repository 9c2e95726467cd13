"""What plays to legs in our own name, in place of what is relayed to them: tones, key presses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from media.tones import encoded_tone
from rtp.bridge import rewire_around
from rtp.leg import Leg
from rtp.messages import Format, PlayTone
from rtp.player import FRAME_S, ToneStream

SLACK_S = 0.001  # packets due so soon go with those that are due now


class Playback:
    """The legs to which something plays. ``random_u32`` gives SSRCs and first sequence numbers."""

    def __init__(self, random_u32: Callable[[], int]) -> None:
        self._random_u32 = random_u32
        self._playing: set[Leg] = set()
        self._next_s: float | None = None

    def next_deadline_s(self) -> float | None:
        """When the next packet is due."""
        return self._next_s

    def expire(self, now_s: float) -> list[Leg]:
        """Send the packets that are due; the legs whose tone or digits came to their end."""
        if self._next_s is None or now_s < self._next_s:
            return []
        ended = [leg for leg in tuple(self._playing) if not _play_due(leg, now_s + SLACK_S)]
        for leg in ended:
            self._end(leg, now_s)
        self._next_s = self._earliest_s()
        return ended

    def play(self, leg: Leg, command: PlayTone, now_s: float) -> None:
        """Play a tone as it is commanded; in a codec that we lack, nothing."""
        if not command.duration_s:
            leg.standing = command
        if not command.unless_heard:  # else the next sweep finds out whether there is anything
            self._play_tone(leg, command, now_s)

    def play_frames(
        self,
        leg: Leg,
        frames: Sequence[bytes],
        payload_type: int,
        duration_s: float,
        now_s: float,
        ticks_back: Sequence[int] = (),
    ) -> None:
        """Play encoded frames from now on; arguments as of ``ToneStream.start``."""
        if leg.tone is None:
            leg.tone = ToneStream(self._random_u32(), self._random_u32())
        # All tones tick together: one wake-up in 20 ms however many play.
        begin_s = math.ceil(now_s / FRAME_S) * FRAME_S
        heard = leg.peer.received if leg.peer else None
        timestamp = heard.timestamp_at(int(begin_s * 1_000_000)) if heard else None
        leg.tone.start(frames, payload_type, duration_s, begin_s, ticks_back, timestamp)
        self._playing.add(leg)
        self._next_s = self._earliest_s()
        rewire_around(leg)

    def stop(self, leg: Leg) -> None:
        """Nothing plays to the leg any more."""
        leg.standing = None
        if leg in self._playing:
            self._silence(leg)
            self._next_s = self._earliest_s()

    def yield_to_peer(self, leg: Leg, is_heard: bool, now_s: float) -> None:
        """Once a second: let a standing tone that plays ``unless_heard`` come or go."""
        standing = leg.standing
        if standing is None or not standing.unless_heard:
            return
        if is_heard and leg in self._playing:
            self._silence(leg)
            self._next_s = self._earliest_s()
        elif not is_heard and leg not in self._playing:
            self._play_tone(leg, standing, now_s)

    def forget(self, leg: Leg) -> None:
        """The leg is closed."""
        leg.standing = None
        if leg in self._playing:
            self._playing.discard(leg)
            self._next_s = self._earliest_s()

    def _play_tone(self, leg: Leg, command: PlayTone, now_s: float) -> None:
        encoded = encoded_for(leg, command.tone)
        if encoded is not None:
            self.play_frames(leg, *encoded, command.duration_s, now_s)

    def _end(self, leg: Leg, now_s: float) -> None:
        """What interrupted a standing tone is over."""
        if leg.standing is None or leg.standing.unless_heard:
            self._silence(leg)
        else:
            self._play_tone(leg, leg.standing, now_s)

    def _silence(self, leg: Leg) -> None:
        assert leg.tone is not None, "only legs with a tone play"
        leg.tone.stop()
        self._playing.discard(leg)
        leg.resume()
        rewire_around(leg)

    def _earliest_s(self) -> float | None:
        deadlines = (leg.tone.next_deadline_s() for leg in self._playing if leg.tone)
        return min((each for each in deadlines if each is not None), default=None)


def encoded_for(leg: Leg, tone: str) -> tuple[tuple[bytes, ...], int] | None:
    """A tone's frames in the first codec of a leg that we can make, and its payload type."""
    formats: Iterable[Format] = leg.remote.formats if leg.remote else ()
    for each in formats:
        frames = encoded_tone(tone, each.encoding)
        if frames:
            return frames, each.payload_type
    return None


def _play_due(leg: Leg, now_s: float) -> bool:
    """Send what is due; False when it was the last."""
    assert leg.tone is not None, "only legs with a tone play"
    for packet in leg.tone.packets_due(now_s):
        if leg.is_hearing():
            with suppress(OSError):
                leg.plain_transmit(packet)
                leg.packets_sent += 1
    return leg.tone.is_playing
