"""Builds the routing snapshot from the store and holds the one that is in force (DESIGN 4).

Reading runs in a database thread and returns values; publishing is one assignment on the reactor.
A command re-reads only the accounts that it changed (``read_parts``), so that two commands that
finish together cannot undo one another: each brings its part, not a whole snapshot.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing.tariff import Rate, TariffIndex
from softswitch.fields import EMERGENCY_DEFAULT
from softswitch.ids import AccountId, Extension
from softswitch.routing import model
from softswitch.routing.numbers import NumberRule
from softswitch.secrets import Vault
from softswitch.state import model as state
from softswitch.state.read import trunk_of
from softswitch.store import models
from softswitch.store.base import billing_tables

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LIVE_NUMBERS = ("active", "awaiting_deletion")  # S59, S60: these take calls
_DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class AccountPart:
    """What one account brings into a snapshot. ``account`` ``None``: it is gone."""

    id: AccountId
    version: int
    account: model.Account | None = None
    logins: Mapping[str, model.Login] = field(default_factory=dict)
    static_users: Mapping[tuple[str, str], tuple[AccountId, Extension]] = field(
        default_factory=dict
    )
    numbers: Mapping[str, model.Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """What belongs to no account: trunks, routes, tariffs, emergency, brand."""

    trunks: Mapping[str, model.Trunk]
    trunk_hosts: Mapping[str, str]
    trunk_networks: tuple[tuple[IPv4Network | IPv6Network, str], ...]
    routes: Mapping[str, tuple[str, ...]]
    tariffs: Mapping[str, TariffIndex]
    emergency_numbers: frozenset[str]
    emergency_trunks: tuple[str, ...]
    brand: str


class SnapshotHolder:
    """The snapshot in force. Published on the reactor only; calls keep the one they began with.

    ``on_whole`` is called after everything was replaced: trunks may have new hosts to resolve.
    """

    def __init__(self, current: model.RoutingSnapshot | None = None) -> None:
        self.current = current or model.RoutingSnapshot()
        self.on_whole: Callable[[], object] = lambda: None
        self._versions: dict[AccountId, int] = {}

    def publish(
        self, snapshot: model.RoutingSnapshot, versions: Mapping[AccountId, int]
    ) -> tuple[AccountId, ...]:
        """Replace everything. ``versions``: of the accounts as they were read.

        Returns the accounts of which a later state was in force: the caller reads them again.
        """
        outdated = tuple(
            account for account, version in self._versions.items()
            if version > versions.get(account, version)
        )  # fmt: skip
        self.current = snapshot
        self._versions = dict(versions)
        self.on_whole()
        return outdated

    def publish_accounts(self, parts: Iterable[AccountPart]) -> None:
        """Replace some accounts, unless a later state of one is in force already."""
        news = []
        for part in parts:
            if part.account is None:
                self._versions.pop(part.id, None)
            elif part.version < self._versions.get(part.id, 0):
                continue
            else:
                self._versions[part.id] = part.version
            news.append(part)
        self.current = with_accounts(self.current, news)


def build(session: Session, vault: Vault, realm: str) -> model.RoutingSnapshot:
    """The whole snapshot, in one read transaction. ``realm``: ``sip.domain``, for the HA1s."""
    return build_with_versions(session, vault, realm)[0]


def build_with_versions(
    session: Session, vault: Vault, realm: str
) -> tuple[model.RoutingSnapshot, dict[AccountId, int]]:
    """``build``, and the version of each account that was read, for ``SnapshotHolder.publish``."""
    provider = read_provider(session, vault)
    parts = read_accounts(session, vault, realm, provider.tariffs, None)
    return assemble(provider, parts), {part.id: part.version for part in parts}


def read_parts(
    session: Session, vault: Vault, realm: str, accounts: Iterable[AccountId]
) -> list[AccountPart]:
    """Some accounts as the store has them now."""
    return [read_account(session, vault, realm, account_id) for account_id in accounts]


def read_account(session: Session, vault: Vault, realm: str, account_id: AccountId) -> AccountPart:
    """One account as the store has it now (within the session's transaction)."""
    name = session.scalar(select(models.Account.tariff).where(models.Account.id == account_id))
    tariffs = read_tariffs(session, name)
    parts = read_accounts(session, vault, realm, tariffs, account_id)
    return parts[0] if parts else AccountPart(account_id, version=0)


def with_accounts(
    snapshot: model.RoutingSnapshot, parts: Iterable[AccountPart]
) -> model.RoutingSnapshot:
    """A snapshot in which each part stands for its account; the old one is left as it was."""
    accounts, logins = dict(snapshot.accounts), dict(snapshot.logins)
    static_users, numbers = dict(snapshot.static_users), dict(snapshot.numbers)
    parts = list(parts)
    for part in parts:
        old = accounts.pop(part.id, None)
        _drop(logins, _logins_of(old))
        _drop(static_users, _static_keys_of(old))
        _drop(numbers, old.numbers if old else ())
    for part in parts:
        if part.account is not None:
            accounts[part.id] = part.account
        logins.update(part.logins)
        static_users.update(part.static_users)
        numbers.update(part.numbers)
    return replace(
        snapshot,
        accounts=accounts,
        logins=logins,
        static_users=static_users,
        numbers=numbers,
    )


def assemble(provider: Provider, parts: Iterable[AccountPart]) -> model.RoutingSnapshot:
    """One snapshot of the provider's half and the accounts'."""
    accounts: dict[AccountId, model.Account] = {}
    logins: dict[str, model.Login] = {}
    static_users: dict[tuple[str, str], tuple[AccountId, Extension]] = {}
    numbers: dict[str, model.Number] = {}
    for part in parts:
        if part.account is not None:
            accounts[part.id] = part.account
        logins.update(part.logins)
        static_users.update(part.static_users)
        numbers.update(part.numbers)
    return model.RoutingSnapshot(
        accounts=accounts,
        logins=logins,
        static_users=static_users,
        numbers=numbers,
        trunks=provider.trunks,
        trunk_hosts=provider.trunk_hosts,
        trunk_networks=provider.trunk_networks,
        routes=provider.routes,
        emergency_numbers=provider.emergency_numbers,
        emergency_trunks=provider.emergency_trunks,
        brand=provider.brand,
    )


def read_provider(session: Session, vault: Vault) -> Provider:
    """Trunks, routes, tariffs and the one-of-a-kind sections."""
    settings = {row.name: row.value for row in session.scalars(select(models.Setting))}
    emergency = settings.get("emergency", {})
    in_order = select(models.Trunk).order_by(models.Trunk.position, models.Trunk.name)
    trunks = [trunk(trunk_of(row, vault)) for row in session.scalars(in_order)]
    return Provider(
        trunks={each.name: each for each in trunks},
        trunk_hosts=hosts_of(trunks),
        trunk_networks=networks_of(trunks),
        routes={row.prefix: tuple(row.trunks) for row in session.scalars(select(models.Route))},
        tariffs=read_tariffs(session, None),
        emergency_numbers=frozenset(emergency.get("numbers", EMERGENCY_DEFAULT)),
        emergency_trunks=tuple(emergency.get("trunks", ())),
        brand=settings.get("provider", {}).get("brand", "Softswitch"),
    )


def read_tariffs(session: Session, name: str | None) -> dict[str, TariffIndex]:
    """The tariff of that name, or all of them."""
    tariff, rate = billing_tables.tariff, billing_tables.rate
    heads = select(tariff.c.name, tariff.c.currency, tariff.c.version)
    rows = select(rate)
    if name is not None:
        heads, rows = heads.where(tariff.c.name == name), rows.where(rate.c.tariff == name)
    found = {head.name: head for head in session.execute(heads)}
    rates: dict[str, list[Rate]] = defaultdict(list)
    for row in session.execute(rows).mappings():
        head = found[row["tariff"]]
        terms = {key: value for key, value in row.items() if key != "id"}
        rates[head.name].append(Rate(version=head.version, currency=head.currency, **terms))
    return {
        head.name: TariffIndex(head.name, head.currency, rates[head.name])
        for head in found.values()
    }


def read_accounts(
    session: Session,
    vault: Vault,
    realm: str,
    tariffs: Mapping[str, TariffIndex],
    account_id: AccountId | None,
) -> list[AccountPart]:
    """All accounts, or the one named: six selects of plain rows either way, no ORM objects."""
    rows = _rows(session, models.Account, models.Account.id, account_id)
    users = _by_account(_rows(session, models.User, models.User.account, account_id))
    groups = _by_account(_rows(session, models.Group, models.Group.account, account_id))
    ivrs = _by_account(_rows(session, models.Ivr, models.Ivr.account, account_id))
    flows = _by_account(_rows(session, models.CallFlow, models.CallFlow.account, account_id))
    numbers = _by_account(
        _rows(session, models.CatalogueNumber, models.CatalogueNumber.account, account_id)
    )
    return [
        _part(
            row, tariffs, users[row.id], groups[row.id], ivrs[row.id], flows[row.id],
            numbers[row.id], vault, realm,
        )
        for row in rows
    ]  # fmt: skip


def ha1(login: str, realm: str, password: str) -> dict[str, str]:
    """H(A1) for each digest algorithm (RFC 7616 3.4.2), in lower-case hex."""
    a1 = f"{login}:{realm}:{password}".encode()
    return {name: make(a1).hexdigest() for name, make in _DIGESTS.items()}


def period_of(document: Any) -> model.Period | None:
    """A call flow's period from the store's form; ``None`` for "always"."""
    if document == "always":
        return None
    return model.Period(
        days=frozenset(DAYS.index(day) for day in document["days"]),
        start_minute=_minute(document["from"]),
        end_minute=_minute(document["to"]),
    )


def _part(
    row: Any,
    tariffs: Mapping[str, TariffIndex],
    users: list[Any],
    groups: list[Any],
    ivrs: list[Any],
    flows: list[Any],
    numbers: list[Any],
    vault: Vault,
    realm: str,
) -> AccountPart:
    account_id = AccountId(row.id)
    live = [number for number in numbers if number.status in LIVE_NUMBERS]
    return AccountPart(
        id=account_id,
        version=row.version,
        account=model.Account(
            id=account_id,
            status=_status(row),
            country=row.country,
            time_zone=row.time_zone,
            tariff=tariffs.get(row.tariff or ""),
            currency=row.currency,
            default_number=row.default_number,
            channels=row.channels,
            users={Extension(user.extension): _user(user) for user in users},
            groups={
                Extension(g.extension): model.Group(
                    Extension(g.extension), g.name, tuple(Extension(m) for m in g.members)
                )
                for g in groups
            },
            ivrs={
                ivr.name: model.Ivr(ivr.name, Extension(ivr.extension) if ivr.extension else None)
                for ivr in ivrs
            },
            flows={flow.number: _flow(flow) for flow in flows},
            numbers=frozenset(number.number for number in live),
            administrator=Extension(row.administrator),
        ),
        logins={
            user.sip_login: _login(user, account_id, vault, realm)
            for user in users
            if user.equipment == "sip" and user.sip_login
        },
        static_users={
            (user.static_transport, user.static_address): (account_id, Extension(user.extension))
            for user in users
            if user.equipment == "static"
        },
        numbers={
            n.number: model.Number(n.number, account_id, n.kind, n.status, n.channels, n.trunk)
            for n in live
        },
    )


def _status(row: Any) -> str:
    """Billing rule 54's status without the balance: what blocks outranks what is not yet."""
    if row.blocked:
        return row.blocked if row.blocked == "closed" else f"blocked_{row.blocked}"
    return "active" if row.activated else "not_activated"


def _user(row: Any) -> model.User:
    static = None
    if row.equipment == "static":
        static = model.StaticAddress(row.static_transport, row.static_address, row.static_port)
    return model.User(
        extension=Extension(row.extension),
        name=f"{row.name} {row.last_name}".strip(),
        designated_number=row.designated_number,
        login=row.sip_login if static is None else None,
        static=static,
    )


def _login(row: Any, account_id: AccountId, vault: Vault, realm: str) -> model.Login:
    password = vault.open(row.sip_password_sealed)
    return model.Login(
        login=row.sip_login,
        account=account_id,
        extension=Extension(row.extension),
        ha1=ha1(row.sip_login, realm, password),
    )


def _flow(row: Any) -> model.CallFlow:
    return model.CallFlow(
        number=row.number,
        to=row.to,
        timeout_s=row.timeout_s,
        redirects=tuple(row.redirects),
        period=period_of(row.period),
        otherwise=row.otherwise,
    )


def hosts_of(trunks: Iterable[model.Trunk]) -> dict[str, str]:
    """The single addresses of trunks: one look-up tells whose a request is."""
    return {
        str(network.network_address): each.name
        for each in trunks
        for network in each.networks
        if network.num_addresses == 1
    }


def networks_of(
    trunks: Iterable[model.Trunk],
) -> tuple[tuple[IPv4Network | IPv6Network, str], ...]:
    """The larger networks of trunks, the narrowest first."""
    claims = [
        (network, each.name)
        for each in trunks
        for network in each.networks
        if network.num_addresses > 1
    ]
    return tuple(sorted(claims, key=lambda claim: -claim[0].prefixlen))


def trunk(said: state.Trunk) -> model.Trunk:
    """A trunk of the state file as calls see it."""
    login = registration = None
    registrar = _sip_uri(said.registrar)
    if said.username:
        name = said.auth_username or said.username
        login = model.TrunkLogin(name, said.password, said.realm)
    if registrar and said.username:
        registration = model.TrunkRegistration(
            registrar, said.username, state.contact_user(said), said.expires_s
        )
    return model.Trunk(
        name=said.name,
        networks=tuple(ip_network(address) for address in said.ip),
        destination=said.destination or registrar,
        number_format=said.number_format,
        channels_max=said.channels_max,
        country=said.country,
        outbound_numbers=tuple(map(_rule, said.outbound_numbers)),
        inbound_numbers=tuple(map(_rule, said.inbound_numbers)),
        trusted=said.trusted,
        remote_party_id=said.remote_party_id,
        calls_per_second_max=said.calls_per_second_max,
        srtp=said.srtp,
        probe_s=said.probe_s,
        login=login,
        registration=registration,
    )


def _sip_uri(registrar: str) -> str:
    return f"sip:{registrar.removeprefix('sip:')}" if registrar else ""


def _rule(said: state.NumberRule) -> NumberRule:
    return NumberRule(said.match, said.of, said.preset, said.strip, said.prepend)


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _rows(
    session: Session,
    kind: type[Any],
    column: InstrumentedAttribute[Any],
    account_id: AccountId | None,
) -> list[Any]:
    """Plain rows of a model's columns: an ORM object each would double the time of a start."""
    columns = list(kind.__mapper__.column_attrs)
    query = select(*(getattr(kind, attribute.key).label(attribute.key) for attribute in columns))
    query = query.where(column == account_id) if account_id is not None else query
    return list(session.execute(query).all())


def _by_account(rows: Iterable[Any]) -> defaultdict[str, list[Any]]:
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row.account is not None:
            grouped[row.account].append(row)
    return grouped


def _logins_of(account: model.Account | None) -> list[str]:
    users = account.users.values() if account else ()
    return [user.login for user in users if user.login is not None]


def _static_keys_of(account: model.Account | None) -> list[tuple[str, str]]:
    users = account.users.values() if account else ()
    return [(u.static.transport, u.static.host) for u in users if u.static is not None]


def _drop(entries: dict[Any, Any], keys: Iterable[Any]) -> None:
    for key in keys:
        entries.pop(key, None)
