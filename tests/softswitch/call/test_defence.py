"""Bans in the store, the log and the reports, on both databases."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import LogEvent, globalLogPublisher

from softswitch.call.bans import BanRules, Bans
from softswitch.call.defence import Defence
from softswitch.call.hosts import Hosts
from softswitch.call.view import LiveCalls
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Login, RoutingSnapshot, Trunk
from softswitch.snapshot import SnapshotHolder
from softswitch.store.bans import lift_bans, list_bans
from softswitch.store.database import Database
from tests.softswitch.call.fake_dns import FakeDns

NOON_US = 1_769_860_800_000_000  # 2026-01-31 12:00 UTC
ACCOUNT = AccountId("000000212")


class Site:
    """A defence with its clock; ``restarted`` gives the next one on the same store."""

    def __init__(self, database: Any, wall_us: int = NOON_US, now_s: float = 5000.0) -> None:
        self.database = database
        self.now_s = now_s
        self.wall_us = wall_us
        login = Login("883", ACCOUNT, Extension("101"), {})
        self.snapshots = SnapshotHolder(RoutingSnapshot(logins={"883": login}))
        self.live = LiveCalls()
        self.dns = FakeDns({"A carrier.example": ("203.0.113.7",)})
        self.hosts = Hosts(
            self.dns.ask, {"udp": ("A",)}, now_s=lambda: self.now_s, draw=lambda _: 0
        )
        self.bans = Bans(
            BanRules(after=2, first_s=60.0),
            trusted=lambda host: (
                host in self.snapshots.current.trunk_hosts or host in self.hosts.addresses
            ),
        )
        self.defence = Defence(
            self.bans,
            database,
            self.snapshots,
            self.live,
            self.hosts,
            now_s=lambda: self.now_s,
            now_us=lambda: self.wall_us,
        )

    def tick(self) -> None:
        """One second's work."""
        done(self.defence.tick())

    def ban(self, login: str = "883", source: str = "203.0.113.7") -> None:
        """Two wrong passwords."""
        for _ in range(2):
            self.bans.failed(source, login, self.now_s)

    def restarted(self, after_s: float, *registered: tuple[str, str]) -> Site:
        """The service again, so much later, with these phones still registered."""
        wall_us = self.wall_us + round(after_s * 1_000_000)
        site = Site(self.database, wall_us, now_s=77.0)  # another boot of the host
        done(site.defence.load(registered))
        return site


def done(work: Coroutine[Any, Any, None]) -> None:
    """Run what does not wait."""
    failures: list[Any] = []
    deferred = Deferred.fromCoroutine(work)
    deferred.addErrback(failures.append)
    assert deferred.called
    for failure in failures:
        failure.raiseException()


def test_a_ban_is_reported_and_kept_over_a_restart(database: Database) -> None:
    """The same rows from memory, from the store, and after the restart: kind, whom, why, when."""
    site = Site(database)
    site.ban()
    site.tick()
    row = {
        "kind": "login",
        "source": "203.0.113.7",
        "login": "883",
        "reason": "wrong passwords",
        "since": "2026-01-31T12:00:00.000Z",
        "until": "2026-01-31T12:01:00.000Z",
    }
    assert site.defence.later_report()() == [row]
    with database.sync_transaction(reads=True) as session:
        assert list_bans(session, NOON_US) == [row]
        assert list_bans(session, NOON_US + 60_000_000) == []
    later = site.restarted(10.0)
    assert later.defence.later_report()() == [row]
    assert later.bans.of_login("203.0.113.7", "883", 77.0 + 49.9)
    assert not later.bans.of_login("203.0.113.7", "883", 77.0 + 50.1)
    later.now_s += 51.0
    later.tick()
    assert later.restarted(0.0).defence.later_report()() == []


