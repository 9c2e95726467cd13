"""Where the branches of a step go: a user's contacts, or the trunks that have room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sip.flow import Address, Flow
from sip.resolution import Resolution
from sip.transaction import Headers
from sip.uri import parse_uri, request_uri
from softswitch.call.addresses import shown_host
from softswitch.call.bindings import Bound
from softswitch.call.caller_identity import PRIVACY, identity, name_addr
from softswitch.call.events import Found, Target
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk, User
from softswitch.routing.numbers import CALLED, CALLER, sent
from softswitch.routing.plan import DialTrunks, RingUser

NO_LISTENER = "no listener can send to its address"

FlowTo = Callable[[Address, str], Flow | None]
Where = Callable[[str], Resolution]
"""The candidates of a SIP URI as they are known now (``hosts.Hosts.where``)."""


class TargetFinder:
    """The call machine's ``Directory``, for one call and the snapshot that it began with.

    ``flow_to`` chooses the local address towards a peer, ``None`` when no listener has the
    transport; ``where`` resolves the trunks' destinations.
    """

    __slots__ = ("_advertised", "_domain", "_flow_to", "_live", "_now_us",
                 "_random_octets", "_registrar", "_snapshot", "_where")  # fmt: skip

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
        where: Where,
        random_octets: Callable[[int], bytes],
    ) -> None:
        self._snapshot = snapshot
        self._registrar = registrar
        self._live = live
        self._flow_to = flow_to
        self._now_us = now_us
        self._domain = domain
        self._advertised = advertised
        self._where = where
        self._random_octets = random_octets

    def obstacle(self, target: Target) -> str | None:
        """Why a carrier cannot be tried now, after all; ``None`` when it can."""
        if target.trunk is None or not self._live.trunks.is_limited(target.trunk):
            return None
        return self._live.trunks.busy(target.trunk, self._now_us())

    def media_host(self, local_host: str) -> str:
        """The address that SDP shows: the public one when there is one."""
        return shown_host(self._advertised, local_host)

    def new_key(self, octets: int) -> bytes:
        """Master key and salt for SRTP."""
        return self._random_octets(octets)

    def targets(self, step: RingUser | DialTrunks) -> Found:
        """All contacts of a user at once, or the trunks' addresses to be tried in order."""
        return Found(self._phones(step)) if isinstance(step, RingUser) else self._carriers(step)

    def _phones(self, step: RingUser) -> list[Target]:
        user = self._snapshot.accounts[step.account].users.get(step.extension)
        if user is None:
            return []
        caller = name_addr(step.caller_name, step.caller, self._domain)
        private = () if step.caller else PRIVACY
        return [
            Target(
                uri=uri,
                flow=flow,
                to=f"<sip:{step.extension}@{self._domain}>",
                caller=caller,
                name=f"user {step.extension}",
                account=step.account,
                extension=step.extension,
                headers=(*private, *headers),
                is_configured=user.static is not None,
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

    def _carriers(self, step: DialTrunks) -> Found:
        targets: list[Target] = []
        notes: list[str] = []
        for name in step.trunks:
            trunk = self._snapshot.trunks.get(name)
            if trunk is not None and (not trunk.channels_max or self._has_room(trunk)):
                resolution = self._where(trunk.destination)
                found = self._carrier(trunk, resolution, step)
                targets += found
                if not found:
                    notes.append(f"trunk {name}: {resolution.reason or NO_LISTENER}")
        return Found(targets, notes)

    def _has_room(self, trunk: Trunk) -> bool:
        return self._live.trunk_calls(trunk.name) < trunk.channels_max

    def _carrier(self, trunk: Trunk, resolution: Resolution, step: DialTrunks) -> list[Target]:
        """A target for each address that a listener can send to. The Request-URI stays as the
        destination is written, wherever it is sent (RFC 3263 4)."""
        flows = [
            flow
            for transport, address in resolution.candidates
            if (flow := self._flow_to(address, transport)) is not None
        ]
        return [self._target(trunk, flow, step, several=len(flows) > 1) for flow in flows]

    def _target(self, trunk: Trunk, flow: Flow, step: DialTrunks, *, several: bool) -> Target:
        uri = parse_uri(trunk.destination)
        number = sent(trunk, step.number, CALLED)
        at = f"{uri.scheme}:{number}@{uri.host_port}"
        named = uri.transport or "udp"
        name = f"trunk {trunk.name}" + (f" at {flow.remote}" if several else "")
        if flow.transport == "tls":  # its certificate has to name the host
            flow = flow._replace(host=uri.host)
        shown = shown_host(self._advertised, flow.local.host)
        if trunk.registration is not None:  # the carrier knows us by its own domain
            shown = parse_uri(trunk.registration.registrar).host
        caller = sent(trunk, step.caller, CALLER)
        sender = identity(trunk, caller, shown, private=step.private)
        return Target(
            uri=at if named == "udp" else f"{at};transport={named}",
            flow=flow,
            to=f"<{at}>",
            caller=sender.caller,
            name=name,
            trunk=trunk.name,
            headers=sender.headers,
            is_configured=True,
            login=trunk.login,
            srtp=trunk.srtp,
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
