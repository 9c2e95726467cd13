"""The verbs that need the store: each a function of a Session, run in a thread.

The service runs them for the control socket, the command line runs them itself when there is no
service: the same functions, so both do and say the same. Arguments and results are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.repository import verify
from softswitch.admin import accounts
from softswitch.admin.history import Actor
from softswitch.admin.refusal import Refused, refuse
from softswitch.check import check
from softswitch.config import Config
from softswitch.jobs import run_job
from softswitch.problems import FileProblems
from softswitch.routing.dialling import clean
from softswitch.routing.numbers import CALLED, CALLER, incoming, outgoing
from softswitch.secrets import SecretsError, Vault
from softswitch.show import show
from softswitch.snapshot import trunk
from softswitch.state.apply import FILES_MAX, Plan, apply, hash_passwords, plan, read_files
from softswitch.state.difference import Difference
from softswitch.state.export import export_state, write_files
from softswitch.state.merge import Wish
from softswitch.state.prompts import copy_in
from softswitch.state.read import read_state, trunk_of
from softswitch.store import models
from softswitch.store.bans import lift_bans, list_bans
from softswitch.store.connect import StoreError
from softswitch.store.models import Account

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """What verbs need beside the database. ``running``: inside the service."""

    config: Config
    vault: Vault
    running: bool

    @property
    def state_dir(self) -> Path:
        """Where prompts are."""
        return self.config.store.state_dir


OPERATOR = "operator"  # whoever may open the socket or read the key file
# What a verb may end with; anything else is a bug.
REFUSALS = (FileProblems, Refused, StoreError, SecretsError)


def refusal_lines(error: Exception) -> tuple[str, ...]:
    """One of ``REFUSALS`` as lines for standard error."""
    if isinstance(error, FileProblems):
        return tuple(map(str, error.problems))
    if isinstance(error, Refused):
        return tuple(problem.message for problem in error.problems)
    return (str(error),)


class Scope(Enum):
    """What a verb changes, and so how its transaction is run and what is read anew after it."""

    NOTHING = "nothing"
    ACCOUNT = "account"  # the one that the argument "account" names
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Planned:
    """``plan(session, site, arguments)`` reads only; ``result`` says what came of it."""

    plan: Callable[[Session, Site, Arguments], Plan]
    result: Callable[[Difference], Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """``work(session, site, arguments, by)``; ``prepare`` runs before it, in a reading
    transaction of its own, and its result is the argument ``prepared``. A running service writes
    what is ``planned`` instead, piece by piece."""

    scope: Scope
    work: Callable[[Session, Site, Arguments, Actor], Any]
    prepare: Callable[[Session, Arguments], Any] | None = None
    planned: Planned | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Files that were read and passwords that were hashed, outside the writing transaction."""

    wish: Wish
    hashes: dict[tuple[str, str], str]


def text(arguments: Arguments, key: str, default: str = "") -> str:
    """A text argument. Raises ``Refused`` when it is something else."""
    value = arguments.get(key, default)
    if not isinstance(value, str):
        raise refuse(key, f"{key} must be text")
    return value


def _prepare_apply(session: Session, arguments: Arguments) -> Prepared:
    files = arguments.get("files")
    if not isinstance(files, list) or not 0 < len(files) <= FILES_MAX:
        raise refuse("files", f"give 1 to {FILES_MAX} files")
    wish = read_files([Path(str(file)) for file in files])
    return Prepared(wish, hash_passwords(session, wish))


