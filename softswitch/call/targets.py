"""Where the branches of a step go: a user's contacts, or the trunks that have room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sip.abnf import quote
from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.transaction import Headers
from sip.uri import parse_uri, request_uri
from softswitch.call.bindings import Bound
from softswitch.call.events import Target
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk, User
from softswitch.routing.plan import DialTrunks, RingUser

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'  # RFC 3323 4.1.1.3
SIP_PORT = 5060
DESTINATIONS_MAX = 1024  # parsed trunk URIs kept; there are as many as trunks

FlowTo = Callable[[Address, str], Flow | None]


class TrunkAddress(NamedTuple):
    """Where a trunk's destination URI leads; ``host_port`` as it is printed, ``suffix`` what a
    Request-URI says of the transport."""

    address: Address
    transport: str
    host_port: str
    suffix: str


@lru_cache(maxsize=DESTINATIONS_MAX)
def trunk_address(destination: str) -> TrunkAddress:
    """Host, port and transport of a trunk's destination URI. Raises RemoteError."""
    uri = parse_uri(destination)
    transport = (uri.params.get("transport") or "udp").lower()
    address = Address(uri.host, uri.port or SIP_PORT)
    suffix = "" if transport == "udp" else ";transport=tcp"
    return TrunkAddress(address, transport, str(address), suffix)


class TargetFinder:
    """The call machine's ``Directory``, for one call and the snapshot that it began with.

    ``flow_to`` chooses the local address towards a peer, ``None`` when no listener has the
    transport; ``hosts`` are trunk host names that were resolved.
    """

    __slots__ = ("_advertised", "_domain", "_flow_to", "_hosts", "_live", "_now_us", "_registrar",
                 "_snapshot")  # fmt: skip

    def __init__(
        self,
        snapshot: RoutingSnapshot,
        registrar: Registrar,
        live: LiveCalls,
        *,
        flow_to: FlowTo,
        now_us: Callable[[], int],
        domain: str,
        advertised: str,
        hosts: Mapping[str, str],
    ) -> None:
        self._snapshot = snapshot
        self._registrar = registrar
        self._live = live
        self._flow_to = flow_to
        self._now_us = now_us
        self._domain = domain
        self._advertised = advertised
        self._hosts = hosts

    def media_host(self, local_host: str) -> str:
        """The address that SDP shows: the public one when there is one."""
        return self._advertised or local_host

    def targets(self, step: RingUser | DialTrunks) -> Sequence[Target]:
        """All contacts of a user at once, or a target per trunk to be tried in order."""
        return self._phones(step) if isinstance(step, RingUser) else self._carriers(step)

    def _phones(self, step: RingUser) -> list[Target]:
        user = self._snapshot.accounts[step.account].users.get(step.extension)
        if user is None:
            return []
        caller = _name_addr(step.caller_name, step.caller, self._domain)
        return [
            Target(
                uri=uri,
                flow=flow,
                to=f"<sip:{step.extension}@{self._domain}>",
                caller=caller,
                name=f"user {step.extension}",
                account=step.account,
                extension=step.extension,
                headers=headers,
            )
            for uri, flow, headers in self._contacts(user)
        ]

    def _contacts(self, user: User) -> list[tuple[str, Flow, Headers]]:
        """Request-URI, flow and Route of each (RFC 3327 5.4: the stored Path)."""
        if user.static is None:
            bound = self._registrar.bindings(user.login or "", self._now_us())
            return [
                (request_uri(b.contact), b.flow, (("Route", b.path),) if b.path else ())
                for b in _one_flow_each(bound)
            ]
        address = Address(user.static.host, user.static.port)
        flow = self._flow_to(address, user.static.transport)
        if flow is None:
            return []
        uri = f"sip:{user.extension}@{address};transport={user.static.transport}"
        return [(uri, flow, ())]

    def _carriers(self, step: DialTrunks) -> list[Target]:
        targets = []
        for name in step.trunks:
            trunk = self._snapshot.trunks.get(name)
            if trunk is not None and (not trunk.channels_max or self._has_room(trunk)):
                target = self._carrier(trunk, step)
                if target is not None:
                    targets.append(target)
        return targets

    def _has_room(self, trunk: Trunk) -> bool:
        return self._live.trunk_calls(trunk.name) < trunk.channels_max

    def _carrier(self, trunk: Trunk, step: DialTrunks) -> Target | None:
        try:
            address, transport, host_port, suffix = trunk_address(trunk.destination)
        except RemoteError:
            return None
        host = self._hosts.get(address.host)
        flow = self._flow_to(Address(host, address.port) if host else address, transport)
        if flow is None:
            return None
        number, caller = step.number, step.caller
        if trunk.number_format == "plain":
            number, caller = number.removeprefix("+"), caller.removeprefix("+")
        to = f"sip:{number}@{host_port}"
        return Target(
            to + suffix,
            flow,
            f"<{to}>",
            _name_addr("", caller, self._advertised or flow.local.host),
            f"trunk {trunk.name}",
            trunk=trunk.name,
        )


def _one_flow_each(bindings: Iterable[Bound]) -> Iterator[Bound]:
    """The first binding of each device that has several flows: over all of them it would ring as
    often (RFC 5626 7)."""
    seen: set[str] = set()
    for bound in bindings:
        if bound.asked.reg_id and bound.asked.instance:
            if bound.asked.instance in seen:
                continue
            seen.add(bound.asked.instance)
        yield bound


def _name_addr(display: str, user: str, host: str) -> str:
    if not user:
        return ANONYMOUS
    shown = f"[{host}]" if ":" in host else host
    address = f"<sip:{user}@{shown}>"
    return f"{quote(display)} {address}" if display else address
