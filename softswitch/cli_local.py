"""The verbs without a service: the command line works on the store itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from softswitch.admin.history import Actor
from softswitch.admin.refusal import refuse
from softswitch.clock import utc_us
from softswitch.config import Config
from softswitch.route_question import NobodyRegistered, ask, parse_time
from softswitch.secrets import load_vault
from softswitch.show import LIVE
from softswitch.snapshot import build
from softswitch.store.connect import StoreUnavailable
from softswitch.store.database import Database
from softswitch.store.migrate import migrate
from softswitch.verbs import OPERATOR, VERBS, Scope, Site, text

NEEDS_SERVICE = "the service is not running"


class Local:
    """Answers verbs like the control socket does, in this process and its own transactions."""

    def __init__(self, config: Config) -> None:
        """Opens nothing yet."""
        self._config = config
        self._database = Database(
            config.store.url, call_from_thread=lambda function, *args: function(*args)
        )

    def ask(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        """The verb's result. Raises one of ``softswitch.verbs.REFUSALS``."""
        if verb == "status" or (verb == "show" and arguments.get("what") in LIVE):
            raise refuse("", NEEDS_SERVICE)
        self._prepare_store()
        try:
            return self._route(arguments) if verb == "route" else self._run(verb, arguments)
        finally:
            self._database.stop()

    def _prepare_store(self) -> None:
        folder = self._config.store.state_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"store.state_dir {folder}: {error.strerror}") from None
        with self._transaction(reads=True):
            pass  # says in one line when the database cannot be reached
        migrate(self._database.engine)

    def _run(self, name: str, arguments: Mapping[str, Any]) -> Any:
        verb, site = VERBS[name], self._site()
        if verb.prepare is not None:
            with self._transaction(reads=True) as session:
                arguments = {**arguments, "prepared": verb.prepare(session, arguments)}
        reads = verb.scope is Scope.NOTHING or bool(arguments.get("dry_run"))
        with self._transaction(reads=reads) as session:
            return verb.work(session, site, arguments, Actor(OPERATOR, "", utc_us()))

    def _route(self, arguments: Mapping[str, Any]) -> Any:
        at = text(arguments, "at")
        time = parse_time(at) if at else datetime.now(UTC)
        with self._transaction(reads=True) as session:
            snapshot = build(session, self._site().vault, self._config.sip.domain)
        caller, dialled = text(arguments, "from"), text(arguments, "to")
        account = text(arguments, "account") or None
        return ask(snapshot, NobodyRegistered(snapshot), caller, dialled, time, account)

    def _site(self) -> Site:
        return Site(self._config, load_vault(self._config.store.state_dir), running=False)

    @contextmanager
    def _transaction(self, *, reads: bool) -> Iterator[Session]:
        with self._database.sync_transaction(reads=reads) as session:
            yield session
