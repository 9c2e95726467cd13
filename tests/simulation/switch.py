"""A whole switch on the simulated wire: the real stack, call control, routing and SQL; media ports,
threads and the clock are the simulation's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred

from billing import repository, work
from billing.cdr import Settlement
from rtp import messages as rtp
from sip.digest import Nonces
from sip.dns_records import Question
from sip.events import Event
from sip.flow import Address, Flow
from sip.stack import Limits, Stack
from softswitch.call.admission import Admission, CallRate
from softswitch.call.authentication import Authenticator
from softswitch.call.dns_client import Answered
from softswitch.call.hosts import Ask, Hosts
from softswitch.call.identify import Domains
from softswitch.call.legs import ALLOW, CALL_EXTENSIONS
from softswitch.call.rebinding import EXTENSIONS
from softswitch.call.registrar import Registrar
from softswitch.call.registrations import Registrations
from softswitch.call.service import CallService, CallSettings
from softswitch.call.view import LiveCalls
from softswitch.ids import CallId
from softswitch.routing.model import RoutingSnapshot
from softswitch.snapshot import SnapshotHolder
from softswitch.store import models  # noqa: F401  # the tables of Base.metadata
from softswitch.store.base import Base
from tests.simulation.wire import StackNode, Wire

EPOCH_US = 1_767_225_600_000_000  # 1 January 2026
CALL_MAX_S = 3600.0


class SimulatedTimer:
    """What ``callLater`` returns."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def fire(self) -> None:
        """Its time has come, unless it was cancelled."""
        if self._action is not None:
            action, self._action = self._action, None
            action()

    def cancel(self) -> None:
        """Disarm."""
        self._action = None

    def active(self) -> bool:
        """Whether it has yet to fire."""
        return self._action is not None


