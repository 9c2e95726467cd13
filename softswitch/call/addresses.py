"""The addresses in SIP requests: ours as peers see them, and where carriers want theirs."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Protocol

from sip.dialog import Dialog
from sip.flow import Address, Flow
from sip.uri import parse_uri

SIP_PORT = 5060  # RFC 3261 19.1.2
SIPS_PORT = 5061
HOSTS_CACHED = 4096  # parsed hosts of carriers' contacts


class Listeners(Protocol):
    """``sip.service.SipService`` as addressing needs it."""

    def contact_address(self, flow: Flow) -> Address:
        """The listening address that a peer of this flow can send requests to."""

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """A flow towards an address, ``None`` when no listener has the transport."""


class Addresses:
    """``advertised`` stands for our own host where it is set: the public address behind NAT."""

    def __init__(self, listeners: Listeners, advertised: str) -> None:
        self.listeners = listeners
        self._advertised = advertised

    def sent_by(self, flow: Flow) -> Address:
        """Our address in Via."""
        host, port = self.listeners.contact_address(flow)
        return Address(shown_host(self._advertised, host), port)

    def contact(self, flow: Flow, uri: str = "sip:") -> str:
        """Our Contact; a SIPS one for a request to a SIPS URI (RFC 3261 12.1.1, 8.1.1.8)."""
        suffix = "" if flow.transport == "udp" else f";transport={flow.transport}"
        if uri[:5].lower() == "sips:":
            return f"<sips:{self.sent_by(flow)}>"
        return f"<sip:{self.sent_by(flow)}{suffix}>"

    def flow_of_carrier(self, dialog: Dialog) -> Flow:
        """The way to a carrier: where its Contact or its first proxy says (RFC 3261 12.2.1.1), if
        that is numeric and we have a listener for it. One who is proven by a certificate stays on
        the connection for which that holds: the certificate names no address."""
        if dialog.flow.transport == "tls":
            return dialog.flow
        hop = parse_uri(dialog.next_hop)
        transport = (hop.params.get("transport") or dialog.flow.transport).lower()
        if transport != dialog.flow.transport or not is_address(hop.host):
            return dialog.flow
        remote = Address(hop.host, hop.port or SIP_PORT)
        if remote == dialog.flow.remote:
            return dialog.flow
        return self.listeners.flow_to(remote, transport) or dialog.flow


def shown_host(advertised: str, local_host: str) -> str:
    """The host that peers are told of: the public one where there is one of the same family, since
    who speaks IPv6 to us cannot be sent to an IPv4 address."""
    if advertised and (":" in advertised) == (":" in local_host):
        return advertised
    return local_host


@lru_cache(maxsize=HOSTS_CACHED)
def is_address(host: str) -> bool:
    """Whether a host is numeric, so that nothing has to be resolved."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def same_host(one: str, other: str) -> bool:
    """Whether two hosts are the same; an IPv6 address can be written in many ways."""
    if one == other:
        return True
    return is_address(one) and is_address(other) and ip_address(one) == ip_address(other)
