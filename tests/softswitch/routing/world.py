"""A small provider to route in: two accounts with the same extensions, two trunks, one tariff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from billing.tariff import Rate, TariffIndex
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import (
    Account,
    CallFlow,
    Group,
    Ivr,
    Number,
    RoutingSnapshot,
    Trunk,
    User,
)
from softswitch.routing.plan import PhoneCaller, Plan, RouteRequest, TrunkCaller
from softswitch.routing.route import route

RIGA = AccountId("000000212")
BERLIN = AccountId("000000300")
ANNA, BORIS, GATE = Extension("101"), Extension("102"), Extension("103")
ADMINISTRATOR = Extension("100")
RIGA_NUMBER, RIGA_SECOND, RIGA_FREE = "+37167000001", "+37167000002", "+37180000001"
BERLIN_NUMBER = "+493012345678"
TUESDAY_NOON = datetime(2026, 1, 13, 10, 0, tzinfo=UTC)  # 12:00 in Riga


def rate(prefix: str, **terms: Any) -> Rate:
    """A row of the tariff "standard": 0.06 a minute, 60/60."""
    row = Rate("standard", 3, "EUR", "out", prefix, f"to {prefix}", 60_000, 60, 60)
    return replace(row, **terms)


TARIFF = TariffIndex(
    "standard",
    "EUR",
    [
        rate("371", destination="Latvia"),
        rate("49", destination="Germany"),
        rate("3712", destination="Latvia mobile", per_minute_micros=120_000),
        rate("37190", destination="Premium", blocked=True),
        rate("49", direction="in", destination="Toll-free from Germany", per_minute_micros=30_000),
        rate("48", valid_from="2026-02-01", destination="Poland"),
    ],
)


def user(extension: Extension, name: str, designated_number: str = "default") -> User:
    """A SIP ID user."""
    return User(extension, name, designated_number, login=f"login-{extension}")


def riga(**changes: Any) -> Account:
    """The account that most tests call from and to."""
    users = {
        ADMINISTRATOR: user(ADMINISTRATOR, "Anton"),
        ANNA: user(ANNA, "Anna"),
        BORIS: user(BORIS, "Boris", RIGA_SECOND),
        GATE: user(GATE, "Gate", "equipment"),
    }
    account = Account(
        id=RIGA,
        status="active",
        country="LV",
        time_zone="Europe/Riga",
        tariff=TARIFF,
        currency="EUR",
        default_number=RIGA_NUMBER,
        channels=0,
        users=users,
        groups={Extension("250"): Group(Extension("250"), "Managers", (ANNA, BORIS))},
        ivrs={"Main": Ivr("Main", Extension("500"))},
        numbers=frozenset({RIGA_NUMBER, RIGA_SECOND, RIGA_FREE}),
    )
    return replace(account, **changes)


def berlin(**changes: Any) -> Account:
    """Another customer, with the same extensions."""
    account = Account(
        id=BERLIN,
        status="active",
        country="DE",
        time_zone="Europe/Berlin",
        tariff=TARIFF,
        currency="EUR",
        default_number=BERLIN_NUMBER,
        channels=0,
        users={ADMINISTRATOR: user(ADMINISTRATOR, "Berta"), ANNA: user(ANNA, "Anke")},
        numbers=frozenset({BERLIN_NUMBER}),
    )
    return replace(account, **changes)


NUMBERS: Mapping[str, Number] = {
    RIGA_NUMBER: Number(RIGA_NUMBER, RIGA, "city", "active"),
    RIGA_SECOND: Number(RIGA_SECOND, RIGA, "city", "awaiting_deletion"),
    RIGA_FREE: Number(RIGA_FREE, RIGA, "toll_free", "active"),
    BERLIN_NUMBER: Number(BERLIN_NUMBER, BERLIN, "city", "active"),
}
TRUNKS: Mapping[str, Trunk] = {
    "carrier": Trunk("carrier", (), "sip:127.0.0.9:5060", "e164", 10),
    "second": Trunk("second", (), "sip:127.0.0.10:5060", "plain", 0),
}


def snapshot(*accounts: Account, **changes: Any) -> RoutingSnapshot:
    """A snapshot with these accounts in place of the usual two."""
    found = {account.id: account for account in (riga(), berlin(), *accounts)}
    usual = RoutingSnapshot(
        accounts=found,
        numbers=NUMBERS,
        trunks=TRUNKS,
        routes={"": ("second",), "371": ("carrier", "second"), "3": ("second",)},
        emergency_numbers=frozenset({"112"}),
        emergency_trunks=("carrier",),
    )
    return replace(usual, **changes)


@dataclass
class State:
    """What is up: nothing, and everybody is reachable, unless said otherwise."""

    unreachable: set[tuple[AccountId, str]] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)

    def reachable(self, account: AccountId, extension: Extension) -> bool:
        """Whether the user was not declared unreachable."""
        return (account, extension) not in self.unreachable

    def account_calls(self, account: AccountId) -> int:
        """Calls under the account's id."""
        return self.calls.get(account, 0)

    def number_calls(self, number: str) -> int:
        """Calls under the number."""
        return self.calls.get(number, 0)

    def trunk_calls(self, trunk: str) -> int:
        """Calls under the trunk's name."""
        return self.calls.get(trunk, 0)

    def trunk_busy(self, trunk: str) -> str | None:
        """What was said of the trunk."""
        return self.busy.get(trunk)

    def trunk_down(self, trunk: str) -> str | None:
        """What was said of the trunk."""
        return self.down.get(trunk)


def dial(
    dialled: str,
    *,
    world: RoutingSnapshot | None = None,
    state: State | None = None,
    by: Extension = ANNA,
    account: AccountId = RIGA,
    presented: str = "",
    at: datetime = TUESDAY_NOON,
) -> Plan:
    """What happens when a user dials."""
    request = RouteRequest(PhoneCaller(account, by), dialled, presented, at)
    return route(request, world or snapshot(), state or State())


def ring(
    dialled: str,
    *,
    world: RoutingSnapshot | None = None,
    state: State | None = None,
    trunk: str = "carrier",
    presented: str = "+4915112345678",
    at: datetime = TUESDAY_NOON,
) -> Plan:
    """What happens when a carrier sends a call."""
    request = RouteRequest(TrunkCaller(trunk), dialled, presented, at)
    return route(request, world or snapshot(), state or State())


def flow(to: dict[str, Any], number: str = RIGA_NUMBER, **terms: Any) -> RoutingSnapshot:
    """A snapshot in which this is the call flow of a number of the Riga account."""
    call_flow = CallFlow(number=number, to=to, timeout_s=terms.pop("timeout_s", 20), **terms)
    return snapshot(riga(flows={number: call_flow}))
