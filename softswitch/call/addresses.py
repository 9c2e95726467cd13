"""The addresses in SIP requests: ours as peers see them, and where carriers want theirs."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from sip.dialog import Dialog
from sip.flow import Address, Flow, is_address
from sip.params import Params
from sip.resolution import DEFAULT_PORTS, Resolution
from sip.uri import SipUri, parse_uri

SIP_PORT = 5060  # RFC 3261 19.1.2
SIPS_PORT = 5061


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
    """``advertised`` stands for our own host where it is set: the public address behind NAT;
    ``where`` resolves a SIP URI as far as it is known now."""

    def __init__(
        self, listeners: Listeners, advertised: str, where: Callable[[str], Resolution]
    ) -> None:
        self.listeners = listeners
        self._advertised = advertised
        self._where = where

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
        we have a listener for it. While a host name is not resolved, the way that the dialog has:
        nothing waits for DNS, and a later request finds it resolved.
        One who is proven by a certificate stays on the connection for which that holds."""
        if dialog.flow.transport == "tls":
            return dialog.flow
        hop = parse_uri(dialog.next_hop)
        transport = hop.transport or dialog.flow.transport
        if transport != dialog.flow.transport:
            return dialog.flow
        if is_address(hop.host):
            port = hop.port or DEFAULT_PORTS.get(transport, SIP_PORT)
            remotes = [Address(hop.host, port)]
        else:
            found = self._where(_over(transport, hop))
            remotes = [each.address for each in found.candidates if each.transport == transport]
        if not remotes or dialog.flow.remote in remotes:  # of several servers, the one that we have
            return dialog.flow
        return self.listeners.flow_to(remotes[0], transport) or dialog.flow


def _over(transport: str, hop: SipUri) -> str:
    """What decides where a hop is (RFC 3263 4), and nothing else of it. Carriers leave the
    transport out of a Contact and mean the one that they speak."""
    params = {key: value for key, value in hop.params.items() if key == "maddr"}
    params["transport"] = transport
    return str(hop._replace(user=None, password=None, params=Params(params), headers=()))


def shown_host(advertised: str, local_host: str) -> str:
    """The host that peers are told of: the public one where there is one of the same family, since
    who speaks IPv6 to us cannot be sent to an IPv4 address."""
    if advertised and (":" in advertised) == (":" in local_host):
        return advertised
    return local_host


def same_host(one: str, other: str) -> bool:
    """Whether two hosts are the same; an IPv6 address can be written in many ways."""
    if one == other:
        return True
    return is_address(one) and is_address(other) and ip_address(one) == ip_address(other)
