"""Which requests are too large for UDP."""

from __future__ import annotations

import pytest

from sip.flow import Address, Flow
from sip.request_size import UDP_REQUEST_BYTES_MAX, is_too_large_for_udp
from tests.sip.peers import request

HERE = Address("192.0.2.1", 5060)
THERE = Address("192.0.2.2", 5060)


@pytest.mark.parametrize(
    ("transport", "body_bytes", "too_large"),
    [("udp", 700, False), ("udp", UDP_REQUEST_BYTES_MAX, True), ("tcp", 5000, False)],
)
def test_udp_is_for_what_fits_one_packet(transport: str, body_bytes: int, too_large: bool) -> None:
    """RFC 3261 18.1.1: 1300 bytes where nobody knows the path's MTU."""
    message = request("INVITE")
    message.body = b"x" * body_bytes
    assert is_too_large_for_udp(message, Flow(transport, HERE, THERE)) is too_large


def test_headers_count_too() -> None:
    """And the Via that is still to come: what is let through is at most 1300 bytes with it."""
    message = request("INVITE", ("Subject", "x" * 850))
    via = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabcdefghijklmnopqrstuvwxyz;rport\r\n"
    assert not is_too_large_for_udp(message, Flow("udp", HERE, THERE))
    assert len(bytes(message)) + len(via) <= UDP_REQUEST_BYTES_MAX
    assert is_too_large_for_udp(
        request("INVITE", ("Subject", "x" * 1100)), Flow("udp", HERE, THERE)
    )
