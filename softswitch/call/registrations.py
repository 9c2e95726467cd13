"""REGISTER on the rim: authenticate, ask the registrar, write its changes behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from twisted.logger import Logger

from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.stack import Stack
from sip.transaction import ServerTransaction
from sip.uri import parse_uri
from softswitch.call.authentication import Authenticated, Authenticator, Challenged
from softswitch.call.bindings import BindingRow, Bound, to_row
from softswitch.call.credit import RunsCallWork
from softswitch.call.identify import Domains
from softswitch.call.registrar import Key, Registrar
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
    """A phone that is registered. ``source``: host:port that it registered from."""

    account: AccountId
    extension: Extension
    login: str
    contact: str
    source: str
    transport: str
    expires_us: int
    user_agent: str


class Registrations:
    """Answers REGISTER and keeps the store in step, every ``WRITE_INTERVAL_S``.

    ``on_change(login, request)`` is told of each REGISTER that was accepted, and without a
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

    async def load(self) -> int:
        """Read the bindings that were kept; their number."""
        rows: list[dict[str, Any]] = await self._database.run_call(read_bindings)
        return self._registrar.load((BindingRow(**row) for row in rows), self._now_us())

    def received(self, tx: ServerTransaction, request: Request, flow: Flow, now_s: float) -> None:
        """Answer a REGISTER."""
        if not self._is_ours(request, flow):
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
        logins = self._snapshots.current.logins
        for bound in gone:
            login = logins.get(bound.login)
            if login is not None:
                self._live.changed(login.account)
                self.on_change(login, None)

    def tick(self) -> None:
        """Drop what is over and write what changed; to be called every ``WRITE_INTERVAL_S``."""
        self._tell_gone(self._registrar.expire(self._now_us()))
        changes = self._registrar.take_changes()
        if changes.upserts or changes.deletes:
            deferred = self._database.run_call(_write, changes.upserts, changes.deletes)
            deferred.addErrback(
                lambda failure: log.warn("bindings not written: {error}", error=failure.value)
            )

    def views(self, account: AccountId | None = None) -> list[RegistrationView]:
        """Everything that is registered, or what one account has."""
        return self.later_views(account)()

    def later_views(self, account: AccountId | None) -> Callable[[], list[RegistrationView]]:
        """What is registered now, put into words by whoever calls the result, in any thread."""
        bindings = self._registrar.everything(self._now_us())
        logins = self._snapshots.current.logins
        return lambda: [
            _view(bound, login)
            for bound in bindings
            if (login := logins.get(bound.login)) is not None
            and (account is None or login.account == account)
        ]


def _write(connection: Connection, upserts: Sequence[Bound], deletes: Sequence[Key]) -> None:
    """In the database's thread, rows included: a thousand of them take some milliseconds."""
    write_bindings(connection, [to_row(bound)._asdict() for bound in upserts], list(deletes))


def _view(bound: Bound, login: Login) -> RegistrationView:
    return RegistrationView(
        account=login.account,
        extension=login.extension,
        login=bound.login,
        contact=bound.contact,
        source=str(bound.flow.remote),
        transport=bound.flow.transport,
        expires_us=bound.expires_us,
        user_agent=bound.user_agent,
    )
