"""Runs write commands: a transaction in a database thread, then the snapshot that obeys it.

The Deferred fires after commit *and* after the new snapshot is in force, so whoever waits for it
knows that the next call obeys.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def run(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
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

    async def run(
        self,
        function: Callable[Concatenate[Session, P], T],
        *args: Any,
        account: str,
        **kwargs: Any,
    ) -> T:
        """Run ``function(session, *args, **kwargs)``, which changes only ``account``.

        ``Refused`` and database errors come out as they are; nothing is changed then.
        """
        result, part = await self._database.run(
            self._with_account, function, args, kwargs, AccountId(account)
        )
        self._snapshots.publish_account(part)
        return result  # type: ignore[no-any-return]

    async def run_whole(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a command that may change anything (an applied state file); all is read anew."""
        result, built, versions = await self._database.run(
            self._with_everything, function, args, kwargs
        )
        self._snapshots.publish(built, versions)
        return result  # type: ignore[no-any-return]

    async def reload(self) -> None:
        """Read everything anew: at start, and every 60 s in case another process wrote."""
        await self.run_whole(_nothing)

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


def _nothing(session: Session) -> None:
    """The command that only has the snapshot read."""
    session.execute(select(Account.id).limit(1))
