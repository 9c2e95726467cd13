"""The addresses in SIP requests: ours as peers see them, and where carriers want theirs."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Protocol

from sip.dialog import Dialog
from sip.flow import Address, Flow
from sip.uri import parse_uri

SIP_PORT = 5060
HOSTS_CACHED = 4096  # parsed hosts of carriers' contacts


class Listeners(Protocol):
    """``sip.service.SipService`` as addressing needs it."""

    def contact_address(self, flow: Flow) -> Address:
        """The listening address that a peer of this flow can send requests to."""

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """A flow towards an address, ``None`` when no listener has the transport."""


class SendsRequests(Listeners, Protocol):
    """And for whoever sends outside of an event of the stack."""

    def flush(self) -> None:
        """Send what the stack has to send and arm its timer."""


class Addresses:
    """``advertised`` stands for our own host where it is set: the public address behind NAT."""

    def __init__(self, listeners: Listeners, advertised: str) -> None:
        self._listeners = listeners
        self._advertised = advertised

    def sent_by(self, flow: Flow) -> Address:
        """Our address in Via."""
        address = self._listeners.contact_address(flow)
        return Address(self._advertised, address.port) if self._advertised else address

    def contact(self, flow: Flow) -> str:
        """Our Contact."""
        suffix = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"<sip:{self.sent_by(flow)}{suffix}>"

    def flow_of_carrier(self, dialog: Dialog) -> Flow:
        """The way to a carrier: where its Contact or its first proxy says (RFC 3261 12.2.1.1), if
        that is numeric and we have a listener for it."""
        hop = parse_uri(dialog.next_hop)
        transport = (hop.params.get("transport") or dialog.flow.transport).lower()
        if transport != dialog.flow.transport or not is_address(hop.host):
            return dialog.flow
        remote = Address(hop.host, hop.port or SIP_PORT)
        if remote == dialog.flow.remote:
            return dialog.flow
        return self._listeners.flow_to(remote, transport) or dialog.flow


@lru_cache(maxsize=HOSTS_CACHED)
def is_address(host: str) -> bool:
    """Whether a host is numeric, so that nothing has to be resolved."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