def test_a_lift_is_kept_too(database: Database) -> None:
    """By the service, or on the store without one."""
    site = Site(database)
    site.ban()
    site.ban("999", source="203.0.113.8")
    site.tick()
    assert site.defence.lift("203.0.113.7", "883") == 1
    assert site.defence.lift("203.0.113.7", "883") == 0
    site.tick()
    again = site.restarted(1.0)
    assert [row["source"] for row in again.defence.later_report()()] == ["203.0.113.8"]
    with database.sync_transaction() as session:
        assert lift_bans(session, "203.0.113.8", "998") == 0
        assert lift_bans(session, "203.0.113.8", "") == 1
    assert len(site.restarted(1.0).defence) == 0


def test_phones_that_are_still_registered_save_their_source(database: Database) -> None:
    """After a restart nobody has authenticated yet."""
    site = Site(database).restarted(0.0, ("203.0.113.7", "883"))
    site.ban("1")
    site.ban("2")
    assert not site.bans.silenced


def test_a_new_trunk_is_free_at_once(database: Database) -> None:
    """Its address was banned before it became one."""
    site = Site(database)
    site.ban()
    site.tick()
    trunk = Trunk("carrier", (), "sip:203.0.113.7", "e164", 0)
    site.snapshots.current = RoutingSnapshot(
        trunks={"carrier": trunk}, trunk_hosts={"203.0.113.7": "carrier"}
    )
    site.tick()
    assert len(site.defence) == 0


def test_a_trunk_whose_name_is_answered_later_is_free_then(database: Database) -> None:
    """Bans of a restart are read before DNS has said where carriers are."""
    site = Site(database)
    site.ban()
    site.dns.slow = True
    site.hosts.keep(["sip:carrier.example:5060"])
    site.tick()
    assert len(site.defence) == 1
    site.dns.answer()
    site.tick()
    assert len(site.defence) == 0


def test_what_could_not_be_written_is_written_later(database: Database) -> None:
    """The store was away."""

    class Away:
        def run_call(self, fn: object, *args: object) -> Deferred[Any]:
            return fail(OSError("away"))

    site = Site(database)
    site.defence._database = Away()
    site.ban()
    for _ in range(2):
        try:
            site.tick()
        except OSError:
            continue
        raise AssertionError("the failure is for whoever runs the tick to tell")
    site.defence._database = database
    site.tick()
    assert len(site.restarted(0.0).defence) == 1


def test_logins_that_are_no_text_are_stored(database: Database) -> None:
    """PostgreSQL takes no NUL and no half characters."""
    site = Site(database)
    site.ban("\x00\udc80'\n" + "x" * 500)
    site.tick()
    assert len(site.restarted(0.0).defence) == 1


def test_many_bans_are_written_in_one_tick(database: Database) -> None:
    """More than one statement takes."""
    site = Site(database)
    for number in range(1000):
        site.ban(source=f"source {number}")
    site.tick()
    assert len(site.restarted(1.0).defence) == 1000


def test_one_line_a_ban_and_the_board_is_told(database: Database) -> None:
    """Not one a packet; a login's account looks once more, at begin, lift and end."""
    lines: list[LogEvent] = []
    told: list[str] = []
    site = Site(database)
    site.live.subscribe(ACCOUNT, lambda: told.append("told"))
    globalLogPublisher.addObserver(lines.append)
    try:
        for _ in range(10):
            site.ban()
            site.tick()
        site.defence.lift("203.0.113.7", "")
        site.tick()
    finally:
        globalLogPublisher.removeObserver(lines.append)
    mine = [line for line in lines if line.get("log_namespace") == "softswitch.call.defence"]
    assert [(line["what"], line["source"], line["reason"]) for line in mine] == [
        ("began", "203.0.113.7", "wrong passwords"),
        ("lifted", "203.0.113.7", "wrong passwords"),
    ]
    assert len(told) == 2


def test_an_account_sees_the_bans_of_its_logins(database: Database) -> None:
    """Not those of others, nor of sources as a whole."""
    site = Site(database)
    site.ban()
    site.ban("999", source="203.0.113.8")
    site.bans.probed("198.51.100.9", "x", "friendly-scanner", site.now_s)
    (row,) = site.defence.report_of(ACCOUNT)
    assert (row["source"], row["login"]) == ("203.0.113.7", "883")
    assert site.defence.report_of(AccountId("000000213")) == []
