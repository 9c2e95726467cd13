"""The media plane: commands in, notices out, packets relayed. Knows no socket, clock or randomness.

A carrier (``rtp.worker``, or ``rtp.inprocess`` within the service) owns one plane: it hands in
commands and packets with the time, calls ``expire`` when ``next_deadline_s`` has come, and passes
on what ``take_notices`` gives. RTP of a latched leg does not come through here: the carrier's loop
calls ``rtp.bridge.relay`` itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from media.tones import encoded_tone
from rtp.bridge import join, relay, rewire
from rtp.errors import CannotBind, MalformedPacket
from rtp.latching import Verdict
from rtp.leg import Leg
from rtp.messages import (
    SEEN_INTERVAL_S,
    Bridge,
    ClosePorts,
    MediaSeen,
    MediaTimedOut,
    OpenPorts,
    PlaneCommand,
    PlaneNotice,
    PlayTone,
    PortsOpened,
    Release,
    Released,
    SetRemote,
    StopTone,
    UsePorts,
)
from rtp.packet import is_rtp
from rtp.player import FRAME_S, ToneStream
from rtp.rtcp import Report, parse_compound, reports
from rtp.wire import Address, LegWire, WireOpener, canonical_host, transmit_nowhere

SWEEP_INTERVAL_S = 1.0  # how exact the media timeout is
TONE_SLACK_S = 0.001  # packets due so soon go with those that are due now
SEEN_CALLS_MAX = 2000  # of one notice; the rest follows in the next one

Calls = dict[str, dict[str, Leg]]


class MediaPlane:
    """All calls of one carrier.

    ``wires`` opens the sockets of a port pair. ``timeout_s`` is the media timeout, 0: none.
    ``random_u32`` gives unguessable 32-bit numbers (RFC 3550 section 8.1: SSRCs).
    """

    def __init__(
        self,
        *,
        wires: WireOpener,
        timeout_s: float,
        random_u32: Callable[[], int],
    ) -> None:
        self._wires = wires
        self._timeout_s = timeout_s
        self._random_u32 = random_u32
        self._calls: Calls = {}
        self._ready: dict[tuple[str, int], LegWire] = {}  # ports that no leg uses
        self._notices: list[PlaneNotice] = []
        self._playing: set[Leg] = set()
        self._tone_s: float | None = None  # when the next packet of a tone is due
        self._sweep_s: float | None = None
        self._seen_s = 0.0
        self._seen: set[str] = set()
        self._executors: dict[type[PlaneCommand], Callable[[Any, float], None]] = {
            OpenPorts: self._open_ports,
            ClosePorts: self._close_ports,
            UsePorts: self._use_ports,
            SetRemote: self._set_remote,
            Bridge: self._bridge,
            PlayTone: self._play_tone,
            StopTone: self._stop_tone,
            Release: self._release,
        }

    # --- what a carrier calls -------------------------------------------------------------------

    def execute(self, command: PlaneCommand, now_s: float) -> None:
        """Obey one command. Those for a call or leg that is gone change nothing: they crossed."""
        self._executors[type(command)](command, now_s)

    def take_notices(self) -> list[PlaneNotice]:
        """What is to be told, in order; told once."""
        notices, self._notices = self._notices, []
        return notices

    def next_deadline_s(self) -> float | None:
        """When ``expire`` is due at the latest, ``None`` while there is nothing to wait for."""
        if self._sweep_s is None or self._tone_s is None:
            return self._sweep_s
        return min(self._sweep_s, self._tone_s)

    def expire(self, now_s: float) -> None:
        """Send the tones' packets that are due, look for silence, report who was heard."""
        if self._tone_s is not None and now_s >= self._tone_s:
            self._play_all_due(now_s + TONE_SLACK_S)
        if self._sweep_s is not None and now_s >= self._sweep_s:
            self._sweep(now_s)

    def rtp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """One RTP packet whose source is yet to be judged; latches to the first valid one."""
        if not is_rtp(packet):
            return
        verdict = leg.latch.judge(source, now_s)
        if verdict is Verdict.STRANGER:
            leg.strangers += 1
            return
        if verdict is Verdict.LATCHED:
            leg.use(_wire(leg).latch(source))
        with suppress(OSError):
            relay(leg, packet, len(packet), int(now_s * 1_000_000))

    def rtcp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """One RTCP datagram: latched, read and passed on, whatever the direction attributes say.

        RFC 3264 section 5.1: RTCP goes on while a stream is on hold.
        """
        try:
            compound = parse_compound(packet)
        except MalformedPacket:
            return
        if leg.rtcp_latch.judge(source, now_s) is Verdict.STRANGER:
            leg.strangers += 1
            return
        peer = leg.peer
        destination = peer.rtcp_destination() if peer else None
        if peer is None or destination is None:
            return
        for report in reports(compound):
            _read_report(report, leg, peer, now_s)
        _wire(peer).transmit_rtcp(packet, destination)

    def close(self, now_s: float) -> None:
        """Release every call and close every port, as at the end of the process."""
        for call in tuple(self._calls):
            self._release(Release(call), now_s)
        for wire in self._ready.values():
            wire.close()
        self._ready.clear()

    # --- commands -------------------------------------------------------------------------------

    def _open_ports(self, command: OpenPorts, now_s: float) -> None:
        host, opened, reason = command.bind_host, [], ""
        for port in command.ports:
            try:
                self._ready[host, port] = self._wires(host, port, self)
            except CannotBind as error:
                reason = str(error)
                if not error.in_use:
                    break
            else:
                opened.append(port)
        self._notices.append(PortsOpened(host, tuple(opened), reason))

    def _close_ports(self, command: ClosePorts, now_s: float) -> None:
        for port in command.ports:
            self._ready.pop((command.bind_host, port)).close()

    def _use_ports(self, command: UsePorts, now_s: float) -> None:
        legs = self._calls.setdefault(command.call, {})
        for name, host, port in command.legs:
            leg = legs[name] = Leg(command.call, name, host, port)
            leg.wire = self._ready.pop((host, port))
            leg.wire.begin(leg)
        if self._sweep_s is None:
            self._sweep_s = now_s + SWEEP_INTERVAL_S
            self._seen_s = now_s + SEEN_INTERVAL_S

    def _set_remote(self, command: SetRemote, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is None:
            return
        moved = leg.learn(command)
        if moved or leg.latch.source is None:
            self._open_latches(leg, now_s)
        leg.heard_s = now_s
        leg.timed_out = False
        self._rewire_around(leg)

    def _bridge(self, command: Bridge, now_s: float) -> None:
        one = self._leg(command.call, command.leg_a)
        other = self._leg(command.call, command.leg_b)
        if one is None or other is None:
            return
        for leg in (one, other):
            leg.latch.extend(now_s)
            leg.rtcp_latch.extend(now_s)
        join(one, other)

    def _play_tone(self, command: PlayTone, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is None or leg.remote is None:
            return
        for each in leg.remote.formats:
            frames = encoded_tone(command.tone, each.encoding)
            if frames:
                self._start_tone(leg, frames, each.payload_type, command.duration_s, now_s)
                return

    def _stop_tone(self, command: StopTone, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is not None and leg in self._playing:
            self._end_tone(leg)

    def _release(self, command: Release, now_s: float) -> None:
        legs = self._calls.pop(command.call, {})
        statistics = tuple(leg.statistics() for leg in legs.values())
        self._seen.discard(command.call)  # its statistics say more
        for leg in legs.values():
            self._close_leg(leg)
        self._notices.append(Released(command.call, statistics))
        if not self._calls:
            self._sweep_s = None

    # --- legs -----------------------------------------------------------------------------------

    def _leg(self, call: str, name: str) -> Leg | None:
        return self._calls.get(call, {}).get(name)

    def _close_leg(self, leg: Leg) -> None:
        self._playing.discard(leg)
        leg.peer = leg.sink = None
        leg.transmit = leg.plain_transmit = transmit_nowhere  # may be a method of the leg: a cycle
        wire = _wire(leg)
        leg.wire = None
        wire.rest()
        self._ready[leg.bind_host, leg.port] = wire

    def _open_latches(self, leg: Leg, now_s: float) -> None:
        assert leg.remote is not None, "a latch opens for what signalling said"
        named = (leg.remote.host, leg.remote.signalling_host)
        hosts = frozenset(map(canonical_host, named)) - {"", "0.0.0.0", "::"}
        leg.latch.open(leg.rtp_address, hosts, now_s)
        leg.rtcp_latch.open(leg.rtcp_address, hosts, now_s)
        wire = _wire(leg)
        leg.use(wire.aim(leg.rtp_address) if leg.rtp_address else wire.silence())

    def _rewire_around(self, leg: Leg) -> None:
        rewire(leg)
        if leg.peer is not None:
            rewire(leg.peer)

    # --- tones ----------------------------------------------------------------------------------

    def _start_tone(
        self,
        leg: Leg,
        frames: tuple[bytes, ...],
        payload_type: int,
        duration_s: float,
        now_s: float,
    ) -> None:
        if leg.tone is None:
            leg.tone = ToneStream(self._random_u32(), self._random_u32())
        # All tones tick together: one wake-up in 20 ms however many play.
        leg.tone.start(frames, payload_type, duration_s, math.ceil(now_s / FRAME_S) * FRAME_S)
        self._playing.add(leg)
        self._tone_s = self._next_tone_s()
        self._rewire_around(leg)

    def _next_tone_s(self) -> float | None:
        deadlines = (leg.tone.next_deadline_s() for leg in self._playing if leg.tone)
        return min((each for each in deadlines if each is not None), default=None)

    def _play_all_due(self, now_s: float) -> None:
        for leg in tuple(self._playing):
            self._play_due(leg, now_s)
        self._tone_s = self._next_tone_s()

    def _play_due(self, leg: Leg, now_s: float) -> None:
        assert leg.tone is not None, "only legs with a tone play"
        for packet in leg.tone.packets_due(now_s):
            if leg.is_hearing():
                _transmit_own(leg, packet)
        if not leg.tone.is_playing:
            self._end_tone(leg)

    def _end_tone(self, leg: Leg) -> None:
        assert leg.tone is not None, "only legs with a tone play"
        leg.tone.stop()
        self._playing.discard(leg)
        leg.resume()
        self._rewire_around(leg)

    # --- watching -------------------------------------------------------------------------------

    def _sweep(self, now_s: float) -> None:
        self._sweep_s = now_s + SWEEP_INTERVAL_S
        for call, legs in self._calls.items():
            self._note_heard(call, legs)
            for leg in legs.values():
                self._watch_silence(leg, now_s)
        if now_s >= self._seen_s:
            self._seen_s = now_s + SEEN_INTERVAL_S
            self._report_seen()

    def _note_heard(self, call: str, legs: dict[str, Leg]) -> None:
        if any(leg.received.packets != leg.packets_swept for leg in legs.values()):
            self._seen.add(call)

    def _watch_silence(self, leg: Leg, now_s: float) -> None:
        packets = leg.received.packets
        if packets != leg.packets_swept:
            leg.packets_swept = packets
            leg.heard_s = now_s
            leg.timed_out = False
        elif self._is_overdue(leg, now_s):
            leg.timed_out = True
            self._notices.append(MediaTimedOut(leg.call, leg.name))

    def _is_overdue(self, leg: Leg, now_s: float) -> bool:
        if leg.remote is None or not leg.remote.expects_media or leg.timed_out:
            return False
        return self._timeout_s > 0 and now_s - leg.heard_s >= self._timeout_s

    def _report_seen(self) -> None:
        calls = sorted(self._seen)
        self._seen.clear()
        for chunk in _chunks(calls, SEEN_CALLS_MAX):
            self._notices.append(MediaSeen(chunk))


def _wire(leg: Leg) -> LegWire:
    assert leg.wire is not None, "a leg of a call has its sockets"
    return leg.wire


def _transmit_own(leg: Leg, packet: bytes) -> None:
    with suppress(OSError):
        leg.plain_transmit(packet)
        leg.packets_sent += 1


def _read_report(report: Report, leg: Leg, peer: Leg, now_s: float) -> None:
    if report.sender is not None:
        peer.feedback.sender_report_relayed(report.sender, now_s)
    relayed = peer.received  # what ``leg``'s peer hears is what ``peer`` received
    leg.feedback.report_received(report, ssrc=relayed.ssrc, clock_hz=relayed.clock_hz, now_s=now_s)


def _chunks(calls: list[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(calls), size):
        yield tuple(calls[start : start + size])
