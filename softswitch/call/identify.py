"""Who sends a request: a static IP user, a trunk, or a phone that must authenticate. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sip.flow import Flow
from sip.message import Request
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import PhoneCaller, TrunkCaller


class Domains:
    """The hosts in a Request-URI that are ours (``domain``, ``static_domain``, local and advertised
    addresses)."""

    def __init__(self, domain: str, static_domain: str, addresses: Iterable[str]) -> None: ...

    def accepts(self, host: str, flow: Flow) -> bool:
        """Whether a request to this host is for us; otherwise it is answered 404."""
        raise NotImplementedError


def identify(
    request: Request, flow: Flow, domains: Domains, snapshot: RoutingSnapshot
) -> PhoneCaller | TrunkCaller | None:
    """The caller as its address tells, ``None`` for a phone that must authenticate (REGISTER
    always must)."""
    raise NotImplementedError
