"""The SIP service as the calls see it: flows to peers, and addresses that peers can answer to."""

from __future__ import annotations

from collections.abc import Iterable

from sip.dns_records import Kind
from sip.flow import Address, Flow, is_address
from sip.resolution import Reach
from sip.service import SipService
from sip.transport import Listener, Unreachable


class Listening:
    """What ``CallService`` needs of the SIP listeners."""

    def __init__(self, service: SipService, listeners: Iterable[Listener]) -> None:
        self._service = service
        streams = [listener for listener in listeners if listener.transport != "udp"]
        self._streams = {(each.transport, each.address) for each in streams}
        # The first of several on one host; "" stands for every host.
        self._stream_ports = {
            (each.transport, "" if each.is_wildcard else each.address.host): each.address.port
            for each in reversed(streams)
        }

    def flush(self) -> None:
        """Send what the stack has to send and arm its timer."""
        self._service.flush()

    def took_ping(self, flow: Flow) -> bool:
        """Whether a keep-alive came over a stream flow since this was asked last."""
        return self._service.took_ping(flow)

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """A flow towards an address, ``None`` when no listener has the transport, and for a host
        name that did not resolve: a socket would look it up and stop everything meanwhile."""
        if not is_address(remote.host):
            return None
        try:
            return self._service.local_flow_to(remote, transport)
        except Unreachable:
            return None

    def contact_address(self, flow: Flow) -> Address:
        """Where a peer of this flow can send requests to. A stream that we opened has a port of its
        own at our end, so the listener's stands in Contact and Via (RFC 3261 18.1.1)."""
        transport, (host, port) = flow.transport, flow.local
        if not flow.reliable or (transport, flow.local) in self._streams:
            return flow.local
        for known in ((transport, host), (transport, "")):
            if known in self._stream_ports:
                return Address(host, self._stream_ports[known])
        return Address(host, port)


def reach_of(listeners: Iterable[Listener]) -> Reach:
    """What can be sent to: each transport that has a listener, with the kinds of address. IPv6
    comes first (RFC 6724, as RFC 7984 4 asks); where it has no route IPv4 is next."""
    kinds: dict[str, set[Kind]] = {}
    for listener in listeners:
        kind: Kind = "AAAA" if ":" in listener.address.host else "A"
        kinds.setdefault(listener.transport, set()).add(kind)
    return {transport: tuple(sorted(found, reverse=True)) for transport, found in kinds.items()}
