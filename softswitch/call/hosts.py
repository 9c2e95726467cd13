"""Trunk destinations given by name: resolved ahead of calls, kept while the resolver is away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.logger import Logger

from sip.errors import RemoteError
from softswitch.call.addresses import is_address
from softswitch.call.targets import trunk_address
from softswitch.routing.model import Trunk

log = Logger()


class TrunkHosts(dict[str, str]):
    """Address by host name. ``refresh`` at start, after changes, and once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: frozenset[str] = frozenset()
        """Where trunks are called: their addresses, and those that their names stand for."""

    async def refresh(
        self, trunks: Mapping[str, Trunk], reactor: IReactorPluggableNameResolver
    ) -> None:
        """Look up every name; one that cannot be resolved keeps the address that it had."""
        given: set[str] = set()
        for trunk in trunks.values():
            host = _host_of(trunk)
            if host is None:
                continue
            if is_address(host):
                given.add(host)
                continue
            address = await _look_up(host, reactor)
            if address is not None:
                self[host] = address
            elif host not in self:
                log.warn("trunk {trunk}: {host} does not resolve", trunk=trunk.name, host=host)
        self.addresses = frozenset((*given, *self.values()))


def _host_of(trunk: Trunk) -> str | None:
    try:
        return trunk_address(trunk.destination)[0].host
    except RemoteError:
        return None


def _look_up(host: str, reactor: Any) -> Deferred[str | None]:
    # Any: zope interfaces say nothing of argument types; this is the rim.
    found: list[str] = []
    done: Deferred[str | None] = Deferred()

    class Receiver:
        @staticmethod
        def resolutionBegan(resolution: object) -> None:
            """Nothing to do; required by IResolutionReceiver."""

        @staticmethod
        def addressResolved(address: Any) -> None:
            found.append(address.host)

        @staticmethod
        def resolutionComplete() -> None:
            done.callback(found[0] if found else None)

    reactor.nameResolver.resolveHostName(Receiver, host)
    return done
