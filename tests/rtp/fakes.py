"""A plane without sockets: wires that note what was sent, and packets to feed it."""

from __future__ import annotations

import itertools

from rtp.errors import CannotBind
from rtp.leg import Leg
from rtp.messages import (
    Bridge,
    Format,
    LegAt,
    OpenPorts,
    PlaneCommand,
    PlaneNotice,
    SetRemote,
    UsePorts,
)
from rtp.packet import RtpPacket
from rtp.plane import MediaPlane
from rtp.wire import Address, Packet, PacketReceiver, Transmit, transmit_nowhere

HOST = "192.0.2.1"
PCMA = Format(8, "PCMA", 8000)
PHONE_A: Address = ("198.51.100.1", 4000)
PHONE_B: Address = ("198.51.100.2", 5000)
STRANGER: Address = ("203.0.113.66", 6666)


class FakeWire:
    """A ``LegWire`` that keeps every packet with the address that it went to."""

    leg: Leg

    def __init__(self, wires: FakeWires, host: str, port: int) -> None:
        self._wires = wires
        self._at = host, port
        self.sent: list[tuple[bytes, Address]] = []
        self.sent_rtcp: list[tuple[bytes, Address]] = []
        self.heard: Address | None = None  # ``None``: everybody
        self.closed = False
        self.refuses = False  # as a connected socket does after an ICMP error

    def begin(self, leg: Leg) -> None:
        assert (leg.bind_host, leg.port) == self._at
        self.leg = leg
        self.sent, self.sent_rtcp, self.heard = [], [], None
        self._wires.open[leg.call, leg.name] = self

    def rest(self) -> None:
        del self._wires.open[self.leg.call, self.leg.name]

    def aim(self, address: Address) -> Transmit:
        self.heard = None
        return lambda packet: self.sent.append((bytes(packet), address))

    def latch(self, source: Address) -> Transmit:
        self.heard = source

        def transmit(packet: Packet) -> object:
            if self.refuses:
                raise ConnectionRefusedError
            return self.sent.append((bytes(packet), source))

        return transmit

    def silence(self) -> Transmit:
        self.heard = None
        return transmit_nowhere

    def transmit_rtcp(self, packet: Packet, address: Address) -> None:
        self.sent_rtcp.append((bytes(packet), address))

    def close(self) -> None:
        self.closed = True
        del self._wires.bound[self._at]


class FakeWires:
    """Makes ``FakeWire``s: all that are ``bound``, and those ``open`` for a leg.

    Ports in ``taken`` are in use, hosts in ``foreign`` are not ours.
    """

    def __init__(self) -> None:
        self.bound: dict[tuple[str, int], FakeWire] = {}
        self.open: dict[tuple[str, str], FakeWire] = {}
        self.taken: set[int] = set()
        self.foreign: set[str] = set()

    def __call__(self, host: str, port: int, receiver: PacketReceiver) -> FakeWire:
        if port in self.taken:
            raise CannotBind(f"cannot bind {host}:{port}: in use", in_use=True)
        if host in self.foreign:
            raise CannotBind(f"cannot bind {host}:{port}: not ours", in_use=False)
        assert (host, port) not in self.bound, "bound twice"
        wire = self.bound[host, port] = FakeWire(self, host, port)
        return wire


class PlaneBench:
    """A plane, its fake wires and a clock that tests move."""

    def __init__(self, *, timeout_s: float = 60.0) -> None:
        numbers = itertools.count(1000)
        self.wires = FakeWires()
        self._ports = itertools.count(20000, 2)
        self.now_s = 100.0
        self.plane = MediaPlane(
            wires=self.wires,
            timeout_s=timeout_s,
            random_u32=lambda: next(numbers),
        )

    def tell(self, *commands: PlaneCommand) -> list[PlaneNotice]:
        """Execute and return the notices that it led to."""
        for command in commands:
            self.plane.execute(command, self.now_s)
        return self.plane.take_notices()

    def advance(self, seconds: float) -> list[PlaneNotice]:
        """Let time pass, waking the plane at each of its deadlines."""
        until_s = self.now_s + seconds
        while (deadline_s := self.plane.next_deadline_s()) is not None and deadline_s <= until_s:
            self.now_s = max(self.now_s, deadline_s)
            self.plane.expire(self.now_s)
        self.now_s = until_s
        return self.plane.take_notices()

    def open_legs(self, *legs: str, call: str = "call", host: str = HOST) -> None:
        """Legs of a call, each on a new port."""
        at = tuple(LegAt(leg, host, next(self._ports)) for leg in legs)
        self.tell(OpenPorts(host, tuple(each.port for each in at)), UsePorts(call, at))

    def wire(self, leg: str, call: str = "call") -> FakeWire:
        """The wire of an open leg."""
        return self.wires.open[call, leg]

    def rtp(self, leg: str, source: Address, packet: bytes, call: str = "call") -> None:
        """A packet comes to a leg, unless the kernel of a connected socket would drop it."""
        wire = self.wire(leg, call)
        if wire.heard in (None, source):
            view = memoryview(bytearray(packet))
            self.plane.rtp_received(wire.leg, view, source, self.now_s)

    def rtcp(self, leg: str, source: Address, packet: bytes, call: str = "call") -> None:
        """An RTCP datagram comes to a leg."""
        wire = self.wire(leg, call)
        self.plane.rtcp_received(wire.leg, memoryview(packet), source, self.now_s)

    def bridged_call(self, call: str = "call", *, expects_media: bool = False) -> None:
        """Two legs "a" and "b", both with a remote address, bridged; nothing latched yet."""
        self.open_legs("a", "b", call=call)
        self.tell(
            remote("a", PHONE_A, call=call, expects_media=expects_media),
            remote("b", PHONE_B, call=call, expects_media=expects_media),
            Bridge(call, "a", "b"),
        )


def remote(leg: str, address: Address, *, call: str = "call", **changes: object) -> SetRemote:
    """A ``SetRemote`` whose signalling comes from the media's host, unless changed."""
    given: dict[str, object] = {
        "signalling_host": address[0],
        "formats": (PCMA,),
        **changes,
    }
    return SetRemote(call, leg, address[0], address[1], **given)  # type: ignore[arg-type]


def voice(sequence: int, *, ssrc: int = 0xA, payload_type: int = 8, marker: bool = False) -> bytes:
    """A packet of 20 ms G.711 in a stream that began at sequence 0."""
    return bytes(
        RtpPacket(
            payload_type=payload_type,
            sequence=sequence & 0xFFFF,
            timestamp=160 * sequence & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=bytes((sequence & 0xFF,)) * 160,
            marker=marker,
        )
    )
