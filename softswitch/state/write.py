"""Writes a difference into the store, change by change, in an order that its keys allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.repository import Posting, open_account, post, set_credit_limit
from softswitch.admin.equipment import (
    generate_equipment_password,
    new_sip_login,
    retire_sip_login,
)
from softswitch.admin.history import Actor, record
from softswitch.ids import random_id
from softswitch.secrets import Vault
from softswitch.state import model
from softswitch.state.difference import Change, Difference
from softswitch.state.write_provider import PROVIDER_WRITERS, currency_of
from softswitch.store import models

M = TypeVar("M", models.Group, models.Ivr)

# What refers to others comes behind them; removing goes the other way.
ORDER = (
    "provider", "emergency", "catalogue", "trunk", "route", "tariff", "rate", "number",
    "account", "administrator", "user", "group", "menu", "call flow",
)  # fmt: skip

# Keys of an account that are columns of the same name.
ACCOUNT_KEYS = {
    "company", "user_type", "vat_number", "country", "address", "time_zone", "language", "tariff",
    "users_bought", "activated", "blocked", "recording", "default_number",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Writing:
    """What every writer needs."""

    session: Session
    vault: Vault
    by: Actor


def write(writing: Writing, difference: Difference) -> None:
    """Write all changes, raise the versions of what changed, and record it in History."""
    removed = [change for change in difference.changes if change.new is None]
    kept = [change for change in difference.changes if change.new is not None]
    for change in sorted(removed, key=lambda change: -ORDER.index(change.kind)):
        WRITERS[change.kind](writing, change)
    writing.session.flush()
    _free_logins(writing, kept)
    kind = ""
    for change in sorted(kept, key=lambda change: ORDER.index(change.kind)):
        if change.kind != kind:
            writing.session.flush()  # the next kind's keys point to this one's rows
            kind = change.kind
        WRITERS[change.kind](writing, change)
    writing.session.flush()
    _raise_versions(writing, difference)
    _record(writing, difference)


def _free_logins(writing: Writing, changes: list[Change]) -> None:
    """Logins that change hands are let go of first, they are unique at every statement."""
    for change in changes:
        if isinstance(change.old, model.User) and isinstance(change.new, model.User):
            old = change.old.sip.login if change.old.sip else None
            new = change.new.sip.login if change.new.sip else None
            if old is not None and old != new:
                row = _user_row(writing, change)
                retire_sip_login(writing.session, old)
                row.sip_login = None
    writing.session.flush()


def _write_account(writing: Writing, change: Change) -> None:
    new = _said(change, model.Account)
    session = writing.session
    row = session.get(models.Account, new.id)
    if row is None:
        row = _open(writing, new)
    _assign(row, new.model_dump(include=ACCOUNT_KEYS))
    row.channels, row.daily_spend_micros = new.limits.channels, new.limits.daily_spend
    row.fraud_checks = new.limits.fraud
    session.flush()
    set_credit_limit(session.connection(), new.id, new.credit_limit)
    _assign_numbers(writing, new)


def _open(writing: Writing, new: model.Account) -> models.Account:
    """A new account with its balance; the opening balance is posted this once."""
    session = writing.session
    row = models.Account(
        id=new.id,
        currency=currency_of(session, new.tariff),
        opening_balance_micros=new.opening_balance,
        administrator="",
        created_us=writing.by.at_us,
        version=0,
    )
    _assign(row, new.model_dump(include=ACCOUNT_KEYS))
    row.channels = row.daily_spend_micros = 0
    row.fraud_checks = True
    session.add(row)
    session.flush()
    connection = session.connection()
    open_account(connection, new.id, row.currency)
    if new.opening_balance:
        posting = Posting(
            account=new.id,
            key=f"opening:{new.id}",
            kind="opening",
            amount_micros=new.opening_balance,
            text="Opening balance",
            at_us=writing.by.at_us,
        )
        post(connection, posting)
    return row


def _assign_numbers(writing: Writing, account: model.Account) -> None:
    """The account's numbers are those listed; others of its numbers go into quarantine."""
    number = models.CatalogueNumber
    mine = (number.account == account.id) | number.number.in_(account.numbers)
    status = "active" if account.activated else "reserved"  # S58, S59
    for row in writing.session.scalars(select(number).where(mine)):
        if row.number not in account.numbers:
            row.account, row.status, row.delete_us = None, "quarantine", writing.by.at_us
        elif row.account != account.id:
            row.account, row.status = account.id, status
            row.bought_us, row.delete_us = writing.by.at_us, None
        elif row.status in ("reserved", "active"):
            row.status = status


def _write_administrator(writing: Writing, change: Change) -> None:
    """The administrator keeps the row, whatever the new extension."""
    account = writing.session.get_one(models.Account, change.owner)
    _write_user(writing, change)
    account.administrator = change.name


