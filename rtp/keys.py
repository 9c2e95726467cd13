"""Key presses at the legs of a plane: told once each, and passed on in the way that the other leg
understands (RFC 4733 events, or tones).

A leg that has telephone events sends no tones; so events are listened for always, and tones only at
a leg without them, when somebody wants its digits. Events that both legs have are relayed, under
the other leg's payload type. A leg without them hears the tone for as long as the key is down, and
nothing of its peer's audio meanwhile. In-band tones are audio to a leg that has events too: nobody
has told it to expect any.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from media.codecs import decoder
from media.dtmf_detect import ToneDetector
from media.tones import key_tone
from rtp.errors import MalformedPacket
from rtp.leg import Leg
from rtp.messages import IN_BAND, RFC_4733, Digit, Format
from rtp.packet import MARKER_OFFSET, PAYLOAD_TYPE_MASK, RtpPacket
from rtp.playback import Playback, encoded_for
from rtp.player import FRAME_S, FRAME_TICKS
from rtp.telephone_event import (
    DIGITS,
    KEYS,
    Press,
    Pressed,
    TelephoneEvent,
    event_frames,
)

PRESS_FRAMES = 5  # 100 ms: twice what detectors want (Q.24: 40 ms)
PAUSE_FRAMES = 4  # 80 ms, likewise
PRESS_MIN_S = PRESS_FRAMES * FRAME_S  # of a tone, however short the event was
PRESS_MAX_S = 10.0  # of a tone, should the key stick
WAITING_MAX = 64  # digits to be sent to a leg; a longer sequence is nobody's number

TELEPHONE_EVENT = "TELEPHONE-EVENT"


class Keys:
    """The keys of all legs. ``tell`` takes what is to be told of them."""

    def __init__(self, playback: Playback, tell: Callable[[Digit], None]) -> None:
        self._playback = playback
        self._tell = tell
        self._down: set[Leg] = set()  # where a key is down

    def next_deadline_s(self) -> float | None:
        """When ``expire`` is due: a key may be up although nobody said so."""
        return min((each.events.deadline_s or 0.0 for each in self._down), default=None)

    def expire(self, now_s: float) -> None:
        """End the presses whose last packets were lost."""
        for leg in tuple(self._down):
            self._note(leg, leg.events.expire(now_s), now_s)

    def arrange(self, leg: Leg) -> None:
        """The formats of the leg, of its peer, or who listens have changed."""
        leg.received.set_events(frozenset(each.payload_type for each in _sent_events(leg)))
        listens = leg.digits_wanted and not events_of(leg) and encoded_for(leg, key_tone("0"))
        leg.ear = (leg.ear or ToneDetector()) if listens else None
        leg.arrange()

    def event_received(self, leg: Leg, packet: memoryview | bytes, now_s: float) -> None:
        """A packet of a payload type of telephone events: read, and passed on as it is."""
        try:
            parsed = RtpPacket.parse(bytes(packet))
            event = TelephoneEvent.parse(parsed.payload)
        except MalformedPacket:
            return
        self._note(leg, leg.events.received(event, parsed.timestamp, now_s), now_s)
        _pass_on(leg, packet)

    def heard(self, leg: Leg, packet: memoryview | bytes, now_s: float) -> None:
        """A packet of a leg whose tones are listened for."""
        try:
            parsed = RtpPacket.parse(bytes(packet))
        except MalformedPacket:
            return
        formats = leg.remote.formats if leg.remote else ()
        names = (each.encoding for each in formats if each.payload_type == parsed.payload_type)
        decode = decoder(next(names, ""))
        if decode is None or leg.ear is None:
            return
        for digit in leg.ear.feed(decode(parsed.payload)):
            self._tell(Digit(leg.call, leg.name, digit, IN_BAND, leg.sink is not None))

    def send(self, leg: Leg, digits: str, now_s: float) -> None:
        """Press keys towards a leg, after those that are being pressed."""
        known = "".join(digit for digit in digits.upper() if digit in DIGITS)
        leg.digits_waiting = (leg.digits_waiting + known)[:WAITING_MAX]
        if leg.tone is None or not leg.tone.has_end:
            self.send_waiting(leg, now_s)

    def send_waiting(self, leg: Leg, now_s: float) -> None:
        """The leg is free for the digits that wait."""
        digits, leg.digits_waiting = leg.digits_waiting, ""
        if not digits or leg.remote is None:
            return
        event_format = next(iter(events_of(leg)), None)
        if event_format is not None:
            self._send_events(leg, digits, event_format, now_s)
        else:
            self._send_tones(leg, digits, now_s)

    def forget(self, leg: Leg) -> None:
        """The leg is closed."""
        self._down.discard(leg)

    def _send_events(self, leg: Leg, digits: str, event_format: Format, now_s: float) -> None:
        frames: list[bytes] = []
        ticks_back: list[int] = []
        for digit in digits:
            pressed = event_frames(digit, frames=PRESS_FRAMES, frame_ticks=FRAME_TICKS)
            frames += [each.payload for each in pressed] + [b""] * PAUSE_FRAMES
            ticks_back += [each.ticks_back for each in pressed] + [0] * PAUSE_FRAMES
        duration_s = len(frames) * FRAME_S
        payload_type = event_format.payload_type
        self._playback.play_frames(leg, frames, payload_type, duration_s, now_s, ticks_back)

    def _send_tones(self, leg: Leg, digits: str, now_s: float) -> None:
        frames: list[bytes] = []
        payload_type = 0
        for digit in digits:
            encoded = encoded_for(leg, key_tone(digit))
            if encoded is not None:
                tone, payload_type = encoded
                frames += [*tone[:PRESS_FRAMES], *[b""] * PAUSE_FRAMES]
        if frames:
            self._playback.play_frames(leg, frames, payload_type, len(frames) * FRAME_S, now_s)

    def _note(self, leg: Leg, presses: list[Press], now_s: float) -> None:
        for press in presses:
            if isinstance(press, Pressed):
                passed = self._sounds(leg, press.digit, now_s)
                self._tell(Digit(leg.call, leg.name, press.digit, RFC_4733, passed))
            else:
                _silence(leg, now_s)
        if leg.events.deadline_s is None:
            self._down.discard(leg)
        else:
            self._down.add(leg)

    def _sounds(self, leg: Leg, digit: str, now_s: float) -> bool:
        """Whether the leg's peer hears the key that went down: as an event, or as a tone."""
        peer = leg.peer
        if peer is None or not peer.is_hearing():
            return False
        if events_of(peer):
            return True
        encoded = encoded_for(peer, key_tone(digit)) if digit in KEYS else None
        if encoded is None:
            return False
        self._playback.play_frames(peer, *encoded, PRESS_MAX_S, now_s)
        leg.key_down_s = now_s
        return True


