"""Who sends a request: a static IP user, a trunk, or a phone that must authenticate. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from sip.flow import Flow
from sip.message import Request
from sip.uri import parse_uri
from softswitch.call.authentication import CREDENTIAL_HEADERS
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import PhoneCaller, TrunkCaller

HOSTS_CACHED = 4096  # source addresses kept in parsed form


class Domains:
    """The hosts in a Request-URI that are ours: both domains, every local and advertised address.

    What is for another host is answered 404 (RFC 3261 10.3 step 1 and 16.5): this is no open relay.
    """

    def __init__(self, domain: str, static_domain: str, addresses: Iterable[str]) -> None:
        self._domain = _normal(domain)
        self._others = frozenset(map(_normal, (static_domain, *addresses)))
        self._all = self._others | {self._domain}

    def accepts(self, host: str, flow: Flow) -> bool:
        """Whether a request to this host is for us. On a wildcard listener the address that it was
        sent to is a local one."""
        if host in self._all:
            return True
        host = _normal(host)
        return host in self._all or host == _normal(flow.local.host)

    def is_for_phones_only(self, host: str, flow: Flow) -> bool:
        """Whether the host is the domain of phones that register and nothing else (S69)."""
        host = _normal(host)
        return host == self._domain and not (
            host in self._others or host == _normal(flow.local.host)
        )


Registrars = Mapping[str, tuple[str, ...]]
"""Addresses of carriers' registrars -> the trunks that register there (``call.trunks``)."""

NO_REGISTRARS: Registrars = {}


def identify(
    request: Request,
    flow: Flow,
    domains: Domains,
    snapshot: RoutingSnapshot,
    registrars: Registrars = NO_REGISTRARS,
) -> PhoneCaller | TrunkCaller | None:
    """The caller as its source address tells, ``None`` for a phone that must authenticate.

    Static IP users are known by transport and source address, whatever the port (S70, A20), trunks
    by source address; trunks never need digest. REGISTER always does. Phones may share an address
    with a static IP user: one that shows credentials, or calls at the phones' domain, is a phone.
    Raises RemoteError on a Request-URI that is none.
    """
    if request.method == "REGISTER":
        return None
    host = flow.remote.host
    transport = "tcp" if flow.reliable else "udp"
    static = snapshot.static_users.get((transport, host))
    if static is not None and not _is_phone(request, flow, domains):
        return PhoneCaller(*static)
    trunk = snapshot.trunk_hosts.get(host)
    if registrars and host in registrars:
        trunk = _registered(request, snapshot, registrars[host]) or trunk or registrars[host][0]
    if trunk is None and snapshot.trunk_networks:
        trunk = _by_network(host, snapshot)
    return None if trunk is None else TrunkCaller(trunk)


def trunk_at(host: str, snapshot: RoutingSnapshot) -> str | None:
    """The trunk whose calls come from this address."""
    return snapshot.trunk_hosts.get(host) or _by_network(host, snapshot)


def _is_phone(request: Request, flow: Flow, domains: Domains) -> bool:
    if any(request.first(name) is not None for name in CREDENTIAL_HEADERS):
        return True
    return domains.is_for_phones_only(parse_uri(request.uri).host, flow)


def _registered(request: Request, snapshot: RoutingSnapshot, names: tuple[str, ...]) -> str | None:
    """Of the trunks that register at this address the one whose contact is called. A stranger who
    knows the contact does not come from the address."""
    user = parse_uri(request.uri).user
    for name in names:
        trunk = snapshot.trunks.get(name)
        registration = trunk.registration if trunk is not None else None
        if registration is not None and registration.contact_user == user:
            return name
    return None


def _by_network(host: str, snapshot: RoutingSnapshot) -> str | None:
    """The trunk with the narrowest network around the address."""
    address = _parsed(host)
    if address is None:
        return None
    return next((name for network, name in snapshot.trunk_networks if address in network), None)


@lru_cache(maxsize=HOSTS_CACHED)
def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _normal(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
