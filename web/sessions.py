"""Sessions: a random cookie, its SHA-256 in the store, a short memory of it here."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from web.deps import Database
from web.queries import sessions as queries
from web.queries.sessions import SignedIn

COOKIE_BYTES = 32
IDLE_US = 12 * 3600 * 1_000_000
ABSOLUTE_US = 14 * 24 * 3600 * 1_000_000
SEEN_US = 60 * 1_000_000  # "last seen" is written at most so often
REMEMBERED_S = 30.0  # so long a role that was taken away may still be seen
REMEMBERED_MAX = 5_000
STRONG_US = 10 * 60 * 1_000_000  # so long after the password was given, secrets may be shown
AGENT_CHARS_MAX = 255
COOKIE_CHARS = 43  # of 32 bytes in base64

Closed = Callable[[str], None]


class Sessions:
    """Finds, opens and closes sessions. ``on_close`` is told the id of each that ends here."""

    def __init__(
        self, database: Database, monotonic_s: Callable[[], float], utc_us: Callable[[], int]
    ) -> None:
        self._database = database
        self._monotonic_s = monotonic_s
        self._utc_us = utc_us
        self._remembered: OrderedDict[str, tuple[float, SignedIn]] = OrderedDict()
        self.on_close: list[Closed] = []

    async def find(self, cookie: str) -> SignedIn | None:
        """The session of a cookie, if it is in force."""
        if len(cookie) != COOKIE_CHARS:
            return None
        id_hash = _hash(cookie)
        session = self._recall(id_hash)
        if session is None:
            session = await self._database.read(queries.find, id_hash)
        if session is None or not self._in_force(session):
            self.forget(id_hash)
            return None
        return await self._seen(session)

    async def open(self, user: str, ip: str, agent: str) -> tuple[str, SignedIn] | None:
        """A new session and its cookie; ``None`` when the user has gone. Old ones are swept."""
        now_us = self._utc_us()
        await self._database.run(queries.close_expired, now_us - IDLE_US, now_us - ABSOLUTE_US)
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        session = await self._database.run(
            queries.create,
            _hash(cookie),
            user,
            secrets.token_hex(COOKIE_BYTES),
            now_us,
            ip,
            agent[:AGENT_CHARS_MAX],
        )
        if session is None:
            return None
        self._remember(session)
        return cookie, session

    async def close(self, session: SignedIn) -> None:
        """Sign out: the row goes, and with it every stream of the session."""
        self.forget(session.id_hash)
        await self._database.run(queries.close, session.id_hash)

    async def strengthen(self, session: SignedIn) -> SignedIn:
        """The password was given again; the session as it is now."""
        now_us = self._utc_us()
        await self._database.run(queries.strengthen, session.id_hash, now_us)
        stronger = replace(session, strong_us=now_us)
        self._remember(stronger)
        return stronger

    async def is_in_force(self, session: SignedIn) -> bool:
        """Whether a session that was found earlier has not ended meanwhile."""
        found = self._recall(session.id_hash) or await self._database.read(
            queries.find, session.id_hash
        )
        return found is not None and self._in_force(found)

    def is_strong(self, session: SignedIn) -> bool:
        """Whether the password was given lately enough to show a secret."""
        return self._utc_us() - session.strong_us < STRONG_US

    def forget(self, id_hash: str) -> None:
        """Drop what is remembered, and close what hangs on the session."""
        self._remembered.pop(id_hash, None)
        for closed in self.on_close:
            closed(id_hash)

    def _recall(self, id_hash: str) -> SignedIn | None:
        entry = self._remembered.get(id_hash)
        if entry is None or self._monotonic_s() - entry[0] > REMEMBERED_S:
            return None
        return entry[1]

    def _remember(self, session: SignedIn) -> None:
        self._remembered[session.id_hash] = (self._monotonic_s(), session)
        self._remembered.move_to_end(session.id_hash)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _in_force(self, session: SignedIn) -> bool:
        now_us = self._utc_us()
        return now_us - session.seen_us < IDLE_US and now_us - session.created_us < ABSOLUTE_US

    async def _seen(self, session: SignedIn) -> SignedIn:
        now_us = self._utc_us()
        if now_us - session.seen_us > SEEN_US:
            session = replace(session, seen_us=now_us)
            await self._database.run(queries.touch, session.id_hash, now_us)
        if self._recall(session.id_hash) is None or session.seen_us == now_us:
            self._remember(session)
        return session


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
