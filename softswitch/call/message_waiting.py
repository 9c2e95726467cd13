"""How many voice messages each user has, in memory and in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from sip.state_documents import Messages
from softswitch.call.credit import RunsCallWork
from softswitch.ids import AccountId, Extension
from softswitch.routing.plan import PhoneCaller
from softswitch.store.subscriptions import read_waiting, write_waiting

NONE = Messages()


def _nobody(_user: PhoneCaller) -> None:
    """Nobody is told."""


class MessageWaiting:
    """``on_change`` is told of each user whose counts are others now."""

    def __init__(self, database: RunsCallWork) -> None:
        self.on_change: Callable[[PhoneCaller], None] = _nobody
        self._database = database
        self._counts: dict[PhoneCaller, Messages] = {}  # those that have any

    async def load(self) -> None:
        """Read the counts that were kept."""
        rows: list[dict[str, Any]] = await self._database.run_call(read_waiting)
        for row in rows:
            user = PhoneCaller(AccountId(row["account"]), Extension(row["extension"]))
            self._keep(user, Messages(row["new_count"], row["old_count"]))

    def count(self, user: PhoneCaller) -> Messages:
        """What a user has."""
        return self._counts.get(user, NONE)

    def put(self, user: PhoneCaller, messages: Messages) -> Deferred[Any] | None:
        """What a user has from now on: for whoever takes, plays or deletes a message. The Deferred
        fires when it is written; ``None`` when it is nothing new."""
        if messages == self.count(user):
            return None
        self._keep(user, messages)
        self.on_change(user)
        row: dict[str, str | int] = {
            "account": user.account,
            "extension": user.extension,
            "new_count": messages.new,
            "old_count": messages.old,
        }
        return self._database.run_call(write_waiting, row)

    def _keep(self, user: PhoneCaller, messages: Messages) -> None:
        if messages == NONE:
            self._counts.pop(user, None)
        else:
            self._counts[user] = messages
