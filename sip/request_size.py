"""Which requests are too large for UDP (RFC 3261 18.1.1). Pure."""

from __future__ import annotations

from sip.flow import Flow
from sip.message import Request

UDP_REQUEST_BYTES_MAX = 1300
"""Where the path's MTU is not known; a larger datagram may be cut into pieces that get lost."""

VIA_BYTES = 120
"""Room for the Via that the stack adds."""


def is_too_large_for_udp(request: Request, flow: Flow) -> bool:
    """Whether a request that has no Via yet has to go over a transport with congestion control."""
    if flow.reliable:
        return False
    size = VIA_BYTES + len(request.method) + len(request.uri) + len(request.body)
    for name, values in request.headers.items():
        for value in values:
            size += len(name) + len(value) + 4  # ": " and CRLF
    return size > UDP_REQUEST_BYTES_MAX
