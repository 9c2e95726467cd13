"""Where the branches of a step go: a user's contacts, or the trunks that have room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from sip.abnf import quote
from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.uri import parse_uri
from softswitch.call.addresses import SIP_PORT, SIPS_PORT, shown_host
from softswitch.call.events import Target
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk, User
from softswitch.routing.plan import DialTrunks, RingUser

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'  # RFC 3323 4.1.1.3
DESTINATIONS_MAX = 1024  # parsed trunk URIs kept; there are as many as trunks

FlowTo = Callable[[Address, str], Flow | None]


@lru_cache(maxsize=DESTINATIONS_MAX)
def trunk_address(destination: str) -> tuple[Address, str]:
    """Host, port and transport of a trunk's destination URI. Raises RemoteError."""
    uri = parse_uri(destination)
    transport = (uri.params.get("transport") or "udp").lower()
    if uri.scheme == "sips":
        transport = "tls"
    usual_port = SIPS_PORT if transport == "tls" else SIP_PORT
    return Address(uri.host, uri.port or usual_port), transport


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
        return shown_host(self._advertised, local_host)

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
                is_configured=user.static is not None,
            )
            for uri, flow in self._contacts(user)
        ]

    def _contacts(self, user: User) -> list[tuple[str, Flow]]:
        if user.static is None:
            bound = self._registrar.bindings(user.login or "", self._now_us())
            return [(binding.contact, binding.flow) for binding in bound]
        address = Address(user.static.host, user.static.port)
        flow = self._flow_to(address, user.static.transport)
        if flow is None:
            return []
        return [(f"sip:{user.extension}@{address};transport={user.static.transport}", flow)]

    def _carriers(self, step: DialTrunks) -> list[Target]:
        targets = []
        for name in step.trunks:
            trunk = self._snapshot.trunks.get(name)
            if trunk is not None and self._has_room(trunk):
                target = self._carrier(trunk, step)
                if target is not None:
                    targets.append(target)
        return targets

    def _has_room(self, trunk: Trunk) -> bool:
        return not trunk.channels_max or self._live.trunk_calls(trunk.name) < trunk.channels_max

    def _carrier(self, trunk: Trunk, step: DialTrunks) -> Target | None:
        try:
            address, transport = trunk_address(trunk.destination)
        except RemoteError:
            return None
        host = self._hosts.get(address.host, address.host)
        flow = self._flow_to(Address(host, address.port), transport)
        if flow is None:
            return None
        if transport == "tls":
            flow = flow._replace(host=address.host)
        number = _as_trunk_wants(trunk, step.number)
        shown = shown_host(self._advertised, flow.local.host)
        caller = _as_trunk_wants(trunk, step.caller)
        return Target(
            uri=_carrier_uri(trunk.destination, number, address, transport),
            flow=flow,
            to=f"<sip:{number}@{address}>",
            caller=_name_addr("", caller, shown) if caller else ANONYMOUS,
            name=f"trunk {trunk.name}",
            trunk=trunk.name,
            is_configured=True,
        )


def _carrier_uri(destination: str, number: str, address: Address, transport: str) -> str:
    if destination[:5].lower() == "sips:":
        return f"sips:{number}@{address}"
    return f"sip:{number}@{address}" + ("" if transport == "udp" else f";transport={transport}")


def _as_trunk_wants(trunk: Trunk, number: str) -> str:
    return number.removeprefix("+") if trunk.number_format == "plain" else number


def _name_addr(display: str, user: str, host: str) -> str:
    if not user:
        return ANONYMOUS
    shown = f"[{host}]" if ":" in host else host
    address = f"<sip:{user}@{shown}>"
    return f"{quote(display)} {address}" if display else address
