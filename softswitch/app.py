"""Assembly: the one module that sees everything, builds it and starts and stops it in order.

Start: store, what a crash left over, snapshot, bindings, media, SIP, portal, control socket; then
``softswitch ready``. Stop is the other way round, after the calls have had ``sip.drain_s``.
"""

from __future__ import annotations

import gc
import os
import random
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from billing.work import close_open
from rtp.service import MediaService, resolve_workers
from sip.digest import Nonces
from sip.flow import Address, Flow
from sip.service import SipService
from sip.stack import Limits, Stack
from sip.tls import Tls
from sip.tls_files import TlsFailed
from sip.transport import Listener, ListenFailed, reason_text
from softswitch.call.addresses import Addresses
from softswitch.call.admission import Admission, CallRate
from softswitch.call.authentication import Authenticator
from softswitch.call.bans import BanRules, Bans
from softswitch.call.defence import Defence
from softswitch.call.dns_client import DnsClient
from softswitch.call.hosts import Hosts
from softswitch.call.identify import Domains, trunk_at
from softswitch.call.legs import ALLOW, CALL_EXTENSIONS
from softswitch.call.listening import Listening, reach_of
from softswitch.call.live_view import LiveView
from softswitch.call.phone_states import PhoneStates
from softswitch.call.rebinding import EXTENSIONS
from softswitch.call.registrar import Registrar
from softswitch.call.registrations import Registrations
from softswitch.call.service import CallService, CallSettings
from softswitch.call.trunks import Trunks
from softswitch.call.user_states import ALLOW_EVENTS
from softswitch.call.view import LiveCalls
from softswitch.clock import monotonic_s, utc_us
from softswitch.commands import Commands
from softswitch.config import Config, ConfigError, find, load
from softswitch.control import ControlServer
from softswitch.control_socket import ControlError
from softswitch.ids import CallIds, Tokens
from softswitch.jobs import JOBS, run_job
from softswitch.options import SwitchOptions
from softswitch.options import SwitchOptions as Options  # the name that twistd looks for
from softswitch.secrets import SecretsError, Vault, load_vault
from softswitch.snapshot import SnapshotHolder
from softswitch.state_folder import FolderClaim, FolderError
from softswitch.store.connect import StoreError
from softswitch.store.database import Database
from softswitch.store.migrate import migrate
from softswitch.store.spool import SettlementWriter, Spool
from softswitch.tls_files import tls_files
from softswitch.verbs import Site
from web.app import Portal
from web.deps import DemoLogin, PortalDeps
from web.work import ProcessPool

log = Logger()

__all__ = ["Options", "Switch", "makeService"]

READY = "softswitch ready"
SERVER_NAME = "softswitch"
RELOAD_INTERVAL_S = 60.0  # another process may have written the store
JOBS_INTERVAL_S = 600.0
RESOLVE_INTERVAL_S = 2.0  # a fifth of the shortest time that an answer of DNS is kept
RESOLVE_AT_START_S = 3.0  # then calls are taken, whatever DNS does
REPLAY_INTERVAL_S = 5.0  # settlements that were spooled while the store was away
DEMO_LOGINS_MAX = 6
# Most young objects die with their message, by counting; the old ones (the snapshot) are frozen
# after start. Small young collections keep each pause at some milliseconds.
GC_THRESHOLDS = (20_000, 200, 100)


class StartError(Exception):
    """The switch cannot start; one line that says why."""


# What may stop a start by an operator's doing; anything else is a bug.
REFUSALS = (
    *(StartError, FolderError, StoreError, SecretsError, ControlError),
    *(ListenFailed, TlsFailed),
)


def makeService(options: SwitchOptions) -> Service:
    """What ``twistd softswitch`` runs. A configuration that is refused ends the process with every
    problem on standard error, one a line."""
    from twisted.internet import reactor

    path = options["config"]
    try:
        config = load(find(Path(path) if path else None))
    except ConfigError as error:
        sys.exit("\n".join(map(str, error.problems)))
    return Switch(config, reactor, demo=bool(options["demo"]))


