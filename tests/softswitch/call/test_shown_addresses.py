"""Addresses that peers are shown."""

from __future__ import annotations

import pytest

from sip.flow import Address, Flow
from sip.resolution import Resolution
from softswitch.call.addresses import Addresses, same_host, shown_host

HERE = Address("198.51.100.1", 5060)
HERE_6 = Address("2001:db8::1", 5060)


class OneAddress:
    """Listeners that are where their flows are."""

    @staticmethod
    def contact_address(flow: Flow) -> Address:
        """The flow's own address."""
        return flow.local

    @staticmethod
    def flow_to(remote: Address, transport: str) -> Flow | None:
        """From the IPv4 address."""
        return Flow(transport, HERE, remote)


@pytest.mark.parametrize(
    ("advertised", "local", "shown"),
    [
        ("203.0.113.1", "10.0.0.1", "203.0.113.1"),
        ("", "10.0.0.1", "10.0.0.1"),
        ("203.0.113.1", "2001:db8::1", "2001:db8::1"),  # nobody there could send to it
        ("2001:db8::9", "2001:db8::1", "2001:db8::9"),
    ],
)
def test_the_public_address_is_for_its_own_family(advertised: str, local: str, shown: str) -> None:
    """A switch behind NAT has one for IPv4, and none for IPv6."""
    assert shown_host(advertised, local) == shown


@pytest.mark.parametrize(
    ("transport", "local", "uri", "contact"),
    [
        ("udp", HERE, "sip:102@host", "<sip:203.0.113.1:5060>"),
        ("tls", HERE, "sip:102@host", "<sip:203.0.113.1:5060;transport=tls>"),
        ("tls", HERE, "SIPS:102@host", "<sips:203.0.113.1:5060>"),  # RFC 3261 12.1.1
        ("tcp", HERE_6, "sip:102@host", "<sip:[2001:db8::1]:5060;transport=tcp>"),
    ],
)
def test_contact_says_how_to_reach_us(
    transport: str, local: Address, uri: str, contact: str
) -> None:
    """Transport, brackets, and SIPS where SIPS was asked for."""
    addresses = Addresses(OneAddress(), "203.0.113.1", lambda uri: Resolution())
    flow = Flow(transport, local, local._replace(port=5070), 1)
    assert addresses.contact(flow, uri) == contact


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.9", "203.0.113.9", True),
        ("2001:db8:0:0::9", "2001:db8::9", True),
        ("2001:db8::9", "2001:db8::8", False),
        ("phone.example", "203.0.113.9", False),
    ],
)
def test_the_same_host_in_other_words(one: str, other: str, same: bool) -> None:
    """A phone's Contact may spell out what the kernel abbreviates."""
    assert same_host(one, other) is same
