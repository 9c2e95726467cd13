"""Settlements that the database did not take, kept in a file until it does.

One line a settlement: the CRC-32 of the JSON, then the JSON. A line is synced to the disk before
the call is forgotten. A line that a crash cut off is not lost money: its call's hold is still in
the database and is closed at the next start (``billing.work.close_open``).
"""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from billing.cdr import Settlement
from billing.credit import Settled
from billing.work import settle
from softswitch.store.connect import StoreUnavailable, is_retryable
from softswitch.store.database import Database
from softswitch.store.threads import Threads, WorkThreads, deferred_work

log = Logger()
T = TypeVar("T")

# A settlement is some 2 kB and a call's trace is bounded: a longer line is not one of ours.
LINE_BYTES_MAX = 1_000_000
# Settlements in memory while database and spool are both on a full disk: 2 kB each.
UNKEPT_MAX = 10_000


class Spool:
    """The file ``settlements`` in a folder. ``settlements.replaying`` is what is being written to
    the database, ``settlements.rejected`` what it refused: kept for a person, never thrown away.

    Blocking; to be used from one thread.
    """

    def __init__(self, folder: Path) -> None:
        self._current = folder / "settlements"
        self._replaying = folder / "settlements.replaying"
        self._rejected = folder / "settlements.rejected"

    def append(self, settlement: Settlement) -> None:
        """Keep it; on the disk when this returns. Raises ``OSError``."""
        _append(self._current, _line(settlement))

    def begin_replay(self) -> list[Settlement]:
        """What is spooled. New ones go to another file until ``end_replay``; if that never comes,
        the next ``begin_replay`` gives the same ones again."""
        if not self._replaying.exists():
            if not self._current.exists():
                return []
            self._current.rename(self._replaying)
        found = []
        for line in self._replaying.read_bytes().splitlines(keepends=True):
            settlement = _parsed(line)
            if settlement is not None:
                found.append(settlement)
            elif line.endswith(b"\n"):  # not just the torn end
                _append(self._rejected, line)
        if not found:
            self.end_replay()
        return found

    def reject(self, settlement: Settlement) -> None:
        """Set aside one that the database refuses for a reason that will not go away."""
        _append(self._rejected, _line(settlement))

    def end_replay(self) -> None:
        """All of ``begin_replay`` is in the database or set aside."""
        self._replaying.unlink(missing_ok=True)


class SettlementWriter:
    """Writes settlements, and keeps what cannot be written. ``replay`` is called at start, before
    ``close_open``, and every few seconds from then on.

    ``call_from_thread`` is ``reactor.callFromThread``. The file has a thread of its own: a sync
    takes as long as the disk likes.
    """

    def __init__(
        self,
        database: Database,
        spool: Spool,
        *,
        call_from_thread: Callable[..., object],
        threads: Callable[[str, int], WorkThreads] = Threads,
    ) -> None:
        self._database = database
        self._spool = spool
        self._call_from_thread = call_from_thread
        self._threads = threads("spool", 1)
        self._unkept: deque[Settlement] = deque()
        self._replaying = False
        self._writing = 0
        self._stopped: Deferred[None] | None = None

    def write(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """Write it now, or keep it for ``replay``; ``then`` is called when that is done."""
        self._writing += 1
        self._database.order(settlement, partial(self._answered, settlement, then))

    def replay(self) -> Deferred[int]:
        """Write what was kept; how many calls that were. Stops where the database is away. Never
        fails; without effect while it is running."""
        return Deferred.fromCoroutine(self._replay())

    def stop(self) -> Deferred[None]:
        """After the database's ``stop``, which may have failed settlements: fires when these are
        kept too and the thread has ended."""
        self._stopped = Deferred()
        if not self._writing:
            self._end()
        return self._stopped

    def _answered(
        self, settlement: Settlement, then: Callable[[], object], outcome: Settled | Failure
    ) -> None:
        if isinstance(outcome, Failure):
            kept = Deferred.fromCoroutine(self._keep(settlement, outcome))
            kept.addCallback(lambda _: self._done(then))
        else:
            self._done(then)

    def _done(self, then: Callable[[], object]) -> None:
        self._writing -= 1
        if not self._writing and self._stopped is not None:
            self._end()
        then()

    def _end(self) -> None:
        assert self._stopped is not None
        self._threads.stop()
        self._stopped.callback(None)

    async def _keep(self, settlement: Settlement, why: Failure) -> None:
        log.error(
            "settlement of {call_id} spooled: {error}",
            call_id=settlement.call_id,
            error=why.value,
        )
        try:
            await self._in_thread(lambda: self._spool.append(settlement))
        except Exception as error:
            log.error(
                "settlement of {call_id} only in memory: {error}",
                call_id=settlement.call_id,
                error=error,
            )
            # Should it be forgotten, its hold is still in the database: the call is closed at the
            # next start.
            if len(self._unkept) < UNKEPT_MAX:
                self._unkept.append(settlement)

    async def _replay(self) -> int:
        if self._replaying:
            return 0
        self._replaying = True
        try:
            return await self._replay_files()
        except Exception as error:
            log.error("spool not replayed: {error}", error=error)
            return 0
        finally:
            self._replaying = False

    async def _replay_files(self) -> int:
        written = 0
        while self._unkept:
            written += await self._replay_one(self._unkept[0])
            self._unkept.popleft()
        while settlements := await self._in_thread(self._spool.begin_replay):
            for settlement in settlements:
                written += await self._replay_one(settlement)
            await self._in_thread(self._spool.end_replay)
        return written

    async def _replay_one(self, settlement: Settlement) -> int:
        """Raises when it has to wait for another time."""
        try:
            await self._database.run_call(settle, settlement)
        except Exception as error:
            if isinstance(error, StoreUnavailable) or is_retryable(error):
                raise
            log.error(
                "settlement of {call_id} rejected: {error}", call_id=settlement.call_id, error=error
            )
            await self._in_thread(lambda: self._spool.reject(settlement))
            return 0
        return 1

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        return deferred_work(self._threads, self._call_from_thread, work)


def _line(settlement: Settlement) -> bytes:
    text = json.dumps(settlement.as_json(), separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> Settlement | None:
    """``None`` for a line that is torn or was not written by us."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if len(line) > LINE_BYTES_MAX or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return Settlement.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None


def _append(path: Path, line: bytes) -> None:
    """Add a line and sync it. What a crash has left of a line before is ended first."""
    created = not path.exists()
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    if created:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
