"""Where the branches of a step go: a user's contacts, or the trunks that have room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.uri import parse_uri
from softswitch.call.caller_identity import PRIVACY, identity, name_addr
from softswitch.call.events import Target
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk, User
from softswitch.routing.numbers import CALLED, CALLER, sent
from softswitch.routing.plan import DialTrunks, RingUser

SIP_PORT = 5060
DESTINATIONS_MAX = 1024  # parsed trunk URIs kept; there are as many as trunks

FlowTo = Callable[[Address, str], Flow | None]


@lru_cache(maxsize=DESTINATIONS_MAX)
def trunk_address(destination: str) -> tuple[Address, str]:
    """Host, port and transport of a trunk's destination URI. Raises RemoteError."""
    uri = parse_uri(destination)
    transport = (uri.params.get("transport") or "udp").lower()
    return Address(uri.host, uri.port or SIP_PORT), transport


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

    def obstacle(self, target: Target) -> str | None:
        """Why a carrier cannot be tried now, after all; ``None`` when it can."""
        if target.trunk is None or not self._live.trunks.is_limited(target.trunk):
            return None
        return self._live.trunks.busy(target.trunk, self._now_us())

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
        caller = name_addr(step.caller_name, step.caller, self._domain)
        headers = () if step.caller else PRIVACY
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
        number = sent(trunk, step.number, CALLED)
        caller = sent(trunk, step.caller, CALLER)
        shown = self._advertised or flow.local.host
        if trunk.registration is not None:  # the carrier knows us by its own domain
            shown = trunk_address(trunk.registration.registrar)[0].host
        sender = identity(trunk, caller, shown, private=step.private)
        return Target(
            uri=f"sip:{number}@{address}" + ("" if transport == "udp" else ";transport=tcp"),
            flow=flow,
            to=f"<sip:{number}@{address}>",
            caller=sender.caller,
            name=f"trunk {trunk.name}",
            trunk=trunk.name,
            headers=sender.headers,
            login=trunk.login,
        )