def _write_user(writing: Writing, change: Change) -> None:
    session = writing.session
    if change.new is None:
        row = _user_row(writing, change)
        retire_sip_login(session, row.sip_login)
        session.delete(row)
        return
    new = _said(change, model.User)
    if change.old is None:
        row = models.User(id=random_id("usr"), account=change.owner, version=0, sip_login=None)
        row.sip_password_sealed = ""
        session.add(row)
    else:
        row = _user_row(writing, change)
    keys = {"extension", "name", "last_name", "position", "email", "phone"}
    _assign(row, new.model_dump(include=keys | {"designated_number", "role", "password_hash"}))
    _write_equipment(writing, row, new)
    row.version += 1


def _write_equipment(writing: Writing, row: models.User, new: model.User) -> None:
    if new.static_ip is not None:
        row.equipment, row.sip_login, row.sip_password_sealed = "static", None, ""
        row.static_transport = new.static_ip.transport
        row.static_address, row.static_port = new.static_ip.address, new.static_ip.port
        return
    row.equipment, row.static_transport, row.static_address, row.static_port = "sip", "", "", 0
    sip = new.sip or model.Sip()
    if sip.login:
        row.sip_login = sip.login
    elif not row.sip_login:
        row.sip_login = new_sip_login(writing.session)
    if sip.password:
        row.sip_password_sealed = writing.vault.seal(sip.password)
    elif not row.sip_password_sealed:
        row.sip_password_sealed = writing.vault.seal(generate_equipment_password())


def _write_group(writing: Writing, change: Change) -> None:
    row = _row(writing, change, models.Group, models.Group.extension, "grp")
    if row is not None:
        _assign(row, _said(change, model.Group).model_dump(mode="json"))
        row.version += 1


def _write_menu(writing: Writing, change: Change) -> None:
    row = _row(writing, change, models.Ivr, models.Ivr.name, "ivr")
    if row is not None:
        document = _said(change, model.Ivr).model_dump(mode="json")
        document["keys"] = dict(sorted(document["keys"].items()))
        _assign(row, document | {"inactivity": document["inactivity"] or {}})
        row.version += 1


def _write_flow(writing: Writing, change: Change) -> None:
    session = writing.session
    row = session.get(models.CallFlow, change.name)
    if change.new is None:
        session.delete(row)
        return
    if row is None or row.account != change.owner:
        if row is not None:
            session.delete(row)
            session.flush()
        row = models.CallFlow(account=change.owner, version=0)
        session.add(row)
    _assign(row, _said(change, model.CallFlow).model_dump(mode="json", by_alias=True))
    row.version += 1


def _row(writing: Writing, change: Change, kind: type[M], key: Any, prefix: str) -> M | None:
    """The row to fill: a new one, the stored one, or ``None`` after it was deleted."""
    session = writing.session
    if change.old is None:
        row = kind(id=random_id(prefix), account=change.owner, version=0)
        session.add(row)
        return row
    query = select(kind).where(kind.account == change.owner, key == change.old.name_in_list())
    row = session.scalars(query).one()
    if change.new is None:
        session.delete(row)
        return None
    return row


def _user_row(writing: Writing, change: Change) -> models.User:
    assert change.old is not None
    user = models.User
    extension = change.old.name_in_list()
    query = select(user).where(user.account == change.owner, user.extension == extension)
    return writing.session.scalars(query).one()


I = TypeVar("I", bound=model.Item)  # noqa: E741  (an item of the state file)


def _said(change: Change, kind: type[I]) -> I:
    assert isinstance(change.new, kind)
    return change.new


def _assign(row: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        setattr(row, key, value)


def _write_provider(writing: Writing, change: Change) -> None:
    PROVIDER_WRITERS[change.kind](writing.session, writing.vault, change)


def _raise_versions(writing: Writing, difference: Difference) -> None:
    account = models.Account
    for name in sorted(difference.accounts()):
        raised = update(account).where(account.id == name).values(version=account.version + 1)
        writing.session.execute(raised)


def _record(writing: Writing, difference: Difference) -> None:
    """One History row a change; of a new account one for the whole."""
    created = {c.name for c in difference.changes if c.kind == "account" and c.old is None}
    for change in difference.changes:
        if change.owner in created:
            continue
        account = change.name if change.kind == "account" else change.owner
        before, after = change.documents() if change.action == "changed" else (None, None)
        record(
            writing.session,
            writing.by,
            None if change.kind == "rate" else account,
            f"{change.kind} {change.action} by state file",
            change.name,
            before=before,
            after=after,
        )


WRITERS: dict[str, Callable[[Writing, Change], None]] = {
    **dict.fromkeys(PROVIDER_WRITERS, _write_provider),
    "account": _write_account,
    "administrator": _write_administrator,
    "user": _write_user,
    "group": _write_group,
    "menu": _write_menu,
    "call flow": _write_flow,
}