def events_of(leg: Leg) -> tuple[Format, ...]:
    """The telephone events that this leg's peer takes."""
    formats = leg.remote.formats if leg.remote else ()
    return tuple(each for each in formats if each.encoding.upper() == TELEPHONE_EVENT)


def _sent_events(leg: Leg) -> tuple[Format, ...]:
    """The telephone events that may come from this leg's peer: under the numbers of the other side,
    whose description it was shown, or under its own, as many phones do."""
    shown = leg.peer.remote.formats if leg.peer and leg.peer.remote else ()
    taken = {each.payload_type for each in shown if each.encoding.upper() != TELEPHONE_EVENT}
    own = tuple(each for each in events_of(leg) if each.payload_type not in taken)
    return own + (events_of(leg.peer) if leg.peer else ())


def _pass_on(leg: Leg, packet: memoryview | bytes) -> None:
    """Relay an event under the payload type of the leg that hears it, if that has events."""
    sink = leg.sink
    formats = events_of(sink) if sink else ()
    if sink is None or not formats:
        return
    came_as = packet[MARKER_OFFSET] & PAYLOAD_TYPE_MASK
    payload_types = [each.payload_type for each in formats]
    if came_as not in payload_types:
        clocks_hz = {each.clock_hz for each in events_of(leg) if each.payload_type == came_as}
        fitting = [each.payload_type for each in formats if each.clock_hz in clocks_hz]
        octets = bytearray(packet)
        octets[MARKER_OFFSET] += (fitting or payload_types)[0] - came_as
        packet = bytes(octets)
    with suppress(OSError):
        sink.transmit(packet)
        sink.packets_sent += 1


def _silence(leg: Leg, now_s: float) -> None:
    """The key is up: its tone ends, unless something else plays there by now."""
    began_s, leg.key_down_s = leg.key_down_s, None
    peer = leg.peer
    if began_s is not None and peer is not None and peer.tone is not None:
        peer.tone.end_at(max(now_s, began_s + PRESS_MIN_S))
