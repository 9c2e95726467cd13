"""REGISTER on the rim: authenticate, ask the registrar, write its changes behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from twisted.logger import Logger

from sip.checks import Refusal
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.stack import Stack
from sip.transaction import ServerTransaction
from sip.uri import parse_uri
from softswitch.call.authentication import (
    CREDENTIAL_HEADERS,
    Authenticated,
    Authenticator,
    Challenged,
)
from softswitch.call.bindings import BindingRow, Bound, to_row
from softswitch.call.credit import RunsCallWork
from softswitch.call.identify import Domains
from softswitch.call.registrar import Changes, Key, Registrar
from softswitch.call.view import LiveCalls
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Login
from softswitch.snapshot import SnapshotHolder
from softswitch.store.bindings import read_bindings, write_bindings

log = Logger()

OnChange = Callable[[Login, Request | None], None]


def _nobody(_login: Login, _request: Request | None) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class RegistrationView:
    """A phone that is registered. ``source``: host:port that it registered from. ``state``:
    registered | dead (it answers no probe)."""

    account: AccountId
    extension: Extension
    login: str
    contact: str
    source: str
    transport: str
    expires_us: int
    user_agent: str
    state: str = "registered"


class Registrations:
    """Answers REGISTER and keeps the store in step, every ``WRITE_INTERVAL_S``.

    ``on_changes`` is told what was bound and what was removed as often, and at start what was kept.
    ``on_change(login, request)`` is told at once of each REGISTER that was accepted, and without a
    request of each binding that is gone.
    """

    WRITE_INTERVAL_S = 1.0

    def __init__(
        self,
        stack: Stack,
        registrar: Registrar,
        authenticator: Authenticator,
        domains: Domains,
        snapshots: SnapshotHolder,
        live: LiveCalls,
        database: RunsCallWork,
        *,
        now_us: Callable[[], int],
    ) -> None:
        self.on_change: OnChange = _nobody
        self._stack = stack
        self._registrar = registrar
        self._authenticator = authenticator
        self._domains = domains
        self._snapshots = snapshots
        self._live = live
        self._database = database
        self._now_us = now_us
        self.on_changes: Callable[[Changes], None] = _ignore

    async def load(self) -> int:
        """Read the bindings that were kept; their number."""
        rows: list[dict[str, Any]] = await self._database.run_call(read_bindings)
        number = self._registrar.load((BindingRow(**row) for row in rows), self._now_us())
        self.on_changes(Changes(tuple(self._registrar.everything(self._now_us())), ()))
        return number

    def sources(self) -> list[tuple[str, str]]:
        """Source address and login of every phone that is registered."""
        bindings = self._registrar.everything(self._now_us())
        return [(bound.flow.remote.host, bound.login) for bound in bindings]

    def received(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        """Answer a REGISTER."""
        if not self._is_ours(request, flow):
            self._authenticator.stranger(request, flow, now_s)
            self._stack.respond(tx, 404, now_s=now_s)
            return
        logins = self._snapshots.current.logins
        outcome = self._authenticator.check(request, flow, logins, now_s)
        if isinstance(outcome, Authenticated):
            login = outcome.login
            answer = self._registrar.register(login.login, request, flow, self._now_us())
            self._stack.respond(
                tx, answer.status, answer.reason or None, headers=answer.headers, now_s=now_s
            )
            self._live.changed(login.account)
            if answer.status == 200:
                self.on_change(login, request)
        elif isinstance(outcome, Challenged):
            self._stack.respond(tx, outcome.status, headers=outcome.headers, now_s=now_s)
        else:
            self._stack.respond(tx, outcome.status, outcome.reason, now_s=now_s)

    def challenge(self, request: Request, flow: Flow, now_s: float) -> Refusal | None:
        """The 401 of a REGISTER that shows no credentials and is for us: asked by the stack before
        it keeps anything (``Stack.ask_first``)."""
        shows_none = not any(name in request.headers for name in CREDENTIAL_HEADERS)
        if not shows_none or not self._is_ours(request, flow):
            return None
        outcome = self._authenticator.check(request, flow, self._snapshots.current.logins, now_s)
        if not isinstance(outcome, Challenged):
            return None
        return Refusal(outcome.status, None, outcome.headers)

    def _is_ours(self, request: Request, flow: Flow) -> bool:
        """Whether it is for a domain of ours (RFC 3261 10.3 step 1), and about an address in one
        (step 5). In nearly every To the host of the Request-URI is read again."""
        try:
            host = parse_uri(request.uri).host
            return self._domains.accepts(host, flow) and (
                request.headers["to"][0].endswith(f"@{host}>")
                or self._domains.accepts(request.to.uri.host, flow)
            )
        except RemoteError:
            return False

    def flow_lost(self, flow: Flow) -> None:
        """A connection is gone, and with it the phones that were reached over it."""
        self._tell_gone(self._registrar.flow_lost(flow))

    def _tell_gone(self, gone: Iterable[Bound]) -> None:
        for bound in gone:
            login = self._snapshots.current.logins.get(bound.login)
            if login is not None:
                self._live.changed(login.account)
                self.on_change(login, None)

    def tell_changed(self, name: str) -> None:
        """Have the boards of a login's account look again."""
        login = self._snapshots.current.logins.get(name)
        if login is not None:
            self._live.changed(login.account)

    def tick(self) -> None:
        """Drop what is over and write what changed; to be called every ``WRITE_INTERVAL_S``."""
        self._tell_gone(self._registrar.expire(self._now_us()))
        changes = self._registrar.take_changes()
        if changes.upserts or changes.deletes:
            self.on_changes(changes)
            deferred = self._database.run_call(_write, changes.upserts, changes.deletes)
            deferred.addErrback(
                lambda failure: log.warn("bindings not written: {error}", error=failure.value)
            )

    def views(self, account: AccountId | None = None) -> list[RegistrationView]:
        """Everything that is registered, or what one account has."""
        return self.later_views(account)()

    def later_views(self, account: AccountId | None) -> Callable[[], list[RegistrationView]]:
        """What is registered now, put into words by whoever calls the result, in any thread."""
        bindings, dead = self._registrar.everything(self._now_us()), self._registrar.dead
        logins = self._snapshots.current.logins
        return lambda: [
            _view(bound, login, is_dead=(bound.login, bound.contact) in dead)
            for bound in bindings
            if (login := logins.get(bound.login)) is not None
            and (account is None or login.account == account)
        ]


def _ignore(_changes: Changes) -> None:
    """Nobody watches phones."""


def _write(connection: Connection, upserts: Sequence[Bound], deletes: Sequence[Key]) -> None:
    """In the database's thread, rows included: a thousand of them take some milliseconds."""
    write_bindings(connection, [to_row(bound)._asdict() for bound in upserts], list(deletes))


def _view(bound: Bound, login: Login, *, is_dead: bool) -> RegistrationView:
    return RegistrationView(
        account=login.account,
        extension=login.extension,
        login=bound.login,
        contact=bound.contact,
        source=str(bound.flow.remote),
        transport=bound.flow.transport,
        expires_us=bound.expires_us,
        user_agent=bound.user_agent,
        state="dead" if is_dead else "registered",
    )
