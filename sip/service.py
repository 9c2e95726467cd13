"""The rim that gives the stack sockets, a clock and one timer (the shape of aioquic's protocol).

Every way in ends alike: events to the user until there are none, bytes to the sockets, the timer to
the next deadline.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sip.flow import Address, Flow
from sip.stream_transport import StreamTransport
from sip.transport import Listener, MakeSocket, UdpListener, Unreachable, local_host_towards

if TYPE_CHECKING:
    from sip.errors import RemoteError
    from sip.events import Event
    from sip.stack import Stack
    from sip.tls import Tls

log = Logger()

TICK_S = 0.01
"""Timers of the stack come up together at most this late: thousands a second cost one wake-up."""

LOCAL_HOSTS_MAX = 10_000
LOCAL_HOST_KEPT_S = 30.0
"""How long the kernel's choice of a local address is remembered; routes do change."""


def _ignore(_flow: Flow) -> None:
    """Nobody registers over these flows."""


def _never(_flow: Flow) -> bool:
    """No flow is needed when nothing is sent over it."""
    return False


class SipService(Service):
    """A stack on its listeners.

    ``clock`` is monotonic seconds; ``on_event(event, now_s)`` is the user, who may call the stack
    in it; outside of it, call the stack and then ``flush``. ``on_flow_lost`` is told of each stream
    connection that is gone; one that ``is_flow_needed`` is not closed for being idle.
    """

    name = "sip"

    def __init__(
        self,
        stack: Stack,
        listeners: Sequence[Listener],
        *,
        reactor: Any,
        clock: Callable[[], float],
        on_event: Callable[[Event, float], None],
        on_flow_lost: Callable[[Flow], None] = _ignore,
        is_flow_needed: Callable[[Flow], bool] = _never,
        tls: Tls | None = None,
        make_socket: MakeSocket = socket.socket,
    ) -> None:
        self.stack = stack
        self._listeners = tuple(listeners)
        self._reactor = reactor
        self._clock = clock
        self._on_event = on_event
        self._on_flow_lost = on_flow_lost
        self._make_socket = make_socket
        self._udp: dict[Address, UdpListener] = {}
        self._local: dict[Listener, Address] = {}
        self._streams = StreamTransport(
            reactor,
            self._receive,
            self._note_lost,
            self._refuse,
            is_needed=is_flow_needed,
            tls=tls,
            banned=stack.banned,
        )
        self._lost: list[Flow] = []
        self._timer: Any = None
        self._timer_at_s = 0.0
        self._settling = False
        self._hosts: dict[str, tuple[str, float]] = {}

    @property
    def connections(self) -> int:
        """How many stream connections there are, those being opened included."""
        return len(self._streams)

    def startService(self) -> None:
        """Open every listener; if one fails, none stays open. Raises ListenFailed."""
        if self.running:
            return
        try:
            for listener in self._listeners:
                self._local[listener] = self._listen(listener)
        except BaseException:
            self._close()
            raise
        super().startService()  # type: ignore[no-untyped-call]
        self.flush()

    def stopService(self) -> Deferred[Any] | None:
        """Close listeners, connections and the timer. The Deferred fires when they are closed."""
        if not self.running:
            return None
        super().stopService()  # type: ignore[no-untyped-call]
        return self._close()

    def flush(self) -> None:
        """Carry out what calls of the stack caused: events, sending, the timer."""
        self._settle(self._clock())

    def took_ping(self, flow: Flow) -> bool:
        """Whether a keep-alive (RFC 5626 4.4.1) came over a stream flow since this was asked."""
        return self._streams.took_ping(flow)

    def local_flow_to(self, remote: Address, transport: str) -> Flow:
        """The flow for a new request to a peer: from which listener and local address.

        Raises Unreachable when no listener of that transport and address family is there.
        """
        candidates = [
            listener
            for listener in self._listeners
            if listener.transport == transport
            and (":" in listener.address.host) == (":" in remote.host)
        ]
        if not candidates:
            raise Unreachable(f"no {transport} listener can reach {remote}")
        if len(candidates) == 1 and not candidates[0].is_wildcard:
            return Flow(transport, self._address(candidates[0]), remote)
        return Flow(transport, self._best_local(candidates, remote), remote)

    # Ways in

    def _receive(self, batch: list[tuple[bytes, Flow]]) -> None:
        now_s = self._clock()
        stack = self.stack
        for data, flow in batch:
            try:
                stack.receive(data, flow, now_s)
            except Exception:
                # A bug of ours on one message must not take the others down.
                log.failure("message of {size} bytes from {flow}", size=len(data), flow=flow)
            if stack.effects.events:
                self._tell(now_s)
        self._settle(now_s)

    def _wake(self) -> None:
        now_s = max(self._clock(), self._timer_at_s)  # a timer may fire a hair early
        self._timer = None
        self._advance(now_s)
        self._settle(now_s)

    def _refuse(self, head: bytes, flow: Flow, error: RemoteError) -> None:
        """A message could not be cut out of its stream."""
        self.stack.refuse_malformed(head, flow, error)
        self.flush()

    def _note_lost(self, flow: Flow) -> None:
        """A stream broke: told at once, or, when that happens while sending, right after."""
        self._lost.append(flow)
        if not self._settling:
            self.flush()

    # The way out

    def _settle(self, now_s: float) -> None:
        if self._settling:
            return
        self._settling = True
        effects = self.stack.effects
        try:
            while effects.events or effects.outgoing or self._lost:
                if effects.events:
                    self._tell(now_s)
                if effects.outgoing:
                    self._send(self.stack.take_outgoing())
                if self._lost:
                    self._pass_on_lost(now_s)
        finally:
            self._settling = False
        self._arm(now_s)

    def _pass_on_lost(self, now_s: float) -> None:
        lost, self._lost = self._lost, []
        for flow in lost:
            self.stack.flow_failed(flow, now_s)
            self._on_flow_lost(flow)

    def _advance(self, now_s: float) -> None:
        try:
            self.stack.advance(now_s)
        except Exception:
            log.failure("timers of the stack")

    def _tell(self, now_s: float) -> None:
        events = self.stack.take_events()
        while events:
            for event in events:
                try:
                    self._on_event(event, now_s)
                except Exception:
                    # The call of this event may be lost; the others go on.
                    log.failure("user of the stack, at {event}", event=type(event).__name__)
            events = self.stack.take_events()

    def _send(self, outgoing: list[tuple[bytes, Flow]]) -> None:
        for data, flow in outgoing:
            udp = self._udp.get(flow.local) if flow.transport == "udp" else None
            if udp is not None:
                udp.send(data, flow)
            elif flow.transport != "udp":
                self._streams.send(data, flow)
            elif (udp := self._wildcard_udp(flow.local)) is not None:
                udp.send(data, flow)
            else:
                log.warn("no udp listener on {local} any more", local=flow.local)

    def _wildcard_udp(self, local: Address) -> UdpListener | None:
        """The listener on all addresses with the port of a local address."""
        wildcard = "::" if ":" in local.host else "0.0.0.0"
        return self._udp.get(Address(wildcard, local.port))

    def _arm(self, now_s: float) -> None:
        """Keep one reactor timer at or before the next deadline."""
        deadline_s = self.stack.next_deadline_s()
        if deadline_s is None or not self.running:
            return
        wake_at_s = max(deadline_s, now_s + TICK_S)
        if self._timer is not None:
            if self._timer_at_s <= wake_at_s:
                return
            self._timer.cancel()
        self._timer_at_s = wake_at_s
        self._timer = self._reactor.callLater(wake_at_s - now_s, self._wake)

    # Listeners

    def _listen(self, listener: Listener) -> Address:
        if listener.transport != "udp":
            return self._streams.listen(listener)
        udp = UdpListener(listener, self._reactor, self._receive, self._make_socket)
        udp.open()
        self._udp[udp.address] = udp
        return udp.address

    def _close(self) -> Deferred[Any]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for udp in self._udp.values():
            udp.close()
        self._udp.clear()
        self._local.clear()
        return self._streams.close()

    def _address(self, listener: Listener) -> Address:
        return self._local.get(listener, listener.address)

    def _best_local(self, candidates: list[Listener], remote: Address) -> Address:
        """The listener on the address that the kernel would use, a wildcard one, or the first."""
        host = self._local_host(remote)
        bound = {self._address(found).host: self._address(found) for found in candidates}
        if host in bound:
            return bound[host]
        for listener in candidates:
            if listener.is_wildcard:
                return Address(host, self._address(listener).port)
        return self._address(candidates[0])

    def _local_host(self, remote: Address) -> str:
        now_s = self._clock()
        kept = self._hosts.get(remote.host)
        if kept is not None and kept[1] > now_s:
            return kept[0]
        if len(self._hosts) >= LOCAL_HOSTS_MAX:
            self._hosts.clear()
        host = local_host_towards(remote)
        self._hosts[remote.host] = (host, now_s + LOCAL_HOST_KEPT_S)
        return host
