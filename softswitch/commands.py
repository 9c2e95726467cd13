"""Runs write commands: a transaction in a database thread, then the snapshot that obeys it.

The Deferred fires after commit *and* after the new snapshot is in force, so whoever waits for it
knows that the next call obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred

from softswitch import snapshot
from softswitch.ids import AccountId
from softswitch.secrets import Vault
from softswitch.snapshot import AccountPart, SnapshotHolder
from softswitch.store.models import Account

P = ParamSpec("P")
T = TypeVar("T")


class RunsTransactions(Protocol):
    """What commands need of the database: ``softswitch.store.database.Database``."""

    def run(self, function: Callable[..., Any], /, *args: Any) -> Deferred[Any]:
        """Run ``function(session, *args)`` in a thread, in one transaction, and commit."""


class Commands:
    """The way of every write command into store and snapshot."""

    def __init__(
        self, database: RunsTransactions, snapshots: SnapshotHolder, vault: Vault, realm: str
    ) -> None:
        """``realm``: ``sip.domain``."""
        self._database = database
        self._snapshots = snapshots
        self.vault = vault
        self._realm = realm

    def run(
        self,
        function: Callable[Concatenate[Session, P], T],
        *args: Any,
        account: str,
        **kwargs: Any,
    ) -> Deferred[T]:
        """Run ``function(session, *args, **kwargs)``, which changes only ``account``.

        ``Refused`` and database errors come out as they are; nothing is changed then. Whoever
        stops waiting (a browser that leaves) does not stop the command.
        """
        return _unbroken(self._run(function, args, kwargs, AccountId(account)))

    def run_whole(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        """Run a command that may change anything (an applied state file); all is read anew."""
        return _unbroken(self._run_whole(function, args, kwargs))

    def reload(self) -> Deferred[None]:
        """Read everything anew: at start, and every 60 s in case another process wrote."""
        return self.run_whole(_nothing)

    async def _run(
        self,
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        account: AccountId,
    ) -> T:
        result, part = await self._database.run(self._with_account, function, args, kwargs, account)
        self._snapshots.publish_account(part)
        return result  # type: ignore[no-any-return]

    async def _run_whole(
        self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        result, built, versions = await self._database.run(
            self._with_everything, function, args, kwargs
        )
        for account in self._snapshots.publish(built, versions):
            await self._run(_nothing, (), {}, account)
        return result  # type: ignore[no-any-return]

    def _with_account(
        self,
        session: Session,
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        account: AccountId,
    ) -> tuple[T, AccountPart]:
        """In the thread. The part is read before the commit, in the transaction that wrote it."""
        result = function(session, *args, **kwargs)
        session.flush()
        return result, snapshot.read_account(session, self.vault, self._realm, account)

    def _with_everything(
        self,
        session: Session,
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[T, Any, dict[AccountId, int]]:
        result = function(session, *args, **kwargs)
        session.flush()
        built, versions = snapshot.build_with_versions(session, self.vault, self._realm)
        return result, built, versions


def _unbroken(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """A Deferred of the work's outcome; cancelling it leaves the work running."""
    waiting: Deferred[T] = Deferred()
    Deferred.fromCoroutine(work).addCallbacks(waiting.callback, waiting.errback)
    return waiting


def _nothing(session: Session) -> None:
    """The command that only has the snapshot read."""
    session.execute(select(Account.id).limit(1))
