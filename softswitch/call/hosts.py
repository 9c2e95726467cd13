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

    async def refresh(
        self, trunks: Mapping[str, Trunk], reactor: IReactorPluggableNameResolver
    ) -> None:
        """Look up every name; one that cannot be resolved keeps the address that it had."""
        for trunk in trunks.values():
            for host in _names_of(trunk):
                address = await _look_up(host, reactor)
                if address is not None:
                    self[host] = address
                elif host not in self:
                    log.warn("trunk {trunk}: {host} does not resolve", trunk=trunk.name, host=host)


def _names_of(trunk: Trunk) -> set[str]:
    """The host names of its destination and its registrar."""
    registrar = () if trunk.registration is None else (trunk.registration.registrar,)
    hosts = set()
    for uri in (trunk.destination, *registrar):
        try:
            hosts.add(trunk_address(uri)[0].host)
        except RemoteError:
            continue
    return {host for host in hosts if not is_address(host)}


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
