"""Requests of ours: sending, repeating, matching responses, ACK and CANCEL (RFC 3261 17.1, 9.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sip.errors import LocalError, RemoteError
from sip.events import RequestFailed, ResponseReceived
from sip.machines import INVITE_CLIENT, NON_INVITE_CLIENT, Action, Input, State, response_input
from sip.matching import ClientKey, client_key
from sip.message import Request, Response
from sip.steps import Steps
from sip.transaction import ClientTransaction, Headers
from sip.uri import parse_uri
from sip.values import parse_via

if TYPE_CHECKING:
    from sip.effects import Effects
    from sip.flow import Address, Flow
    from sip.timers import Timers

BRANCH_PREFIX = "z9hG4bK"
MAX_FORWARDS = "70"  # RFC 3261 8.1.1.6

VIAS_MAX = 70
"""Looked at for our own branch: hops that a request has without a loop (8.1.1.6)."""

FORKS_MAX = 32
"""2xx with different To tags that one INVITE may bring; more is a flood, not a forking proxy."""

FlowKey = tuple[str, "Address", int]  # transport, remote, connection


class ClientTransactions(Steps[ClientTransaction]):
    """Every request of ours that is not forgotten yet, by branch and method."""

    def __init__(self, effects: Effects, timers: Timers, token: Callable[[], str]) -> None:
        super().__init__(
            effects,
            timers,
            {
                Action.SEND: self._send,
                Action.SEND_ACK: self._send_ack,
                Action.SEND_CANCEL: self._send_asked_cancel,
                Action.TELL: self._tell,
                Action.TELL_2XX: self._tell_2xx,
                Action.TELL_TIMEOUT: self._tell_timeout,
                Action.TELL_TRANSPORT: self._tell_transport,
                Action.DESTROY: self._destroy,
            },
        )
        self._token = token
        self._invite_rows = self.rows(INVITE_CLIENT)
        self._other_rows = self.rows(NON_INVITE_CLIENT)
        self._by_key: dict[ClientKey, ClientTransaction] = {}
        self._by_stream: dict[FlowKey, dict[ClientKey, ClientTransaction]] = {}

    def __len__(self) -> int:
        """How many transactions there are."""
        return len(self._by_key)

    def request(
        self,
        request: Request,
        flow: Flow,
        now_s: float,
        *,
        owner: object | None,
        sent_by: Address | None,
    ) -> ClientTransaction:
        """Send ``request`` under a new branch."""
        method = request.method
        if method in ("ACK", "CANCEL"):
            raise LocalError(f"{method} is no transaction of its own")
        branch = BRANCH_PREFIX + self._token()
        rows = self._invite_rows if method == "INVITE" else self._other_rows
        tx = ClientTransaction(
            (branch.lower(), method),
            _sendable(request),
            _via(branch, flow, sent_by),
            flow,
            owner,
            rows,
        )
        self._begin(tx, now_s)
        return tx

    def has_looped(self, request: Request) -> bool:
        """Whether this is a request of ours that comes back as it went (16.3 step 4): one of its
        Vias has our branch, and it is for the same user. For another user it is a spiral: somebody
        forwarded it to a number of ours, and Max-Forwards counts those."""
        vias = request.headers["via"]
        if len(vias) == 1 and "," not in vias[0]:
            return False  # from whoever sent it; a loop has ours below theirs
        try:
            branches = [parse_via(value).branch for value in request.values("via")[1:VIAS_MAX]]
        except RemoteError:
            return False  # nobody reads those but who wrote them
        for branch in branches:
            tx = self._by_key.get(((branch or "").lower(), request.method))
            if tx is not None and _user(tx.request.uri) == _user(request.uri):
                return True
        return False

    def cancel(self, tx: ClientTransaction, now_s: float, headers: Headers) -> None:
        """Take an INVITE back, now or at its first provisional response (9.1)."""
        if tx.request.method != "INVITE":
            raise LocalError(f"{tx.request.method} cannot be cancelled")
        if tx.cancel_asked:
            return
        tx.cancel_asked = True
        tx.cancel_headers = headers
        if tx.state is State.PROCEEDING:
            self._send_asked_cancel(tx, now_s, None)

    def ack(self, tx: ClientTransaction, ack: Request, flow: Flow, sent_by: Address | None) -> None:
        """Send the ACK of a 2xx, and keep it for the 2xx's repetitions (13.2.2.4)."""
        if ack.method != "ACK" or tx.request.method != "INVITE":
            raise LocalError(f"{ack.method} acknowledges no {tx.request.method}")
        via = _via(BRANCH_PREFIX + self._token(), flow, sent_by)
        packet = (_sendable(ack).to_bytes(via), flow)
        if tx.acks is not None:
            tx.acks[ack.to_tag or ""] = packet
        self._effects.outgoing.append(packet)

    def receive(self, response: Response, flow: Flow, now_s: float) -> bool:
        """Match a response and take the step; False when it answers nothing of ours.

        More than one Via means that it was meant for somebody else (8.1.3.3). Raises RemoteError.
        """
        tx = self._by_key.get(client_key(response))
        if tx is None or len(response.headers["via"]) != 1:
            return False
        cause = response_input(response.status)
        if cause is Input.R2XX and not self._has_room_for_fork(tx, response):
            return False
        if cause is not Input.R1XX and not tx.final_status:
            tx.final_status = response.status
            tx.data = b""  # it is repeated no more
        self.step(tx, cause, now_s, (response, flow))
        return True

    def abandon(self, tx: ClientTransaction) -> None:
        """Forget a transaction that is no INVITE's."""
        if tx.request.method == "INVITE":
            raise LocalError("an INVITE is cancelled")
        if self._by_key.get(tx.key) is tx:
            self._destroy(tx, 0.0, None)

    def flow_failed(self, flow: Flow, now_s: float) -> None:
        """Tell the transactions of a lost stream connection."""
        lost = self._by_stream.get((flow.transport, flow.remote, flow.connection))
        for tx in list(lost.values()) if lost else ():
            self.step(tx, Input.TRANSPORT_ERROR, now_s)

    def _begin(self, tx: ClientTransaction, now_s: float) -> None:
        self._by_key[tx.key] = tx
        if tx.flow.reliable:
            key = (tx.flow.transport, tx.flow.remote, tx.flow.connection)
            self._by_stream.setdefault(key, {})[tx.key] = tx
        self.step(tx, Input.START, now_s)

    @staticmethod
    def _has_room_for_fork(tx: ClientTransaction, response: Response) -> bool:
        tag = response.to_tag or ""
        return tx.acks is None or tag in tx.acks or len(tx.acks) < FORKS_MAX

    # Actions

    def _send(self, tx: ClientTransaction, _now_s: float, _message: Any) -> None:
        self._effects.outgoing.append((tx.data, tx.flow))

    def _send_ack(self, tx: ClientTransaction, _now_s: float, message: Any) -> None:
        """The ACK of a refusal goes where the INVITE went, under its branch (17.1.1.3)."""
        response: Response = message[0]
        ack = _same_branch(tx.request, "ACK")
        ack.headers["to"] = response.headers.get("to", ack.headers["to"])
        self._effects.outgoing.append((ack.to_bytes(tx.via), tx.flow))

    def _send_asked_cancel(self, tx: ClientTransaction, now_s: float, _message: Any) -> None:
        """CANCEL is a transaction of its own; the INVITE's answer is waited for 64*T1 (9.1)."""
        if not tx.cancel_asked:
            return
        cancel = _same_branch(tx.request, "CANCEL")
        for name, value in tx.cancel_headers:
            key = name.lower()
            cancel.headers[key] = [*cancel.headers.get(key, ()), value]
        cancel_key = (tx.key[0], "CANCEL")
        own = ClientTransaction(cancel_key, cancel, tx.via, tx.flow, None, self._other_rows)
        own.silent = True
        self._begin(own, now_s)
        self.end_after(tx, Input.TIMER_CANCEL, self._timers.timeout_s, now_s)

    def _tell(self, tx: ClientTransaction, _now_s: float, message: Any) -> None:
        response, flow = message
        if response.status > 100 and not tx.silent:
            self._effects.events.append(ResponseReceived(tx, response, flow))

    def _tell_2xx(self, tx: ClientTransaction, _now_s: float, message: Any) -> None:
        response, flow = message
        tag = response.to_tag or ""
        if tx.acks is None:
            tx.acks = {}
        if tag not in tx.acks:
            tx.acks[tag] = None
            self._effects.events.append(ResponseReceived(tx, response, flow))
            return
        packet = tx.acks[tag]
        if packet is not None:
            self._effects.outgoing.append(packet)

    def _tell_timeout(self, tx: ClientTransaction, _now_s: float, _message: Any) -> None:
        self._effects.counters.timeouts += 1
        self._fail(tx, "timeout")

    def _tell_transport(self, tx: ClientTransaction, _now_s: float, _message: Any) -> None:
        self._fail(tx, "transport")

    def _fail(self, tx: ClientTransaction, cause: str) -> None:
        if not tx.silent:
            self._effects.events.append(RequestFailed(tx, cause))

    def _destroy(self, tx: ClientTransaction, _now_s: float, _message: Any) -> None:
        self.stop_timers(tx)
        self._by_key.pop(tx.key, None)
        if tx.flow.reliable:
            key = (tx.flow.transport, tx.flow.remote, tx.flow.connection)
            stream = self._by_stream.get(key, {})
            stream.pop(tx.key, None)
            if not stream:
                self._by_stream.pop(key, None)


