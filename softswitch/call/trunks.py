"""The carriers' side of the switch beside calls: registers with them and asks whether they live.

A rim: it owns the timers; ``sip.registration`` and ``call.trunk_conditions`` decide. It follows the
snapshot: what an applied state file names is registered and probed from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sip.flow import Address, Flow
from sip.message import Request
from sip.registration import Binding, Register, Registration
from sip.stack import Stack
from sip.uri import parse_uri
from softswitch.call.addresses import Addresses, SendsRequests
from softswitch.call.legs import OwnRequest
from softswitch.call.targets import Where
from softswitch.call.trunk_conditions import Condition, Health
from softswitch.call.trunk_requests import Line, Probe
from softswitch.call.view import LiveCalls
from softswitch.clock import MonotonicClock, iso
from softswitch.routing.model import Trunk
from softswitch.snapshot import SnapshotHolder

log = Logger()

TICK_S = 0.5  # deadlines here are seconds, so one timer for all of them is exact enough
PROBE_SPREAD = 0.2  # of the interval, so that a hundred trunks are not asked at once
RENEW_SOURCES_S = 5.0  # names of registrars may lead elsewhere
REPLACED_WAIT_S = 2.0  # a changed registration begins when the old one should be off
LEAVE_MAX_S = 2.0  # at the end: a registrar that is away must not hold up the stop
LEAVE_POLL_S = 0.1

Row = dict[str, Any]


class Trunks(Service):
    """All trunks of the snapshot. ``chance``: 0 to 1, spreads retries and probes."""

    def __init__(
        self,
        *,
        reactor: Any,
        stack: Stack,
        sip: SendsRequests,
        snapshots: SnapshotHolder,
        live: LiveCalls,
        where: Where,
        advertised: str,
        now_s: MonotonicClock,
        now_us: Callable[[], int],
        token: Callable[[], str],
        chance: Callable[[], float],
    ) -> None:
        # Any: the reactor's timers, which have no types.
        self._reactor = reactor
        self._stack = stack
        self._sip = sip
        self._addresses = Addresses(sip, advertised, where)
        self._snapshots = snapshots
        self._live = live
        self._where = where
        self._now_s = now_s
        self._now_us = now_us
        self._token = token
        self._chance = chance
        self._trunks: Mapping[str, Trunk] = {}
        self._lines: dict[str, Line] = {}
        self._probes: dict[tuple[str, Address], Probe] = {}
        self._sources_at_s = 0.0
        self._loop = LoopingCall(self.tick)
        self._loop.clock = reactor
        live.trunks.on_change = self._changed

    # --- life of the service ----------------------------------------------------------------------

    def startService(self) -> None:
        """Register everywhere."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(TICK_S, now=True)

    def stopService(self) -> Deferred[None]:
        """Take the registrations back; at most ``LEAVE_MAX_S``."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        return Deferred.fromCoroutine(self._leave())

    async def _leave(self) -> None:
        deadline_s = self._now_s() + LEAVE_MAX_S
        for line in self._lines.values():
            self.send(line, line.machine.stop(self._now_s()))
        self._sip.flush()
        while self._now_s() < deadline_s and not all(line.over for line in self._lines.values()):
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(LEAVE_POLL_S, pause.callback, None)
            await pause

    def tick(self) -> None:
        """Follow the snapshot, and do what is due; nothing before the start and after the stop."""
        if not self.running:
            return
        now_s = self._now_s()
        try:
            if self._snapshots.current.trunks is not self._trunks:
                self._follow(self._snapshots.current.trunks, now_s)
            if now_s >= self._sources_at_s:
                self._renew(now_s)
            for line in self._lines.values():
                self.send(line, line.due(now_s))
            for probe in self._probes.values():
                probe.due(now_s)
        except Exception:
            log.failure("a turn of the trunks")
        self._sip.flush()

    # --- the snapshot -----------------------------------------------------------------------------

    def _follow(self, trunks: Mapping[str, Trunk], now_s: float) -> None:
        before, self._trunks = self._trunks, trunks
        self._live.trunks.keep(trunks)
        self._sources_at_s = now_s
        for name in [*before, *(name for name in trunks if name not in before)]:
            old, new = _binding(before.get(name)), _binding(trunks.get(name))
            if old != new:
                self._replace_line(name, new, now_s)

    def _replace_line(self, name: str, binding: Binding | None, now_s: float) -> None:
        old = self._lines.pop(name, None)
        if old is not None:
            self.send(old, old.machine.stop(now_s))
        if binding is None:
            return
        machine = Registration(
            binding, self.reach, self._contact, token=self._token, chance=self._chance
        )
        start_s = now_s if old is None else now_s + REPLACED_WAIT_S
        self._lines[name] = Line(self, name, machine, start_s)

    def _renew(self, now_s: float) -> None:
        """Where names lead may have changed: sources of calls, and what is probed."""
        self._sources_at_s = now_s + RENEW_SOURCES_S
        registrars: dict[str, list[str]] = {}
        probes: dict[tuple[str, Address], Probe] = {}
        for trunk in self._trunks.values():
            flows = self.reach(trunk.destination)
            if trunk.registration is not None:
                for host in self._sources(trunk, flows):
                    registrars.setdefault(host, []).append(trunk.name)
            if trunk.probe_s:
                self._live.trunks.keep_addresses(trunk.name, [flow.remote for flow in flows])
                for flow in flows:
                    key = (trunk.name, flow.remote)
                    probes[key] = self._probe(key, trunk, flow, now_s)
        self._live.trunks.registrars = {host: tuple(names) for host, names in registrars.items()}
        self._probes = probes

    def _probe(self, key: tuple[str, Address], trunk: Trunk, flow: Flow, now_s: float) -> Probe:
        known = self._probes.get(key)
        if known is not None and known.trunk == trunk:
            return known
        # The first one after a full interval: a carrier is innocent when the switch starts.
        return Probe(self, trunk, flow, now_s + trunk.probe_s * (1 - PROBE_SPREAD * self._chance()))

    def _sources(self, trunk: Trunk, flows: Iterable[Flow]) -> set[str]:
        """The addresses that calls of a trunk which registers come from."""
        assert trunk.registration is not None
        hosts = {flow.remote.host for flow in (*flows, *self.reach(trunk.registration.registrar))}
        single = (network for network in trunk.networks if network.num_addresses == 1)
        return hosts | {str(network.network_address) for network in single}

    def reach(self, uri: str) -> Sequence[Flow]:
        """The ways to a carrier's URI, best first; none for a name that does not resolve."""
        ways = (
            self._sip.flow_to(address, transport)
            for transport, address in self._where(uri).candidates
        )
        return [flow for flow in ways if flow is not None]

    def _contact(self, flow: Flow) -> str:
        suffix = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"{self._addresses.sent_by(flow)}{suffix}"

    # --- requests ---------------------------------------------------------------------------------

    def send(self, owner: OwnRequest, requests: Iterable[Register]) -> None:
        """Send requests whose answers are told to ``owner``."""
        for request, flow in requests:
            sent_by = self._addresses.sent_by(flow)
            self._stack.request(request, flow, self._now_s(), owner, sent_by)

    def options(self, trunk: Trunk, flow: Flow) -> Register:
        """A question that any SIP element answers (RFC 3261 11)."""
        destination = parse_uri(trunk.destination)
        uri = f"{destination.scheme}:{destination.host_port}"
        headers = (
            ("From", f"<sip:{self._addresses.sent_by(flow)}>;tag={self._token()}"),
            ("To", f"<{uri}>"),
            ("Call-ID", self._token()),
            ("CSeq", "1 OPTIONS"),
            ("Contact", self._addresses.contact(flow, uri)),
            ("Accept", "application/sdp"),
        )
        return Register(Request.build("OPTIONS", uri, headers), flow)

    def answered(self, trunk: str, address: Address) -> None:
        """A probe was answered."""
        self._live.trunks.answered(trunk, address, self._now_us())

    def silent(self, trunk: str, address: Address, error: str) -> Health:
        """A probe was not; how the trunk does by it."""
        self._live.trunks.silent(trunk, address, error, self._now_us())
        condition = self._live.trunks.condition(trunk, address)
        return Health.UP if condition is None else condition.health

    def _changed(self, trunk: str, address: Address, condition: Condition) -> None:
        if condition.health is Health.DOWN:
            log.warn(
                "trunk {trunk} at {address} is down: {error}",
                trunk=trunk, address=str(address), error=condition.error,
            )  # fmt: skip
        else:
            log.info("trunk {trunk} at {address} is up", trunk=trunk, address=str(address))

    # --- what is shown ----------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """``show trunks``, in the order of the snapshot."""
        return [self._row(name) for name in self._snapshots.current.trunks]

    def _row(self, name: str) -> Row:
        condition, line = self._live.trunks.best(name), self._lines.get(name)
        state = "unknown" if condition is None else condition.health.value
        since_us = None if condition is None else condition.since_us
        error = "" if condition is None else condition.error
        until_us = None
        if line is not None:
            until_us = line.until_us(self._now_s(), self._now_us())
            error = line.machine.error or error
            if until_us is None and state != Health.DOWN.value:
                state, since_us = "unregistered", None
        return {
            "name": name,
            "state": state,
            "since": iso(since_us),
            "last_error": error or None,
            "registered_until": iso(until_us),
            "calls": self._live.trunk_calls(name),
        }

    def counts(self) -> dict[str, int]:
        """For ``status``: how many trunks there are, do not answer, and are not registered."""
        now_s = self._now_s()
        return {
            "trunks": len(self._trunks),
            "trunks_down": sum(self._live.trunks.down(name) is not None for name in self._trunks),
            "trunks_unregistered": sum(
                line.machine.until_s <= now_s for line in self._lines.values()
            ),
        }


def _binding(trunk: Trunk | None) -> Binding | None:
    if trunk is None or trunk.registration is None or trunk.login is None:
        return None
    return Binding(
        registrar=trunk.registration.registrar,
        username=trunk.registration.username,
        contact_user=trunk.registration.contact_user,
        auth_username=trunk.login.username,
        password=trunk.login.password,
        realm=trunk.login.realm,
        expires_s=trunk.registration.expires_s,
    )
