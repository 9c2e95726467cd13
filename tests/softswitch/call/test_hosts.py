"""Trunk destinations given by name."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred

from softswitch.call.hosts import TrunkHosts
from softswitch.routing.model import RoutingSnapshot, Trunk
from softswitch.snapshot import SnapshotHolder


class FakeResolver:
    """A reactor whose resolver knows some names."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): address for name, address in known.items()}
        self.asked: list[str] = []
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, host: str) -> None:
        """Answer at once, as IHostnameResolver does in time."""
        self.asked.append(host)
        receiver.resolutionBegan(None)
        if host in self.known:
            receiver.addressResolved(IPv4Address("UDP", self.known[host], 0))
        receiver.resolutionComplete()


def trunks(**destinations: str) -> dict[str, Trunk]:
    """Trunks by name and destination."""
    return {name: Trunk(name, (), uri, "e164", 0) for name, uri in destinations.items()}


def refreshed(hosts: TrunkHosts, reactor: FakeResolver, **destinations: str) -> None:
    """Run one refresh to its end."""
    done = Deferred.fromCoroutine(hosts.refresh(trunks(**destinations), reactor))  # type: ignore[arg-type]
    assert done.called


def test_only_names_are_looked_up() -> None:
    """A numeric destination needs nobody."""
    hosts, reactor = TrunkHosts(), FakeResolver(sip_example_net="192.0.2.7")
    refreshed(hosts, reactor, a="sip:sip.example.net", b="sip:192.0.2.9:5070", c="no uri")
    assert reactor.asked == ["sip.example.net"]
    assert hosts == {"sip.example.net": "192.0.2.7"}


def test_a_name_keeps_its_address_while_the_resolver_is_away() -> None:
    """Calls go on through an outage of DNS."""
    hosts, reactor = TrunkHosts(), FakeResolver(sip_example_net="192.0.2.7")
    refreshed(hosts, reactor, a="sip:sip.example.net")
    reactor.known.clear()
    refreshed(hosts, reactor, a="sip:sip.example.net")
    assert hosts == {"sip.example.net": "192.0.2.7"}


def test_replacing_the_whole_snapshot_is_told() -> None:
    """An applied state file may bring trunks with new names."""
    told: list[RoutingSnapshot] = []
    holder = SnapshotHolder()
    holder.on_whole = lambda: told.append(holder.current)
    new = RoutingSnapshot(brand="new")
    holder.publish(new, {})
    assert told == [new]
