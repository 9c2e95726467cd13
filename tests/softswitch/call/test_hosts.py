"""Destinations given by name: known before they are needed, and while DNS is away."""

from __future__ import annotations

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from sip.dns_cache import RETRY_S, STALE_MAX_S
from sip.dns_records import Answer, Srv
from sip.resolution import CANDIDATES_MAX
from softswitch.call.hosts import IN_FLIGHT_MAX, Hosts
from softswitch.routing.model import RoutingSnapshot
from softswitch.snapshot import SnapshotHolder
from tests.softswitch.call.fake_dns import TTL_S, FakeDns

TRUNK = "sip:carrier.example"
ZONE: dict[str, Answer] = {
    "SRV _sip._udp.carrier.example": (Srv(1, 1, 5062, "a.example"), Srv(2, 1, 5063, "b.example")),
    "A a.example": ("192.0.2.1",),
    "A b.example": ("192.0.2.2",),
}
QUESTIONS = ["NAPTR carrier.example", *ZONE]
BOTH = ["192.0.2.1:5062", "192.0.2.2:5063"]


class HostsCase(SynchronousTestCase):
    """Hosts with a clock and a name server of the test."""

    def setUp(self) -> None:
        self.dns = FakeDns(ZONE)
        self.now_s = 1000.0
        self.hosts = Hosts(
            self.dns.ask, {"udp": ("A",)}, now_s=lambda: self.now_s, draw=lambda _: 0
        )

    def keep(self, after_s: float = 0.0) -> None:
        """Time passes, and the trunks' destinations are looked at."""
        self.now_s += after_s
        self.hosts.keep([TRUNK])

    def ways(self, destination: str = TRUNK) -> list[str]:
        """The addresses that a call would try now."""
        return [str(address) for _, address in self.hosts.where(destination).candidates]


class AheadTests(HostsCase):
    """Nothing is asked for when a call needs it."""

    def test_a_destination_is_followed_to_its_addresses(self) -> None:
        """One question leads to the next; a call finds all of them answered."""
        self.keep()
        assert self.dns.taken() == QUESTIONS
        assert self.ways() == BOTH
        assert self.dns.taken() == []

    def test_answers_are_renewed_before_they_end(self) -> None:
        """The call before the end and the one after it ask nothing."""
        self.keep()
        self.dns.taken()
        self.keep(TTL_S * 0.7)
        assert self.dns.taken() == []
        self.keep(TTL_S * 0.2)
        assert self.dns.taken() == QUESTIONS
        self.now_s += TTL_S * 0.2
        assert self.ways() == BOTH
        assert self.dns.taken() == []

    def test_a_change_is_seen(self) -> None:
        """By the first call after the renewal."""
        self.keep()
        self.dns.zone["A a.example"] = ("192.0.2.77",)
        self.keep(TTL_S)
        assert self.ways()[0] == "192.0.2.77:5062"

    def test_one_question_is_asked_once(self) -> None:
        """However many calls wait for the same name."""
        self.dns.slow = True
        for _ in range(5):
            assert self.ways() == []
            assert self.ways("sip:carrier.example;transport=udp") == []
        assert self.dns.taken() == ["NAPTR carrier.example", "SRV _sip._udp.carrier.example"]
        self.dns.answer()
        assert sorted(self.dns.taken()) == ["A a.example", "A b.example"]

    def test_idle_is_told_when_everything_was_answered(self) -> None:
        """What a start waits for."""
        self.dns.slow = True
        self.keep()
        idle = self.hosts.idle()
        for _ in range(3):
            self.assertNoResult(idle)
            self.dns.answer()
        self.successResultOf(idle)
        self.successResultOf(self.hosts.idle())

    def test_numeric_destinations_ask_nobody(self) -> None:
        """And what is no URI is a reason."""
        assert self.ways("sip:192.0.2.9:5070") == ["192.0.2.9:5070"]
        assert self.hosts.where("no uri").reason
        assert self.dns.taken() == []

    def test_every_address_of_what_is_kept_is_known(self) -> None:
        """Carriers have no limits, also those that one call would not get to; until they are kept
        no longer."""
        many = tuple(f"198.51.100.{number}" for number in range(CANDIDATES_MAX * 2))
        self.dns.zone["A b.example"] = many
        self.dns.slow = True
        self.hosts.keep([TRUNK, "sip:192.0.2.9:5070", "no uri"])
        assert self.hosts.addresses == {"192.0.2.9"}
        for _ in range(3):
            self.dns.answer()
        assert self.hosts.addresses == {"192.0.2.9", "192.0.2.1", *many}
        self.keep()
        assert self.hosts.addresses == {"192.0.2.1", *many}
        self.hosts.keep([])
        assert self.hosts.addresses == frozenset()

    def test_addresses_are_known_as_requests_come_from_them(self) -> None:
        """However the trunk's URI writes them."""
        hosts = Hosts(self.dns.ask, {"udp": ("AAAA",)}, now_s=lambda: 0.0, draw=lambda _: 0)
        hosts.keep(["sip:[2001:DB8:0::9]"])
        assert hosts.addresses == {"2001:db8::9"}

    def test_questions_at_once_are_bounded(self) -> None:
        """A carrier could show a new name with each call."""
        self.dns.slow = True
        for number in range(IN_FLIGHT_MAX + 50):
            self.ways(f"sip:h{number}.example:5060")
        assert len(self.dns.taken()) == IN_FLIGHT_MAX


class OutageTests(HostsCase):
    """Calls go on while DNS is away, and people are told."""

    def setUp(self) -> None:
        super().setUp()
        self.told: list[LogEvent] = []
        globalLogPublisher.addObserver(self.told.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.told.append)

    def levels(self) -> list[str]:
        """The levels of the lines since the last time."""
        told, self.told[:] = list(self.told), []
        return [event["log_level"].name for event in told]

    def test_what_was_answered_before_is_used_for_a_day(self) -> None:
        """Then the reason is told instead."""
        self.keep()
        self.dns.down = True
        for _ in range(3):
            self.keep(STALE_MAX_S / 4)
            assert self.ways() == BOTH
        self.keep(STALE_MAX_S / 2)
        found = self.hosts.where(TRUNK)
        assert found.candidates == ()
        assert found.reason == "SRV _sip._udp.carrier.example: no name server answers"

    def test_an_outage_and_its_end_are_told_once(self) -> None:
        """However often it is tried meanwhile."""
        self.keep()
        self.dns.down = True
        for _ in range(10):
            self.keep(TTL_S)
        assert self.levels() == ["warn"]
        self.dns.down = False
        self.keep(RETRY_S)
        assert self.levels() == ["info"]

    def test_a_name_that_is_unknown_at_first_is_found_later(self) -> None:
        """It is tried every few seconds."""
        self.dns.down = True
        self.keep()
        assert self.ways() == []
        self.dns.down = False
        self.keep(RETRY_S)
        assert self.ways() == BOTH

    def test_a_trunk_without_address_is_told_once(self) -> None:
        """And once more when that changes."""
        self.dns.zone.clear()
        for _ in range(3):
            self.keep(TTL_S)
        assert self.levels() == ["warn"]
        self.dns.zone.update(ZONE)
        self.keep(TTL_S)
        assert self.levels() == ["info"]


def test_replacing_the_whole_snapshot_is_told() -> None:
    """An applied state file may bring trunks with new names."""
    told: list[RoutingSnapshot] = []
    holder = SnapshotHolder()
    holder.on_whole = lambda: told.append(holder.current)
    new = RoutingSnapshot(brand="new")
    holder.publish(new, {})
    assert told == [new]
