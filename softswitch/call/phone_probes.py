"""OPTIONS to registered phones (RFC 3261 11): a dead one is known within a minute, and the door of
its NAT stays open.

Any answer of the phone is life, whatever its status. Nothing here outlives a registration: what the
registrar has changed is told once a second, and a flow is what its REGISTER came by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Request
from sip.stack import Stack
from sip.transaction import ClientTransaction
from sip.uri import request_uri
from softswitch.call.addresses import Addresses
from softswitch.call.bindings import Bound
from softswitch.call.phone_health import PhoneHealth
from softswitch.call.registrar import Changes, Key, Registrar

PROBE_TICK_S = 0.1
"""10,000 phones every 25 s are 40 in each tick."""

DEADLINES_PER_TICK = 100
"""At most 5 ms of work: 25,000 phones at one probe in 25 s. Beyond, each waits longer."""

PROXY_STATUSES = frozenset({408, 430})
"""What a proxy on the Path says in place of a phone that it cannot reach (RFC 5626 11)."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """``period_s``: how often each phone is asked, 0 never; ``domain``: who asks."""

    domain: str
    period_s: float


class PhoneProbes:
    """Asks phones and tells the registrar which are dead.

    ``took_ping`` says whether a keep-alive came over a stream connection since it was last asked:
    such a phone need not be probed. ``changed`` is told the login of a phone that died or came
    back.
    """

    def __init__(
        self,
        stack: Stack,
        registrar: Registrar,
        addresses: Addresses,
        settings: ProbeSettings,
        *,
        took_ping: Callable[[Flow], bool],
        changed: Callable[[str], None],
        token: Callable[[], str],
    ) -> None:
        self._stack = stack
        self._registrar = registrar
        self._addresses = addresses
        self._took_ping = took_ping
        self._changed = changed
        self._is_on = settings.period_s > 0
        self._health: PhoneHealth[Key] = PhoneHealth(settings.period_s)
        self._asked: dict[Key, ClientTransaction] = {}
        # No two probes have the same Call-ID: the name of this process, and a number.
        self._name = token()
        self._from = [f"<sip:{settings.domain}>;tag={self._name}"]
        self._sent = 0

    def __len__(self) -> int:
        """How many phones are watched."""
        return len(self._health)

    def take(self, changes: Changes, now_s: float) -> None:
        """Who registered, and who is registered no more."""
        if not self._is_on:
            return
        for bound in changes.upserts:
            self._health.seen((bound.login, bound.contact), now_s)
        for key in changes.deletes:
            self._health.forget(key)
            self._give_up(key)

    def tick(self, now_s: float) -> None:
        """Ask whose turn it is; to be called every ``PROBE_TICK_S``."""
        due = self._health.due(now_s, DEADLINES_PER_TICK)
        for key in due.silent:
            self._give_up(key)
        for key in due.ask:
            bound = self._registrar.get(key)
            if bound is not None:  # else its end is told in a moment
                self._ask(key, bound, now_s)
        for key in due.died:
            if self._registrar.mark_dead(key):
                self._changed(key[0])

    def _ask(self, key: Key, bound: Bound, now_s: float) -> None:
        flow = bound.flow
        if flow.reliable and (not flow.connection or self._took_ping(flow)):
            # No connection is opened for a probe: that is for calls (``bindings.reconnected``).
            self._lives(key, now_s)
            return
        self._sent += 1
        uri = request_uri(bound.contact)
        headers = {
            "max-forwards": ["70"],
            "from": self._from,
            "to": [f"<{uri}>"],
            "call-id": [f"{self._name}.{self._sent}"],
            "cseq": ["1 OPTIONS"],
        }
        if bound.path:
            headers["route"] = [bound.path]
        probe = _Probe(self, key, bound.path != "")
        request = Request("OPTIONS", uri, headers)
        sent_by = self._addresses.sent_by(flow)
        self._asked[key] = self._stack.request(request, flow, now_s, probe, sent_by)

    def _give_up(self, key: Key) -> None:
        """Let go of a probe that was not answered in time: it is repeated no more."""
        tx = self._asked.pop(key, None)
        if tx is not None:
            self._stack.abandon(tx)

    def answered(self, key: Key, now_s: float) -> None:
        """The phone is there. Its probe is forgotten at once: nobody minds a repeated answer."""
        self._give_up(key)
        self._lives(key, now_s)

    def heard(self, login: str, flow: Flow, now_s: float) -> None:
        """A login has called over a flow: its phone there lives."""
        for key in self._registrar.dead_over(login, flow):
            self._lives(key, now_s)

    def _lives(self, key: Key, now_s: float) -> None:
        if self._health.answered(key, now_s) and self._registrar.mark_alive(key):
            self._changed(key[0])


@dataclass(frozen=True, slots=True)
class _Probe:
    """The owner of a probe's transaction."""

    probes: PhoneProbes
    key: Key
    by_proxy: bool

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """Something answered, mostly the phone."""
        status = event.response.status
        if status >= 200 and not (self.by_proxy and status in PROXY_STATUSES):
            self.probes.answered(self.key, now_s)

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """A connection broke: its bindings end with it, or at the next deadline."""
