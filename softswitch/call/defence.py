"""The rim of the bans: their clock, log and store, and what operators see of them.

Bans count in monotonic seconds; records and reports have UTC, by one offset for the life of the
process, so that a ban's end does not move when the host's clock is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger

from sip.abnf import without_controls
from softswitch.call.bans import Ban, Bans
from softswitch.call.credit import RunsCallWork
from softswitch.call.hosts import Hosts
from softswitch.call.view import LiveCalls
from softswitch.clock import MonotonicClock
from softswitch.ids import AccountId
from softswitch.snapshot import SnapshotHolder
from softswitch.store.bans import Key, Row, read_bans, report_row, write_bans

log = Logger()

SAVED = ("source", "login", "reason", "times", "proved")  # as they are, between Ban and row


class Defence:
    """Bans over time: ``load`` at start, ``tick`` every second and once at the end."""

    TICK_INTERVAL_S = 1.0

    def __init__(
        self,
        bans: Bans,
        database: RunsCallWork,
        snapshots: SnapshotHolder,
        live: LiveCalls,
        hosts: Hosts,
        *,
        now_s: MonotonicClock,
        now_us: Callable[[], int],
    ) -> None:
        self._bans = bans
        self._database = database
        self._snapshots = snapshots
        self._live = live
        self._hosts = hosts
        self._now_s = now_s
        self._offset_us = now_us() - round(now_s() * 1_000_000)
        self._unwritten: dict[Key, Row | None] = {}
        self._carriers: object = None  # those of the latest look at who is trusted

    def __len__(self) -> int:
        """How many bans are in force."""
        return len(self._bans)

    async def load(self, registered_from: Iterable[tuple[str, str]]) -> None:
        """Read the bans that were kept. ``registered_from``: source and login of each binding that
        was kept too; behind those addresses are phones."""
        now_s = self._now_s()
        rows: list[dict[str, Any]] = await self._database.run_call(read_bans)
        self._bans.load(map(self._from_row, rows), now_s)
        for source, login in registered_from:
            self._bans.proved(source, login, now_s)

    async def tick(self) -> None:
        """End what is over, tell and write what happened."""
        carriers = self._snapshots.current.trunks, self._hosts.addresses
        if carriers != self._carriers:
            self._carriers = carriers
            self._bans.lift_trusted()
        self._bans.expire(self._now_s())
        for news in self._bans.take_news():
            self._tell(news.what, news.ban)
            key = news.ban.source, _storable(news.ban.login)
            self._unwritten[key] = self._to_row(news.ban) if news.what == "began" else None
        changed, self._unwritten = self._unwritten, {}
        if changed:
            try:
                await self._database.run_call(write_bans, changed)
            except Exception:
                self._unwritten = changed | self._unwritten  # as many as there are bans, at most
                raise

    def lift(self, source: str, login: str) -> int:
        """End a login's ban, or with "" all of a source; how many there were."""
        return len(self._bans.lift(source, login))

    def later_report(self) -> Callable[[], list[Row]]:
        """What makes the rows of ``bans list`` as things stand now; to be called in a thread."""
        bans = self._bans.all()
        return lambda: self._rows(bans)

    def report_of(self, account: AccountId) -> list[Row]:
        """The rows of the bans of an account's logins."""
        logins = self._snapshots.current.logins
        return self._rows(
            ban
            for ban in self._bans.all()
            if (login := logins.get(ban.login)) is not None and login.account == account
        )

    def _rows(self, bans: Iterable[Ban]) -> list[Row]:
        return [
            report_row(b.source, b.login, b.reason, self._us(b.since_s), self._us(b.until_s))
            for b in sorted(bans, key=lambda ban: ban.since_s)
        ]

    def _tell(self, what: str, ban: Ban) -> None:
        """One line for each ban and lift; and the boards of the account look once more."""
        if what != "ended":
            log.warn(
                "ban {what}: {source} {login} for {length_s} s: {reason}",
                what=what,
                source=ban.source,
                login=repr(ban.login) if ban.login else "as a whole",
                length_s=round(ban.until_s - ban.since_s),
                reason=ban.reason,
            )
        login = self._snapshots.current.logins.get(ban.login)
        if login is not None:
            self._live.changed(login.account)

    def _us(self, at_s: float) -> int:
        return self._offset_us + round(at_s * 1_000_000)

    def _s(self, at_us: int) -> float:
        return (at_us - self._offset_us) / 1_000_000

    def _to_row(self, ban: Ban) -> Row:
        kept: Row = {name: getattr(ban, name) for name in SAVED}
        kept["login"] = _storable(ban.login)
        return kept | {"since_us": self._us(ban.since_s), "until_us": self._us(ban.until_s)}

    def _from_row(self, row: dict[str, Any]) -> Ban:
        kept = {name: row[name] for name in SAVED}
        return Ban(**kept, since_s=self._s(row["since_us"]), until_s=self._s(row["until_us"]))


def _storable(login: str) -> str:
    """A login as every database takes it; peers may send what is no text."""
    return without_controls(login).encode("utf-8", "replace").decode()
