"""Write commands: after the Deferred the next call obeys; a refusal leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from twisted.internet.defer import CancelledError, Deferred, succeed

from softswitch.admin import accounts, users
from softswitch.admin.forms import UserForm
from softswitch.admin.history import Actor
from softswitch.admin.refusal import Refused, refuse
from softswitch.commands import Commands
from softswitch.ids import AccountId, Extension
from softswitch.secrets import Vault
from softswitch.snapshot import SnapshotHolder
from softswitch.state.apply import apply, read_files
from softswitch.store.database import Database
from softswitch.store.models import User

ACCOUNT = AccountId("000000001")
STATE = f'accounts: [{{id: "{ACCOUNT}", activated: true}}]'
ANNA = UserForm(name="Anna", email="anna@example.com", extension="101")


def outcome(deferred: Deferred[Any]) -> Any:
    """What a Deferred that has fired has; raises its failure."""
    found: list[Any] = []
    deferred.addBoth(found.append)
    assert found, "the Deferred has not fired"
    if hasattr(found[0], "raiseException"):
        found[0].raiseException()
    return found[0]


@pytest.fixture
def snapshots() -> SnapshotHolder:
    """The snapshot in force."""
    return SnapshotHolder()


@pytest.fixture
def commands(
    database: Database, vault: Vault, snapshots: SnapshotHolder, tmp_path: Path, operator: Actor
) -> Commands:
    """Commands on a store with one account."""
    commands = Commands(database, snapshots, vault, "login.example.net")
    path = tmp_path / "state.yaml"
    path.write_text(STATE)
    outcome(commands.run_whole(apply, read_files([path]), {}, vault, tmp_path, operator))
    return commands


def test_an_applied_state_is_in_force(commands: Commands, snapshots: SnapshotHolder) -> None:
    """``apply`` returns when the next call obeys."""
    assert list(snapshots.current.accounts) == [ACCOUNT]


def test_a_created_user_is_in_force(
    commands: Commands, snapshots: SnapshotHolder, vault: Vault, operator: Actor
) -> None:
    """And the snapshot that a running call holds is left as it was."""
    before = snapshots.current
    user_id = outcome(
        commands.run(users.create_user, vault, operator, ACCOUNT, ANNA, account=ACCOUNT)
    )
    assert user_id.startswith("usr_")
    assert Extension("101") in snapshots.current.accounts[ACCOUNT].users
    assert Extension("101") not in before.accounts[ACCOUNT].users


def test_a_refused_command_changes_nothing(
    commands: Commands, snapshots: SnapshotHolder, database: Database, vault: Vault, operator: Actor
) -> None:
    """Also when it had written already: the refusal rolls back."""

    def half_done(session: Session) -> None:
        users.create_user(session, vault, operator, ACCOUNT, ANNA)
        raise refuse("", "No.")

    before = snapshots.current
    with pytest.raises(Refused, match=r"No\."):
        outcome(commands.run(half_done, account=ACCOUNT))
    assert snapshots.current is before
    count = database.read(lambda session: session.scalar(select(func.count()).select_from(User)))
    assert outcome(count) == 1


def test_what_another_process_wrote_is_read_by_reload(
    commands: Commands, snapshots: SnapshotHolder, database: Database, operator: Actor
) -> None:
    """The full check of every minute."""
    outcome(database.run(accounts.block_account, operator, ACCOUNT, "operator"))
    assert snapshots.current.accounts[ACCOUNT].status == "active"
    outcome(commands.reload())
    assert snapshots.current.accounts[ACCOUNT].status == "blocked_operator"


def test_whoever_stops_waiting_does_not_stop_the_command(
    vault: Vault, snapshots: SnapshotHolder
) -> None:
    """A browser that leaves cancels its handler, not what the person has saved."""

    class Slow:
        """A database whose answer is still to come."""

        def __init__(self) -> None:
            self.answer: Deferred[Any] = Deferred()

        def run(self, function: object, *args: object) -> Deferred[Any]:
            """Never yet."""
            return self.answer

        def read(self, function: object, *args: object) -> Deferred[Any]:
            """At once: a newer snapshot."""
            return succeed(("newer", {}))

    database = Slow()
    commands = Commands(database, snapshots, vault, "realm")
    waiting = commands.run_whole(lambda session: None)
    waiting.cancel()
    with pytest.raises(CancelledError):
        outcome(waiting)
    published = snapshots.current
    database.answer.callback(None)
    assert snapshots.current != published
