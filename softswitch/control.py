"""The control socket of the running service: verbs of the command line, in ``state_dir``.

Work runs in database threads; on the reactor only what is in memory (live calls, registrations, a
routed question) and the publishing of a new snapshot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from sqlalchemy.orm import Session
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from softswitch import control_socket
from softswitch.admin.history import Actor
from softswitch.admin.refusal import refuse
from softswitch.clock import iso, utc_us
from softswitch.commands import Commands, RunsTransactions
from softswitch.control_socket import ControlError
from softswitch.plan_text import parse_time
from softswitch.route_question import ask
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import RouteState
from softswitch.snapshot import SnapshotHolder
from softswitch.subjects import LIVE
from softswitch.verbs import (
    OPERATOR,
    REFUSALS,
    VERBS,
    Arguments,
    Scope,
    Site,
    Verb,
    lift_ban,
    refusal_lines,
    text,
)

log = Logger()


class LiveView(Protocol):
    """What is going on right now; asked on the reactor only."""

    def calls(self) -> Sequence[object]:
        """The calls that are up, once for each account."""

    def registrations(self) -> Sequence[object]:
        """The phones that are registered."""

    def call_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """What makes the rows of ``show calls`` as things stand now; to be called in a thread."""

    def registration_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """``show registrations``, likewise."""

    @property
    def subscription_count(self) -> int:
        """How many subscriptions phones have."""

    def subscription_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """``show subscriptions``, likewise."""

    def trunk_report(self) -> Callable[[], list[dict[str, Any]]]:
        """``show trunks``, likewise."""


class BanBoard(Protocol):
    """What is banned right now; asked on the reactor only."""

    def later_report(self) -> Callable[[], list[dict[str, Any]]]:
        """What makes the rows of ``bans list`` as things stand now; to be called in a thread."""

    def lift(self, source: str, login: str) -> int:
        """End a login's ban, or with "" all of a source; how many there were."""


class ReadsAndWrites(RunsTransactions, Protocol):
    """``softswitch.store.database.Database``, as far as verbs need it."""

    def read(self, function: Callable[..., Any], /, *args: Any) -> Deferred[Any]:
        """Run ``function(session, *args)`` in a thread, in a reading transaction."""


