"""Where requests inside a carrier's dialog go."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog
from sip.dns_records import Answer, Srv
from sip.flow import Address, Flow
from softswitch.call.addresses import Addresses
from softswitch.call.hosts import Hosts
from tests.softswitch.call.fake_dns import FakeDns

LOCAL = Address("192.0.2.100", 5060)
CAME_FROM = Flow("udp", LOCAL, Address("192.0.2.1", 5060))
ZONE: dict[str, Answer] = {
    "SRV _sip._udp.carrier.example": (Srv(1, 1, 5060, "b.example"), Srv(2, 1, 5060, "a.example")),
    "SRV _sip._tcp.tcp.example": (Srv(1, 1, 5070, "b.example"),),
    "A a.example": ("192.0.2.1",),
    "A b.example": ("192.0.2.2",),
}


class Listeners:
    """UDP and TCP at one address."""

    def contact_address(self, flow: Flow) -> Address:
        """There is one."""
        return flow.local

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """From it."""
        return Flow(transport, LOCAL, remote)


def dialog(target: str, *routes: str, flow: Flow = CAME_FROM) -> Dialog:
    """A dialog whose peer gave this Contact."""
    return Dialog(
        call_id="c",
        local="<sip:us@x>",
        local_tag="1",
        remote="<sip:them@x>",
        remote_tag="2",
        remote_target=target,
        route_set=routes,
        contact="<sip:us@192.0.2.100>",
        flow=flow,
    )


def addresses(dns: FakeDns) -> Addresses:
    """Addressing that resolves with a name server of the test."""
    hosts = Hosts(dns.ask, {"udp": ("A",), "tcp": ("A",)}, now_s=lambda: 0.0, draw=lambda _: 0)
    return Addresses(Listeners(), "", hosts.where)


@pytest.mark.parametrize(
    ("target", "routes", "remote"),
    [
        ("sip:x@192.0.2.7", (), Address("192.0.2.7", 5060)),
        ("sip:x@192.0.2.7:5070", (), Address("192.0.2.7", 5070)),
        ("sip:x@b.example:5080", (), Address("192.0.2.2", 5080)),
        ("sip:x@nowhere.example", ("<sip:b.example:5090;lr>",), Address("192.0.2.2", 5090)),
        # Of several servers the one that the dialog has already, whatever its place.
        ("sip:x@carrier.example", (), CAME_FROM.remote),
        # What cannot be resolved or listened for: where the messages came from.
        ("sip:x@nowhere.example", (), CAME_FROM.remote),
        ("sip:x@b.example;transport=tcp", (), CAME_FROM.remote),
        ("sips:x@b.example", (), CAME_FROM.remote),
    ],
)
def test_the_next_hop_of_a_carrier(target: str, routes: tuple[str, ...], remote: Address) -> None:
    """Its Contact, or its first proxy; names once they are known."""
    way, where = addresses(FakeDns(ZONE)), dialog(target, *routes)
    way.flow_of_carrier(where)  # the first look asks
    assert way.flow_of_carrier(where).remote == remote


def test_a_contact_without_transport_means_the_one_that_is_spoken() -> None:
    """Carriers over TCP leave it out."""
    way = addresses(FakeDns(ZONE))
    where = dialog("sip:x@tcp.example", flow=Flow("tcp", LOCAL, Address("192.0.2.1", 5060), 7))
    way.flow_of_carrier(where)
    assert way.flow_of_carrier(where) == Flow("tcp", LOCAL, Address("192.0.2.2", 5070))


def test_an_unknown_name_is_not_waited_for() -> None:
    """The first request goes where the messages came from, a later one where the name leads."""
    dns = FakeDns(ZONE)
    dns.slow = True
    way, where = addresses(dns), dialog("sip:x@b.example:5080")
    assert way.flow_of_carrier(where) == CAME_FROM
    assert dns.taken() == ["A b.example"]
    dns.answer()
    assert way.flow_of_carrier(where).remote == Address("192.0.2.2", 5080)
