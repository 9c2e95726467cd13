"""One leg: a port pair, the peer behind it, and what is known of its media."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from media.dtmf_detect import ToneDetector
from rtp.bridge import relay, relay_heard, relay_opened
from rtp.feedback import PathFeedback
from rtp.latching import Latch
from rtp.messages import LegStatistics, PlayTone, SetRemote
from rtp.packet import MARKER_BIT, MARKER_OFFSET, STATIC_FORMATS
from rtp.player import ToneStream
from rtp.quality import estimate_mos
from rtp.reception import Reception
from rtp.srtp import SrtpChannel
from rtp.telephone_event import EventReader
from rtp.wire import Address, LegWire, Packet, Transmit, sendable_address, transmit_nowhere

# The leg, the receive buffer, how many octets of it are the packet, and when it came.
Relay = Callable[["Leg", "memoryview | bytes", int, int], None]
# The leg, one packet of it, and when it came.
Examine = Callable[["Leg", "memoryview | bytes", int], None]


def examine_nothing(leg: Leg, packet: memoryview | bytes, now_us: int) -> None:
    """For a leg that no plane has taken."""


@dataclass(slots=True, eq=False)
class Leg:
    """State of one leg. The plane changes it; the relay loop reads ``take``, ``sink`` and
    ``transmit``, which are kept ready so that relaying a packet asks nothing.

    ``take`` is given each packet as it comes from the socket, ``relay`` as it is once opened.
    ``sink`` is the leg to which this one's packets go now, ``None`` while they go nowhere.
    ``transmit`` sends one packet to this leg's peer; ``plain_transmit`` without the mark of a
    talkspurt, ``raw_transmit`` without sealing it.
    """

    call: str
    name: str
    bind_host: str
    port: int
    wire: LegWire | None = None
    peer: Leg | None = None
    sink: Leg | None = None
    transmit: Transmit = transmit_nowhere
    remote: SetRemote | None = None
    rtp_address: Address | None = None  # of the SDP, ``None``: nowhere to send
    rtcp_address: Address | None = None
    latch: Latch = field(default_factory=Latch)
    rtcp_latch: Latch = field(default_factory=Latch)
    received: Reception = field(default_factory=Reception)
    feedback: PathFeedback = field(default_factory=PathFeedback)
    take: Relay = relay
    relay: Relay = relay
    examine: Examine = examine_nothing  # told of telephone events, and of RTCP on the RTP port
    hear: Examine = examine_nothing  # told of all packets while ``ear`` is there
    channel: SrtpChannel | None = None
    tone: ToneStream | None = None
    standing: PlayTone | None = None  # what plays until it is stopped
    events: EventReader = field(default_factory=EventReader)
    ear: ToneDetector | None = None
    digits_wanted: bool = False
    digits_waiting: str = ""  # to be sent when those that are being sent are over
    key_down_s: float | None = None  # since when a key of this leg sounds at its peer
    packets_sent: int = 0
    unauthenticated: int = 0
    strangers: int = 0
    packets_swept: int = 0
    heard_s: float = 0.0  # the last sweep that found new packets, or the last SetRemote
    timed_out: bool = False
    plain_transmit: Transmit = transmit_nowhere
    raw_transmit: Transmit = transmit_nowhere

    def learn(self, remote: SetRemote) -> bool:
        """Take over what signalling says; True when another source is to be latched."""
        rtp_address = sendable_address(remote.host, remote.port, self.bind_host)
        rtcp_port = remote.rtcp_port or remote.port + 1
        moved = self.remote is None or remote.relatch or rtp_address != self.rtp_address
        self.remote = remote
        self.rtp_address = rtp_address
        self.rtcp_address = (
            sendable_address(remote.host, rtcp_port, self.bind_host) if rtp_address else None
        )
        self.received.set_formats(
            {each.payload_type: (each.encoding, each.clock_hz) for each in remote.formats}
        )
        return moved

    def secure(self) -> None:
        """Take over the keys that signalling said last."""
        security = self.remote.security if self.remote else ()
        channel = SrtpChannel(security[0], self.channel) if security else None
        if channel is not None or self.channel is not None:
            self.channel = channel
            self.use(self.raw_transmit)
        self.arrange()

    def arrange(self) -> None:
        """Decide anew what each packet of this peer goes through."""
        self.relay = relay_heard if self.ear is not None else relay
        self.take = self.relay if self.channel is None else relay_opened

    def opened(self, packet: memoryview | bytes) -> memoryview | bytes | None:
        """A packet of this peer without its seal, ``None`` and counted when that is broken."""
        if self.channel is None:
            return packet
        opened = self.channel.open(packet)
        if opened is None:
            self.unauthenticated += 1
        return opened

    def use(self, transmit: Transmit) -> None:
        """Send to the peer by ``transmit`` from now on, sealed if there are keys."""
        plain = transmit if self.channel is None else _sealing(self.channel, transmit)
        if self.transmit == self.plain_transmit:
            self.transmit = plain
        self.plain_transmit, self.raw_transmit = plain, transmit

    def resume(self) -> None:
        """Mark the next relayed packet as the begin of a talkspurt: a tone played before it.

        The relayed stream has gone on without this leg, so its receiver sees a gap under an SSRC
        that it knows; the marker lets it adapt its playout there (RFC 3551 section 4.1).
        """
        self.transmit = self._transmit_marked

    def is_hearing(self) -> bool:
        """Whether media may be sent to this peer: it has an address and its direction allows it."""
        return self.remote is not None and self.remote.receives and self.can_be_reached()

    def can_be_reached(self) -> bool:
        """Whether there is an address to send to, by SDP or by latching."""
        return self.rtp_address is not None

    def plays_tone(self) -> bool:
        """Whether a tone replaces what is relayed to this leg."""
        return self.tone is not None and self.tone.is_playing

    def rtcp_destination(self) -> Address | None:
        """Where RTCP for this peer goes: the source of its own, or the SDP's address."""
        return self.rtcp_latch.source or self.rtcp_address

    def statistics(self) -> LegStatistics:
        """The figures of the leg so far."""
        received = self.received
        return LegStatistics(
            leg=self.name,
            packets_received=received.packets,
            packets_sent=self.packets_sent,
            octets_received=received.octets,
            packets_lost=received.packets_lost,
            jitter_ms=_rounded(received.jitter_ms),
            round_trip_ms=_rounded(self.feedback.round_trip_ms),
            remote_lost=self.feedback.packets_lost,
            remote_jitter_ms=_rounded(self.feedback.jitter_ms),
            mos=self._mos(),
            source=address_text(self.latch.source),
            strangers=self.strangers,
            encrypted=self.channel is not None,
            unauthenticated=self.unauthenticated,
        )

    def _mos(self) -> float | None:
        if not self.received.packets:
            return None
        return estimate_mos(
            self._encoding(),
            packets_expected=self.received.packets_expected,
            packets_lost=self.received.packets_lost,
            round_trip_ms=self.feedback.round_trip_ms,
            jitter_ms=self.received.jitter_ms,
        )

    def _encoding(self) -> str:
        payload_type = self.received.payload_type
        negotiated: Mapping[int, str] = {
            each.payload_type: each.encoding
            for each in (self.remote.formats if self.remote else ())
        }
        static, _ = STATIC_FORMATS.get(payload_type or 0, ("", 0))
        return negotiated.get(-1 if payload_type is None else payload_type, static)

    def _transmit_marked(self, packet: Packet) -> object:
        self.transmit = self.plain_transmit
        marked = bytearray(packet)
        marked[MARKER_OFFSET] |= MARKER_BIT
        return self.plain_transmit(marked)


def _sealing(channel: SrtpChannel, transmit: Transmit) -> Transmit:
    def sealed(packet: Packet) -> object:
        octets = channel.seal(packet)
        return None if octets is None else transmit(octets)

    return sealed


def address_text(address: Address | None) -> str:
    """ "host:port" with brackets around IPv6, "" for none."""
    if address is None:
        return ""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
