"""Which address a peer is told to send requests to."""

from __future__ import annotations

from typing import cast

import pytest

from sip.flow import Address, Flow
from sip.service import SipService
from sip.transport import Listener
from softswitch.call.listening import Listening, reach_of

PEER = Address("192.0.2.9", 40_000)
LISTENERS = [
    Listener("udp", Address("192.0.2.1", 5060)),
    Listener("tcp", Address("192.0.2.1", 5061)),
    Listener("tcp", Address("192.0.2.1", 5062)),
    Listener("tcp", Address("192.0.2.2", 5071)),
]
EVERYWHERE = [Listener("tcp", Address("0.0.0.0", 5081))]


@pytest.mark.parametrize(
    ("listeners", "transport", "local", "expected_port"),
    [
        (LISTENERS, "udp", Address("192.0.2.1", 5060), 5060),
        (LISTENERS, "tcp", Address("192.0.2.1", 5062), 5062),  # the peer opened it
        (LISTENERS, "tcp", Address("192.0.2.1", 33_000), 5061),  # we did
        (LISTENERS, "tcp", Address("192.0.2.2", 33_000), 5071),
        (EVERYWHERE, "tcp", Address("192.0.2.2", 33_000), 5081),
    ],
)
def test_contact_names_a_listener_on_the_same_host(
    listeners: list[Listener], transport: str, local: Address, expected_port: int
) -> None:
    """A stream that we opened has a port of its own, where nobody listens."""
    listening = Listening(cast(SipService, None), listeners)
    flow = Flow(transport, local, PEER, 1)
    assert listening.contact_address(flow) == Address(local.host, expected_port)


class Everywhere:
    """A SIP service that can reach everybody."""

    @staticmethod
    def local_flow_to(remote: Address, transport: str) -> Flow:
        """From the first listener."""
        return Flow(transport, LISTENERS[0].address, remote)


@pytest.mark.parametrize(
    ("host", "reached"), [("192.0.2.9", True), ("::1", True), ("carrier.example", False)]
)
def test_a_name_that_did_not_resolve_is_not_called(host: str, reached: bool) -> None:
    """Asking for its address here would block every call."""
    listening = Listening(cast(SipService, Everywhere), LISTENERS)
    assert (listening.flow_to(Address(host, 5060), "udp") is not None) is reached


@pytest.mark.parametrize(
    ("hosts", "reach"),
    [
        (["192.0.2.1"], {"udp": ("A",)}),
        (["::1"], {"udp": ("AAAA",)}),
        (["0.0.0.0", "192.0.2.1", "::"], {"udp": ("AAAA", "A")}),
    ],
)
def test_only_families_with_a_listener_are_reached(
    hosts: list[str], reach: dict[str, tuple[str, ...]]
) -> None:
    """IPv6 first, where there is both."""
    listeners = [Listener("udp", Address(host, 5060)) for host in hosts]
    assert reach_of(listeners) == reach
    assert "tcp" in reach_of(LISTENERS)
