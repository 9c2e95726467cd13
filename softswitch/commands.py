"""Runs write commands: a transaction in a database thread, then the snapshot that obeys it.

The Deferred fires after commit *and* after the new snapshot is in force, so whoever waits for it
knows that the next call obeys. What is read for the snapshot is read after the commit, in a reading
transaction: SQLite has one writer, and calls that ask for credit wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred

from softswitch import snapshot
from softswitch.admin.history import Actor
from softswitch.admin.refusal import refuse
from softswitch.ids import AccountId
from softswitch.secrets import Vault
from softswitch.snapshot import SnapshotHolder
from softswitch.state.apply import Plan, write_piece
from softswitch.state.difference import Difference

P = ParamSpec("P")
T = TypeVar("T")


# Others may change the store between a plan and its writing; then the rest is planned anew.
PLANS_MAX = 5
# Above it, reading everything anew costs less than reading the accounts that have changed.
READ_ACCOUNTS_MAX = 50


class RunsTransactions(Protocol):
    """What commands need of the database: ``softswitch.store.database.Database``."""

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run ``function(session, ...)`` in a thread, in one transaction, and commit."""

    def read(self, function: Callable[..., Any], /, *args: Any) -> Deferred[Any]:
        """Run ``function(session, *args)`` in a thread, in a reading transaction."""


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
        """Run a command that may change anything (a job); all is read anew."""
        return _unbroken(self._run_whole(function, args, kwargs))

    def run_plan(self, plan: Callable[[Session], Plan], by: Actor) -> Deferred[Difference]:
        """Write what a state file changes, each piece of the plan in a transaction of its own, so
        that no call waits long for its credit meanwhile; the whole difference comes out.

        ``plan`` is asked again, for what is left, when somebody else has written in between.
        """
        return _unbroken(self._run_plan(plan, by))

    def reload(self) -> Deferred[None]:
        """Read everything anew: at start, and every 60 s in case another process wrote."""
        return _unbroken(self._reload())

    async def _run(
        self,
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        account: AccountId,
    ) -> T:
        result = await self._database.run(function, *args, **kwargs)
        await self._obey([account])
        return result  # type: ignore[no-any-return]

    async def _run_whole(
        self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        result = await self._database.run(function, *args, **kwargs)
        await self._reload()
        return result  # type: ignore[no-any-return]

    async def _run_plan(self, plan: Callable[[Session], Plan], by: Actor) -> Difference:
        first: Plan | None = None
        accounts: set[str] = set()
        everything = False
        for _ in range(PLANS_MAX):
            planned: Plan = await self._database.read(plan)
            first = first or planned
            accounts |= planned.difference.accounts()
            everything = everything or planned.changes_provider
            if await self._write(planned, by):
                break
        else:
            raise refuse("", "Others are changing the store, a part is written: apply it again.")
        if everything or len(accounts) > READ_ACCOUNTS_MAX:
            await self._reload()
        else:
            await self._obey([AccountId(account) for account in sorted(accounts)])
        return first.difference

    async def _write(self, plan: Plan, by: Actor) -> bool:
        """Whether all of it is written; if not, somebody else has written in between."""
        history_id: int | None = plan.history_id
        for piece in plan.pieces:
            history_id = await self._database.run(write_piece, self.vault, by, piece, history_id)
            if history_id is None:
                return False
        return True

    async def _obey(self, accounts: Collection[AccountId]) -> None:
        """Bring these accounts into force as the store has them now."""
        parts = await self._database.read(
            snapshot.read_parts, self.vault, self._realm, tuple(accounts)
        )
        self._snapshots.publish_accounts(parts)

    async def _reload(self) -> None:
        built, versions = await self._database.read(
            snapshot.build_with_versions, self.vault, self._realm
        )
        outdated = self._snapshots.publish(built, versions)
        if outdated:
            await self._obey(outdated)


def _unbroken(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """A Deferred of the work's outcome; cancelling it leaves the work running."""
    waiting: Deferred[T] = Deferred()
    Deferred.fromCoroutine(work).addCallbacks(waiting.callback, waiting.errback)
    return waiting