def _via(branch: str, flow: Flow, sent_by: Address | None) -> str:
    return f"SIP/2.0/{flow.transport.upper()} {sent_by or flow.local};branch={branch};rport"


def _sendable(request: Request) -> Request:
    """The request itself when it lacks nothing but our Via; else a copy without other Vias and with
    Max-Forwards."""
    headers = request.headers
    if "max-forwards" in headers and "via" not in headers:
        return request
    others = {name: values for name, values in headers.items() if name != "via"}
    others = {"max-forwards": [MAX_FORWARDS]} | others
    return Request(request.method, request.uri, others, request.body, request.charset)


def _same_branch(invite: Request, method: str) -> Request:
    """An ACK or CANCEL that follows an INVITE hop by hop (9.1, 17.1.1.3): same Request-URI, top
    Via, Route, From, To, Call-ID and CSeq number."""
    asked = invite.headers
    headers = {name: asked[name] for name in ("from", "to", "call-id")}
    headers["cseq"] = [f"{invite.cseq.number} {method}"]
    headers["max-forwards"] = [MAX_FORWARDS]
    if "route" in asked:
        headers["route"] = asked["route"]
    return Request(method, invite.uri, headers, b"", invite.charset)


def _user(uri_text: str) -> str | None:
    return parse_uri(uri_text).user
