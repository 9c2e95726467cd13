"""A whole switch on the simulated wire: the real stack, call control, routing and SQL; media ports,
threads and the clock are the simulation's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred

from billing import repository, work
from billing.cdr import Settlement
from billing.credit import Order
from rtp import messages as rtp
from sip.digest import Nonces
from sip.dns_records import Question
from sip.events import Event
from sip.flow import Address, Flow
from sip.stack import Limits, Stack
from softswitch.call.addresses import Addresses
from softswitch.call.admission import Admission, CallRate
from softswitch.call.authentication import Authenticator
from softswitch.call.bans import BanRules, Bans
from softswitch.call.dns_client import Answered
from softswitch.call.hosts import Ask, Hosts
from softswitch.call.identify import Domains
from softswitch.call.legs import ALLOW, CALL_EXTENSIONS
from softswitch.call.phone_states import PhoneStates
from softswitch.call.rebinding import EXTENSIONS
from softswitch.call.registrar import Registrar
from softswitch.call.registrations import Registrations
from softswitch.call.service import CallService, CallSettings
from softswitch.call.user_states import ALLOW_EVENTS
from softswitch.call.view import LiveCalls
from softswitch.ids import CallId
from softswitch.routing.model import RoutingSnapshot
from softswitch.snapshot import SnapshotHolder
from softswitch.store import models  # noqa: F401  # the tables of Base.metadata
from softswitch.store.base import Base
from tests.simulation.wire import Node, StackNode, Wire

EPOCH_US = 1_767_225_600_000_000  # 1 January 2026
CALL_MAX_S = 3600.0
REALM = "switch"
NONCE_SECRET = bytes(32)


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

    def seconds(self) -> float:
        """The wire's clock."""
        return self._wire.now_s


class SimulatedStore:
    """SQLite, asked at once, answering some milliseconds later; in memory unless ``path`` names a
    file."""

    def __init__(self, wire: Wire, path: str = "") -> None:
        self.engine = create_engine(
            f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = OFF")  # a test's file may be lost
            connection.exec_driver_sql("PRAGMA cache_size = -256")  # KiB; memory is measured
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

    def order(self, order: Order, done: Callable[[Any], object]) -> None:
        """One order in a transaction."""
        self.run_call(work.carry_out, [order]).addCallback(lambda outcomes: done(outcomes[0]))

    def write(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """The settlement writer's part."""
        self.order(settlement, lambda _: then())

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
    """Ports that are only counted; ``digits`` are those that were to be sent."""

    def __init__(self, wire: Wire) -> None:
        self.open: dict[str, int] = {}
        self.opened = 0
        self.digits = ""
        self.on_notice: Callable[[rtp.Notice], None] = lambda notice: None
        self._wire = wire
        self._ports = count(20_000, 2)

    def send(self, *commands: rtp.Command) -> Sequence[rtp.Notice]:
        """Commands of one call."""
        for command in commands:
            self._obey(command)
        return ()

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
            if isinstance(command, rtp.SendDigits):
                self.digits += command.digits
            return
        self._wire.call_later(0.002, lambda: self.on_notice(notice))


def _no_dns(question: Question) -> Deferred[Answered]:
    raise AssertionError(f"{question}: the trunks of this simulation have numeric addresses")


class SimulatedSwitch:
    """One switch at one address; ``ask`` is its DNS, ``path`` the file of its database, ``hosts``
    what else is called in its Request-URIs."""

    def __init__(
        self,
        wire: Wire,
        address: Address,
        snapshot: RoutingSnapshot,
        ask: Ask = _no_dns,
        path: str = "",
        hosts: Sequence[str] = (),
    ) -> None:
        self.wire = wire
        self.address = address
        self.reactor = WireReactor(wire)
        self.store = SimulatedStore(wire, path)
        self.media = SimulatedMedia(wire)
        self.live = LiveCalls()
        tokens = count(1)
        self.stack = Stack(
            token=lambda: f"{address.host.replace('.', 'x')}t{next(tokens)}",
            server_name="switch",
            allow=ALLOW,
            allow_events=ALLOW_EVENTS,
            supported=EXTENSIONS | CALL_EXTENSIONS,
            limits=Limits(transactions_per_source_max=250_000),
        )
        self.snapshots = snapshots = SnapshotHolder(snapshot)
        self.registrar = registrar = Registrar()
        self.authenticator = authenticator = Authenticator(
            REALM, Nonces(NONCE_SECRET), ("MD5",), Bans(BanRules(after=0))
        )
        domains = Domains("switch", "static", [address.host, *hosts])
        self.registrations = registrations = Registrations(
            self.stack,
            registrar,
            authenticator,
            domains,
            snapshots,
            self.live,
            self.store,
            now_us=self.now_us,
        )
        self.stack.ask_first(registrations.challenge)
        reach = {"udp": ("A",), "tcp": ("A",)}
        self.names = names = Hosts(ask, reach, now_s=self.now_s, draw=lambda _: 0)
        names.keep([trunk.destination for trunk in snapshot.trunks.values()])
        admission = Admission(authenticator, domains, registrar, self.live, CallRate(0))
        self.states = PhoneStates(
            self.stack,
            Addresses(self, "", names.where),
            admission,
            snapshots,
            registrar,
            self.store,
            domain="switch",
            now_s=self.now_s,
            now_us=self.now_us,
            token=lambda: f"{address.host.replace('.', 'x')}s{next(tokens)}",
        )
        self.registrations.on_change = self.states.registration_changed
        calls = count(1)
        self.calls = CallService(
            reactor=self.reactor,
            stack=self.stack,
            sip=self,
            where=names.where,
            media=self.media,
            database=self.store,
            settlements=self.store,
            snapshots=snapshots,
            registrar=registrar,
            registrations=registrations,
            admission=admission,
            live=self.live,
            subscriptions=self.states.subscriptions,
            settings=CallSettings("switch", "", CALL_MAX_S, 0.0),
            now_s=self.now_s,
            now_us=self.now_us,
            new_id=lambda: CallId(f"{next(calls):024x}"),
            token=lambda: f"{address.host.replace('.', 'x')}d{next(tokens)}",
        )
        self.media.on_notice = self.calls.media_notice
        wire.attach(self._node(), address)

    def _node(self) -> Node:
        """The stack on the wire, without the rim."""
        return StackNode(self.stack, self._told)

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

    def took_ping(self, flow: Flow) -> bool:
        """There are no streams."""
        return False

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
