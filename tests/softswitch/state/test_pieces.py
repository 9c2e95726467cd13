"""A state file is checked whole and written in pieces, with which calls can live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred

from softswitch.admin import accounts
from softswitch.admin.history import Actor
from softswitch.commands import Commands
from softswitch.problems import FileProblems
from softswitch.secrets import Vault
from softswitch.snapshot import SnapshotHolder
from softswitch.state import apply as applying
from softswitch.state.apply import Plan, plan, read_files
from softswitch.state.difference import Difference
from softswitch.state.pieces import PIECE_CHANGES_MAX
from softswitch.store import models
from softswitch.store.database import Database

MANY = PIECE_CHANGES_MAX * 3 // 2  # accounts; two changes each when new, one when changed
Run = Callable[..., Deferred[Any]]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BETWEEN_PIECES_S", 0)


class Store:
    """A database, the commands on it, and a way to apply the text of a file."""

    def __init__(self, database: Database, vault: Vault, folder: Path, by: Actor) -> None:
        self.database = database
        self.snapshots = SnapshotHolder()
        self.commands = Commands(database, self.snapshots, vault, "login.example.net")
        self._vault, self._folder, self._by = vault, folder, by
        self.plans: list[Plan] = []

    def apply(self, said: str) -> object:
        """The difference, or what was raised."""
        path = self._folder / "state.yaml"
        path.write_text(said)

        def planned(session: Session) -> Plan:
            self.plans.append(plan(session, read_files([path]), {}, self._vault, self._folder))
            return self.plans[-1]

        outcomes: list[Any] = []
        self.commands.run_plan(planned, self._by).addBoth(outcomes.append)
        return getattr(outcomes[0], "value", outcomes[0])

    def count(self, kind: Any) -> int:
        """How many rows there are."""
        with self.database.sync_transaction(reads=True) as session:
            return session.scalar(select(func.count()).select_from(kind)) or 0


@pytest.fixture
def store(database: Database, vault: Vault, tmp_path: Path, operator: Actor) -> Store:
    """An empty one."""
    return Store(database, vault, tmp_path, operator)


def many(count: int = MANY, company: str = "First") -> str:
    """A file of so many accounts."""
    lines = [f'{{id: "{n:09d}", company: {company}, activated: true}}' for n in range(1, count + 1)]
    return f"accounts: [{', '.join(lines)}]"


def test_many_accounts_are_written_in_several_transactions(store: Store) -> None:
    """Each of a few accounts; all of them are in force when the command is done."""
    store.apply(many())
    sizes = [len(piece.changes) for piece in store.plans[0].pieces]
    assert len(sizes) > 2
    assert max(sizes) <= PIECE_CHANGES_MAX
    assert len(store.snapshots.current.accounts) == MANY
    assert store.apply(many()).lines() == ["nothing to change"]


def test_a_file_with_one_problem_changes_nothing(store: Store) -> None:
    """The whole file is checked before the first piece is written."""
    said = many().replace("]", ', {id: "000000999", time_zone: "Nowhere/Never"}]')
    assert isinstance(store.apply(said), FileProblems)
    assert store.count(models.Account) == 0


def test_what_a_crash_left_is_completed_by_applying_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some accounts are written whole, the others not at all."""
    run, runs = store.database.run, iter(range(100))

    def dies(*args: Any, **kwargs: Any) -> Deferred[Any]:
        if next(runs) == 1:
            raise SystemError("killed")
        return run(*args, **kwargs)

    with monkeypatch.context() as dying:
        dying.setattr(store.database, "run", dies)
        assert isinstance(store.apply(many()), SystemError)
    assert 0 < store.count(models.Account) < MANY
    assert store.count(models.User) == store.count(models.Account)
    store.apply(many())
    assert store.count(models.Account) == store.count(models.User) == MANY


def test_what_others_write_in_between_is_looked_at_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, operator: Actor
) -> None:
    """The portal blocks an account while a file is applied that says something else of it: the rest
    is planned anew, and nothing of either is lost."""
    store.apply(many())
    run, runs = store.database.run, iter(range(100))

    def interrupted(*args: Any, **kwargs: Any) -> Deferred[Any]:
        if next(runs) == 1:
            run(accounts.block_account, operator, "000000001", "operator")
        return run(*args, **kwargs)

    monkeypatch.setattr(store.database, "run", interrupted)
    difference = store.apply(many(company="Second"))
    assert len(difference.changes) == MANY
    assert len(store.plans) == 3  # the first apply, the interrupted one, what was left of it
    now = store.snapshots.current.accounts
    assert now["000000001"].status == "blocked_operator"
    with store.database.sync_transaction(reads=True) as session:
        assert set(session.scalars(select(models.Account.company))) == {"Second"}


NUMBER = "+37070044960"
CATALOGUE = f"""
trunks: [{{name: carrier, ip: [127.0.0.3], destination: "sip:127.0.0.3:5060"}}]
catalogue:
  numbers: [{{number: "{NUMBER}", country: LT, city: Vilnius, kind: city, trunk: carrier}}]
"""


def account(name: str, login: str, numbers: str) -> str:
    """One with this login and these numbers."""
    administrator = f'{{extension: "100", sip: {{login: "{login}"}}}}'
    return f'{{id: "{name}", activated: true, numbers: {numbers}, administrator: {administrator}}}'


def test_accounts_that_exchange_something_are_one_piece(store: Store) -> None:
    """A login and a number go from the last account to the first."""
    first, last = "000000001", f"{MANY + 1:09d}"
    others = many().removesuffix("]")
    before = account(last, "883140000000777", f'["{NUMBER}"]')
    assert isinstance(store.apply(f"{CATALOGUE}{others}, {before}]"), Difference)
    after = [
        account(first, "883140000000777", f'["{NUMBER}"]'),
        account(last, "883140000000778", "[]"),
    ]
    assert isinstance(store.apply(f"accounts: [{', '.join(after)}]"), Difference)
    assert len(store.plans[-1].pieces) == 1
    assert store.snapshots.current.logins["883140000000777"].account == first
    assert store.snapshots.current.numbers[NUMBER].account == first
