"""What is said to the media plane and what it says back: the whole interface of ``rtp/``.

    call control --Command--> rtp.service --PlaneCommand--> rtp.plane
                 <--Notice---             <--PlaneNotice---

The service has every port number and knows which of them a plane holds open, so it answers
``Allocate`` itself; the plane hears of a call with the first command that it has to obey. To the
plane the same values travel by function call (in this process) or over a socket (worker process).
A *call* is one set of legs that may be bridged; a *leg* is one RTP port and its RTCP port.
"""

from __future__ import annotations

from typing import NamedTuple

# --- from call control --------------------------------------------------------------------------


class LegSpec(NamedTuple):
    """A leg to open: its name within the call and the local address that its SDP will show."""

    leg: str
    bind_host: str


class Allocate(NamedTuple):
    """Ports for these legs. Answered by ``Allocated`` or ``AllocationFailed``, all or none."""

    call: str
    legs: tuple[LegSpec, ...]


class Format(NamedTuple):
    """One payload type as negotiated: number, encoding name, clock rate in Hz."""

    payload_type: int
    encoding: str
    clock_hz: int


class Security(NamedTuple):
    """The SRTP keys of a leg (RFC 4568): the suite's name, and master key and salt in base64, of
    what the peer sends and of what we send."""

    suite: str
    their_key: str
    our_key: str


class SetRemote(NamedTuple):
    """What signalling says of the peer; sent again at every new offer or answer.

    ``host``/``port`` are of its SDP (host "0.0.0.0" or port 0: nowhere to send); ``host`` is a
    literal address, names are not resolved. ``signalling_host`` is where its SIP comes from. Only
    sources at one of these two hosts are latched to; the latch opens anew only when host, port or
    ``relatch`` say so. While nothing is latched, each ``SetRemote`` and ``Bridge`` begins the
    window anew in which a source port may differ from the SDP's (``latching.LATCH_WINDOW_S``).
    ``sends``/``receives``: whether this peer may send media to us, and whether we may send media
    to it, by the direction attributes. ``expects_media``: the media timeout watches this leg.
    ``rtcp_mux``: RTCP shares the RTP port (RFC 5761). ``security``: the keys, () for plain RTP; a
    direction whose key stays goes on with its rollover counters and replay windows.
    """

    call: str
    leg: str
    host: str
    port: int
    signalling_host: str
    rtcp_port: int = 0  # 0: port + 1
    formats: tuple[Format, ...] = ()
    sends: bool = True
    receives: bool = True
    expects_media: bool = False
    relatch: bool = False
    rtcp_mux: bool = False
    security: tuple[Security, ...] = ()


class Bridge(NamedTuple):
    """Relay between two legs of the call, both ways; replaces what either was bridged to."""

    call: str
    leg_a: str
    leg_b: str


class PlayTone(NamedTuple):
    """Mix-free playback of a tone to one leg, in place of what is relayed to it, then relay again.

    ``tone`` is a name of ``media.tones`` ("ringback", "busy", "warning", "hold"); ``duration_s`` 0:
    until ``StopTone`` or release, interrupted by tones and digits that end. ``unless_heard``: only
    while nothing comes from the leg's peer. Legs whose codecs we cannot encode hear nothing.
    """

    call: str
    leg: str
    tone: str
    duration_s: float = 0.0
    unless_heard: bool = False


class StopTone(NamedTuple):
    """End the tone that plays to a leg, if any."""

    call: str
    leg: str


class SendDigits(NamedTuple):
    """Press keys (0-9*#A-D, "!" for a hook flash) towards a leg, one after the other: as telephone
    events if it has them (RFC 4733), else as tones in its codec, in place of what is relayed."""

    call: str
    leg: str
    digits: str


class ListenDigits(NamedTuple):
    """Whether keys are wanted of a leg also when it can only send tones: G.711 without telephone
    events. Events are always told."""

    call: str
    leg: str
    wanted: bool


class Release(NamedTuple):
    """Close all legs of the call. Answered by ``Released``, also for a call that is not known."""

    call: str


