"""Large INVITEs: over TCP where that can work, over UDP where it cannot."""

from __future__ import annotations

import pytest

from sip.flow import Address, Flow
from sip.message import Request
from sip.request_size import UDP_REQUEST_BYTES_MAX
from softswitch.call import large_requests
from softswitch.call.events import Target
from softswitch.call.large_requests import REFUSAL_KEPT_S, LargeRequests
from tests.softswitch.call.phones import invite

HERE = Address("198.51.100.1", 5060)
CARRIER = Address("203.0.113.9", 5060)
OTHER = Address("203.0.113.10", 5060)


class Listeners:
    """Listeners for UDP, and for TCP unless ``tcp`` is false."""

    def __init__(self, *, tcp: bool = True) -> None:
        self._tcp = tcp

    def contact_address(self, flow: Flow) -> Address:
        """The flow's own address."""
        return flow.local

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """From the one address."""
        return Flow(transport, HERE, remote) if self._tcp or transport == "udp" else None


def large() -> Request:
    """An INVITE with a body that fills a packet."""
    request = invite()
    request.body = b"x" * UDP_REQUEST_BYTES_MAX
    return request


def target(remote: Address = CARRIER, *, configured: bool = True, transport: str = "udp") -> Target:
    """A carrier, or a phone that registered."""
    flow = Flow(transport, HERE, remote)
    return Target("sip:1@h", flow, "<sip:1@h>", "<sip:2@h>", "x", is_configured=configured)


def test_a_large_invite_to_a_carrier_goes_over_tcp() -> None:
    """The same target over a flow that is yet to be opened."""
    moved = LargeRequests(Listeners()).over_tcp(large(), target(), 0.0)
    assert moved == target(transport="tcp")


@pytest.mark.parametrize(
    ("request_", "aim", "listeners"),
    [
        (invite(), target(), Listeners()),
        (large(), target(configured=False), Listeners()),
        (large(), target(transport="tcp"), Listeners()),
        (large(), target(), Listeners(tcp=False)),
    ],
    ids=["small", "registered phone", "tcp already", "no tcp listener"],
)
def test_others_stay_where_they_are(request_: Request, aim: Target, listeners: Listeners) -> None:
    """A phone behind NAT is reached over its flow or not at all."""
    assert LargeRequests(listeners).over_tcp(request_, aim, 0.0) is None


def test_who_takes_no_tcp_is_left_alone_for_a_while() -> None:
    """Each try could cost a call the connect timeout."""
    requests = LargeRequests(Listeners())
    requests.refused(CARRIER, 10.0)
    assert requests.over_tcp(large(), target(), 10.0 + REFUSAL_KEPT_S - 1) is None
    assert requests.over_tcp(large(), target(OTHER), 11.0) is not None
    assert requests.over_tcp(large(), target(), 10.0 + REFUSAL_KEPT_S) is not None


def test_refusals_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it begins anew."""
    monkeypatch.setattr(large_requests, "REFUSALS_MAX", 1)
    requests = LargeRequests(Listeners())
    requests.refused(CARRIER, 0.0)
    requests.refused(OTHER, 0.0)
    assert requests.over_tcp(large(), target(), 1.0) is not None
    assert requests.over_tcp(large(), target(OTHER), 1.0) is None
