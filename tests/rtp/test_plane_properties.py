"""Whatever signalling says and whoever sends: what is relayed came from a host that was named."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.messages import (
    Bridge,
    PlayTone,
    Release,
    SetRemote,
    StopTone,
)
from rtp.packet import RtpPacket
from rtp.wire import Address
from tests.rtp.fakes import PCMA, PlaneBench, voice

HOSTS = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.66"]
LEGS = ["a", "b", "c"]
FIRST_TONE_SSRC = 1000  # what the bench gives as random numbers

Signal = SetRemote | Bridge | PlayTone | StopTone

hosts = st.sampled_from(HOSTS)
ports = st.sampled_from([4000, 4002])
legs = st.sampled_from(LEGS)


@dataclass(frozen=True)
class Heard:
    """A packet that comes to a leg."""

    leg: str
    source: Address


@dataclass(frozen=True)
class Wait:
    """Time that passes."""

    seconds: float


commands: st.SearchStrategy[Signal] = st.one_of(
    st.builds(
        SetRemote,
        call=st.just("call"),
        leg=legs,
        host=st.sampled_from([*HOSTS[:3], "0.0.0.0", "phone.example"]),
        port=st.sampled_from([0, 4000, 4002]),
        signalling_host=st.sampled_from([*HOSTS[:3], ""]),
        formats=st.just((PCMA,)),
        sends=st.booleans(),
        receives=st.booleans(),
        expects_media=st.booleans(),
        relatch=st.booleans(),
        rtcp_mux=st.booleans(),
        security=st.just(()),
    ),
    st.builds(Bridge, call=st.just("call"), leg_a=legs, leg_b=legs),
    st.builds(
        PlayTone,
        call=st.just("call"),
        leg=legs,
        tone=st.sampled_from(["busy", "fanfare"]),
        duration_s=st.sampled_from([0.0, 0.1]),
    ),
    st.builds(StopTone, call=st.just("call"), leg=legs),
)
steps = st.lists(
    commands
    | st.builds(Heard, leg=legs, source=st.tuples(hosts, ports))
    | st.builds(Wait, st.floats(0, 40)),
    max_size=40,
)


class Watched:
    """A call of three legs that checks every packet that leaves."""

    def __init__(self) -> None:
        self.bench = PlaneBench()
        self.named: dict[str, set[str]] = {leg: set() for leg in LEGS}
        self.told: dict[str, SetRemote] = {}
        self.sequence = 0
        self.bench.open_legs(*LEGS)

    def take(self, step: Signal | Heard | Wait) -> None:
        if isinstance(step, Heard):
            self.hear(step)
        elif isinstance(step, Wait):
            self.bench.advance(step.seconds)
            self.check(None)
        else:
            self.obey(step)

    def obey(self, command: Signal) -> None:
        if isinstance(command, SetRemote):
            self.told[command.leg] = command
            self.named[command.leg] = {command.host, command.signalling_host} | (
                self.latched_host(command.leg)
            )
        self.bench.tell(command)

    def latched_host(self, leg: str) -> set[str]:
        """A source that signalling did not move away from stays the peer's."""
        heard = self.bench.wire(leg).heard
        return {heard[0]} if heard else set()

    def hear(self, heard: Heard) -> None:
        self.sequence += 1
        packet = voice(self.sequence, ssrc=HOSTS.index(heard.source[0]))
        self.bench.rtp(heard.leg, heard.source, packet)
        self.check(heard)

    def check(self, cause: Heard | None) -> None:
        for leg in LEGS:
            wire = self.bench.wire(leg)
            for data, address in wire.sent:
                self.check_sent(leg, RtpPacket.parse(data), address, cause)
            wire.sent.clear()

    def check_sent(
        self, leg: str, packet: RtpPacket, address: Address, cause: Heard | None
    ) -> None:
        assert self.told[leg].receives, "sent to a leg that does not receive"
        assert address[0] in self.named[leg], "sent to a host that nobody named"
        if packet.ssrc >= FIRST_TONE_SSRC:
            return
        assert cause is not None, "relayed out of nothing"
        assert self.told[cause.leg].sends, "relayed from a leg that must not send"
        assert cause.source[0] in self.named[cause.leg], "relayed from a stranger"
        assert packet.ssrc == HOSTS.index(cause.source[0])


@settings(max_examples=150, deadline=None)
@given(script=steps)
def test_strangers_are_never_relayed_nor_sent_to(script: list[Signal | Heard | Wait]) -> None:
    """Over any script of signalling, packets, tones and time, and nothing stays open after it."""
    watched = Watched()
    for step in script:
        watched.take(step)
    watched.bench.tell(Release("call"))
    assert watched.bench.wires.open == {}
    assert len(watched.bench.wires.bound) == len(LEGS), "ports are held ready"
    assert watched.bench.plane.next_deadline_s() is None
