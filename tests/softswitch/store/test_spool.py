"""Settlements that the database does not take are kept, replayed once, and never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from billing import work
from billing.repository import verify
from softswitch.store.connect import StoreUnavailable
from softswitch.store.database import Database
from softswitch.store.spool import SettlementWriter, Spool
from softswitch.store.threads import InlineThreads
from tests.billing.samples import (
    Pool,
    count_rows,
    make_accounts,
    make_request,
    make_settlement,
    pool,
)
from tests.softswitch.store.fakes import at_once

AWAY = StoreUnavailable("the database is away: it said nothing")
CALLS = ["c1", "c2", "c3"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty one."""
    return Spool(tmp_path)


@pytest.fixture
def writer(database: Database, spool: Spool) -> SettlementWriter:
    """Over an account with 10.00 and three calls that are up."""
    make_accounts(database.engine, 10_000_000)
    with database.engine.begin() as connection:
        for call_id in CALLS:
            work.hold(connection, make_request(call_id))
    return make_writer(database, spool)


def make_writer(database: Database, spool: Spool) -> SettlementWriter:
    """Without threads."""
    return SettlementWriter(database, spool, call_from_thread=at_once, threads=InlineThreads)


def take_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database no longer answers the call path."""

    monkeypatch.setattr(database, "run_call", lambda fn, *args: fail(AWAY))
    monkeypatch.setattr(database, "order", lambda order, done: done(Failure(AWAY)))


def value(deferred: Deferred[object]) -> object:
    """What has arrived."""
    results: list[object] = []
    deferred.addBoth(results.append)
    return results[0]


def settle_all(writer: SettlementWriter) -> None:
    """End the three calls after half a minute each."""
    for call_id in CALLS:
        writer.write(make_settlement(call_id, 30), lambda: None)


def assert_charged_once(database: Database) -> None:
    """Three calls of 0.06, no reservation left, the ledger in order."""
    with database.engine.connect() as connection:
        assert pool(connection) == Pool(10_000_000 - 3 * 60_000, 0)
        assert count_rows(connection, "cdr") == 3
        assert verify(connection) == []


def test_a_settlement_goes_straight_to_the_database(
    database: Database, writer: SettlementWriter, tmp_path: Path
) -> None:
    """The spool is not touched."""
    settle_all(writer)
    assert_charged_once(database)
    assert not (tmp_path / "settlements").exists()


def test_without_a_database_settlements_are_kept_and_replayed_once(
    database: Database, writer: SettlementWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written while it is away, all of it when it is back, and not again after."""
    with monkeypatch.context() as away:
        take_away(database, away)
        settle_all(writer)
        assert value(writer.replay()) == 0
        assert value(writer.replay()) == 0
    with database.engine.connect() as connection:
        assert count_rows(connection, "cdr") == 0
    assert value(writer.replay()) == 3
    assert value(writer.replay()) == 0
    assert_charged_once(database)


