"""What the stack tells its user: one frozen value each, drained by ``Stack.take_events``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.message import Request, Response
    from sip.transaction import ClientTransaction, ServerTransaction


class RequestReceived(NamedTuple):
    """A new request, already checked (RFC 3261 8.2), retransmissions absorbed.

    Never CANCEL and never ACK. The user must answer with ``Stack.respond``; for INVITE the stack
    has sent 100 Trying.
    """

    transaction: ServerTransaction
    request: Request
    flow: Flow


class AckReceived(NamedTuple):
    """The ACK for a 2xx of ours came; ``transaction`` is the INVITE's. Its retransmission stopped.

    ``request`` may carry the SDP answer of a delayed offer.
    """

    transaction: ServerTransaction
    request: Request


class AckTimedOut(NamedTuple):
    """No ACK within 64*T1 of a 2xx (RFC 3261 13.3.1.4): the dialog stands, end it with BYE."""

    transaction: ServerTransaction


class CancelReceived(NamedTuple):
    """The caller cancelled an INVITE that has no final answer yet. The CANCEL itself is answered;
    the user answers the INVITE with 487 (RFC 3261 9.2)."""

    transaction: ServerTransaction
    request: Request  # the CANCEL, for its Reason header


class ResponseReceived(NamedTuple):
    """A provisional (101 and up) or final response to a request of ours.

    For INVITE, every 2xx with a To tag not seen before is told (forks); the repeated ones are
    acknowledged again by the stack with what ``Stack.ack`` sent.
    """

    transaction: ClientTransaction
    response: Response
    flow: Flow


class RequestFailed(NamedTuple):
    """A request of ours ended without a final response: ``timeout`` (timer B or F), or
    ``transport`` (the flow broke). Treat as 408 or 503 (RFC 3261 8.1.3.1)."""

    transaction: ClientTransaction
    cause: str  # "timeout" | "transport"


Event = (
    RequestReceived | AckReceived | AckTimedOut | CancelReceived | ResponseReceived | RequestFailed
)
