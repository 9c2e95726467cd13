"""Writes the provider's half of a difference: what belongs to no account."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from softswitch.secrets import Vault
from softswitch.state import model
from softswitch.state.difference import Change
from softswitch.store import models
from softswitch.store.base import billing_tables

# Keys of a trunk that are kept together in one column: nothing asks the database for them.
TRUNK_OPTIONS = (
    "country", "outbound_numbers", "inbound_numbers", "trusted", "remote_party_id",
    "calls_per_second_max", "srtp", "probe_s", "realm", "auth_username", "expires_s",
    "contact_user",
)  # fmt: skip


def currency_of(session: Session, tariff: str | None) -> str:
    """The currency of an account with this tariff; the provider's for one without."""
    table = billing_tables.tariff
    found = session.scalar(select(table.c.currency).where(table.c.name == tariff))
    provider = session.get(models.Setting, "provider")
    return found or model.Provider.model_validate(provider.value if provider else {}).currency


def _write_setting(session: Session, vault: Vault, change: Change) -> None:
    assert change.new is not None
    value = change.new.model_dump(mode="json", exclude={"numbers"} if _is_catalogue(change) else {})
    row = session.get(models.Setting, change.kind)
    if row is None:
        session.add(models.Setting(name=change.kind, value=value))
    else:
        row.value = value


def _is_catalogue(change: Change) -> bool:
    return change.kind == "catalogue"


def _write_trunk(session: Session, vault: Vault, change: Change) -> None:
    assert isinstance(change.new, model.Trunk)
    row = session.get(models.Trunk, change.name)
    if row is None:
        last = session.scalar(select(func.max(models.Trunk.position)))
        row = models.Trunk(name=change.name, position=0 if last is None else last + 1)
        session.add(row)
    row.ip, row.destination = list(change.new.ip), change.new.destination
    row.number_format, row.channels_max = change.new.number_format, change.new.channels_max
    row.registrar, row.username = change.new.registrar, change.new.username
    row.password_sealed = vault.seal(change.new.password)
    row.options = change.new.model_dump(mode="json", include=set(TRUNK_OPTIONS))
    session.flush()  # the next trunk's position counts this one


def _write_route(session: Session, vault: Vault, change: Change) -> None:
    assert isinstance(change.new, model.Route)
    session.merge(models.Route(prefix=change.name, trunks=list(change.new.trunks)))


def _write_tariff(session: Session, vault: Vault, change: Change) -> None:
    assert isinstance(change.new, model.Tariff)
    table = billing_tables.tariff
    if change.old is None:
        values = {"name": change.name, "currency": change.new.currency, "version": 1}
        session.execute(insert(table).values(**values))
    else:
        changed = update(table).where(table.c.name == change.name)
        session.execute(changed.values(currency=change.new.currency))


def _write_rate(session: Session, vault: Vault, change: Change) -> None:
    """Replace a row, and raise the tariff's version, which CDRs name (rule 9)."""
    tariff, table = billing_tables.tariff, billing_tables.rate
    if change.old is not None:
        assert isinstance(change.old, model.Rate)
        session.execute(
            delete(table).where(
                table.c.tariff == change.owner,
                table.c.direction == change.old.direction,
                table.c.prefix == change.old.prefix,
                table.c.valid_from == change.old.valid_from,
            )
        )
    if change.new is not None:
        assert isinstance(change.new, model.Rate)
        session.execute(insert(table).values(tariff=change.owner, **rate_values(change.new)))
    raised = update(tariff).where(tariff.c.name == change.owner)
    session.execute(raised.values(version=tariff.c.version + 1))


def rate_values(rate: model.Rate) -> dict[str, object]:
    """The row's columns, without its tariff."""
    return {
        "direction": rate.direction,
        "prefix": rate.prefix,
        "destination": rate.destination,
        "per_minute_micros": rate.per_minute,
        "initial_s": rate.initial_s,
        "increment_s": rate.increment_s,
        "connect_fee_micros": rate.connect_fee,
        "free_s": rate.free_s,
        "grace_s": rate.grace_s,
        "minimum_micros": rate.minimum,
        "surcharge_micros": rate.surcharge,
        "cost_per_minute_micros": rate.cost_per_minute,
        "blocked": rate.blocked,
        "valid_from": rate.valid_from,
    }


def _write_number(session: Session, vault: Vault, change: Change) -> None:
    assert isinstance(change.new, model.CatalogueNumber)
    row = session.get(models.CatalogueNumber, change.name)
    if row is None:
        row = models.CatalogueNumber(number=change.name, status="free")
        session.add(row)
    row.country, row.city, row.kind = change.new.country, change.new.city, change.new.kind
    row.setup_fee_micros, row.monthly_fee_micros = change.new.setup_fee, change.new.monthly_fee
    row.channels, row.trunk = change.new.channels, change.new.trunk


PROVIDER_WRITERS: dict[str, Callable[[Session, Vault, Change], None]] = {
    "provider": _write_setting,
    "emergency": _write_setting,
    "catalogue": _write_setting,
    "trunk": _write_trunk,
    "route": _write_route,
    "tariff": _write_tariff,
    "rate": _write_rate,
    "number": _write_number,
}
