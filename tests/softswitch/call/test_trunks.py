"""The carriers beside calls: registered as the snapshot says, probed, shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from twisted.internet.task import Clock

from sip.flow import Address, Flow
from sip.message import Request
from sip.parser import parse_message
from softswitch.call.hosts import Hosts
from softswitch.call.legs import OwnRequest
from softswitch.call.trunk_requests import PROBE_WAIT_S
from softswitch.call.trunks import REPLACED_WAIT_S, TICK_S, Trunks
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk, TrunkLogin, TrunkRegistration
from softswitch.snapshot import SnapshotHolder
from tests.simulation.wire import make_stack
from tests.sip.answers import answered
from tests.softswitch.call.fake_dns import FakeDns

HERE = Address("192.0.2.1", 5060)
NOON_US = 1_769_860_800_000_000  # 2026-01-31 12:00 UTC
REGISTRATION = TrunkRegistration("sip:192.0.2.8", "user", "line", 3600)
LINE = Trunk(
    "line", (), "sip:192.0.2.9", "e164", 0,
    login=TrunkLogin("user", "secret"), registration=REGISTRATION,
)  # fmt: skip
PROBED = Trunk("probed", (), "sip:192.0.2.10", "e164", 0, probe_s=30)


class Rim:
    """The service on a clock, with a stack whose bytes stay here."""

    def __init__(self, *trunks: Trunk) -> None:
        self.clock = Clock()
        self.live = LiveCalls()
        self.snapshots = SnapshotHolder()
        self.dns = FakeDns()
        self.stack = make_stack("switch")
        self.sent: list[Request] = []
        tokens = count()
        self.trunks = Trunks(
            reactor=self.clock,
            stack=self.stack,
            sip=self,
            snapshots=self.snapshots,
            live=self.live,
            where=Hosts(
                self.dns.ask,
                {"udp": ("A",), "tcp": ("A",)},
                now_s=self.clock.seconds,
                draw=lambda most: 0,
            ).where,
            advertised="",
            now_s=self.clock.seconds,
            now_us=lambda: NOON_US + round(self.clock.seconds() * 1_000_000),
            token=lambda: f"t{next(tokens)}",
            chance=lambda: 0.0,
        )
        self.say(*trunks)
        self.trunks.startService()

    def say(self, *trunks: Trunk) -> None:
        """Another state file was applied."""
        named = {trunk.name: trunk for trunk in trunks}
        self.snapshots.current = RoutingSnapshot(trunks=named)

    def wait(self, seconds: float) -> None:
        """Let the time pass, turn by turn."""
        for _ in range(round(seconds / TICK_S)):
            self.clock.advance(TICK_S)
            self.stack.advance(self.clock.seconds())
            self.flush()

    def answer(self, request: Request, status: int, *headers: tuple[str, str]) -> None:
        """A carrier answers."""
        response = answered(request, status, to_tag="x", headers=headers)
        flow = Flow("udp", HERE, Address("192.0.2.8", 5060))
        self.stack.receive(bytes(response), flow, self.clock.seconds())
        self.flush()

    def rows(self) -> Mapping[str, dict[str, object]]:
        """``show trunks`` by name."""
        return {row["name"]: row for row in self.trunks.rows()}

    # What the service needs of the SIP service

    def flush(self) -> None:
        """Events to their owners, as calls do; bytes to the test."""
        for event in self.stack.take_events():
            owner = event.transaction.owner
            assert isinstance(owner, OwnRequest)
            tell = owner.responded if hasattr(event, "response") else owner.failed
            tell(event, self.clock.seconds())  # type: ignore[arg-type]
        for data, _ in self.stack.take_outgoing():
            message = parse_message(data)
            assert isinstance(message, Request)
            if not any(message.branch == known.branch for known in self.sent):
                self.sent.append(message)

    def contact_address(self, flow: Flow) -> Address:
        """There is one."""
        return flow.local

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """From it."""
        return Flow(transport, HERE, remote) if remote.host[0].isdigit() else None


def test_registers_at_once_and_says_until_when() -> None:
    """And knows from where calls of the trunk come."""
    rim = Rim(LINE)
    (register,) = rim.sent
    assert register.method == "REGISTER"
    assert rim.rows()["line"]["state"] == "unregistered"
    rim.answer(register, 200)
    row = rim.rows()["line"]
    assert row["registered_until"] == "2026-01-31T13:00:00.000Z"
    assert row["state"] == "unknown"  # nobody asks whether it answers calls
    assert rim.live.trunks.registrars == {"192.0.2.8": ("line",), "192.0.2.9": ("line",)}
    assert rim.trunks.counts() == {"trunks": 1, "trunks_down": 0, "trunks_unregistered": 0}


def test_a_refusal_is_shown() -> None:
    """The registrar's words."""
    rim = Rim(LINE)
    rim.answer(rim.sent[0], 403)
    row = rim.rows()["line"]
    assert (row["state"], row["last_error"]) == ("unregistered", "403 Forbidden")


def test_follows_the_snapshot() -> None:
    """A changed registration is taken back before the new one begins; the same one stays."""
    rim = Rim(LINE)
    rim.answer(rim.sent[0], 200)
    rim.say(replace(LINE))  # read again, nothing changed
    rim.wait(1)
    assert len(rim.sent) == 1
    rim.say(replace(LINE, registration=replace(REGISTRATION, contact_user="other")))
    rim.wait(TICK_S)
    assert rim.sent[-1].expires == 0
    rim.wait(REPLACED_WAIT_S)
    assert rim.sent[-1].contacts[0].uri.user == "other"
    rim.say()
    rim.wait(TICK_S)
    assert rim.rows() == {}
    assert rim.trunks.counts()["trunks"] == 0


def test_takes_the_registrations_back_at_the_end() -> None:
    """And waits no longer than it must."""
    rim = Rim(LINE)
    rim.answer(rim.sent[0], 200)
    stopped = rim.trunks.stopService()
    assert not stopped.called
    rim.answer(rim.sent[-1], 200)
    rim.clock.advance(0.2)
    assert stopped.called


def test_a_silent_carrier_is_asked_again_at_once_and_then_down() -> None:
    """The first question after an interval, its answer is awaited as a call would."""
    rim = Rim(PROBED)
    rim.wait(31)
    assert [request.method for request in rim.sent] == ["OPTIONS"]
    rim.wait(PROBE_WAIT_S)
    assert rim.rows()["probed"]["state"] == "suspect"
    assert len(rim.sent) == 2
    rim.wait(PROBE_WAIT_S + 1)
    row = rim.rows()["probed"]
    assert (row["state"], row["last_error"]) == ("down", "no answer to OPTIONS")
    assert rim.trunks.counts()["trunks_down"] == 1
    rim.wait(30)
    rim.answer(rim.sent[-1], 483)
    assert rim.rows()["probed"]["state"] == "up"


def test_a_name_that_leads_elsewhere_is_asked_there() -> None:
    """DNS may change under way; nothing is asked while it does not resolve."""
    rim = Rim(replace(PROBED, destination="sip:sip.example.net"))
    rim.wait(31)
    assert rim.sent == []
    rim.dns.zone["A sip.example.net"] = ("192.0.2.77",)
    rim.wait(330)  # that there is none is remembered for five minutes
    assert rim.sent[0].uri == "sip:sip.example.net"
