"""Server-sent events: one stream per page that is open, told again whatever changed.

A stream belongs to a session and shows what that session may see; it ends with the session. Changes
come in bursts (a call rings, is answered, ends), so they are gathered for a moment, and a browser
that does not read is told the newest state when it reads again, not every state in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from web.deps import LiveView, Timer, Timers
from web.queries.sessions import SignedIn
from web.request import PortalRequest
from web.responses import SECURITY_HEADERS

log = Logger()

GATHER_S = 0.25
HEARTBEAT_S = 15.0  # below the minute after which common proxies drop a silent connection
STREAMS_PER_SESSION_MAX = 12  # more tabs than a person keeps; then the oldest one ends
STREAMS_PER_ACCOUNT_MAX = 300  # 14 kB each
RECONNECT_MS = 3000

Content = Callable[[SignedIn, str], Awaitable[str]]
StillSignedIn = Callable[[SignedIn], Awaitable[bool]]


class TooManyStreams(Exception):
    """The account has ``STREAMS_PER_ACCOUNT_MAX`` open."""


@implementer(IPushProducer)
@dataclass(eq=False, slots=True)
class Stream:
    """An open stream. ``page`` names what it shows."""

    request: PortalRequest
    session: SignedIn
    page: str
    closed: Deferred[None] = field(default_factory=Deferred)
    paused: bool = False
    dirty: bool = False
    resumed: Callable[[Stream], None] | None = None

    def start(self) -> None:
        """Write the headers; from now on the connection belongs to the stream."""
        headers = (
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
            *SECURITY_HEADERS,
        )
        for name, value in headers:
            self.request.setHeader(name, value)
        self.request.registerProducer(self, True)
        self.request.write(b"retry: %d\n\n" % RECONNECT_MS)

    def send(self, content: str) -> None:
        """One message, its lines marked as data."""
        lines = "".join(f"data: {line}\n" for line in content.splitlines() if line.strip())
        self.request.write(f"{lines}\n".encode())

    def beat(self) -> None:
        """A comment: keeps the connection, and finds out that it has gone."""
        self.request.write(b": \n\n")

    def close(self) -> None:
        """End the stream; the browser connects again and is asked to sign in."""
        if not self.closed.called:
            self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The browser does not read as fast as we write."""
        self.paused = True

    def resumeProducing(self) -> None:
        """It has caught up."""
        self.paused = False
        if self.dirty and self.resumed is not None:
            self.resumed(self)

    def stopProducing(self) -> None:
        """The connection has gone."""
        self.close()


class LiveStreams:
    """All open streams, by account, with one subscription to the switch for each account."""

    def __init__(
        self, live: LiveView, reactor: Timers, content: Content, signed_in: StillSignedIn
    ) -> None:
        self._live = live
        self._reactor = reactor
        self._content = content
        self._signed_in = signed_in
        self._streams: dict[str, list[Stream]] = {}
        self._unsubscribe: dict[str, Callable[[], None]] = {}
        self._gathering: dict[str, Timer] = {}
        self._heart: Timer | None = None

    async def serve(self, request: PortalRequest, session: SignedIn, page: str) -> None:
        """Send the present state and then every change, until either side ends it. Raises
        ``TooManyStreams`` before anything is written."""
        stream = Stream(request, session, page, resumed=self._refresh_soon)
        self._add(stream)
        try:
            stream.start()
            await self._refresh(stream)
            await stream.closed
        finally:
            self._remove(stream)
            if not request._disconnected:
                request.unregisterProducer()

    def close_session(self, id_hash: str) -> None:
        """A session has ended: so do its streams."""
        for streams in list(self._streams.values()):
            for stream in [each for each in streams if each.session.id_hash == id_hash]:
                stream.close()

    def stop(self) -> None:
        """The portal stops."""
        for streams in list(self._streams.values()):
            for stream in list(streams):
                stream.close()

    def count(self, account: str) -> int:
        """Open streams of an account."""
        return len(self._streams.get(account, ()))

    def _add(self, stream: Stream) -> None:
        account = stream.session.account
        streams = self._streams.setdefault(account, [])
        if len(streams) >= STREAMS_PER_ACCOUNT_MAX:
            raise TooManyStreams(account)
        streams.append(stream)
        own = [each for each in streams if each.session.id_hash == stream.session.id_hash]
        if len(own) > STREAMS_PER_SESSION_MAX:
            own[0].close()
        if account not in self._unsubscribe:
            self._unsubscribe[account] = self._live.subscribe(
                account, lambda: self._changed(account)
            )
        if self._heart is None:
            self._heart = self._reactor.callLater(HEARTBEAT_S, self._beat)

    def _remove(self, stream: Stream) -> None:
        account = stream.session.account
        streams = self._streams[account]
        streams.remove(stream)
        if streams:
            return
        del self._streams[account]
        self._unsubscribe.pop(account)()
        if account in self._gathering:
            self._gathering.pop(account).cancel()
        if not self._streams and self._heart is not None:
            self._heart.cancel()
            self._heart = None

    def _changed(self, account: str) -> None:
        if account in self._streams and account not in self._gathering:
            self._gathering[account] = self._reactor.callLater(GATHER_S, self._tell, account)

    def _tell(self, account: str) -> None:
        self._gathering.pop(account, None)
        for stream in list(self._streams.get(account, ())):
            if stream.paused:
                stream.dirty = True
            else:
                self._refresh_soon(stream)

    def _refresh_soon(self, stream: Stream) -> None:
        stream.dirty = False
        _spawn("refresh a live page", self._refresh(stream))

    async def _refresh(self, stream: Stream) -> None:
        content = await self._content(stream.session, stream.page)
        if not stream.closed.called:
            stream.send(content)

    def _beat(self) -> None:
        self._heart = self._reactor.callLater(HEARTBEAT_S, self._beat)
        for streams in list(self._streams.values()):
            for stream in list(streams):
                _spawn("check a live page's session", self._check(stream))

    async def _check(self, stream: Stream) -> None:
        if not await self._signed_in(stream.session):
            stream.close()
        elif not stream.closed.called:
            stream.beat()


def _spawn(name: str, coroutine: Coroutine[Any, Any, None]) -> None:
    Deferred.fromCoroutine(coroutine).addErrback(
        lambda failure: log.failure("cannot {name}", failure, name=name)
    )