class Switch(Service):
    """The whole product as one service."""

    name = SERVER_NAME

    def __init__(self, config: Config, reactor: Any, *, demo: bool = False) -> None:
        # Any: the reactor is every interface of it at once.
        self._config = config
        self._reactor = reactor
        self._demo = demo
        self._stops: list[Callable[[], Awaitable[object]]] = []

    def startService(self) -> None:
        """Start when the reactor runs; if that fails the process ends with exit code 1."""
        super().startService()  # type: ignore[no-untyped-call]
        self._reactor.callWhenRunning(self._begin)
        self._reactor.callWhenRunning(self._end_on_signals)

    def stopService(self) -> Deferred[None]:
        """Stop everything in the reverse order of its start."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._end())

    def _end_on_signals(self) -> None:
        """SIGTERM and Ctrl-C end the service in order with exit code 0. Twisted would send itself
        the signal again at the end, which makes it 143 or 130."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._reactor.callFromThread(self._stop))

    def _stop(self) -> None:
        if self.running:
            self._reactor.stop()

    def _begin(self) -> None:
        started = Deferred.fromCoroutine(self._start())
        started.addErrback(self._fail)

    def _fail(self, failure: Any) -> None:
        error = failure.check(*REFUSALS)
        if error is None:
            log.failure("start failed", failure)
        line = failure.getErrorMessage() if error else f"start failed: {failure.value!r}"
        _say(line, 2)
        # twistd knows no exit code but 0 once the reactor ran.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.stop()

    async def _end(self) -> None:
        while self._stops:
            stop = self._stops.pop()
            try:
                await stop()
            except Exception:
                log.failure("stopping failed")

    async def _start(self) -> None:
        config, reactor = self._config, self._reactor
        self._stops.append(_as_awaitable(FolderClaim(config.store.state_dir).release))
        vault = load_vault(config.store.state_dir)
        database = await self._open_store()
        settlements = await self._settle_left_over(database)
        snapshots = SnapshotHolder()
        commands = Commands(database, snapshots, vault, config.sip.domain)
        await commands.reload()
        live = LiveCalls()
        media = self._make_media()
        hosts = self._make_hosts()
        bans = self._make_bans(snapshots, hosts, live)
        tls = self._make_tls()
        calls, registrations, states, sip, trunks = self._make_calls(
            database, settlements, snapshots, live, media, tls, hosts, bans
        )
        media.on_notice = calls.media_notice
        await registrations.load()
        await states.load()
        defence = Defence(bans, database, snapshots, live, hosts, now_s=monotonic_s, now_us=utc_us)
        await self._resolve_trunks(hosts, snapshots, trunks)
        await defence.load(registrations.sources())
        self._stops.append(defence.tick)
        self._run(media)
        self._run(sip)
        self._run(calls)
        self._run(trunks)
        view = LiveView(live, registrations, states.subscriptions, trunks, defence, monotonic_s)
        self._open_portal(database, commands, view, snapshots, vault)
        control = ControlServer(
            reactor,
            Site(config, vault, running=True),
            database,
            commands,
            snapshots,
            view,
            calls.route_state,
            lambda: _counts(calls, sip, media, trunks) | _kept_out(bans, sip),
            lambda: () if tls is None else tls.warnings(),
            defence,
        )
        self._run(control)
        self._every(Defence.TICK_INTERVAL_S, defence.tick)
        self._every(JOBS_INTERVAL_S, lambda: _run_jobs(database))
        self._every(REPLAY_INTERVAL_S, settlements.replay)
        self._every(RELOAD_INTERVAL_S, commands.reload)
        _settle_memory()
        _say(READY, 1)

    # --- parts ------------------------------------------------------------------------------------

    async def _open_store(self) -> Database:
        database = Database(self._config.store.url, call_from_thread=self._reactor.callFromThread)
        database.connect()
        self._stops.append(_as_awaitable(database.stop))
        migrate(database.engine)
        return database

    async def _settle_left_over(self, database: Database) -> SettlementWriter:
        """What the last run could not write, then what it did not end (billing rule 22)."""
        call_from_thread = self._reactor.callFromThread
        spool = Spool(self._config.store.state_dir)
        settlements = SettlementWriter(database, spool, call_from_thread=call_from_thread)
        # After the database, as what it did not take is still spooled; before the folder is let go.
        self._stops.insert(1, _as_awaitable(settlements.stop))
        await settlements.replay()
        for call_id in await database.run_call(close_open):
            log.warn("call {call_id} was cut off by a crash: closed and settled", call_id=call_id)
        return settlements

    def _make_media(self) -> MediaService:
        media = self._config.media
        workers = resolve_workers(media.workers, os.cpu_count() or 1)
        try:
            return MediaService(
                self._reactor,
                workers=workers,
                ports=str(media.ports),
                timeout_s=float(media.timeout_s),
            )
        except ValueError as error:
            raise StartError(f"media.ports: {error}") from error

    def _make_tls(self) -> Tls | None:
        files = tls_files(self._config.sip)
        if files is None:
            return None
        tls = Tls(files)
        for warning in tls.warnings():
            log.warn("{warning}", warning=warning)
        return tls

    def _make_hosts(self) -> Hosts:
        return Hosts(
            DnsClient(self._reactor, self._config.sip.dns).ask,
            reach_of(_listeners(self._config)),
            now_s=monotonic_s,
            draw=lambda most: random.randint(0, most),
        )

    def _make_calls(
        self,
        database: Database,
        settlements: SettlementWriter,
        snapshots: SnapshotHolder,
        live: LiveCalls,
        media: MediaService,
        tls: Tls | None,
        hosts: Hosts,
        bans: Bans,
    ) -> tuple[CallService, Registrations, PhoneStates, SipService, Trunks]:
        config = self._config.sip
        tokens = Tokens()
        stack = Stack(
            token=tokens,
            server_name=SERVER_NAME,
            allow=ALLOW,
            supported=EXTENSIONS | CALL_EXTENSIONS,
            allow_events=ALLOW_EVENTS,
            limits=self._limits(snapshots, hosts, live, bans),
        )
        registrar = Registrar()
        authenticator = Authenticator(
            config.domain,
            Nonces(secrets.token_bytes(32)),
            config.digest,
            bans,
            is_bound=lambda login, flow: registrar.is_bound(login, flow, utc_us()),
        )
        addresses = [listener.host for _, listener in config.listeners()]
        domains = Domains(
            config.domain, config.static_domain, [*addresses, config.advertised_address]
        )
        registrations = Registrations(
            stack,
            registrar,
            authenticator,
            domains,
            snapshots,
            live,
            database,
            now_us=utc_us,
        )
        stack.ask_first(registrations.challenge)
        admission = Admission(
            authenticator,
            domains,
            registrar,
            live,
            CallRate(self._config.limits.calls_per_second),
        )
        listeners = _listeners(self._config)

        def flow_lost(flow: Flow) -> None:
            registrations.flow_lost(flow)
            states.subscriptions.flow_lost(flow, monotonic_s())

        sip = SipService(
            stack,
            listeners,
            reactor=self._reactor,
            clock=monotonic_s,
            on_event=lambda event, now_s: calls.sip_event(event, now_s),
            on_flow_lost=flow_lost,
            is_flow_needed=lambda flow: (
                registrar.has_flow(flow)
                or states.subscriptions.has_flow(flow)
                or calls.has_flow(flow)
            ),
            tls=tls,
        )
        listening = Listening(sip, listeners)
        trunks = Trunks(
            reactor=self._reactor,
            stack=stack,
            sip=listening,
            where=hosts.where,
            snapshots=snapshots,
            live=live,
            advertised=config.advertised_address,
            now_s=monotonic_s,
            now_us=utc_us,
            token=tokens,
            chance=random.random,
        )
        states = PhoneStates(
            stack,
            Addresses(listening, config.advertised_address, hosts.where),
            admission,
            snapshots,
            registrar,
            database,
            domain=config.domain,
            now_s=monotonic_s,
            now_us=utc_us,
            token=tokens,
        )
        registrations.on_change = states.registration_changed
        calls = CallService(
            reactor=self._reactor,
            stack=stack,
            sip=listening,
            where=hosts.where,
            media=media,
            database=database,
            settlements=settlements,
            snapshots=snapshots,
            registrar=registrar,
            registrations=registrations,
            admission=admission,
            live=live,
            subscriptions=states.subscriptions,
            settings=CallSettings(
                domain=config.domain,
                advertised=config.advertised_address,
                call_max_s=float(self._config.limits.call_max_s),
                drain_s=float(config.drain_s),
                phone_probe_s=float(config.phone_probe_s),
            ),
            now_s=monotonic_s,
            now_us=utc_us,
            new_id=CallIds(tokens),
            token=tokens,
        )
        return calls, registrations, states, sip, trunks

    async def _resolve_trunks(
        self, hosts: Hosts, snapshots: SnapshotHolder, trunks: Trunks
    ) -> None:
        """Have the trunks' destinations ready before the first call, and from then on."""

        def keep() -> None:
            hosts.keep([uri for trunk in snapshots.current.trunks.values() for uri in trunk.uris])
            trunks.tick()

        keep()
        snapshots.on_whole = keep
        self._every(RESOLVE_INTERVAL_S, _as_awaitable(keep))
        await hosts.idle().addTimeout(
            RESOLVE_AT_START_S, self._reactor, onTimeoutCancel=lambda *_: None
        )

    def _limits(
        self, snapshots: SnapshotHolder, hosts: Hosts, live: LiveCalls, bans: Bans
    ) -> Limits:
        return Limits(
            requests_per_source_s=self._config.limits.per_source_requests_s,
            trusted=self._trusted(snapshots, hosts, live),
            banned=bans.silenced,
        )

    def _make_bans(self, snapshots: SnapshotHolder, hosts: Hosts, live: LiveCalls) -> Bans:
        limits = self._config.limits

        def homes(host: str) -> bool:
            static = snapshots.current.static_users
            return ("udp", host) in static or ("tcp", host) in static

        return Bans(
            BanRules(limits.ban_after, float(limits.ban_s)),
            trusted=self._trusted(snapshots, hosts, live),
            homes=homes,
        )

    def _trusted(
        self, snapshots: SnapshotHolder, hosts: Hosts, live: LiveCalls
    ) -> Callable[[str], bool]:
        """Who has no limits and is never banned: what is configured, and carriers, which bring many
        callers' requests from one address: where they call from, and where we call them."""
        networks = self._config.limits.trusted_sources

        def trusted(host: str) -> bool:
            if trunk_at(host, snapshots.current) is not None or host in hosts.addresses:
                return True
            if host in live.trunks.registrars:
                return True
            address = ip_address(host)
            return any(address in network for network in networks)

        return trusted

    def _open_portal(
        self,
        database: Database,
        commands: Commands,
        view: LiveView,
        snapshots: SnapshotHolder,
        vault: Vault,
    ) -> None:
        pool = ProcessPool(self._reactor)
        self._stops.append(_as_awaitable(pool.stop))
        logins = _demo_logins(snapshots) if self._demo else ()
        portal = Portal(
            PortalDeps(
                database=database,
                commands=commands,
                live=view,
                snapshots=snapshots,
                vault=vault,
                work=pool,
                reactor=self._reactor,
                public_url=self._config.web.public_url,
                sip_domain=self._config.sip.domain,
                static_domain=self._config.sip.static_domain,
                demo_logins=logins,
            )
        )
        for listen in self._config.web.listen:
            try:
                port = self._reactor.listenTCP(listen.port, portal.site(), interface=listen.host)
            except CannotListenError as error:
                reason = reason_text(error.socketError)
                raise StartError(f"cannot listen on web {listen}: {reason}") from error
            self._stops.append(_as_awaitable(port.stopListening))
        self._stops.append(_as_awaitable(portal.stop))
        for login in logins:
            _say(f"{self._config.web.public_url}/demo/{login.key}  {login.label}", 1)

    # --- order ------------------------------------------------------------------------------------

    def _run(self, part: Any) -> None:
        """Start a service of ours and remember to stop it."""
        part.startService()
        self._stops.append(lambda: maybeDeferred(part.stopService))

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        loop = LoopingCall(lambda: Deferred.fromCoroutine(_logged(work)))
        loop.clock = self._reactor
        loop.start(seconds, now=False)
        self._stops.append(_as_awaitable(loop.stop))