LegCommand = SetRemote | Bridge | PlayTone | StopTone | SendDigits | ListenDigits | Release
Command = Allocate | LegCommand

# --- from the service to the plane ----------------------------------------------------------------


class OpenPorts(NamedTuple):
    """Bind these RTP ports and their RTCP ports, and hold them ready. Answered by ``PortsOpened``.

    What others hold is skipped; an address that cannot be bound ends the attempt.
    """

    bind_host: str
    ports: tuple[int, ...]


class ClosePorts(NamedTuple):
    """Close ports that are held ready."""

    bind_host: str
    ports: tuple[int, ...]


class LegAt(NamedTuple):
    """A leg, and the port pair that it is to use."""

    leg: str
    bind_host: str
    port: int


class UsePorts(NamedTuple):
    """Take ports that are held ready as legs of a call: new ones, or more of a call's."""

    call: str
    legs: tuple[LegAt, ...]


PlaneCommand = OpenPorts | ClosePorts | UsePorts | LegCommand

# --- to call control ------------------------------------------------------------------------------


class LegPorts(NamedTuple):
    """The RTP port of a leg (even; RTCP is the next one) on its bind host."""

    leg: str
    rtp_port: int


class Allocated(NamedTuple):
    """The ports of the legs that were asked for, in that order."""

    call: str
    legs: tuple[LegPorts, ...]


class AllocationFailed(NamedTuple):
    """No ports (``ports exhausted``), or an address that cannot be bound; nothing is taken."""

    call: str
    reason: str


class LegStatistics(NamedTuple):
    """One leg over its life. Times in ms, ``None`` where it could not be known.

    received/lost/jitter describe what the peer sent us; ``remote_*`` what its RTCP reports say of
    what we sent; ``mos`` is the G.107 estimate (1.0 to 4.5) of what we received.
    """

    leg: str
    packets_received: int = 0
    packets_sent: int = 0
    octets_received: int = 0
    packets_lost: int = 0
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    remote_lost: int | None = None
    remote_jitter_ms: float | None = None
    mos: float | None = None
    source: str = ""  # host:port that was latched to, "" if nothing came
    # Packets dropped because their source was not the peer's. The kernel drops those that come to
    # a latched RTP port, uncounted.
    strangers: int = 0
    encrypted: bool = False  # by the latest that signalling said
    unauthenticated: int = 0  # packets dropped because they were not sealed with the peer's key


class Released(NamedTuple):
    """All legs are closed and their ports at rest; their statistics."""

    call: str
    legs: tuple[LegStatistics, ...] = ()


class MediaTimedOut(NamedTuple):
    """Nothing came for the media timeout from a leg that ``expects_media``; once per silence."""

    call: str
    leg: str


RFC_4733 = "rfc4733"
IN_BAND = "in-band"


class Digit(NamedTuple):
    """A key was pressed at a leg, told when it goes down; ``how``: ``RFC_4733`` or ``IN_BAND``.

    ``passed``: the other leg of its bridge hears it, in whatever way it can.
    """

    call: str
    leg: str
    digit: str
    how: str
    passed: bool


class MediaSeen(NamedTuple):
    """Which calls had RTP since the last such report (every ``SEEN_INTERVAL_S``), for billing."""

    calls: tuple[str, ...]


class MediaLost(NamedTuple):
    """The worker that carried these calls died; their ports are gone."""

    calls: tuple[str, ...]


SEEN_INTERVAL_S = 5.0

Notice = Allocated | AllocationFailed | Released | MediaTimedOut | Digit | MediaSeen | MediaLost

# --- from the plane to the service ----------------------------------------------------------------


class PortsOpened(NamedTuple):
    """The ports of an ``OpenPorts`` that are held ready now; ``reason`` of the last that is not."""

    bind_host: str
    ports: tuple[int, ...]
    reason: str = ""


PlaneNotice = PortsOpened | Released | MediaTimedOut | Digit | MediaSeen