def test_what_was_kept_survives_a_restart(
    database: Database,
    writer: SettlementWriter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process finds the files, half replayed or not; a replay that is repeated is safe."""
    with monkeypatch.context() as away:
        take_away(database, away)
        settle_all(writer)
    copy = (tmp_path / "settlements").read_bytes()
    assert value(make_writer(database, Spool(tmp_path)).replay()) == 3
    (tmp_path / "settlements.replaying").write_bytes(copy)
    assert value(make_writer(database, Spool(tmp_path)).replay()) == 3
    assert_charged_once(database)


def test_whatever_a_phone_sent_can_be_kept(spool: Spool) -> None:
    """A number that is no text, with a line break in it, comes back as it was."""
    settlement = make_settlement("c1", 1)
    record = settlement.records[0]._replace(caller="caf\udce9\n\0")
    odd = settlement._replace(records=(record,))
    spool.append(odd)
    assert [one.records[0].caller for one in spool.begin_replay()] == [record.caller]


def test_calls_that_end_during_a_replay_are_kept_apart(spool: Spool) -> None:
    """What comes after ``begin_replay`` is not lost by ``end_replay``."""
    spool.append(make_settlement("c1", 1))
    assert [one.call_id for one in spool.begin_replay()] == ["c1"]
    spool.append(make_settlement("c2", 1))
    spool.end_replay()
    assert [one.call_id for one in spool.begin_replay()] == ["c2"]


def test_a_replay_that_does_not_end_begins_again(spool: Spool) -> None:
    """The service died in the middle: the same ones once more, later ones after them."""
    spool.append(make_settlement("c1", 1))
    spool.begin_replay()
    spool.append(make_settlement("c2", 1))
    assert [one.call_id for one in spool.begin_replay()] == ["c1"]


@pytest.mark.parametrize("cut", [2, 5, 100])
def test_a_torn_last_line_is_left_out(spool: Spool, tmp_path: Path, cut: int) -> None:
    """Power failed in the middle of a write: what was whole counts, the torn piece is not read."""
    spool.append(make_settlement("c1", 1))
    spool.append(make_settlement("c2", 1))
    path = tmp_path / "settlements"
    path.write_bytes(path.read_bytes()[:-cut])
    assert [one.call_id for one in spool.begin_replay()] == ["c1"]


def test_a_line_after_a_torn_one_is_whole(spool: Spool, tmp_path: Path) -> None:
    """The next settlement begins a line of its own; the torn piece is set aside."""
    spool.append(make_settlement("c1", 1))
    path = tmp_path / "settlements"
    path.write_bytes(path.read_bytes()[:-9])
    spool.append(make_settlement("c2", 1))
    assert [one.call_id for one in spool.begin_replay()] == ["c2"]
    assert (tmp_path / "settlements.rejected").exists()


@pytest.mark.parametrize(
    "line",
    [b"\n", b"nonsense\n", b"00000000 {}\n", b"a3a6bf43 {}\n", b"\xff\xfe\n"],
)
def test_a_line_that_is_not_ours_is_set_aside(spool: Spool, tmp_path: Path, line: bytes) -> None:
    """It is kept for a person and does not stop the others."""
    (tmp_path / "settlements").write_bytes(line)
    spool.append(make_settlement("c1", 1))
    assert [one.call_id for one in spool.begin_replay()] == ["c1"]
    assert (tmp_path / "settlements.rejected").read_bytes() == line


def test_a_settlement_that_can_never_be_written_does_not_stop_the_others(
    database: Database, writer: SettlementWriter, spool: Spool, tmp_path: Path
) -> None:
    """Its account is gone, say: it is set aside, the rest is written."""
    spool.append(make_settlement("lost", 30, account="999999999"))
    for call_id in CALLS:
        spool.append(make_settlement(call_id, 30))
    assert value(writer.replay()) == 3
    assert_charged_once(database)
    assert b'"lost"' in (tmp_path / "settlements.rejected").read_bytes()


def test_a_settlement_that_fails_is_not_lost(writer: SettlementWriter, tmp_path: Path) -> None:
    """``write`` never fails: what the database refuses is kept as well."""
    told: list[str] = []
    writer.write(make_settlement("lost", 30, account="999999999"), lambda: told.append("lost"))
    assert told == ["lost"]
    assert b'"lost"' in (tmp_path / "settlements").read_bytes()


def test_on_a_full_disk_settlements_wait_in_memory(
    database: Database, writer: SettlementWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither database nor spool: they are written once when there is room again."""
    writer = make_writer(database, Spool(tmp_path / "nowhere"))
    with monkeypatch.context() as away:
        take_away(database, away)
        settle_all(writer)
        assert value(writer.replay()) == 0
    assert value(writer.replay()) == 3
    assert value(writer.replay()) == 0
    assert_charged_once(database)


def test_stopping_waits_for_what_is_still_being_kept(
    database: Database, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's answer to the last settlement comes after ``stop``: it is spooled first."""
    waiting: list[Callable[[object], object]] = []
    monkeypatch.setattr(database, "order", lambda order, done: waiting.append(done))
    writer = make_writer(database, spool)
    writer.write(make_settlement("c1", 30), lambda: None)
    stopped = writer.stop()
    assert not stopped.called
    waiting[0](Failure(AWAY))
    assert stopped.called
    assert [one.call_id for one in spool.begin_replay()] == ["c1"]


def test_stopping_with_nothing_to_keep_is_done_at_once(database: Database, spool: Spool) -> None:
    """The usual end."""
    assert make_writer(database, spool).stop().called
