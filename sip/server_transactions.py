"""Requests of peers: matching, absorbing repetitions, answering (RFC 3261 17.2, 8.2, 9.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sip.answers import answer, copied_fields, stateless_answer, trying
from sip.checks import Refusal
from sip.errors import LocalError
from sip.events import AckReceived, AckTimedOut, CancelReceived, RequestReceived
from sip.machines import INVITE_SERVER, NON_INVITE_SERVER, Action, Input, State, response_input
from sip.matching import (
    AckKey,
    MergeKey,
    ServerKey,
    ack_key,
    is_2543,
    is_merged,
    merge_key,
    reply_flow,
    server_key,
    stamp_source,
)
from sip.steps import Steps
from sip.transaction import Headers, ServerTransaction

if TYPE_CHECKING:
    from sip.checks import Acceptance
    from sip.effects import Effects
    from sip.flow import Flow
    from sip.limits import Limits
    from sip.message import Request
    from sip.timers import Timers


Gate = Callable[["Request", "Flow", float], Refusal | None]
"""Looks at a new REGISTER (the last argument is ``now_s``): what to refuse it with at once."""


def _let_in(_request: Request, _flow: Flow, _now_s: float) -> Refusal | None:
    return None


class ServerTransactions(Steps[ServerTransaction]):
    """Every request of peers that is not forgotten yet, by branch, sent-by and method."""

    def __init__(
        self,
        effects: Effects,
        timers: Timers,
        token: Callable[[], str],
        acceptance: Acceptance,
        limits: Limits,
        server_name: str,
        has_looped: Callable[[Request], bool],
        allow_events: str = "",
    ) -> None:
        super().__init__(
            effects,
            timers,
            {
                Action.SEND: self._send,
                Action.TELL_ACK: self._tell_ack,
                Action.TELL_NO_ACK: self._tell_no_ack,
                Action.DESTROY: self._destroy,
            },
        )
        self._token = token
        self._acceptance = acceptance
        self._limits = limits
        self.gate: Gate = _let_in
        self._invite_rows = self.rows(INVITE_SERVER)
        self._other_rows = self.rows(NON_INVITE_SERVER)
        self._server = ("Server", server_name)
        # A 2xx to INVITE or OPTIONS says what we can do (13.3.1.4, 11.2).
        self._abilities: Headers = (
            self._server,
            ("Allow", acceptance.allow),
            ("Supported", acceptance.supported),
        )
        self._has_looped = has_looped
        if allow_events:  # RFC 6665 4.4.4
            self._abilities += (("Allow-Events", allow_events),)
        self._by_key: dict[ServerKey, ServerTransaction] = {}
        self._by_ack: dict[AckKey, ServerTransaction] = {}
        self._by_merge: dict[MergeKey, ServerTransaction] = {}
        self._per_source: dict[str, int] = {}

    def __len__(self) -> int:
        """How many transactions there are."""
        return len(self._by_key)

    def receive(self, request: Request, flow: Flow, now_s: float) -> None:
        """Match a request or begin its transaction. Raises RemoteError when no key can be made."""
        if request.method == "ACK":
            self._receive_ack(request, now_s)
        elif request.method == "CANCEL":
            self._receive_cancel(request, flow)
        else:
            key = server_key(request, request.method)
            tx = self._by_key.get(key)
            if tx is None:
                self._receive_new(key, request, flow, now_s)
            else:
                self._effects.counters.absorbed += 1
                self.step(tx, Input.REQUEST, now_s)

    def respond(
        self,
        tx: ServerTransaction,
        status: int,
        reason: str | None,
        headers: Headers,
        body: bytes,
        now_s: float,
    ) -> None:
        """Answer a request."""
        if not 100 <= status <= 699:
            raise LocalError(f"{status} is not a status")
        cause = response_input(status)
        request = tx.request
        if (tx.state, cause) not in tx.rows:
            raise LocalError(f"{request.method} is {tx.state}, {status} comes too late")
        if not tx.copied:
            asked = request.headers["to"][0]
            to = asked if tx.in_dialog else f"{asked};tag={tx.to_tag}"
            tx.copied = copied_fields(request, to)
        able = 200 <= status < 300 and request.method in ("INVITE", "OPTIONS")
        own = self._abilities if able else (self._server,)
        tx.data = answer(request, tx.copied, status, reason, own + headers, body)
        if status >= 200:
            tx.final_status = status
        self.step(tx, cause, now_s)
        if tx.state is State.ACCEPTED:
            tx.ack_key = ack_key(request, tx.to_tag)
            self._by_ack[tx.ack_key] = tx

    def refuse(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """Answer without a transaction (8.2.7), so that what we refuse costs no memory."""
        self._effects.counters.refused += 1
        refusal = Refusal(refusal.status, refusal.reason, (self._server, *refusal.headers))
        self._effects.outgoing.append(
            (stateless_answer(request, refusal), reply_flow(request, flow))
        )

    # Requests

    def _receive_new(self, key: ServerKey, request: Request, flow: Flow, now_s: float) -> None:
        stamp_source(request, flow)
        judged = self._acceptance.judge(request)
        if isinstance(judged, Refusal):
            self.refuse(request, flow, judged)
            return
        merge = merge_key(request) if judged.to_tag is None else None
        refusal = self._merged(merge, request) or self._overload(flow)
        if refusal is None and request.method == "REGISTER":
            refusal = self.gate(request, flow, now_s)
        if refusal is not None:
            self.refuse(request, flow, refusal)
            return
        invite = request.method == "INVITE"
        tx = ServerTransaction(
            key,
            request,
            flow,
            reply_flow(request, flow),
            self._invite_rows if invite else self._other_rows,
            to_tag=judged.to_tag or self._token(),
            in_dialog=judged.to_tag is not None,
        )
        self._keep(tx, merge)
        if invite:
            tx.data = trying(request)
        self.step(tx, Input.START, now_s)
        self._effects.events.append(RequestReceived(tx, request, flow))

    def _merged(self, merge: MergeKey | None, request: Request) -> Refusal | None:
        """The same request over another path, while the first is remembered (8.2.2.2), or one of
        ours that came back."""
        if merge is not None and self._has_looped(request):
            return Refusal(482)
        first = None if merge is None else self._by_merge.get(merge)
        return None if first is None or not is_merged(first.request, request) else Refusal(482)

    def _overload(self, flow: Flow) -> Refusal | None:
        limits, host = self._limits, flow.remote.host
        if len(self._by_key) < limits.transactions_max and (
            self._per_source.get(host, 0) < limits.transactions_per_source_max
            or limits.trusted(host)
        ):
            return None
        self._effects.counters.overload += 1
        return Refusal(503, None, (("Retry-After", str(limits.retry_after_s)),))

    def _receive_ack(self, ack: Request, now_s: float) -> None:
        """An ACK has its INVITE's branch after a refusal, and a new one after a 2xx (17.1.1.3)."""
        key = server_key(ack, "INVITE")
        tx = self._by_key.get(key)
        if tx is None or (is_2543(key) and ack.to_tag != tx.to_tag):
            tx = self._by_ack.get(ack_key(ack, ack.to_tag or ""))
        if tx is None:
            self._effects.counters.acks_unmatched += 1
            return
        if tx.acked or tx.state is State.CONFIRMED:
            self._effects.counters.absorbed += 1
        self.step(tx, Input.ACK, now_s, ack)

    def _receive_cancel(self, cancel: Request, flow: Flow) -> None:
        """Answered at once and without a transaction: a repeated one gets the same answer (9.2)."""
        key = server_key(cancel, "INVITE")
        stamp_source(cancel, flow)
        tx = self._by_key.get(key)
        if tx is None:
            self.refuse(cancel, flow, Refusal(481))
            return
        asked = cancel.headers["to"][0]
        to = asked if cancel.to_tag is not None else f"{asked};tag={tx.to_tag}"
        data = answer(cancel, copied_fields(cancel, to), 200, headers=(self._server,))
        self._effects.outgoing.append((data, reply_flow(cancel, flow)))
        if tx.state is State.PROCEEDING and not tx.cancelled:
            tx.cancelled = True
            self._effects.events.append(CancelReceived(tx, cancel))

    # Keeping

    def _keep(self, tx: ServerTransaction, merge: MergeKey | None) -> None:
        self._by_key[tx.key] = tx
        host = tx.flow.remote.host
        self._per_source[host] = self._per_source.get(host, 0) + 1
        tx.merge_key = merge
        if merge is not None:
            self._by_merge[merge] = tx

    def _destroy(self, tx: ServerTransaction, _now_s: float, _message: Any) -> None:
        self.stop_timers(tx)
        del self._by_key[tx.key]
        if tx.merge_key is not None and self._by_merge.get(tx.merge_key) is tx:
            del self._by_merge[tx.merge_key]
        if tx.ack_key is not None:
            self._by_ack.pop(tx.ack_key, None)
        host = tx.flow.remote.host
        left = self._per_source[host] - 1
        if left:
            self._per_source[host] = left
        else:
            del self._per_source[host]

    # Actions

    def _send(self, tx: ServerTransaction, _now_s: float, _message: Any) -> None:
        self._effects.outgoing.append((tx.data, tx.reply_flow))

    def _tell_ack(self, tx: ServerTransaction, _now_s: float, message: Any) -> None:
        if not tx.acked:
            tx.acked = True
            tx.data = b""  # it is repeated no more
            self._effects.timers.cancel(tx.repeat_timer)
            self._effects.events.append(AckReceived(tx, message))

    def _tell_no_ack(self, tx: ServerTransaction, _now_s: float, _message: Any) -> None:
        if not tx.acked:
            self._effects.events.append(AckTimedOut(tx))
