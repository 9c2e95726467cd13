"""The SIP stack without I/O: bytes and the time go in; events, bytes and a deadline come out.

    stack.receive(data, flow, now_s)         # or advance(now_s), or a request or answer of the user
    for event in stack.take_events(): ...
    for data, flow in stack.take_outgoing(): ...
    wake_at_s = stack.next_deadline_s()

Whatever a peer sends raises nothing. ``LocalError`` says that the user asked for the impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sip import stun
from sip.checks import Acceptance, Refusal, reason_of
from sip.client_transactions import ClientTransactions
from sip.effects import Counters, Effects
from sip.errors import RemoteError
from sip.limits import Limits, RequestRate
from sip.matching import stamp_source
from sip.message import Request, Response
from sip.parser import parse_message, salvage
from sip.server_transactions import Gate, ServerTransactions
from sip.timers import Timers

if TYPE_CHECKING:
    from sip.events import Event
    from sip.flow import Address, Flow
    from sip.transaction import ClientTransaction, ServerTransaction

__all__ = ["Limits", "Stack"]

KEEP_ALIVE_BYTES = b"\r\n\0"
"""What phones send over UDP for no other reason than to be seen by their NAT."""


class Stack:
    """All transactions of one element, client and server.

    ``token`` makes a string that never repeats and that nobody can guess (branches and tags);
    ``allow`` lists the methods that the user answers (and ACK and CANCEL), ``supported`` the option
    tags that a peer may require, ``allow_events`` the event packages as Allow-Events tells them.
    """

    def __init__(
        self,
        *,
        token: Callable[[], str],
        timers: Timers | None = None,
        server_name: str,
        allow: tuple[str, ...],
        supported: frozenset[str] = frozenset(),
        allow_events: str = "",
        limits: Limits | None = None,
    ) -> None:
        self.effects = Effects()  # to see whether there is something to take
        timers = timers or Timers()
        limits = limits or Limits()
        self.banned = limits.banned
        self._rate = RequestRate(limits)
        self._clients = ClientTransactions(self.effects, timers, token)
        self._servers = ServerTransactions(
            self.effects,
            timers,
            token,
            Acceptance(allow, supported),
            limits,
            server_name,
            self._clients.has_looped,
            allow_events,
        )

    def ask_first(self, gate: Gate) -> None:
        """Have ``gate`` asked about each new REGISTER before it is kept. What it refuses is
        answered without a transaction (RFC 3261 8.2.7): most are challenged first, and a flood of
        them must not fill the memory."""
        self._servers.gate = gate

    @property
    def counters(self) -> Counters:
        """How often what happened; live, to be read only."""
        return self.effects.counters

    @property
    def transactions(self) -> int:
        """How many transactions are kept, client and server."""
        return len(self._clients) + len(self._servers)

    @property
    def timers_armed(self) -> int:
        """How many timers wait; none when no transaction is kept."""
        return len(self.effects.timers)

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None:
        """Take one datagram, or one message of a stream."""
        is_response = data.startswith(b"SIP/2.0 ")
        if not is_response and flow.remote.host in self.banned:
            self.effects.counters.banned += 1
            return
        if not is_response and not self._rate.admits(flow.remote.host, now_s):
            self.effects.counters.over_rate += 1
            return
        try:
            message = parse_message(data)
        except RemoteError as error:
            if flow.reliable or not self._keep_alive(data, flow):
                self.refuse_malformed(data, flow, error)
            return
        try:
            if isinstance(message, Request):
                self.effects.counters.requests_received += 1
                self._servers.receive(message, flow, now_s)
            else:
                self._receive_response(message, flow, now_s)
        except RemoteError:
            self.effects.counters.malformed += 1

    def respond(
        self,
        tx: ServerTransaction,
        status: int,
        reason: str | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        now_s: float,
    ) -> None:
        """Answer a request, provisionally or for good; ``headers`` beyond the copied ones.

        Via, From, To with ``tx.to_tag``, Call-ID, CSeq, Record-Route and Server are the stack's,
        and Allow, Supported and Allow-Events in a 2xx to INVITE or OPTIONS. A 2xx to INVITE is
        repeated until its ACK (``AckReceived``) or for 64*T1 (``AckTimedOut``). Raises LocalError
        after a final answer.
        """
        self._servers.respond(tx, status, reason, tuple(headers), body, now_s)

    def request(
        self,
        request: Request,
        flow: Flow,
        now_s: float,
        owner: object | None = None,
        sent_by: Address | None = None,
    ) -> ClientTransaction:
        """Send a request and return its transaction, whose ``owner`` is what was given.

        A copy is sent, with our Via in place of any and Max-Forwards when missing, so the caller
        may send the same request elsewhere. ``sent_by`` is the address in Via, the flow's local
        one unless given. Ends with a final ``ResponseReceived`` or with ``RequestFailed``.
        """
        return self._clients.request(request, flow, now_s, owner=owner, sent_by=sent_by)

    def cancel(
        self, tx: ClientTransaction, now_s: float, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Take an INVITE back; ``headers`` are added to the CANCEL (Reason, RFC 3326).

        Nothing goes out before a provisional response came (9.1), nor after a final one. The INVITE
        ends as any other: with 487 mostly, with a 2xx that crossed (end that dialog with BYE), or
        with ``RequestFailed`` when no answer comes in 64*T1.
        """
        self._clients.cancel(tx, now_s, tuple(headers))

    def ack(
        self,
        tx: ClientTransaction,
        ack: Request,
        flow: Flow,
        now_s: float,
        sent_by: Address | None = None,
    ) -> None:
        """Acknowledge a 2xx to INVITE; needed once for each To tag.

        The stack sends the same ACK again each time that 2xx comes again.
        """
        del now_s  # sending an ACK starts no timer; taken so that every sending call looks alike
        self._clients.ack(tx, ack, flow, sent_by)

    def abandon(self, tx: ClientTransaction) -> None:
        """Forget a request of ours that is no INVITE: it is repeated no more, and what comes of it
        is not told. One that is over does nothing."""
        self._clients.abandon(tx)

    def flow_failed(self, flow: Flow, now_s: float) -> None:
        """Say that a stream connection is lost or could not be opened.

        ``flow`` is compared by transport, remote and connection, so a connection that was opened
        for flows numbered 0 is told twice, with 0 and with its own number.
        """
        self._clients.flow_failed(flow, now_s)

    def refuse_malformed(self, data: bytes, flow: Flow, error: RemoteError) -> None:
        """Answer what was broken when it still says whom to answer, and drop the rest."""
        if flow.remote.host in self.banned:
            self.effects.counters.banned += 1
            return
        self.effects.counters.malformed += 1
        request = salvage(data)
        if request is None:
            return
        try:
            stamp_source(request, flow)
            self._servers.refuse(request, flow, Refusal(error.status_hint, reason_of(error)))
        except RemoteError:
            return

    def advance(self, now_s: float) -> None:
        """Let the timers that are due come up."""
        timers = self.effects.timers
        due = timers.pop_due(now_s)
        while due is not None:
            step, tx, cause = due
            step(tx, cause, now_s)
            due = timers.pop_due(now_s)

    def next_deadline_s(self) -> float | None:
        """When ``advance`` is to be called next, or ``None`` when nothing waits."""
        return self.effects.timers.next_deadline_s()

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self.effects.events = self.effects.events, []
        return events

    def take_outgoing(self) -> list[tuple[bytes, Flow]]:
        """What is to be sent since the last call, in order."""
        outgoing, self.effects.outgoing = self.effects.outgoing, []
        return outgoing

    def _receive_response(self, response: Response, flow: Flow, now_s: float) -> None:
        self.effects.counters.responses_received += 1
        if not self._clients.receive(response, flow, now_s):
            self.effects.counters.responses_unmatched += 1

    def _keep_alive(self, data: bytes, flow: Flow) -> bool:
        """Whether a datagram only keeps a NAT's door open: line breaks, NUL, or STUN, which wants
        an answer (RFC 5626 4.4.2)."""
        if not data.strip(KEEP_ALIVE_BYTES):
            return True
        answer = stun.answer(data, flow.remote)
        if answer is not None:
            self.effects.outgoing.append((answer, flow))
        return answer is not None
