"""The addresses in SIP requests: ours as peers see them, and where carriers want theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sip.dialog import Dialog
from sip.flow import Address, Flow, is_address
from sip.params import Params
from sip.resolution import DEFAULT_PORTS, Resolution
from sip.uri import SipUri, parse_uri

SIP_PORT = 5060


class Listeners(Protocol):
    """``sip.service.SipService`` as addressing needs it."""

    def contact_address(self, flow: Flow) -> Address:
        """The listening address that a peer of this flow can send requests to."""

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """A flow towards an address, ``None`` when no listener has the transport."""


class Addresses:
    """``advertised`` stands for our own host where it is set: the public address behind NAT;
    ``where`` resolves a SIP URI as far as it is known now."""

    def __init__(
        self, listeners: Listeners, advertised: str, where: Callable[[str], Resolution]
    ) -> None:
        self._listeners = listeners
        self._advertised = advertised
        self._where = where

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
        we have a listener for it. While a host name is not resolved, the way that the dialog has:
        nothing waits for DNS, and a later request finds it resolved."""
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
        return self._listeners.flow_to(remotes[0], transport) or dialog.flow


def _over(transport: str, hop: SipUri) -> str:
    """What decides where a hop is (RFC 3263 4), and nothing else of it. Carriers leave the
    transport out of a Contact and mean the one that they speak."""
    params = {key: value for key, value in hop.params.items() if key == "maddr"}
    params["transport"] = transport
    return str(hop._replace(user=None, password=None, params=Params(params), headers=()))