def _apply(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    prepared: Prepared = arguments["prepared"]
    difference = apply(
        session,
        prepared.wish,
        prepared.hashes,
        site.vault,
        site.state_dir,
        by,
        dry_run=bool(arguments.get("dry_run")),
    )
    return _applied(difference)


def _plan_apply(session: Session, site: Site, arguments: Arguments) -> Plan:
    prepared: Prepared = arguments["prepared"]
    planned = plan(session, prepared.wish, prepared.hashes, site.vault, site.state_dir)
    copy_in(planned.prompts, site.state_dir)
    return planned


def _applied(difference: Difference) -> Any:
    return {
        "changes": [change.as_json() for change in difference.changes],
        "lines": difference.lines(),
    }


def _export(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    account = text(arguments, "account") or None
    with_secrets = bool(arguments.get("with_secrets"))
    state = export_state(session, site.vault, account, with_secrets=with_secrets)
    path = write_files(state, Path(text(arguments, "folder")), site.state_dir)
    return {"file": str(path)}


def _show(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    return show(session, text(arguments, "what"), text(arguments, "account") or None)


def _check(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    state = read_state(session, site.vault, None)
    report = check(site.config, state, running=site.running)
    return {"report": report.as_json(), "lines": report.lines()}


def _test_trunk(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    """What a trunk's number rules make of a number."""
    name = text(arguments, "name")
    row = session.get(models.Trunk, name)
    if row is None:
        raise refuse("name", f"trunk {name} does not exist")
    told = trunk(trunk_of(row, site.vault))
    number, caller = text(arguments, "number"), text(arguments, "caller")
    written = incoming if arguments.get("in") else outgoing
    asked = [(CALLED, number), *([(CALLER, caller)] if caller else [])]
    rows = []
    for of, given in asked:
        found = written(told, clean(given), of)
        rows.append({"of": of, "given": given, "number": found.number, "rule": found.rule})
    return rows


def _verify(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    account = text(arguments, "account") or None
    if account is not None and session.get(Account, account) is None:
        raise refuse("account", f"account {account} does not exist")
    problems = verify(session.connection(), account)
    total = session.scalar(select(func.count()).select_from(Account)) or 0
    return {
        "accounts": total if account is None else 1,
        "problems": [
            {"account": p.account, "entry": p.number, "problem": p.text} for p in problems
        ],
    }


def _run_job(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    name, at_us = text(arguments, "name"), int(arguments.get("at_us", by.at_us))
    return {"job": name, "done": run_job(session, name, at_us)}


def _block(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    account = text(arguments, "account")
    accounts.block_account(session, by, account, text(arguments, "reason", "operator"))
    return {"account": account, "blocked": True}


def _unblock(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    account = text(arguments, "account")
    accounts.unblock_account(session, by, account)
    return {"account": account, "blocked": False}


def _credit(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    return _money(accounts.credit_account, session, arguments, by)


def _refund(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    return _money(accounts.refund_account, session, arguments, by)


def _money(
    command: Callable[..., str], session: Session, arguments: Arguments, by: Actor
) -> dict[str, str]:
    account = text(arguments, "account")
    amount, why, key = (text(arguments, name) for name in ("amount", "text", "key"))
    return {"account": account, "balance": command(session, by, account, amount, why, key)}


def _bans(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    return list_bans(session, by.at_us)


def _lift_ban(session: Session, site: Site, arguments: Arguments, by: Actor) -> Any:
    return lift_ban(arguments, lambda source, login: lift_bans(session, source, login))


def lift_ban(arguments: Arguments, lift: Callable[[str, str], int]) -> Any:
    """``bans lift`` by whoever has the bans: the store, or the running service. ``lift`` takes
    source and login, "" for all of the source, and says how many bans there were."""
    source, login = text(arguments, "source"), text(arguments, "login")
    with suppress(ValueError):
        source = str(ip_address(source))  # as it was counted
    lifted = lift(source, login)
    if not lifted:
        raise refuse("source", f"{f'{login} at {source}' if login else source} is not banned")
    return {"source": source, "login": login or None, "lifted": lifted}


VERBS: dict[str, Verb] = {
    "apply": Verb(Scope.EVERYTHING, _apply, _prepare_apply, Planned(_plan_apply, _applied)),
    "export": Verb(Scope.NOTHING, _export),
    "show": Verb(Scope.NOTHING, _show),
    "check": Verb(Scope.NOTHING, _check),
    "trunk test": Verb(Scope.NOTHING, _test_trunk),
    "ledger verify": Verb(Scope.NOTHING, _verify),
    "jobs run": Verb(Scope.EVERYTHING, _run_job),
    "account block": Verb(Scope.ACCOUNT, _block),
    "account unblock": Verb(Scope.ACCOUNT, _unblock),
    "account credit": Verb(Scope.ACCOUNT, _credit),
    "account refund": Verb(Scope.ACCOUNT, _refund),
    "bans list": Verb(Scope.NOTHING, _bans),
    "bans lift": Verb(Scope.EVERYTHING, _lift_ban),
}