async def _logged(work: Callable[[], Awaitable[object]]) -> None:
    """Periodic work whose failure is told and which goes on."""
    try:
        await work()
    except Exception as error:
        log.warn("periodic work failed: {error}", error=error)


async def _run_jobs(database: Database) -> None:
    for name in JOBS:
        await database.run(run_job, name, utc_us())


def _listeners(config: Config) -> Sequence[Listener]:
    return [
        Listener(transport, Address(listen.host, listen.port))
        for transport, listen in config.sip.listeners()
    ]


def _kept_out(bans: Bans, sip: SipService) -> dict[str, int]:
    """What bans and limits did since the start, and how many bans there are."""
    counters = sip.stack.counters
    return {
        "bans": len(bans),
        "bans_begun": bans.begun,
        "bans_without_room": bans.without_room,
        "requests_dropped_banned": counters.banned,
        "requests_dropped_over_rate": counters.over_rate,
        "requests_refused_overload": counters.overload,
    }


def _counts(
    calls: CallService, sip: SipService, media: MediaService, trunks: Trunks
) -> dict[str, int]:
    """How the carriers are, and what calls and requests take; of that all but the connections of
    idle phones comes back to 0."""
    return {
        **trunks.counts(),
        "unsettled_calls": calls.calls_up,
        "dialogs": calls.dialogs,
        "call_timers": calls.timers_armed,
        "media_calls": media.calls,
        "sip_transactions": sip.stack.transactions,
        "sip_timers": sip.stack.timers_armed,
        "sip_connections": sip.connections,
    }


def _demo_logins(snapshots: SnapshotHolder) -> tuple[DemoLogin, ...]:
    accounts = snapshots.current.accounts.values()
    return tuple(
        DemoLogin(
            key=secrets.token_urlsafe(16),
            label=f"sign in as {account.users[account.administrator].name}",
            account=account.id,
            extension=account.administrator,
        )
        for account in list(accounts)[:DEMO_LOGINS_MAX]
        if account.administrator in account.users
    )


def _say(line: str, descriptor: int) -> None:
    """To the real standard output or error: twistd has put its log in place of Python's."""
    try:
        os.write(descriptor, line.encode() + b"\n")
    except OSError:
        log.info("{line}", line=line)


def _settle_memory() -> None:
    """What stands now stays: keep the collector from walking it (it would stop the reactor for
    100 ms with 20,000 users)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _as_awaitable(stop: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    return lambda: maybeDeferred(stop)
