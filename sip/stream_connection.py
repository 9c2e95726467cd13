"""One SIP connection over TCP or TLS: framing, patience, and what waits to be sent. Rim.

What a peer may take how long for, and how much may wait for it, stands in the constants below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.stream_parser import KeepAlive, StreamError, StreamParser
from sip.tls import Tls, failure_text
from sip.transport import Deliver

log = Logger()

CONNECT_TIMEOUT_S = 4.0
"""For TCP, and then again for the TLS handshake: two repetitions of a lost SYN, and well below
timer B, so that a call can still go to the next trunk."""

FIRST_MESSAGE_TIMEOUT_S = 30.0
"""A connection that asks nothing for so long is no phone; a TLS handshake is in it."""

MESSAGE_TIMEOUT_S = 30.0
"""From the first byte of a message to its last, however they trickle in."""

IDLE_TIMEOUT_S = 900.0
"""Without a message, where nobody is registered and no call is up. Keep-alives do not count: they
are for flows that are needed."""

CLOSE_TIMEOUT_S = 2.0
"""How long a close waits for the peer to take what was sent to it last, such as the BYE."""

UNSENT_BYTES_MAX = 1024 * 1024
"""What may wait for a peer that does not read; beyond, the connection is cut."""


class Streams(Protocol):
    """``sip.stream_transport.StreamTransport`` as its connections see it."""

    reactor: Any
    deliver: Deliver
    tls: Tls | None

    def refuse(self, head: bytes, flow: Flow, error: RemoteError) -> None:
        """Answer a message that could not be cut out of the stream."""

    def is_needed(self, flow: Flow) -> bool:
        """Whether somebody is registered over a flow or has a call."""

    def forget(self, connection: SipConnection) -> None:
        """A connection is gone."""


@implementer(IPushProducer, IHandshakeListener)
class SipConnection(TwistedProtocol, TimeoutMixin):
    """One connection, accepted or opened. ``flow`` is ``None`` until it can carry messages."""

    transport: Any  # ITransport does not know what TCP adds to it

    def __init__(
        self, streams: Streams, number: int, kind: str, opened_for: Flow | None = None
    ) -> None:
        self._streams = streams
        self.number = number
        self.opened_for = opened_for  # None: the peer opened it
        self.flow: Flow | None = None
        self.connector: Any = None  # while we open it
        self._kind = kind  # "tcp" | "tls"
        self._parser = StreamParser()
        self._waiting: list[bytes] = []  # until there is a flow
        self._unsent_bytes = 0
        self._is_paused = False
        self._is_filling = False  # a message has begun and is not complete
        self._is_closing = False
        self.pinged = False  # a keep-alive came since somebody looked

    def send(self, data: bytes) -> None:
        """Send one message, after connecting if need be."""
        if self.flow is None or self._is_paused:
            self._unsent_bytes += len(data)
        if self._unsent_bytes > UNSENT_BYTES_MAX:
            self.cut()
        elif self.flow is None:
            self._waiting.append(data)
        else:
            self.transport.write(data)

    def callLater(self, period: float, func: Callable[[], None]) -> Any:
        """The clock of TimeoutMixin, which would import the global reactor otherwise."""
        return self._streams.reactor.callLater(period, func)

    def close(self) -> None:
        """Close after what is queued has left; one still being opened is given up."""
        if self.transport is not None:
            # Twisted would wait for a producer that it has paused.
            self._is_closing = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._time_out_after(CLOSE_TIMEOUT_S)
        elif self.connector is not None:
            self.connector.stopConnecting()

    def cut(self) -> None:
        """End it at once; one still being opened has its timeout, and drops what is new."""
        if self.transport is not None:
            self.transport.abortConnection()

    def timeoutConnection(self) -> None:
        """The peer took too long, for what it was to do last."""
        if self._is_closing or self.flow is None:
            self.cut()
        elif not self._is_filling and self._streams.is_needed(self.flow):
            self._time_out_after(IDLE_TIMEOUT_S)
        else:
            self.close()

    def _time_out_after(self, seconds: float | None) -> None:
        self.setTimeout(seconds)  # type: ignore[no-untyped-call]

    # Protocol

    def connectionMade(self) -> None:
        """TCP stands: begin at once, or wait for the handshake of TLS."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        accepted = self.opened_for is None
        self._time_out_after(FIRST_MESSAGE_TIMEOUT_S if accepted else CONNECT_TIMEOUT_S)
        if self._kind == "tcp":
            self._begin()

    def handshakeCompleted(self) -> None:
        """TLS stands: a peer that we wanted has to be the one that its certificate names."""
        asked, tls = self.opened_for, self._streams.tls
        if asked is not None and tls is not None:
            shown = self.transport.getPeerCertificate()
            refusal = tls.refusal(shown, asked.host or asked.remote.host)
            if refusal is not None:
                log.warn("tls to {remote}: {refusal}", remote=asked.remote, refusal=refusal)
                self._is_closing = True
                self.cut()
                return
        self._begin()

    def _begin(self) -> None:
        """The flow is there: send what waited for it."""
        asked = self.opened_for
        if asked is None:
            local, remote = _address(self.transport.getHost()), _address(self.transport.getPeer())
            self.flow = Flow(self._kind, local, remote, self.number)
        else:
            self.flow = asked._replace(connection=self.number)
            self._time_out_after(IDLE_TIMEOUT_S)
        waiting, self._waiting, self._unsent_bytes = self._waiting, [], 0
        for data in waiting:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Cut the stream into messages; one that cannot be cut is answered and ends it."""
        if self._is_closing or self.flow is None:
            return
        try:
            frames = self._parser.feed(data)
        except StreamError as error:
            self._take(error.frames, self.flow)
            self._streams.refuse(error.head, self.flow, error)
            self.close()
        else:
            self._take(frames, self.flow)
            self._watch(frames)

    def _take(self, frames: list[bytes | KeepAlive], flow: Flow) -> None:
        messages: list[tuple[bytes, Flow]] = []
        for frame in frames:
            if isinstance(frame, bytes):
                messages.append((frame, flow))
            elif frame is KeepAlive.PING:
                self.pinged = True
                self.transport.write(KeepAlive.PONG.value)
        if messages:
            self._streams.deliver(messages)

    def _watch(self, frames: list[bytes | KeepAlive]) -> None:
        """Give a message its time from its first byte on, and then the next one its own."""
        if self._is_closing:
            return
        has_message = any(isinstance(frame, bytes) for frame in frames)
        was_filling, self._is_filling = self._is_filling, not self._parser.is_idle
        if self._is_filling and (has_message or not was_filling):
            self._time_out_after(MESSAGE_TIMEOUT_S)
        elif has_message:
            self._time_out_after(IDLE_TIMEOUT_S)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, by whoever's wish."""
        if self.flow is None and self._kind == "tls" and not self._is_closing:
            self._tell_failed_handshake(failure_text(reason.value))
        self._time_out_after(None)
        self._streams.forget(self)

    def _tell_failed_handshake(self, why: str) -> None:
        """Ours are a trunk that does not work; most that come in are scanners."""
        if self.opened_for is None:
            log.debug("tls from {remote}: {why}", remote=self.transport.getPeer(), why=why)
        else:
            log.warn("tls to {remote}: {why}", remote=self.opened_for.remote, why=why)

    # IPushProducer: the transport says when its buffer is full

    def pauseProducing(self) -> None:
        """The buffer is full, and Twisted says so at each write: count from the first one on."""
        if not self._is_paused:
            self._is_paused = True
            self._unsent_bytes = 0

    def resumeProducing(self) -> None:
        """The buffer is empty again."""
        self._is_paused = False

    def stopProducing(self) -> None:
        """The transport is going away; ``connectionLost`` follows."""


def _address(address: Any) -> Address:
    return Address(address.host, address.port)