class ControlServer(Service):
    """Listens on ``state_dir/control.sock`` while the service runs.

    ``route_state`` gives the state for one routing question, as a real call would see it;
    ``in_use`` counts what calls and requests take and must give back; ``warnings`` are sentences
    for whoever asks how things are.
    """

    def __init__(
        self,
        reactor: Any,
        site: Site,
        database: ReadsAndWrites,
        commands: Commands,
        snapshots: SnapshotHolder,
        live: LiveView,
        route_state: Callable[[RoutingSnapshot], RouteState],
        in_use: Callable[[], Mapping[str, int]],
        warnings: Callable[[], Sequence[str]],
        bans: BanBoard,
    ) -> None:
        # Any: the reactor as IReactorUNIX, whose ports have no types.
        self._reactor = reactor
        self._site = site
        self._database = database
        self._commands = commands
        self._snapshots = snapshots
        self._live = live
        self._route_state = route_state
        self._in_use = in_use
        self._warnings = warnings
        self._bans = bans
        self._started_us = utc_us()
        self._port: Any = None
        self._open = ExitStack()  # what a long address needs while the socket is there
        self._on_reactor: dict[str, Callable[[Arguments], Any]] = {
            "status": self._status,
            "route": self._route,
            "bans lift": lambda arguments: lift_ban(arguments, bans.lift),
        }

    def startService(self) -> None:
        """Open the socket. Raises ``ControlError`` if another service has it or it cannot be."""
        super().startService()  # type: ignore[no-untyped-call]
        folder = self._site.state_dir
        control_socket.make_way(folder)
        address = self._open.enter_context(control_socket.address_of(folder))
        factory = Factory.forProtocol(lambda: _Conversation(self))
        try:
            # Twisted sets the mode between bind and listen: nobody else gets in between.
            self._port = self._reactor.listenUNIX(
                address, factory, backlog=control_socket.BACKLOG, mode=control_socket.MODE
            )
        except CannotListenError as error:
            raise ControlError(f"{folder / control_socket.SOCKET_NAME}: {error}") from None

    def stopService(self) -> Deferred[None]:
        """Close the socket and remove it."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._port is not None:
            await self._port.stopListening()
        self._open.close()

    async def answer(self, request: bytes) -> bytes:
        """One request line to one answer line, without line ends. Never raises."""
        try:
            return await self._answer(request)
        except REFUSALS as error:
            return _problems(refusal_lines(error))
        except Exception:
            log.failure("a control request failed")
            return _problems(["internal error, the service's log says more"])

    async def _answer(self, request: bytes) -> bytes:
        verb, arguments = _parse(request)
        if verb == "bans list" or (verb == "show" and arguments.get("what") in LIVE):
            report = self._live_report(verb, arguments)
            # Ten thousand registrations take longer to write than the reactor may stand still.
            encoded: bytes = await self._database.read(lambda session: _result(report()))
            return encoded
        if verb in self._on_reactor:
            return _result(self._on_reactor[verb](arguments))
        if verb not in VERBS:
            raise refuse("verb", f"{verb} is not a verb of this service")
        return await self._run(VERBS[verb], arguments)

    async def _run(self, verb: Verb, arguments: dict[str, Any]) -> bytes:
        by = Actor(OPERATOR, "", utc_us())
        if verb.prepare is not None:
            prepared = await self._database.read(verb.prepare, arguments)
            arguments = {**arguments, "prepared": prepared}
        work = _encoded(verb, self._site, arguments, by)
        if verb.scope is Scope.NOTHING or arguments.get("dry_run"):
            found: bytes = await self._database.read(work)
            return found
        if verb.planned is not None:
            planned, site = verb.planned, self._site
            made = await self._commands.run_plan(lambda s: planned.plan(s, site, arguments), by)
            told: bytes = await self._database.read(lambda _: _result(planned.result(made)))
            return told
        if verb.scope is Scope.ACCOUNT:
            return await self._commands.run(work, account=text(arguments, "account"))
        return await self._commands.run_whole(work)

    def _live_report(self, verb: str, arguments: Arguments) -> Callable[[], list[dict[str, Any]]]:
        if verb == "bans list":
            return self._bans.later_report()
        account = text(arguments, "account") or None
        if arguments["what"] == "calls":
            return self._live.call_report(account)
        if arguments["what"] == "trunks":
            return self._live.trunk_report()
        if arguments["what"] == "subscriptions":
            return self._live.subscription_report(account)
        return self._live.registration_report(account)

    def _status(self, arguments: Arguments) -> Any:
        return {
            "running": True,
            "version": _version(),
            "pid": os.getpid(),
            "started_at": iso(self._started_us),
            "accounts": len(self._snapshots.current.accounts),
            "calls": len(self._live.calls()),
            "registrations": len(self._live.registrations()),
            "subscriptions": self._live.subscription_count,
            **self._in_use(),
            "warnings": list(self._warnings()),
        }

    def _route(self, arguments: Arguments) -> Any:
        at = text(arguments, "at")
        snapshot = self._snapshots.current
        return ask(
            snapshot,
            self._route_state(snapshot),
            text(arguments, "from"),
            text(arguments, "to"),
            parse_time(at) if at else datetime.now(UTC),
            text(arguments, "account") or None,
        )


class _Conversation(LineOnlyReceiver):
    """One client. A line that is longer than allowed closes it."""

    delimiter = b"\n"
    MAX_LENGTH = control_socket.REQUEST_BYTES_MAX

    def __init__(self, server: ControlServer) -> None:
        self._server = server

    def lineReceived(self, line: bytes) -> None:
        """Answer in its own time; the client sends one request and waits."""
        Deferred.fromCoroutine(self._reply(line)).addErrback(self._failed)

    async def _reply(self, line: bytes) -> None:
        self.sendLine(await self._server.answer(line))  # type: ignore[no-untyped-call]

    def _failed(self, failure: Any) -> None:
        log.failure("a control answer could not be sent", failure)


def _parse(request: bytes) -> tuple[str, dict[str, Any]]:
    try:
        document = json.loads(request)
    except (ValueError, RecursionError):
        raise refuse("", "the request is not JSON") from None
    arguments = document.get("arguments", {}) if isinstance(document, dict) else None
    if not isinstance(arguments, dict):
        raise refuse("", "the request is not an object with a verb and arguments")
    return str(document.get("verb", "")), arguments


def _encoded(verb: Verb, site: Site, arguments: Arguments, by: Actor) -> Callable[[Session], bytes]:
    """The verb's work with its result as bytes: long reports are encoded in the thread too."""

    def work(session: Session) -> bytes:
        return _result(verb.work(session, site, arguments, by))

    return work


def _result(value: Any) -> bytes:
    return json.dumps({"result": value}).encode()


def _problems(lines: Sequence[str]) -> bytes:
    return json.dumps({"problems": lines}).encode()


def _version() -> str:
    try:
        return version("softswitch")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "development"
