"""What a whole state must obey beyond each key's own limits: everything refers to something.

The same checks serve ``apply`` (on what the store would have) and ``softswitch check`` (on what it
has). Findings are values; none is raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from softswitch.fields import extension_problem
from softswitch.routing.numbers import needs_country
from softswitch.state.locate import Place
from softswitch.state.model import Account, Item, Rate, State, Target, Trunk, User, contact_user

Finding = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What accounts that are not in the state have already.

    ``logins`` and ``addresses`` (transport, address) to account; ``owners``: number to account;
    ``currencies``: account to the currency of its ledger, for every account that exists.
    """

    logins: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[tuple[str, str], str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    currencies: Mapping[str, str] = field(default_factory=dict)


def findings(
    state: State, elsewhere: Elsewhere, stored: State, *, complete: bool = True
) -> list[Finding]:
    """Everything that is wrong. ``stored``: the store, to tell "removed" from "unknown". Without
    ``complete``, keys that an object still needs are not asked for."""
    missing = _incomplete(state, ()) if complete else ()
    return [*missing, *_Checks(state, elsewhere, stored).all()]


class _Checks:
    def __init__(self, state: State, elsewhere: Elsewhere, stored: State) -> None:
        self._state = state
        self._elsewhere = elsewhere
        self._before = {account.id: account for account in stored.accounts}
        self._trunks = {trunk.name for trunk in state.trunks}
        self._tariffs = {tariff.name: tariff for tariff in state.tariffs}
        self._catalogue = {number.number for number in state.catalogue.numbers}

    def all(self) -> Iterator[Finding]:
        yield from self._provider()
        yield from self._identities()
        for account in self._state.accounts:
            place: Place = ("accounts", account.id)
            for inner, text in self._account(account):
                yield (*place, *inner), text

    def _provider(self) -> Iterator[Finding]:
        yield from self._carriers()
        yield from self._known_trunks(self._state.emergency.trunks, ("emergency", "trunks"))
        for route in self._state.routes:
            yield from self._known_trunks(route.trunks, ("routes", route.prefix, "trunks"))
        for number in self._state.catalogue.numbers:
            place = ("catalogue", "numbers", number.number, "trunk")
            yield from self._known_trunks((number.trunk,) if number.trunk else (), place)

    def _carriers(self) -> Iterator[Finding]:
        claims: dict[str, Trunk] = {}
        for trunk in self._state.trunks:
            place: Place = ("trunks", trunk.name)
            for index, source in enumerate(trunk.ip):
                other = claims.setdefault(source, trunk)
                if other is not trunk and not _told_apart(trunk, other, source):
                    yield (*place, "ip", index), f"{source} is an address of trunk {other.name}"
            rules = (*trunk.outbound_numbers, *trunk.inbound_numbers)
            if needs_country(trunk.number_format, rules) and not trunk.country:
                yield place, "country: is missing, national numbers need it"
            if trunk.registrar and not trunk.username:
                yield place, "username: is missing, the registrar needs it"

    def _known_trunks(self, names: tuple[str, ...], place: Place) -> Iterator[Finding]:
        for name in names:
            if name not in self._trunks:
                yield place, f"trunk {name} does not exist"

    def _identities(self) -> Iterator[Finding]:
        """What is one user's in the whole switch: SIP logins, source addresses, numbers."""
        logins, addresses = dict(self._elsewhere.logins), dict(self._elsewhere.addresses)
        owners = dict(self._elsewhere.owners)
        for account in self._state.accounts:
            for user in account.everyone():
                place = _user_place(account, user)
                if user.sip is not None and user.sip.login:
                    login = user.sip.login
                    yield from _claim(logins, login, account.id, (*place, "sip"), f"login {login}")
                if user.static_ip is not None:
                    static = user.static_ip
                    key = (static.transport, static.address)
                    where = (*place, "static_ip")
                    yield from _claim(addresses, key, account.id, where, f"address {key[1]}")
            for number in account.numbers:
                place = ("accounts", account.id, "numbers")
                yield from _claim(owners, number, account.id, place, f"number {number}")

    def _account(self, account: Account) -> Iterator[Finding]:
        yield from self._tariff(account)
        yield from self._seats(account)
        yield from self._extensions(account)
        yield from self._numbers(account)
        yield from self._targets(account)

    def _tariff(self, account: Account) -> Iterator[Finding]:
        if account.tariff is None:
            return
        tariff = self._tariffs.get(account.tariff)
        if tariff is None:
            yield ("tariff",), f"tariff {account.tariff} does not exist"
            return
        currency = self._elsewhere.currencies.get(account.id, tariff.currency)
        if currency != tariff.currency:
            text = f"tariff {tariff.name} is in {tariff.currency}, the account in {currency}"
            yield ("tariff",), text

    def _seats(self, account: Account) -> Iterator[Finding]:
        catalogue = self._state.catalogue
        allowed = min(catalogue.included_users + account.users_bought, catalogue.users_max)
        used = len(account.users) + 1
        if used > allowed:
            yield (
                ("users",),
                f"{used} users with the administrator, but only {allowed} are paid for",
            )

    def _extensions(self, account: Account) -> Iterator[Finding]:
        owners: dict[str, str] = {}
        for extension, owner, place in _extensions_of(account):
            problem = extension_problem(extension, self._state.emergency.numbers)
            if problem:
                yield place, problem
            if extension in owners:
                yield place, f"{extension} belongs to {owners[extension]}"
            owners.setdefault(extension, owner)

    def _numbers(self, account: Account) -> Iterator[Finding]:
        for number, count in Counter(account.numbers).items():
            if number not in self._catalogue:
                yield ("numbers",), f"number {number} is not in the catalogue"
            if count > 1:
                yield ("numbers",), f"number {number} is listed twice"
        if account.default_number is not None:
            yield from self._own(account, account.default_number, ("default_number",))
        for user in account.everyone():
            if user.designated_number not in ("default", "equipment"):
                place = (*_user_place(account, user)[2:], "designated_number")
                yield from self._own(account, user.designated_number, place)
        for flow in account.call_flows:
            yield from self._own(account, flow.number, ("call_flows", flow.number))

    def _own(self, account: Account, number: str, place: Place) -> Iterator[Finding]:
        if number in account.numbers:
            return
        before = self._before.get(account.id)
        if before is not None and number in before.numbers:
            used = " ".join(map(str, place))
            yield ("numbers",), f"number {number} cannot be removed, it is used by {used}"
        else:
            yield place, f"number {number} is not one of the account's"

    def _targets(self, account: Account) -> Iterator[Finding]:
        people = {user.extension for user in account.everyone()}
        groups = {group.extension for group in account.groups}
        known = {
            "user": people,
            "group": groups,
            "voicemail": people | groups,
            "ivr": {ivr.name for ivr in account.ivrs},
        }
        for group in account.groups:
            place: Place = ("groups", group.extension, "members")
            for member in group.members:
                yield from self._known(account, known, Target(user=member), place)
        for ivr in account.ivrs:
            for target in ivr.targets():
                yield from self._known(account, known, target, ("ivrs", ivr.name))
        for flow in account.call_flows:
            for target in flow.targets():
                yield from self._known(account, known, target, ("call_flows", flow.number))

    def _known(
        self, account: Account, known: Mapping[str, set[str]], target: Target, place: Place
    ) -> Iterator[Finding]:
        kind = target.key()
        name = str(getattr(target, kind))
        if kind not in known or name in known[kind]:
            return
        listing = {"user": "users", "voicemail": "users", "group": "groups", "ivr": "ivrs"}[kind]
        if name in _names_of(self._before.get(account.id), listing):
            used = f"{place[0]} {place[1]}"
            yield (listing,), f"{_thing(kind)} {name} cannot be removed, it is used by {used}"
        else:
            yield place, f"{_thing(kind)} {name} does not exist"


def _incomplete(item: Item, place: Place) -> Iterator[Finding]:
    """Objects without what they need."""
    for key in item.missing():
        yield place, f"{key}: is missing"
    for key in type(item).model_fields:
        value = getattr(item, key)
        if isinstance(value, Item):
            yield from _incomplete(value, (*place, key))
        elif isinstance(value, tuple):
            for child in value:
                if isinstance(child, Item) and child.identity and not isinstance(child, Rate):
                    yield from _incomplete(child, (*place, key, child.name_in_list()))


def _claim(
    owners: dict[Any, str], key: Any, account: str, place: Place, what: str
) -> Iterator[Finding]:
    if key in owners:
        yield place, f"{what} is used already in account {owners[key]}"
    owners.setdefault(key, account)


def _told_apart(trunk: Trunk, other: Trunk, source: str) -> bool:
    """Whether two trunks may share an address: both register, and calls to one of them have its
    own contact user in their Request-URI."""
    single = "/" not in source
    both = bool(trunk.registrar) and bool(other.registrar)
    return single and both and contact_user(trunk) != contact_user(other)


def _user_place(account: Account, user: User) -> Place:
    if user is account.administrator:
        return ("accounts", account.id, "administrator")
    return ("accounts", account.id, "users", user.extension)


def _extensions_of(account: Account) -> Iterator[tuple[str, str, Place]]:
    """Each extension, who has it, and where it stands."""
    yield account.administrator.extension, "the administrator", ("administrator",)
    for user in account.users:
        yield user.extension, f"user {user.name}", ("users", user.extension)
    for group in account.groups:
        yield group.extension, f"group {group.name}", ("groups", group.extension)
    for ivr in account.ivrs:
        if ivr.extension is not None:
            yield ivr.extension, f"menu {ivr.name}", ("ivrs", ivr.name)


def _names_of(account: Account | None, listing: str) -> set[str]:
    if account is None:
        return set()
    return {item.name_in_list() for item in getattr(account, listing)}


def _thing(kind: str) -> str:
    return {"ivr": "menu", "voicemail": "mailbox"}.get(kind, kind)
