"""What the store has, in the form of the state file. Selects only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.secrets import Vault
from softswitch.state import model
from softswitch.state.check import Elsewhere
from softswitch.store import models
from softswitch.store.base import billing_tables

# Above it, reading all rows costs less than naming each of those that are wanted.
NAMED_MAX = 5_000
# What the store's columns are called where the file says it in another way.
_RATE_AMOUNTS = ("per_minute", "connect_fee", "minimum", "surcharge", "cost_per_minute")
_RATE_KEYS = (
    "prefix", "direction", "destination", "initial_s", "increment_s",
    "free_s", "grace_s", "blocked", "valid_from",
)  # fmt: skip


def read_state(session: Session, vault: Vault, accounts: Collection[str] | None) -> model.State:
    """The provider's half whole, and the accounts named (``None``: all). SIP passwords are open.

    Lists are in the order that the file form keeps: trunks as applied, all else by name.
    """
    settings = {row.name: row.value for row in session.scalars(select(models.Setting))}
    catalogue = model.Catalogue.model_validate(settings.get("catalogue", {}))
    return model.State(
        provider=model.Provider.model_validate(settings.get("provider", {})),
        emergency=model.Emergency.model_validate(settings.get("emergency", {})),
        trunks=_trunks(session, vault),
        routes=tuple(
            model.Route(prefix=row.prefix, trunks=tuple(row.trunks))
            for row in session.scalars(select(models.Route).order_by(models.Route.prefix))
        ),
        tariffs=_tariffs(session),
        catalogue=catalogue.model_copy(update={"numbers": _catalogue_numbers(session)}),
        accounts=_accounts(session, vault, accounts),
    )


def read_elsewhere(session: Session, wanted: model.State) -> Elsewhere:
    """What accounts other than the wanted ones have of what these want to have."""
    user, number, balance = models.User, models.CatalogueNumber, billing_tables.balance
    own = {account.id for account in wanted.accounts}
    people = [person for account in wanted.accounts for person in account.everyone()]
    login_names = [person.sip.login for person in people if person.sip and person.sip.login]
    hosts = [person.static_ip.address for person in people if person.static_ip]
    wanted_numbers = [text for account in wanted.accounts for text in account.numbers]
    logins = among(select(user.sip_login, user.account), user.sip_login, login_names)
    static = select(user.static_transport, user.static_address, user.account)
    static = among(static.where(user.equipment == "static"), user.static_address, hosts)
    owned = among(select(number.number, number.account), number.number, wanted_numbers)
    currencies = among(select(balance.c.account, balance.c.currency), balance.c.account, own)
    return Elsewhere(
        logins={login: a for login, a in session.execute(logins) if login and a not in own},
        addresses={
            (transport, address): account
            for transport, address, account in session.execute(static)
            if account not in own
        },
        owners={text: a for text, a in session.execute(owned) if a and a not in own},
        currencies={row.account: row.currency for row in session.execute(currencies)},
    )


def among(query: Any, column: Any, values: Collection[str]) -> Any:
    """The select for these values, unless they are so many that reading all costs less. Any: a
    select has a type for each number of columns."""
    return query.where(column.in_(values)) if len(values) <= NAMED_MAX else query


def _trunks(session: Session, vault: Vault) -> tuple[model.Trunk, ...]:
    rows = session.scalars(select(models.Trunk).order_by(models.Trunk.position))
    return tuple(trunk_of(row, vault) for row in rows)


def trunk_of(row: models.Trunk, vault: Vault) -> model.Trunk:
    """A stored trunk, its password open."""
    options = dict(row.options or {})
    for key in ("outbound_numbers", "inbound_numbers"):
        rules = options.get(key, ())
        options[key] = tuple(model.NumberRule.model_construct(**rule) for rule in rules)
    return model.Trunk.model_construct(
        name=row.name,
        ip=tuple(row.ip),
        destination=row.destination,
        number_format=row.number_format,
        channels_max=row.channels_max,
        registrar=row.registrar,
        username=row.username,
        password=vault.open(row.password_sealed),
        **options,
    )


def _tariffs(session: Session) -> tuple[model.Tariff, ...]:
    tariff, rate = billing_tables.tariff, billing_tables.rate
    rates: defaultdict[str, list[model.Rate]] = defaultdict(list)
    order = (rate.c.tariff, rate.c.direction, rate.c.prefix, rate.c.valid_from)
    for row in session.execute(select(rate).order_by(*order)).mappings():
        rates[row["tariff"]].append(_rate(row))
    return tuple(
        model.Tariff.model_construct(
            name=row.name, currency=row.currency, rates=tuple(rates[row.name])
        )
        for row in session.execute(select(tariff).order_by(tariff.c.name))
    )


def _rate(row: Any) -> model.Rate:
    values = {key: row[key] for key in _RATE_KEYS}
    values |= {key: row[f"{key}_micros"] for key in _RATE_AMOUNTS}
    return model.Rate.model_construct(**values)


def _catalogue_numbers(session: Session) -> tuple[model.CatalogueNumber, ...]:
    number = models.CatalogueNumber
    return tuple(
        model.CatalogueNumber.model_construct(
            number=row.number,
            country=row.country,
            city=row.city,
            kind=row.kind,
            setup_fee=row.setup_fee_micros,
            monthly_fee=row.monthly_fee_micros,
            channels=row.channels,
            trunk=row.trunk,
        )
        for row in session.scalars(select(number).order_by(number.number))
    )


def _accounts(
    session: Session, vault: Vault, names: Collection[str] | None
) -> tuple[model.Account, ...]:
    query = select(models.Account).order_by(models.Account.id)
    if names is not None:
        query = query.where(models.Account.id.in_(names))
    users = _of_accounts(session, models.User, models.User.extension, names)
    groups = _of_accounts(session, models.Group, models.Group.extension, names)
    ivrs = _of_accounts(session, models.Ivr, models.Ivr.name, names)
    flows = _of_accounts(session, models.CallFlow, models.CallFlow.number, names)
    numbers = _of_accounts(session, models.CatalogueNumber, models.CatalogueNumber.number, names)
    limits = _credit_limits(session)
    return tuple(
        _account(
            row,
            limits.get(row.id, 0),
            {user.extension: _user(user, vault, row.administrator) for user in users[row.id]},
            numbers=tuple(number.number for number in numbers[row.id]),
            groups=tuple(map(_group, groups[row.id])),
            ivrs=tuple(map(_ivr, ivrs[row.id])),
            call_flows=tuple(map(_flow, flows[row.id])),
        )
        for row in session.scalars(query)
    )


def _of_accounts(
    session: Session, kind: type[Any], order: Any, names: Collection[str] | None
) -> defaultdict[str, list[Any]]:
    query = select(kind).where(kind.account.is_not(None)).order_by(order)
    if names is not None:
        query = query.where(kind.account.in_(names))
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in session.scalars(query):
        grouped[row.account].append(row)
    return grouped


def _credit_limits(session: Session) -> dict[str, int]:
    balance = billing_tables.balance
    rows = session.execute(select(balance.c.account, balance.c.credit_limit_micros))
    return {row.account: row.credit_limit_micros for row in rows}


def _account(
    row: models.Account, credit_limit: int, people: dict[str, model.User], **parts: Any
) -> model.Account:
    administrator = people.pop(row.administrator)
    return model.Account.model_construct(
        id=row.id,
        company=row.company,
        user_type=row.user_type,
        vat_number=row.vat_number,
        country=row.country,
        address=row.address,
        time_zone=row.time_zone,
        language=row.language,
        tariff=row.tariff,
        opening_balance=row.opening_balance_micros,
        credit_limit=credit_limit,
        limits=model.Limits.model_construct(
            channels=row.channels, daily_spend=row.daily_spend_micros, fraud=row.fraud_checks
        ),
        users_bought=row.users_bought,
        activated=row.activated,
        blocked=row.blocked,
        recording=row.recording,
        administrator=administrator,
        default_number=row.default_number,
        users=tuple(people.values()),
        **parts,
    )


def _user(row: models.User, vault: Vault, administrator: str) -> model.User:
    kind = model.Administrator if row.extension == administrator else model.User
    static = row.equipment == "static"
    return kind.model_construct(
        extension=row.extension,
        name=row.name,
        last_name=row.last_name,
        position=row.position,
        email=row.email,
        phone=row.phone,
        designated_number=row.designated_number,
        role=row.role,
        password=None,
        password_hash=row.password_hash,
        sip=None
        if static
        else model.Sip.model_construct(
            login=row.sip_login, password=vault.open(row.sip_password_sealed)
        ),
        static_ip=model.StaticIp.model_construct(
            transport=row.static_transport, address=row.static_address, port=row.static_port
        )
        if static
        else None,
    )


def _group(row: models.Group) -> model.Group:
    return model.Group.model_construct(
        extension=row.extension,
        name=row.name,
        email=row.email,
        order=row.order,
        melody=row.melody,
        average_call_minutes=row.average_call_minutes,
        queue_max=row.queue_max,
        members=tuple(row.members),
    )


def _ivr(row: models.Ivr) -> model.Ivr:
    return model.Ivr.model_construct(
        name=row.name,
        extension=row.extension,
        prompt=row.prompt,
        keys={key: _target(target) for key, target in row.keys.items()},
        inactivity=model.Inactivity.model_validate(row.inactivity) if row.inactivity else None,
    )


def _flow(row: models.CallFlow) -> model.CallFlow:
    always = row.period == "always"
    return model.CallFlow.model_construct(
        number=row.number,
        period="always" if always else model.Period.model_validate(row.period),
        to=_target(row.to),
        timeout_s=row.timeout_s,
        redirects=_targets(row.redirects),
        otherwise=_target(row.otherwise) if row.otherwise else None,
    )


def _targets(documents: Iterable[Any]) -> tuple[model.Target, ...]:
    return tuple(_target(document) for document in documents)


def _target(document: Any) -> model.Target:
    return model.Target.model_validate(document)
