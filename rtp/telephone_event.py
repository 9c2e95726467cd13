"""Key presses in RTP (RFC 4733): packets read as presses, and presses written as packets.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     event     |E|R| volume    |          duration             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

All packets of one press have the timestamp of its begin; that is what tells presses apart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from rtp.errors import MalformedPacket
from rtp.serial import timestamp_distance

KEYS = "0123456789*#ABCD"
FLASH_EVENT = 16
FLASH = "!"  # how a hook flash is written among digits
DIGITS = KEYS + FLASH

DURATION_MAX = 0xFFFF  # ticks; a longer press goes on as another segment (section 2.5.1.3)
END_PACKETS = 3  # the last packet is sent three times (section 2.5.1.4)
# Packets of a press come every 20 to 50 ms. Nothing for so long: its end packets were lost.
SILENCE_MAX_S = 0.2
# Later than this no packet of a press that is over can be under way: the same timestamp is then the
# same recording, played again.
FORGOTTEN_S = 1.0
VOLUME = 10  # -10 dBm0, as our tones in the speech band

_PAYLOAD = struct.Struct("!BBH")
_END_BIT = 0x80
_VOLUME_MASK = 0x3F


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """One payload: the event's code, whether it has ended, its volume in -dBm0, its duration so
    far in ticks of the timestamp's clock."""

    event: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """The first event of a payload; ``MalformedPacket`` when it is short."""
        if len(payload) < _PAYLOAD.size:
            raise MalformedPacket(f"telephone-event of {len(payload)} octets is shorter than 4")
        event, second, duration = _PAYLOAD.unpack_from(payload)
        return cls(event, bool(second & _END_BIT), second & _VOLUME_MASK, duration)

    def __bytes__(self) -> bytes:
        second = self.volume & _VOLUME_MASK | (_END_BIT if self.end else 0)
        return _PAYLOAD.pack(self.event, second, self.duration)


class Pressed(NamedTuple):
    """A key went down."""

    digit: str


class Lifted(NamedTuple):
    """The key that was down is up."""

    digit: str


Press = Pressed | Lifted


class EventReader:
    """The presses in one stream of telephone events, each told once.

    ``deadline_s``: when ``expire`` is due, while a key is down.
    """

    __slots__ = ("_digit", "_event", "_heard_s", "_next_timestamp", "_timestamp", "deadline_s")

    def __init__(self) -> None:
        self.deadline_s: float | None = None
        self._digit = ""  # of the key that is down
        self._event = 0
        self._timestamp: int | None = None  # of the latest press, also when it is over
        self._next_timestamp = 0  # at which it would go on as another segment
        self._heard_s = 0.0

    def received(self, event: TelephoneEvent, timestamp: int, now_s: float) -> list[Press]:
        """One packet. Repetitions, and what comes late of a press that is over, say nothing."""
        if event.event >= len(DIGITS):
            return []
        if not self._digit and now_s - self._heard_s > FORGOTTEN_S:
            self._timestamp = None
        self._heard_s = now_s
        presses: list[Press] = []
        if timestamp != self._timestamp and not self._goes_on(event, timestamp):
            if self._is_older(timestamp):
                return []
            presses += self._lift()
            self._digit = DIGITS[event.event]
            presses.append(Pressed(self._digit))
        elif not self._digit:
            return []
        self._event, self._timestamp = event.event, timestamp
        self._next_timestamp = timestamp + event.duration & 0xFFFFFFFF
        self.deadline_s = now_s + SILENCE_MAX_S
        if event.end:
            presses += self._lift()
        return presses

    def expire(self, now_s: float) -> list[Press]:
        """The key is up if nothing has come for ``SILENCE_MAX_S``."""
        if self.deadline_s is None or now_s < self.deadline_s:
            return []
        return self._lift()

    def _goes_on(self, event: TelephoneEvent, timestamp: int) -> bool:
        """Whether this is the next segment of a press that is too long for one."""
        if not self._digit or event.event != self._event or self._timestamp is None:
            return False
        # The full length, or what the last packet that came said if the fullest was lost.
        ahead = timestamp_distance(timestamp, self._timestamp)
        return ahead == DURATION_MAX or timestamp == self._next_timestamp

    def _is_older(self, timestamp: int) -> bool:
        if self._timestamp is None:
            return False
        return -DURATION_MAX <= timestamp_distance(timestamp, self._timestamp) < 0

    def _lift(self) -> list[Press]:
        digit, self._digit, self.deadline_s = self._digit, "", None
        return [Lifted(digit)] if digit else []


class EventFrame(NamedTuple):
    """What one packet time of a press carries: nothing in a pause. ``ticks_back``: how far its
    timestamp, that of the press, lies behind the packet's own time."""

    payload: bytes
    ticks_back: int


def event_frames(digit: str, *, frames: int, frame_ticks: int) -> tuple[EventFrame, ...]:
    """A press that lasts so many packets, with its end said three times."""
    event, duration = DIGITS.index(digit), frames * frame_ticks
    down = [
        EventFrame(
            bytes(TelephoneEvent(event, False, VOLUME, (index + 1) * frame_ticks)),
            index * frame_ticks,
        )
        for index in range(frames - 1)
    ]
    end = bytes(TelephoneEvent(event, True, VOLUME, duration))
    up = [EventFrame(end, (frames - 1 + index) * frame_ticks) for index in range(END_PACKETS)]
    return (*down, *up)
