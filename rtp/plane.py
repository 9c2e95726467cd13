"""The media plane: commands in, notices out, packets relayed. Knows no socket, clock or randomness.

A carrier (``rtp.worker``, or ``rtp.inprocess`` within the service) owns one plane: it hands in
commands and packets with the time, calls ``expire`` when ``next_deadline_s`` has come, and passes
on what ``take_notices`` gives. RTP of a latched leg does not come through here: the carrier's loop
gives it to ``Leg.take`` itself, which asks here only about telephone events and the like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from rtp.bridge import join, rewire_around
from rtp.errors import CannotBind, MalformedPacket
from rtp.keys import Keys
from rtp.latching import Verdict
from rtp.leg import Leg
from rtp.messages import (
    SEEN_INTERVAL_S,
    Bridge,
    ClosePorts,
    ListenDigits,
    MediaSeen,
    MediaTimedOut,
    OpenPorts,
    PlaneCommand,
    PlaneNotice,
    PlayTone,
    PortsOpened,
    Release,
    Released,
    SendDigits,
    SetRemote,
    StopTone,
    UsePorts,
)
from rtp.packet import is_rtp
from rtp.playback import Playback
from rtp.rtcp import Report, RtcpPacket, parse_compound, reports
from rtp.srtp import is_rtcp
from rtp.wire import Address, LegWire, WireOpener, canonical_host, transmit_nowhere

SWEEP_INTERVAL_S = 1.0  # how exact the media timeout is
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
        self._calls: Calls = {}
        self._ready: dict[tuple[str, int], LegWire] = {}  # ports that no leg uses
        self._notices: list[PlaneNotice] = []
        self._playback = Playback(random_u32)
        self._keys = Keys(self._playback, self._note)
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
            SendDigits: self._send_digits,
            ListenDigits: self._listen_digits,
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
        deadlines = (self._sweep_s, self._playback.next_deadline_s(), self._keys.next_deadline_s())
        return min((each for each in deadlines if each is not None), default=None)

    def expire(self, now_s: float) -> None:
        """Send what plays and is due, end presses that went silent, look who was heard."""
        for leg in self._playback.expire(now_s):
            self._keys.send_waiting(leg, now_s)
        self._keys.expire(now_s)
        if self._sweep_s is not None and now_s >= self._sweep_s:
            self._sweep(now_s)

    def rtp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """One packet at an RTP port whose source is yet to be judged; latches to the first valid
        one. With SRTP only what authenticates is valid, and RTCP never is."""
        is_known = leg.latch.source == source
        if not is_rtp(packet) and not (is_known and len(packet) > 1 and is_rtcp(packet)):
            return
        opened = leg.opened(packet)
        if opened is None:
            return
        verdict = leg.latch.judge(source, now_s)
        if verdict is Verdict.STRANGER:
            leg.strangers += 1
            return
        if verdict is Verdict.LATCHED:
            leg.use(_wire(leg).latch(source))
        with suppress(OSError):
            leg.relay(leg, opened, len(opened), int(now_s * 1_000_000))

    def rtcp_received(self, leg: Leg, packet: memoryview, source: Address, now_s: float) -> None:
        """One datagram at an RTCP port: latched, read and passed on, whatever the direction
        attributes say.

        RFC 3264 section 5.1: RTCP goes on while a stream is on hold.
        """
        opened = leg.opened(packet)
        if opened is None or _compound(opened) is None:
            return
        if leg.rtcp_latch.judge(source, now_s) is Verdict.STRANGER:
            leg.strangers += 1
            return
        self._rtcp_accepted(leg, opened, now_s)

    def close(self, now_s: float) -> None:
        """Release every call and close every port, as at the end of the process."""
        for call in tuple(self._calls):
            self._release(Release(call), now_s)
        for wire in self._ready.values():
            wire.close()
        self._ready.clear()

    # --- packets that are looked into -----------------------------------------------------------

    def _examine(self, leg: Leg, packet: memoryview | bytes, now_us: int) -> None:
        """A telephone event, or RTCP that came to the RTP port (RFC 5761)."""
        if not is_rtcp(packet):
            self._keys.event_received(leg, packet, now_us / 1_000_000)
        elif leg.remote is not None and leg.remote.rtcp_mux:
            self._rtcp_accepted(leg, packet, now_us / 1_000_000)

    def _hear(self, leg: Leg, packet: memoryview | bytes, now_us: int) -> None:
        self._keys.heard(leg, packet, now_us / 1_000_000)

    def _rtcp_accepted(self, leg: Leg, packet: memoryview | bytes, now_s: float) -> None:
        """Read the reports in a peer's RTCP, and pass it on."""
        compound = _compound(packet)
        peer = leg.peer
        if compound is None or peer is None:
            return
        for report in reports(compound):
            _read_report(report, leg, peer, now_s)
        _transmit_rtcp(peer, packet)

    def _note(self, notice: PlaneNotice) -> None:
        self._notices.append(notice)

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
            leg.examine, leg.hear = self._examine, self._hear
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
        leg.secure()
        if moved or leg.latch.source is None:
            self._open_latches(leg, now_s)
        leg.heard_s = now_s
        leg.timed_out = False
        self._arrange_around(leg)

    def _bridge(self, command: Bridge, now_s: float) -> None:
        one = self._leg(command.call, command.leg_a)
        other = self._leg(command.call, command.leg_b)
        if one is None or other is None:
            return
        for leg in (one, other):
            leg.latch.extend(now_s)
            leg.rtcp_latch.extend(now_s)
        join(one, other)
        self._arrange_around(one)

    def _play_tone(self, command: PlayTone, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is not None:
            self._playback.play(leg, command, now_s)

    def _stop_tone(self, command: StopTone, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is not None:
            self._playback.stop(leg)

    def _send_digits(self, command: SendDigits, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is not None:
            self._keys.send(leg, command.digits, now_s)

    def _listen_digits(self, command: ListenDigits, now_s: float) -> None:
        leg = self._leg(command.call, command.leg)
        if leg is not None:
            leg.digits_wanted = command.wanted
            self._keys.arrange(leg)

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
        self._playback.forget(leg)
        self._keys.forget(leg)
        leg.peer = leg.sink = None
        leg.transmit = transmit_nowhere  # may be a method of the leg: a cycle
        leg.plain_transmit = leg.raw_transmit = transmit_nowhere
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

    def _arrange_around(self, leg: Leg) -> None:
        """What signalling says of a leg has changed: where its and its peer's packets go, and what
        is looked into."""
        rewire_around(leg)
        self._keys.arrange(leg)
        if leg.peer is not None:
            self._keys.arrange(leg.peer)

    # --- watching -------------------------------------------------------------------------------

    def _sweep(self, now_s: float) -> None:
        self._sweep_s = now_s + SWEEP_INTERVAL_S
        for call, legs in self._calls.items():
            self._note_heard(call, legs)
            for leg in legs.values():
                if leg.standing is not None and leg.peer is not None:
                    is_heard = leg.peer.received.packets != leg.peer.packets_swept
                    self._playback.yield_to_peer(leg, is_heard, now_s)
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


def _compound(packet: memoryview | bytes) -> tuple[RtcpPacket, ...] | None:
    try:
        return parse_compound(packet)
    except MalformedPacket:
        return None


def _transmit_rtcp(leg: Leg, packet: memoryview | bytes) -> None:
    """Send RTCP to a leg's peer: sealed if it has keys, over the port that it shares with RTP if it
    does."""
    octets = packet if leg.channel is None else leg.channel.seal(packet)
    if octets is None:
        return
    if leg.remote is not None and leg.remote.rtcp_mux:
        with suppress(OSError):
            leg.raw_transmit(octets)
        return
    destination = leg.rtcp_destination()
    if destination is not None:
        _wire(leg).transmit_rtcp(octets, destination)


def _read_report(report: Report, leg: Leg, peer: Leg, now_s: float) -> None:
    if report.sender is not None:
        peer.feedback.sender_report_relayed(report.sender, now_s)
    relayed = peer.received  # what ``leg``'s peer hears is what ``peer`` received
    leg.feedback.report_received(report, ssrc=relayed.ssrc, clock_hz=relayed.clock_hz, now_s=now_s)


def _chunks(calls: list[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(calls), size):
        yield tuple(calls[start : start + size])
