"""The verbs without a service: the command line works on the store itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from softswitch.admin.history import Actor
from softswitch.clock import utc_us
from softswitch.config import Config
from softswitch.plan_text import parse_time
from softswitch.route_question import NobodyRegistered, ask
from softswitch.secrets import load_vault
from softswitch.snapshot import build
from softswitch.store.connect import StoreUnavailable, reach
from softswitch.store.database import Database
from softswitch.store.migrate import migrate
from softswitch.verbs import OPERATOR, REFUSALS, VERBS, Scope, Site, refusal_lines, text


class LocalRefusal(Exception):
    """The verb is refused; ``lines`` say why, one a problem."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def ask_store(config: Config, verb: str, arguments: Mapping[str, Any]) -> Any:
    """The verb's result, as the control socket would give it. Raises ``LocalRefusal``.

    Verbs of the running service alone are not for here.
    """
    try:
        with _opened(config) as local:
            return local.route(arguments) if verb == "route" else local.run(verb, arguments)
    except REFUSALS as error:
        raise LocalRefusal(refusal_lines(error)) from None


@contextmanager
def _opened(config: Config) -> Iterator[_Local]:
    folder = config.store.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"store.state_dir {folder}: {error.strerror}") from None
    # No threads are started: everything runs in this one.
    database = Database(config.store.url, call_from_thread=_call)
    try:
        reach(database.engine)
        migrate(database.engine)
        yield _Local(config, database)
    finally:
        database.stop()


class _Local:
    """An open store and what verbs need beside it."""

    def __init__(self, config: Config, database: Database) -> None:
        self._database = database
        self._site = Site(config, load_vault(config.store.state_dir), running=False)

    def run(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """One of ``VERBS``, in the transactions that it asks for."""
        verb = VERBS[name]
        if verb.prepare is not None:
            with self._database.sync_transaction(reads=True) as session:
                arguments = {**arguments, "prepared": verb.prepare(session, arguments)}
        reads = verb.scope is Scope.NOTHING or bool(arguments.get("dry_run"))
        with self._database.sync_transaction(reads=reads) as session:
            return verb.work(session, self._site, arguments, Actor(OPERATOR, "", utc_us()))

    def route(self, arguments: Mapping[str, Any]) -> Any:
        """A routing question to the snapshot that the service would start with."""
        at = text(arguments, "at")
        time = parse_time(at) if at else datetime.now(UTC)
        with self._database.sync_transaction(reads=True) as session:
            snapshot = build(session, self._site.vault, self._site.config.sip.domain)
        caller, dialled = text(arguments, "from"), text(arguments, "to")
        account = text(arguments, "account") or None
        return ask(snapshot, NobodyRegistered(snapshot), caller, dialled, time, account)


def _call(function: Callable[..., object], *args: object) -> object:
    return function(*args)