class WireReactor:
    """The reactor's timers on the wire's clock."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> SimulatedTimer:
        """After so many simulated seconds."""
        timer = SimulatedTimer(lambda: callable(*args))
        self._wire.call_later(delay, timer.fire)
        return timer


class SimulatedStore:
    """SQLite in memory, asked at once, answering some milliseconds later."""

    def __init__(self, wire: Wire) -> None:
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        Base.metadata.create_all(self.engine)
        self._wire = wire

    def run_call(self, fn: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """One transaction."""
        deferred: Deferred[Any] = Deferred()
        outcome = self.now(fn, *args)
        delay_s = self._wire.random.uniform(0.0005, 0.01)
        self._wire.call_later(delay_s, lambda: deferred.callback(outcome))
        return deferred

    def now(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Ask without delay, for the test itself."""
        with self.engine.begin() as connection:
            return fn(connection, *args)

    def write(self, settlement: Settlement) -> Deferred[Any]:
        """The settlement writer's part."""
        return self.run_call(work.settle, settlement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def fund(self, account: str, micros: int) -> None:
        """Open an account's pool with money in it."""

        def put(connection: Connection) -> None:
            repository.open_account(connection, account, "EUR")
            posting = repository.Posting(
                account=account,
                key=f"opening:{account}",
                kind="opening",
                amount_micros=micros,
                text="",
                at_us=EPOCH_US,
            )
            repository.post(connection, posting)

        self.now(put)


class SimulatedMedia:
    """Ports that are only counted."""

    def __init__(self, wire: Wire) -> None:
        self.open: dict[str, int] = {}
        self.opened = 0
        self.on_notice: Callable[[rtp.Notice], None] = lambda notice: None
        self._wire = wire
        self._ports = count(20_000, 2)

    def send(self, *commands: rtp.Command) -> None:
        """Commands of one call."""
        for command in commands:
            self._obey(command)

    def _obey(self, command: rtp.Command) -> None:
        """Allocate and release answer a moment later; the rest has nothing to answer."""
        notice: rtp.Notice
        if isinstance(command, rtp.Allocate):
            self.opened += len(command.legs)
            self.open[command.call] = self.open.get(command.call, 0) + len(command.legs)
            legs = tuple(rtp.LegPorts(leg.leg, next(self._ports)) for leg in command.legs)
            notice = rtp.Allocated(command.call, legs)
        elif isinstance(command, rtp.Release):
            self.open.pop(command.call, None)
            notice = rtp.Released(command.call)
        else:
            assert command.call in self.open, "a command for ports that are closed"
            return
        self._wire.call_later(0.002, lambda: self.on_notice(notice))


def _no_dns(question: Question) -> Deferred[Answered]:
    raise AssertionError(f"{question}: the trunks of this simulation have numeric addresses")


class SimulatedSwitch:
    """One switch at one address; ``ask`` is its DNS."""

    def __init__(
        self, wire: Wire, address: Address, snapshot: RoutingSnapshot, ask: Ask = _no_dns
    ) -> None:
        self.wire = wire
        self.address = address
        self.store = SimulatedStore(wire)
        self.media = SimulatedMedia(wire)
        self.live = LiveCalls()
        tokens = count(1)
        self.stack = Stack(
            token=lambda: f"{address.host.replace('.', 'x')}t{next(tokens)}",
            server_name="switch",
            allow=ALLOW,
            supported=EXTENSIONS | CALL_EXTENSIONS,
            limits=Limits(transactions_per_source_max=250_000),
        )
        snapshots = SnapshotHolder(snapshot)
        registrar = Registrar()
        authenticator = Authenticator("switch", Nonces(bytes(32)), ("MD5",))
        domains = Domains("switch", "static", [address.host])
        registrations = Registrations(
            self.stack,
            registrar,
            authenticator,
            domains,
            snapshots,
            self.live,
            self.store,
            now_us=self.now_us,
        )
        hosts = Hosts(ask, {"udp": ("A",), "tcp": ("A",)}, now_s=self.now_s, draw=lambda _: 0)
        hosts.keep([trunk.destination for trunk in snapshot.trunks.values()])
        calls = count(1)
        self.calls = CallService(
            reactor=WireReactor(wire),
            stack=self.stack,
            sip=self,
            where=hosts.where,
            media=self.media,
            database=self.store,
            settlements=self.store,
            snapshots=snapshots,
            registrar=registrar,
            registrations=registrations,
            admission=Admission(authenticator, domains, registrar, self.live, CallRate(0)),
            live=self.live,
            settings=CallSettings("switch", "", CALL_MAX_S, 0.0),
            now_s=self.now_s,
            now_us=self.now_us,
            new_id=lambda: CallId(f"{next(calls):024x}"),
            token=lambda: f"{address.host.replace('.', 'x')}d{next(tokens)}",
        )
        self.media.on_notice = self.calls.media_notice
        wire.attach(StackNode(self.stack, self._told), address)

    def now_s(self) -> float:
        """The wire's clock."""
        return self.wire.now_s

    def now_us(self) -> int:
        """Wall time, in step with the wire's clock."""
        return EPOCH_US + round(self.wire.now_s * 1_000_000)

    def _told(self, event: Event, now_s: float) -> None:
        self.calls.sip_event(event, now_s)

    # What the calls need of the SIP service

    def flush(self) -> None:
        """The wire takes what is to be sent after every happening; events are told here."""
        while events := self.stack.take_events():
            for event in events:
                self._told(event, self.wire.now_s)

    def contact_address(self, flow: Flow) -> Address:
        """There is one address."""
        return flow.local

    def flow_to(self, remote: Address, transport: str) -> Flow | None:
        """From the one address."""
        return Flow(transport, self.address, remote)

    def leaks(self) -> dict[str, int]:
        """What should be zero when all is over."""
        (reserved,) = self.store.rows("SELECT coalesce(sum(reserved_micros), 0) FROM balance")[0]
        return {
            "calls": self.calls.calls_up,
            "dialogs": self.calls.dialogs,
            "call timers": self.calls.timers_armed,
            "transactions": self.stack.transactions,
            "stack timers": self.stack.timers_armed,
            "ports": sum(self.media.open.values()),
            "live calls": len(self.live),
            "holds": len(self.store.rows("SELECT id FROM hold")),
            "reserved": int(reserved),
            "ledger faults": len(self.store.now(repository.verify)),
        }
