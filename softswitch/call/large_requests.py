"""INVITEs that are too large for UDP go over TCP, where the peer takes that (RFC 3261 18.1.1)."""

from __future__ import annotations

from sip.flow import Address
from sip.message import Request
from sip.request_size import is_too_large_for_udp
from softswitch.call.addresses import Listeners
from softswitch.call.events import Target

REFUSAL_KEPT_S = 600.0
"""Who takes no TCP is not asked again for so long: one who just drops SYNs costs each call the
connect timeout otherwise."""

REFUSALS_MAX = 10_000


class LargeRequests:
    """Chooses the transport of large INVITEs, and remembers who takes no TCP.

    Only peers whose address is configured are tried: a phone that registered over UDP is behind a
    NAT for all we know, which lets nothing in but the flow that it opened.
    """

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._refused: dict[Address, float] = {}  # until when

    def over_tcp(self, request: Request, target: Target, now_s: float) -> Target | None:
        """The same target over TCP; ``None`` when UDP will do, or is all that there is."""
        flow = target.flow
        if not target.is_configured or not is_too_large_for_udp(request, flow):
            return None
        if self._refused.get(flow.remote, now_s) > now_s:
            return None
        over_tcp = self._listeners.flow_to(flow.remote, "tcp")
        return None if over_tcp is None else target._replace(flow=over_tcp)

    def refused(self, remote: Address, now_s: float) -> None:
        """A peer did not take the connection."""
        if len(self._refused) >= REFUSALS_MAX:
            self._refused.clear()
        self._refused[remote] = now_s + REFUSAL_KEPT_S
